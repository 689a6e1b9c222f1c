"""Bounds of a batch's loss by sums over the pairs in it: what a partition of a graph can maximise.

For the two-direction loss `clip_sum` of a batch b of B pairs, with ``x_ij = e^(u_i.(v_j - v_i) / tau)`` and
``y_ij = e^(v_i.(u_j - u_i) / tau)``,

    L_b = (1/B) sum_{i in b} [log(1 + sum_j x_ij) + log(1 + sum_j y_ij)],    j over the other members of b,

and with ``w_c(i, j)`` the sum over (a, b) in {(i, j), (j, i)} of ``log(1 + c x_ab) + log(1 + c y_ab)``,

    lower:  L_b >= 1 / (B (B - 1)) sum_{i < j in b} w_(B-1)(i, j)
    upper:  L_b <= 1 / B           sum_{i < j in b} w_1(i, j).

*Lower.* ``1 + sum_j x_j`` is the mean over the B - 1 partners of ``1 + (B - 1) x_j``, and log is concave (Jensen).
*Upper.* ``1 + sum_j x_j <= prod_j (1 + x_j)``. For B = 2 both are equalities, so that a partition into pairs has
the largest loss exactly if it is a perfect matching of the largest weight.

The weights ``w_(B-1)`` are those of the spectral selection of Cho et al. They are sometimes called an upper bound
of the batch loss. With the factor 1 / (B (B - 1)) of the mean over partners they are a lower bound, as above. With
the factor 1 / B they are an upper bound, as w_(B-1) >= w_1, but B - 1 times larger. So the sum of these weights
determines the loss up to the factor B - 1, and the partition that maximises it is exact for B = 2 only.

References:
    Cho et al., 2024, Section 5, arXiv 2307.05906 (the weights, at temperature 1).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Points = Float[np.ndarray, "n dim"]


class LossBounds(NamedTuple):
    """Bounds of the loss of each batch, in nats."""

    lower: Float[np.ndarray, " n_batches"]
    upper: Float[np.ndarray, " n_batches"]


def pair_weights(u: Points, v: Points, *, factor: float, temperature: float = 1.0) -> Float[np.ndarray, "n n"]:
    """The weights ``w_c(i, j)`` of the module's docstring: how much loss two pairs cause each other, in nats.

    Args:
        u: unit embeddings of one view.
        v: of the other.
        factor: c: B - 1 for the lower bound, 1 for the upper one.
        temperature: tau > 0.

    Returns:
        A symmetric matrix whose diagonal means nothing. O(N^2 d) time.

    Raises:
        ValueError: if the shapes differ, or factor or tau is not positive.
    """
    if u.shape != v.shape or len(u) < 2:
        raise ValueError(f"u and v must be alike, of at least two rows; received {u.shape} and {v.shape}")
    for name, value in (("factor", factor), ("temperature", temperature)):
        if not (value > 0 and np.isfinite(value)):
            raise ValueError(f"{name} must be positive and finite, received {value}")
    cross = u @ v.T / temperature
    positive = np.diagonal(cross)[:, None] - np.log(factor)
    one_way = np.logaddexp(0, cross - positive) + np.logaddexp(0, cross.T - positive)
    return one_way + one_way.T


def pairwise_bounds(
    u: Points, v: Points, batches: Int[np.ndarray, "n_batches batch_size"], *, temperature: float = 1.0
) -> LossBounds:
    """Both bounds of the two-direction loss of each batch, see the module's docstring.

    Args:
        u: unit embeddings of one view.
        v: of the other.
        batches: rows of at least two numbers of pairs.
        temperature: tau > 0.

    Returns:
        Lower and upper bounds, one per batch. O(N^2 d + n_batches B^2) time.

    Raises:
        ValueError: if shapes do not fit, batches are too small or tau is not positive.
    """
    size = batches.shape[1]
    if size < 2:
        raise ValueError(f"batches must hold at least two pairs, received {size}; one pair has no negative")
    within = batches[:, :, None], batches[:, None, :]
    sums = []
    for factor in (size - 1.0, 1.0):
        weights = pair_weights(u, v, factor=factor, temperature=temperature)
        np.fill_diagonal(weights, 0.0)
        sums.append(weights[within].sum((1, 2)) / 2)
    return LossBounds(sums[0] / (size * (size - 1)), sums[1] / size)
