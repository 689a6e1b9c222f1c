"""What all losses share: their interface, how views and tables of batches are read, how values are reduced.

A loss is written for embeddings [*lead, n, dim] whose leading dimensions are independent problems. The rest
comes from here:

    u, v = paired(u, v, batches, group)       # checked, in full precision, [*lead, n_batches, batch, dim]
    per_pair = ...                            # [*lead, n_batches, batch]
    return reduced(own(per_pair, group), reduction)
"""

from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from losses.checks import check_alone, check_views
from losses.distributed import Group, gather
from losses.numerics import in_full_precision, row_sum

Reduction = Literal["mean", "sum", "none"]
Batches = Int[Tensor, "*any n_batches batch"]


@runtime_checkable
class Loss(Protocol):
    """A loss with its settings: a pure function of paired embeddings. `make_loss` binds the settings."""

    def __call__(
        self,
        u: Float[Tensor, "*lead n dim"],
        v: Float[Tensor, "*lead n dim"],
        *,
        reduction: Reduction = "mean",
        batches: Batches | None = None,
    ) -> Float[Tensor, "*values"]:
        """The loss of one batch, or of each batch of a table."""
        ...


def takes_index(loss: object) -> bool:
    """Whether a loss keeps something for every pair, and is called with their numbers: loss(u, v, index=...)."""
    return getattr(loss, "takes_index", False)


def paired(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    batches: Batches | None = None,
    group: Group | None = None,
) -> tuple[Float[Tensor, "*more m dim"], Float[Tensor, "*more m dim"]]:
    """The two views as a loss computes with them.

    Checked, in float32 (in float64 if one of them is), cut into the `batches` of a table, or joined with the pairs
    of the other ranks of a `group`, in the order of the ranks.

    Raises:
        ValueError: If `u` and `v` differ in shape, or `group` comes with leading dimensions or batches.
    """
    check_views(u, v)
    u, v = in_full_precision(u), in_full_precision(v)
    if u.dtype != v.dtype:
        u, v = u.double(), v.double()
    if group is not None:
        check_alone(u, batches, group=group)
        return gather(u, group), gather(v, group)
    if batches is None:
        return u, v
    rows = row_index(batches, u)
    return take(u, rows, batches), take(v, rows, batches)


def reduced(per_pair: Float[Tensor, "*lead n"], reduction: Reduction) -> Float[Tensor, "*values"]:
    """The mean or the sum over the pairs of a batch, or each pair's own value ("none")."""
    if reduction not in get_args(Reduction):
        raise ValueError(f"reduction must be one of {', '.join(get_args(Reduction))}, got {reduction!r}")
    if reduction == "none":
        return per_pair
    total = row_sum(per_pair)
    return total / per_pair.shape[-1] if reduction == "mean" else total


def row_index(batches: Batches, x: Float[Tensor, "*lead n dim"]) -> Int[Tensor, "*lead rows dim"]:
    """The batches as an index for `gather` along the rows of x."""
    flat = batches.flatten(-2)[..., None]
    return flat.expand(*x.shape[:-2], flat.shape[-2], x.shape[-1])


def take(x: Float[Tensor, "*lead n dim"], rows: Tensor, batches: Batches) -> Float[Tensor, "*more batch dim"]:
    """The rows of every batch."""
    return x.gather(-2, rows).unflatten(-2, batches.shape[-2:])


def at_batches(x: Shaped[Tensor, "*lead n"], batches: Batches) -> Shaped[Tensor, "*more n_batches batch"]:
    """What each pair has one of (a label, a weight), cut into batches; shared, or one row per leading index."""
    if x.dim() == 1:
        return x[batches]
    flat = batches.flatten(-2)
    return x.gather(-1, flat.expand(*x.shape[:-1], flat.shape[-1])).unflatten(-1, batches.shape[-2:])


def put(
    taken: Float[Tensor, "*more batch dim"], rows: Tensor, like: Float[Tensor, "*lead n dim"]
) -> Float[Tensor, "*lead n dim"]:
    """The transpose of `take`: zeros, with every row added where it came from."""
    return torch.zeros_like(like).scatter_add_(-2, rows, taken.flatten(-3, -2))
