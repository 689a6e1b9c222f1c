"""How much loss two pairs cause each other when they meet in a batch: the weights that engines maximise."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def pair_weights(
    u: Float[Tensor, "*replicates n dim"],
    v: Float[Tensor, "*replicates n dim"],
    *,
    batch_size: int,
    temperature: float,
) -> Float[Tensor, "*replicates n n"]:
    """How much loss the pairs i and j cause each other, in nats.

    w_ij = sum over (a, b) in {(i, j), (j, i)} of
           log(1 + (B-1) e^{u_a.(v_b - v_a)/tau}) + log(1 + (B-1) e^{v_a.(u_b - u_a)/tau}).

    By Jensen's inequality (log(1+x) is concave) the two-direction loss of a batch b is at least
    sum_{i<j in b} w_ij / (B(B-1)), with equality for B = 2. The diagonal means nothing.

    References:
        Cho et al., 2024, Section 5 (temperature 1), arXiv 2307.05906, where it is called an upper bound.
    """
    cross = u @ v.mT / temperature
    positive = cross.diagonal(dim1=-2, dim2=-1)[..., None]
    shift = math.log(batch_size - 1) if batch_size > 1 else -torch.inf
    one_way = functional.softplus(cross - positive + shift) + functional.softplus(cross.mT - positive + shift)
    return one_way + one_way.mT


def exchange_weights(
    u: Float[Tensor, "*pools n dim"], v: Float[Tensor, "*pools n dim"], *, temperature: float
) -> Float[Tensor, "*pools n n"]:
    """What the pairs i and j add to each other's sums of negatives.

    w_ij = sum over (a, b) in {(i, j), (j, i)} of e^{u_a.(v_b - v_a)/tau} + e^{v_a.(u_b - u_a)/tau}, and w_ii = 0.

    The loss of a batch is the mean of log(1 + x) over its 2B anchors, whose x add up to the batch's sum of w_ij
    over i < j: unlike `pair_weights` this does not depend on the batch size, and at the temperatures in use it
    is dominated by the few negatives that the loss is dominated by. Exponents are clipped at 30, far beyond
    where log(1 + x) is a straight line.
    """
    cross = u @ v.mT / temperature
    positive = cross.diagonal(dim1=-2, dim2=-1)[..., None].clone()
    back = (cross.mT - positive).clamp_(max=30).exp_()
    one_way = (cross - positive).clamp_(max=30).exp_().add_(back)
    del cross, back
    weights = one_way + one_way.mT
    weights.diagonal(dim1=-2, dim2=-1).zero_()
    return weights
