"""What the optimum of a fixed partition into batches says of the similarities, and what alignment costs.

References:
    Lee et al., 2025, "On the similarities of embeddings in contrastive learning", Theorems 5.2 and 5.5, arXiv
    2506.09781.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Points = Float[np.ndarray, "n dim"]


class VarianceRange(NamedTuple):
    """Smallest and largest variance of the negative similarities."""

    least: float
    most: float


class Similarities(NamedTuple):
    """Moments of the similarities u_i.v_j: positives i = j, negatives i != j."""

    mean_positive: float
    mean_negative: float
    variance_negative: float


class PartitionCheck(NamedTuple):
    """What `check_fixed_partition` finds.

    Attributes:
        observed: moments of the embeddings.
        mean_negative: what the mean must be at the partition's optimum, -1 / (N - 1).
        variance: the range that the variance must lie in at the partition's optimum.
        deviation: largest difference of a similarity within a batch from the optimal one.
        at_optimum: the deviation is within the tolerance: each batch is a simplex ETF with u = v.
        as_predicted: mean and variance are as they must be at the optimum, within four times the tolerance.
    """

    observed: Similarities
    mean_negative: float
    variance: VarianceRange
    deviation: float
    at_optimum: bool
    as_predicted: bool


def fixed_partition_variance(n_pairs: int, batch_size: int, dim: int | None = None) -> VarianceRange:
    """The variance of the negative similarities at the optimum of one fixed partition into batches of size m.

    Each batch alone is optimal as an m-point simplex ETF with u = v, which says nothing of similarities across
    batches. All positives are 1, the mean negative is -1 / (n - 1), and its variance lies in::

        [(n - m) / ((m - 1) (n - 1)^2),  n (n - m) / ((m - 1) (n - 1)^2)]

    The full batch (m = n) has variance 0. Proof: a batch of points sums to 0, hence the similarities across two
    batches do, and the mean follows. The n (m - 1) negatives within batches are -1 / (m - 1). With P_k the
    projection onto the span of batch k, of rank m - 1, the squares across batches k and l sum to
    ``(m / (m - 1))^2 tr(P_k P_l)``, which lies between 0 (orthogonal spans) and m^2 / (m - 1) (equal spans). Both
    ends are attained, the first for d >= (n / m) (m - 1).

    In fewer dimensions, with r = (n / m) (m - 1), ``sum_{k != l} tr(P_k P_l) >= r^2 / d - r``, as
    ``|sum_k P_k|^2 >= (tr sum_k P_k)^2 / d``, and so::

        least = (n - m) / ((m - 1) (n - 1)^2) + max(0, r / d - 1) m / ((m - 1) (n - 1)),

    equal to the largest variance for d = m - 1, where there is no room for anything else; in between it is a bound
    that need not be attained.

    Args:
        n_pairs: n.
        batch_size: m, a divisor of n.
        dim: d; None for as many as needed.

    Returns:
        The range.

    Raises:
        ValueError: if m does not divide n, is below 2, or d is below m - 1, where no m-point simplex fits.

    References:
        Lee et al., 2025, Theorem 5.5, arXiv 2506.09781; the bound in fewer dimensions is this project's own.
    """
    n, m = n_pairs, batch_size
    if m < 2 or n < m or n % m:
        divisors = [k for k in range(2, n + 1) if n % k == 0]
        raise ValueError(
            f"batch_size must be a divisor of n_pairs = {n} of at least 2, received {m}; the nearest is "
            f"{min(divisors, key=lambda k: abs(k - m), default='none')}"
        )
    if dim is not None and dim < m - 1:
        raise ValueError(
            f"batches of {m} pairs are optimal as simplices only for dim >= {m - 1}, received {dim}; "
            f"take batches of at most {dim + 1}"
        )
    crowded = 0.0 if dim is None else max(0.0, n * (m - 1) / (m * dim) - 1)
    least = (n - m) / ((m - 1) * (n - 1) ** 2)
    return VarianceRange(least + crowded * m / ((m - 1) * (n - 1)), n * least)


def similarities(u: Points, v: Points) -> Similarities:
    """Mean positive, mean negative and variance of the negatives, over all n (n - 1) ordered pairs.

    Raises:
        ValueError: if the shapes differ or there are fewer than two pairs.
    """
    if u.shape != v.shape or len(u) < 2:
        raise ValueError(f"u and v must be alike, of at least two rows; received {u.shape} and {v.shape}")
    products = u @ v.T
    negatives = products[~np.eye(len(u), dtype=bool)]
    return Similarities(float(np.diagonal(products).mean()), float(negatives.mean()), float(negatives.var()))


def check_fixed_partition(
    u: Points, v: Points, batches: Int[np.ndarray, "n_batches batch_size"], *, tolerance: float = 1e-6
) -> PartitionCheck:
    """Whether embeddings are what training on one fixed partition leads to, and as far from the full optimum.

    Embeddings `at_optimum` minimise the mean loss over the partition, for every loss of `formulas.optima`; then
    mean and variance are those of `fixed_partition_variance`, and any variance above 0 is a loss above that of the
    full batch's optimum for N <= d + 1.

    Args:
        u: unit embeddings of one view.
        v: of the other.
        batches: a partition of all pairs.
        tolerance: largest deviation of a similarity that counts as rounding.

    Raises:
        ValueError: if the shapes differ, the batches are no partition, or d is too small for them.
    """
    n, m = len(u), batches.shape[1]
    observed = similarities(u, v)
    if not np.array_equal(np.sort(batches, axis=None), np.arange(n)):
        raise ValueError(f"batches must be a partition of the {n} pairs, every one once; received {batches.shape}")
    predicted = fixed_partition_variance(n, m, u.shape[1])
    simplex = (m * np.eye(m) - 1) / (m - 1)
    x, y = u[batches], v[batches]
    blocks = [x @ y.swapaxes(1, 2), x @ x.swapaxes(1, 2), y @ y.swapaxes(1, 2)]
    deviation = float(max(np.abs(block - simplex).max() for block in blocks))
    mean, slack = -1 / (n - 1), 4 * tolerance
    inside = predicted.least - slack <= observed.variance_negative <= predicted.most + slack
    as_predicted = bool(inside and abs(observed.mean_negative - mean) <= slack)
    return PartitionCheck(observed, mean, predicted, deviation, deviation <= tolerance, as_predicted)


def largest_mean_positive(n_pairs: int, mean_negative: float) -> float:
    """The largest mean of the positives u_i.v_i that a mean of the negatives u_i.v_j allows, in any dimension.

    It is::

        mean positive <= 1 - 2 (n - 1) / (n - 2) max(0, -1 / (n - 1) - mean negative)

    So negatives can be driven apart beyond -1 / (n - 1) only at the price of alignment. It implies ``mean positive
    <= 1 + mean negative + 1 / (n - 1)``, Theorem 5.2 of Lee et al., and is attained for every mean negative in
    [-1, -1 / (n - 1)]: u_i = w_i + c, v_i = w_i - c, with c orthogonal to all w_i, sum w = 0, |w_i|^2 + |c|^2 = 1.

    Proof: with a = sum u, b = sum v and p, q the means, ``n (n - 1) q + n p = a.b >= -|a - b|^2 / 4 >=
    -(n / 4) sum |u_i - v_i|^2 = -(n^2 / 2) (1 - p)``; solve for p.

    Args:
        n_pairs: n >= 2. For two pairs the bound is 1: their negatives cannot lie below -1.
        mean_negative: between -1 and 1.

    Returns:
        The bound, between -1 and 1.

    Raises:
        ValueError: if n is below 2 or the mean is none of cosines.

    References:
        Lee et al., 2025, Theorem 5.2, arXiv 2506.09781 (the weaker form). The sharp form is this project's own.
    """
    n = n_pairs
    if n < 2:
        raise ValueError(f"n_pairs must be at least 2, received {n}; one pair has no negative")
    if not -1 <= mean_negative <= 1:
        raise ValueError(f"mean_negative must be a mean of cosines, between -1 and 1, received {mean_negative}")
    if n == 2:
        return 1.0
    return 1 - 2 * (n - 1) / (n - 2) * max(0.0, -1 / (n - 1) - mean_negative)
