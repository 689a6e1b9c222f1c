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

from losses.similarity import Similarity


@dataclass(frozen=True)
class Contrast:
    """Every anchor of a batch against its negatives; the diagonal of each block is no negative: -inf."""

    negatives: Similarity
    log_sum_u: Float[Tensor, "*lead batch"]
    log_sum_v: Float[Tensor, "*lead batch"]
    excess_u: Float[Tensor, "*lead batch"]
    """logsumexp of the negatives of u_i, minus its positive."""
    excess_v: Float[Tensor, "*lead batch"]

    @classmethod
    def of(cls, logits: Similarity) -> "Contrast":
        """From similarities divided by the temperature; the blocks within the views are optional."""
        positive = logits.cross.diagonal(dim1=-2, dim2=-1).clone()
        negatives = Similarity(*(None if block is None else _without_diagonal(block) for block in logits))
        log_sum_u = negatives.cross.logsumexp(-1)
        log_sum_v = negatives.cross.logsumexp(-2)
        if negatives.within_u is not None and negatives.within_v is not None:
            log_sum_u = torch.logaddexp(log_sum_u, negatives.within_u.logsumexp(-1))
            log_sum_v = torch.logaddexp(log_sum_v, negatives.within_v.logsumexp(-1))
        return cls(negatives, log_sum_u, log_sum_v, log_sum_u - positive, log_sum_v - positive)

    def losses(self) -> tuple[Float[Tensor, "*lead batch"], Float[Tensor, "*lead batch"]]:
        """The loss of each anchor of u, and of each anchor of v, in nats."""
        return functional.softplus(self.excess_u), functional.softplus(self.excess_v)

    def slope(self, weight_u: Tensor | float, weight_v: Tensor | float) -> Similarity:
        """The gradient of sum(weight_u * losses_u + weight_v * losses_v) with respect to the logits."""
        wrong_u, wrong_v = weight_u * self.excess_u.sigmoid(), weight_v * self.excess_v.sigmoid()
        by_row = (wrong_u[..., None], self.log_sum_u[..., None])
        by_column = (wrong_v[..., None, :], self.log_sum_v[..., None, :])
        cross, within_u, within_v = self.negatives
        slope = _softmax(cross, *by_row).add_(_softmax(cross, *by_column))
        slope.diagonal(dim1=-2, dim2=-1).copy_(-wrong_u - wrong_v)
        return Similarity(
            slope,
            None if within_u is None else _softmax(within_u, *by_row),
            None if within_v is None else _softmax(within_v, wrong_v[..., None], self.log_sum_v[..., None]),
        )


def anchor_losses(
    logits: Similarity,
) -> tuple[Float[Tensor, "*lead batch"], Float[Tensor, "*lead batch"]]:
    """`Contrast.of(logits).losses()` under autograd, with the slope above as its backward pass."""
    return _AnchorLosses.apply(*logits)  # pyright: ignore[reportReturnType]


class _AnchorLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *logits: Tensor | None) -> tuple[Tensor, Tensor]:
        contrast = Contrast.of(Similarity(*logits))  # pyright: ignore[reportArgumentType]
        ctx.contrast = contrast
        return contrast.losses()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *weights: Tensor) -> Similarity:
        return ctx.contrast.slope(*weights)


def _without_diagonal(
    block: Float[Tensor, "*lead batch batch"],
) -> Float[Tensor, "*lead batch batch"]:
    block = block.clone()
    block.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return block


def _softmax(negatives: Tensor, wrong: Tensor, log_sum: Tensor) -> Float[Tensor, "*lead batch batch"]:
    return (negatives - log_sum).exp_().mul_(wrong)
