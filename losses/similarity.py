"""Similarity blocks: the one place where embeddings become the numbers that every loss is made of.

Embeddings are rows of unit length. A similarity is their inner product, computed in float32 whatever the
precision of the input (float64 stays float64): bfloat16 has a spacing of 0.06 at a logit of 14, which is
more than the loss of a trained model.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from losses.checks import check_views
from losses.numerics import in_full_precision
from losses.pairs import put, row_index, take


class Similarity(NamedTuple):
    """Inner products of a batch: between the views, and within each view where a loss asks for it."""

    cross: Float[Tensor, "*lead batch batch"]
    """u_i . v_j; the diagonal holds the positives."""
    within_u: Float[Tensor, "*lead batch batch"] | None
    within_v: Float[Tensor, "*lead batch batch"] | None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Similarity":
        """The same change to every block that is there."""
        within = (None if block is None else change(block) for block in (self.within_u, self.within_v))
        return Similarity(change(self.cross), *within)


def similarity(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    within: bool,
    batches: Int[Tensor, "*any n_batches batch"] | None = None,
) -> Similarity:
    """The similarity blocks of the whole set, or of each of its `batches`.

    With `batches` [n_batches, batch] the blocks gain an axis: [*lead, n_batches, batch, batch]. They are cut
    out of one n x n product when that is less work than a product per batch (all N-choose-B batches), and
    multiplied batch by batch when it is not (a partition of many pairs).

    Args:
        u: First view.
        v: Second view; row i is the positive of row i of `u`.
        within: Whether u_i . u_j and v_i . v_j are wanted too.
        batches: Row numbers, shared by all leading dimensions or one table for each of them.

    Raises:
        ValueError: If `u` and `v` differ in shape.
    """
    check_views(u, v)
    u, v = in_full_precision(u), in_full_precision(v)
    if batches is None:
        return _blocks(u, v, within=within)
    if _one_product_is_less(u, batches):
        whole = _blocks(u, v, within=within)
        return whole.map(lambda gram: _cut_blocks(gram, batches))
    rows = row_index(batches, u)
    return _blocks(take(u, rows, batches), take(v, rows, batches), within=within)


def pull_back(
    slope: Similarity,
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    batches: Int[Tensor, "*any n_batches batch"],
) -> tuple[Float[Tensor, "*lead n dim"], Float[Tensor, "*lead n dim"]]:
    """From the slope with respect to the blocks of `similarity` to the gradients of u and v: its transpose."""
    u, v = in_full_precision(u), in_full_precision(v)
    if _one_product_is_less(u, batches):
        whole = slope.map(lambda block: _paste_blocks(block, batches, u.shape[-2]))
        return _multiply_back(whole, u, v)
    rows = row_index(batches, u)
    du, dv = _multiply_back(slope, take(u, rows, batches), take(v, rows, batches))
    return put(du, rows, u), put(dv, rows, v)


def _one_product_is_less(u: Tensor, batches: Tensor) -> bool:
    """Whether the n x n product costs less than gathering the rows of every batch."""
    return batches.shape[-2] * batches.shape[-1] * u.shape[-1] > u.shape[-2] ** 2


def _blocks(u: Tensor, v: Tensor, *, within: bool) -> Similarity:
    # Autocast would run these products in half precision; they are a small part of any step.
    with torch.autocast(u.device.type, enabled=False):
        cross = u @ v.mT
        return Similarity(cross, u @ u.mT if within else None, v @ v.mT if within else None)


def _multiply_back(slope: Similarity, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    cross, within_u, within_v = slope
    du, dv = cross @ v, cross.mT @ u
    if within_u is not None:
        du = du + (within_u + within_u.mT) @ u
    if within_v is not None:
        dv = dv + (within_v + within_v.mT) @ v
    return du, dv


def _cut_blocks(
    gram: Float[Tensor, "*lead n n"], batches: Int[Tensor, "*any n_batches batch"]
) -> Float[Tensor, "*lead n_batches batch batch"]:
    flat = _entries(batches, gram.shape[-1], gram.shape[:-2])
    cut = gram.flatten(-2).gather(-1, flat)
    return cut.unflatten(-1, (batches.shape[-2], batches.shape[-1], batches.shape[-1]))


def _paste_blocks(
    blocks: Float[Tensor, "*lead n_batches batch batch"], batches: Int[Tensor, "*any n_batches batch"], n: int
) -> Float[Tensor, "*lead n n"]:
    lead = blocks.shape[:-3]
    flat = _entries(batches, n, lead)
    return blocks.new_zeros(*lead, n * n).scatter_add_(-1, flat, blocks.flatten(-3)).unflatten(-1, (n, n))


def _entries(
    batches: Int[Tensor, "*any n_batches batch"], n: int, lead: torch.Size
) -> Int[Tensor, "*lead entries"]:
    """Where the entries (b_i, b_j) of every batch lie in a flattened n x n matrix."""
    flat = (batches[..., :, None] * n + batches[..., None, :]).flatten(-3)
    return flat.expand(*lead, flat.shape[-1])
