"""What all losses share: their interface, their precision, how a table of batches is read, how values are reduced.

A loss is written for embeddings [*lead, n, dim] whose leading dimensions are independent problems. The rest
comes from here:

    u, v = paired(u, v, batches, group)       # checked, in full precision, [*lead, n_batches, batch, dim]
    per_pair = ...                            # [*lead, n_batches, batch]
    return reduced(own(per_pair, group), reduction)
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from losses.distributed import Group, gather, own

Reduction = Literal["mean", "sum", "none"]
Batches = Int[Tensor, "*any n_batches batch"]

_SHORT = 16


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


def paired(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    batches: Batches | None = None,
    group: Group | None = None,
) -> tuple[Float[Tensor, "*more m dim"], Float[Tensor, "*more m dim"]]:
    """The two views as a loss computes with them.

    In float32 (float64 stays), cut into the `batches` of a table, or joined with the pairs of the other ranks of
    a `group`, in the order of the ranks.

    Raises:
        ValueError: If `u` and `v` differ in shape, or `group` comes with leading dimensions or batches.
    """
    if u.shape != v.shape:
        raise ValueError(
            f"u and v must pair row by row, so their shapes must be equal; "
            f"got {tuple(u.shape)} and {tuple(v.shape)}: pass as many rows of one as of the other"
        )
    u, v = in_full_precision(u), in_full_precision(v)
    if group is not None:
        if batches is not None or u.dim() != 2:
            raise ValueError(
                f"a process group joins one batch of each rank, so u and v must be [n, dim] without a table of "
                f"batches; got {tuple(u.shape)}{'' if batches is None else ' and a table'}: leave out group"
            )
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


def check_positive(**values: int | float | Tensor) -> None:
    """Refuse what is not positive; tensors are taken on trust, for reading one would wait for the device."""
    for name, value in values.items():
        if not isinstance(value, Tensor) and not value > 0:
            usual = "; values in use lie between 0.01 and 1" if name == "temperature" else ""
            raise ValueError(f"{name} must be positive, got {value}{usual}")


def check_options(
    u: Float[Tensor, "*lead n dim"], options: Mapping[str, Any], known: Collection[str], **more: Tensor | None
) -> None:
    """Refuse options that nobody knows, that do not fit u, or that make sense for one batch only among several.

    Raises:
        TypeError: If there is an unknown option.
        ValueError: If a length is wrong, or an option does not go with leading dimensions or a table of batches.
    """
    for name in options:
        if name not in known:
            raise TypeError(f"there is no option {name!r} here; known are {', '.join(known)}")
    n, dim = u.shape[-2:]
    wanted = {"ids": (n,), "exclude": (n, n), "negatives": (dim,)}
    given = {name: value for name, value in {**options, **more}.items() if value is not None}
    for name, shape in wanted.items():
        if name in given and given[name].shape[-len(shape) :] != shape:
            raise ValueError(
                f"{name} must end in {shape} for u of {tuple(u.shape)}, got {tuple(given[name].shape)}"
            )
    if options.get("batches") is None and u.dim() == 2:
        return
    for name in given.keys() - {"reduction", "batches", "ids"}:
        raise ValueError(f"{name} goes with one batch, u and v of shape [n, dim] and no table; leave it out")


def in_full_precision(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """float32, or float64 where the input has it."""
    return x if x.dtype == torch.float64 else x.float()


def row_sum(x: Float[Tensor, "*lead keys"]) -> Float[Tensor, "*lead"]:
    """x.sum(-1). On a CPU, rows of a few entries go through BLAS, which adds them 20 times faster."""
    if x.shape[-1] > _SHORT or x.device.type != "cpu":
        return x.sum(-1)
    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return row_sum(x)
    return (x.reshape(-1, x.shape[-1]) @ x.new_ones(x.shape[-1])).reshape(x.shape[:-1])


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + e^x); torch's own is wrong by 2e-9 from x = 20 on, which float64 can tell."""
    return functional.softplus(x, threshold=40)


def log_one_plus_sum_exp(
    x: Float[Tensor, "*lead keys"], keep: Bool[Tensor, "*lead keys"]
) -> Float[Tensor, "*lead"]:
    """log(1 + sum of e^x over what is kept): exact where the sum is tiny; 0, without slope, where it is empty."""
    some = keep.any(-1)
    kept = x.masked_fill(~keep & some[..., None], -torch.inf)  # a row of nothing but -inf has a slope of NaN
    total = torch.logsumexp(kept, -1)
    return torch.where(some, torch.logaddexp(total, torch.zeros_like(total)), 0)


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


__all__ = [
    "Batches",
    "Group",
    "Loss",
    "Reduction",
    "at_batches",
    "check_options",
    "check_positive",
    "gather",
    "in_full_precision",
    "log_one_plus_sum_exp",
    "own",
    "paired",
    "put",
    "reduced",
    "row_index",
    "row_sum",
    "softplus",
    "take",
]
