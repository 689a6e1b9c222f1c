"""How much loss two pairs cause each other when they meet in a batch: the weights that engines maximise."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_LARGEST_EXPONENT = {torch.float32: 43.0, torch.float64: 350.0}
"""Such exponentials can be multiplied."""


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
    shift = math.log(batch_size - 1) if batch_size > 1 else -torch.inf
    cross = u @ v.mT / temperature
    threshold = cross.diagonal(dim1=-2, dim2=-1)[..., None] - shift
    if 2 / temperature + shift < _LARGEST_EXPONENT[u.dtype]:  # log(1 + a) + log(1 + b), by one e^x and one log
        scale, cross = threshold.neg().exp_(), cross.exp_()
        a, b = cross * scale, cross.mT * scale
        one_way = torch.addcmul(a + b, a, b).log1p_()
    else:
        softplus = functional.softplus
        one_way = softplus(cross - threshold) + softplus(cross.mT - threshold)
    return one_way + one_way.mT
