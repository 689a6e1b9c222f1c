"""A walk through the matrix of similarities by blocks of rows, so that it need never be held.

Blocks that stay in the cache are faster than a large matrix even where there is room for one: at B = 4096 a CPU
spends longer on the pages of one fresh B x B matrix than on computing it twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_BLOCK = {"cpu": 2**21, "other": 2**26}
"""Entries of a block where the caller does not say."""
_ROWS = 256
"""At least so many at a time: products of fewer rows are slow."""
_KEEP = {"cpu": 2**22, "other": 2**28}
"""Entries of a matrix that is kept for the backward pass where the caller does not say."""


@dataclass(frozen=True)
class Exclusion:
    """Which keys an anchor is not compared with."""

    diagonal: int | None = 0
    """Key `diagonal + i` is anchor i itself or its partner; None: no such key."""
    bias: float = -torch.inf
    """Added to the similarity with that key."""
    anchor_ids: Int[Tensor, " n"] | None = None
    key_ids: Int[Tensor, " m"] | None = None
    """Keys with the number of the anchor are left out."""
    mask: Bool[Tensor, "n m"] | None = None
    """True leaves out."""
    only: bool = False
    """Leave out the keys with other numbers instead."""

    def apply(self, logits: Float[Tensor, "rows m"], start: int) -> None:
        """In place, to the rows from `start` on."""
        rows = slice(start, start + logits.shape[0])
        if self.diagonal is not None and self.bias:
            logits.diagonal(start + self.diagonal).add_(self.bias)
        if self.anchor_ids is not None and self.key_ids is not None:
            compare = torch.ne if self.only else torch.eq
            logits.masked_fill_(compare(self.anchor_ids[rows, None], self.key_ids), -torch.inf)
        if self.mask is not None:
            logits.masked_fill_(self.mask[rows], -torch.inf)


RowBlocks = Iterator[tuple[slice, Tensor, Tensor]]
"""(rows, their logits, scratch space of the same size), block by block."""


@dataclass(frozen=True)
class Walk:
    """How the matrix is walked through."""

    exclusion: Exclusion
    rows: int
    """Of a block."""
    keep: bool
    """Whether the matrix is kept for the backward pass."""
    shift: Float[Tensor, ""] | None = None
    """Added to every entry."""

    @classmethod
    def through(
        cls, x: Tensor, y: Tensor, exclusion: Exclusion, chunk_size: int | None, shift: Tensor | None = None
    ) -> "Walk":
        """Through the products of the rows of x and y; `chunk_size` rows at a time, or as many as suits."""
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size counts anchors and is at least 1, got {chunk_size}; None chooses")
        kind = "cpu" if x.device.type == "cpu" else "other"
        rows = chunk_size or max(_ROWS, _BLOCK[kind] // y.shape[0])
        keep = chunk_size is None and x.shape[0] * y.shape[0] <= _KEEP[kind]
        return cls(exclusion, max(1, min(rows, x.shape[0])), keep, shift)

    def first(
        self, x: Tensor, y: Tensor, scale: Tensor, partners: Tensor | None = None
    ) -> tuple[Tensor | None, RowBlocks]:
        """The matrix that will be filled, if it is to be kept, and the blocks.

        `partners` receives the entries on the diagonal before they are excluded.
        """
        kept = x.new_empty(x.shape[0], y.shape[0]) if self.keep else None
        return kept, self._blocks(x, y, scale, kept, partners, fill=True)

    def again(self, x: Tensor, y: Tensor, scale: Tensor, kept: Tensor | None) -> RowBlocks:
        """The same blocks, as kept or computed once more."""
        return self._blocks(x, y, scale, kept, None, fill=kept is None)

    def on_diagonal(self, block: Tensor, start: int) -> Tensor:
        """A block's entries of each row with its own key."""
        assert self.exclusion.diagonal is not None
        return block.diagonal(start + self.exclusion.diagonal)

    def _blocks(
        self, x: Tensor, y: Tensor, scale: Tensor, kept: Tensor | None, partners: Tensor | None, *, fill: bool
    ) -> RowBlocks:
        scratch = x.new_empty(self.rows, y.shape[0])
        for start in range(0, x.shape[0], self.rows):
            part = slice(start, min(start + self.rows, x.shape[0]))
            space = scratch[: part.stop - start]
            block = space if kept is None else kept[part]
            if fill:
                self._multiply(x[part], y, scale, block)
                if partners is not None:
                    partners[part] = self.on_diagonal(block, start)
                self.exclusion.apply(block, start)
            yield part, block, space

    def _multiply(self, x: Tensor, y: Tensor, scale: Tensor, out: Tensor) -> None:
        """The logits of some rows."""
        if not (x.is_cuda or torch.compiler.is_compiling()):  # there a number may be read without waiting
            start, beta = (out, 0) if self.shift is None else (self.shift, 1)
            torch.addmm(start, x, y.mT, beta=beta, alpha=scale.item(), out=out)
            return
        torch.mm(x * scale, y.mT, out=out)
        if self.shift is not None:
            out.add_(self.shift)


def first_derivative(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A backward pass that refuses to be differentiated itself, where it would give wrong numbers silently."""

    def checked(ctx: Any, *slopes: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "a second derivative (create_graph=True) of a loss of one batch was asked for, which has the first "
                "in closed form only: pass u[None] and v[None], whose derivatives are autograd's"
            )
        return backward(ctx, *slopes)

    return checked
