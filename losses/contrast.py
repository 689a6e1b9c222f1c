"""The core that the InfoNCE family shares: softplus(logsumexp of the negatives - positive), and its slope.

For an anchor with positive logit p and negative logits n_1, n_2, ... the loss is

    -log( e^p / (e^p + sum_k e^{n_k}) )  =  softplus( logsumexp_k n_k - p ).

The right-hand side is what is computed. The left-hand one, a cross-entropy, loses its digits when the positive
wins: at a loss of 1e-7 its float32 gradient is wrong by 2 %, that of the softplus form by 3e-6.

The slope is in closed form. With sigma = sigmoid(logsumexp n - p), the probability of being wrong,
d loss / d n_k = sigma softmax_k(n) and d loss / d p = -sigma.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from losses.similarity import Similarity, row_sum


@dataclass(frozen=True)
class Contrast:
    """Every anchor of a batch against its negatives, in the direction of u and in that of v."""

    of_u: "Direction"
    of_v: "Direction"

    @classmethod
    def of(cls, logits: Similarity) -> "Contrast":
        """From similarities divided by the temperature; the blocks within the views are optional."""
        positive = logits.cross.diagonal(dim1=-2, dim2=-1)
        return cls(
            Direction.of(logits.cross, logits.within_u, positive),
            Direction.of(logits.cross.mT, logits.within_v, positive),
        )

    def losses(self) -> tuple[Float[Tensor, "*lead batch"], Float[Tensor, "*lead batch"]]:
        """The loss of each anchor of u, and of each anchor of v, in nats."""
        return functional.softplus(self.of_u.excess), functional.softplus(self.of_v.excess)

    def slope(self, weight_u: Tensor | float, weight_v: Tensor | float) -> Similarity:
        """The gradient of sum(weight_u * losses_u + weight_v * losses_v) with respect to the logits."""
        (cross_u, within_u), (cross_v, within_v) = self.of_u.slope(weight_u), self.of_v.slope(weight_v)
        return Similarity(cross_u + cross_v.mT, within_u, within_v)


@dataclass(frozen=True)
class Direction:
    """The anchors of one view. An anchor's own column in a block is no negative of it."""

    weights: list[Float[Tensor, "*lead batch batch"]]
    """e^(negative - peak) for each block of keys, 0 where there is no negative."""
    total: Float[Tensor, "*lead batch"]
    """Their sum over all blocks."""
    excess: Float[Tensor, "*lead batch"]
    """logsumexp of the negatives, minus the positive."""

    @classmethod
    def of(cls, cross: Tensor, within: Tensor | None, positive: Tensor) -> "Direction":
        """Keys of the other view, and of the same view where they are given."""
        blocks = [_without_diagonal(block) for block in (cross, within) if block is not None]
        peak = blocks[0].amax(-1)
        if len(blocks) == 2:
            peak = torch.maximum(peak, blocks[1].amax(-1))
        weights = [block.sub_(peak[..., None]).exp_() for block in blocks]
        total = row_sum(weights[0])
        if len(blocks) == 2:
            total = total + row_sum(weights[1])
        return cls(weights, total, total.log() + peak - positive)

    def slope(self, weight: Tensor | float) -> tuple[Tensor, Tensor | None]:
        """The gradient of sum(weight * losses) with respect to the blocks of keys."""
        wrong = weight * self.excess.sigmoid()
        share = (wrong / self.total)[..., None]
        blocks = [weights * share for weights in self.weights]
        blocks[0].diagonal(dim1=-2, dim2=-1).sub_(wrong)
        return blocks[0], blocks[1] if len(blocks) == 2 else None


def anchor_losses(
    logits: Similarity,
) -> tuple[Float[Tensor, "*lead batch"], Float[Tensor, "*lead batch"]]:
    """`Contrast.of(logits).losses()` under autograd, with the slope above as its backward pass."""
    if not torch.is_grad_enabled() or not logits.cross.requires_grad:
        return Contrast.of(logits).losses()
    return _AnchorLosses.apply(*logits)  # pyright: ignore[reportReturnType]


class _AnchorLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *logits: Tensor | None) -> tuple[Tensor, Tensor]:
        contrast = Contrast.of(Similarity(*logits))  # pyright: ignore[reportArgumentType]
        ctx.contrast = contrast
        return contrast.losses()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *weights: Tensor) -> Similarity:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.contrast.slope(*weights)


def _without_diagonal(block: Float[Tensor, "*lead batch batch"]) -> Float[Tensor, "*lead batch batch"]:
    block = block.clone(memory_format=torch.contiguous_format)
    block.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return block
