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

from losses.pairs import row_sum
from losses.similarity import Similarity


@dataclass(frozen=True)
class Contrast:
    """Every anchor of a batch against its negatives; the leading axis holds the direction of u, then that of v."""

    weights: list[Float[Tensor, "directions *lead batch batch"]]
    """e^(negative - peak): keys of the other view, then of the same view if they count; 0 where there is none."""
    total: Float[Tensor, "directions *lead batch"]
    """Sum of an anchor's weights."""
    excess: Float[Tensor, "directions *lead batch"]
    """logsumexp of an anchor's negatives, minus its positive."""

    @classmethod
    def of(cls, logits: Similarity, *, both: bool) -> "Contrast":
        """From similarities divided by the temperature, for the anchors of u alone or of both views."""
        cross, within_u, within_v = logits
        positive = cross.diagonal(dim1=-2, dim2=-1)
        blocks = [torch.stack([cross, cross.mT] if both else [cross])]
        if within_u is not None and within_v is not None:
            blocks.append(torch.stack([within_u, within_v] if both else [within_u]))
        for block in blocks:  # an anchor's partner, and the anchor itself, are no negatives of it
            block.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
        peak = blocks[0].amax(-1)
        if len(blocks) == 2:
            peak = torch.maximum(peak, blocks[1].amax(-1))
        weights = [block.sub_(peak[..., None]).exp_() for block in blocks]
        total = row_sum(weights[0]) if len(weights) == 1 else row_sum(weights[0]) + row_sum(weights[1])
        return cls(weights, total, total.log() + peak - positive)

    def losses(self) -> Float[Tensor, "directions *lead batch"]:
        """The loss of each anchor, in nats."""
        return functional.softplus(self.excess)

    def slope(self, weight: Float[Tensor, "directions *lead batch"] | float) -> Similarity:
        """The gradient of sum(weight * losses) with respect to the logits."""
        wrong = weight * self.excess.sigmoid()
        share = (wrong / self.total)[..., None]
        cross, *within = [weights * share for weights in self.weights]
        cross.diagonal(dim1=-2, dim2=-1).sub_(wrong)
        if len(cross) == 1:
            return Similarity(cross[0], within[0][0] if within else None, None)
        of_u, of_v = cross.unbind()
        within_u, within_v = within[0].unbind() if within else (None, None)
        return Similarity(of_u + of_v.mT, within_u, within_v)


def anchor_losses(logits: Similarity, *, both: bool) -> Float[Tensor, "directions *lead batch"]:
    """`Contrast.of(logits).losses()` under autograd, with the slope above as its backward pass."""
    if not torch.is_grad_enabled() or not logits.cross.requires_grad:
        return Contrast.of(logits, both=both).losses()
    return _AnchorLosses.apply(both, *logits)  # pyright: ignore[reportReturnType]


class _AnchorLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: bool, *logits: Tensor | None) -> Tensor:
        ctx.contrast = Contrast.of(Similarity(*logits), both=both)  # pyright: ignore[reportArgumentType]
        return ctx.contrast.losses()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None, *ctx.contrast.slope(weight)
