"""How many batches there are, and how many pairs meet: in a partition, in shuffles, and in any design.

Names: N pairs of data ("points" here, to tell them from the pairs of points that meet), batches of B, m = N // B
batches in an epoch, which leaves out N - m B points. A shuffle is a uniformly random epoch; shuffles are
independent.
"""

import math
from typing import NamedTuple

import numpy as np

from theory.formulas.family import check_integer

_STEPS = 4096
"""Where a sum over epochs is cut into blocks that are each bounded by one of its terms."""


class ShuffledCoverage(NamedTuple):
    """The fraction of pairs of points that have met after some shuffles: expectation and standard deviation."""

    mean: float
    standard_deviation: float


class ExpectedShuffles(NamedTuple):
    """Bounds of the expected number of shuffles until every pair of points has met."""

    lower: float
    upper: float


def count_batches(n_pairs: int, batch_size: int) -> int:
    """The number of batches of B out of N, C(N, B).

    Raises:
        ValueError: if B does not lie between 2 and N.
    """
    _check(n_pairs, batch_size)
    return math.comb(n_pairs, batch_size)


def epoch_coverage(n_pairs: int, batch_size: int) -> float:
    """The fraction of pairs of points that meet in one epoch, ``m B (B - 1) / (N (N - 1))``.

    For B | N that is (B - 1) / (N - 1). It is what a fixed partition covers for ever, and the probability p with
    which two given points meet in a shuffle.

    Raises:
        ValueError: if B does not lie between 2 and N.
    """
    _check(n_pairs, batch_size)
    N, B = n_pairs, batch_size
    return (N // B) * B * (B - 1) / (N * (N - 1))


def shuffled_coverage(n_pairs: int, batch_size: int, epochs: int) -> ShuffledCoverage:
    """The fraction of pairs of points that have met after E independent shuffles: ``1 - (1 - p)^E`` on average.

    Exact, and so is the variance: with P = N (N - 1) / 2 pairs of points, of which each shares a point with
    2 (N - 2) others and none with C(N - 2, 2),

        Var = [q^E + 2 (N - 2) (1 - 2 p + p_3)^E + C(N - 2, 2) (1 - 2 p + p_4)^E] / P - q^(2E),    q = 1 - p,

    where p_3 and p_4 are the probabilities that both pairs meet in one shuffle if they share a point or not::

        p_3 = m B (B - 1) (B - 2) / (N (N - 1) (N - 2))
        p_4 = [m B (B - 1) (B - 2) (B - 3) + m (m - 1) B^2 (B - 1)^2] / (N (N - 1) (N - 2) (N - 3))

    Raises:
        ValueError: if B does not lie between 2 and N, or epochs is negative.
    """
    N = n_pairs
    p, sharing, apart = _meeting(n_pairs, batch_size)
    check_integer("epochs", epochs)
    if epochs < 0:
        raise ValueError(f"epochs must not be negative, received {epochs}")
    missed = (1 - p) ** epochs
    others = 2 * (N - 2) * sharing**epochs + math.comb(N - 2, 2) * apart**epochs
    variance = (missed + others) / math.comb(N, 2) - missed**2
    return ShuffledCoverage(1 - missed, math.sqrt(max(0.0, variance)))


def shuffles_until_pair_meets(n_pairs: int, batch_size: int) -> float:
    """The expected number of shuffles until two given points meet, 1 / p (geometric): (N - 1) / (B - 1) for B | N.

    Raises:
        ValueError: if B does not lie between 2 and N.
    """
    return 1 / epoch_coverage(n_pairs, batch_size)


def shuffles_until_all_meet(n_pairs: int, batch_size: int) -> ExpectedShuffles:
    """Bounds of the expected number of shuffles until every two points have met, E T = sum_{E >= 0} P(T > E).

    With X_E pairs of points that have not met after E shuffles, P(T > E) = P(X_E > 0):

    * upper: at most min(1, E X_E), E X_E = P (1 - p)^E (union bound); about (log P + 1) / p in all.
    * lower: at least (E X_E)^2 / E X_E^2 (Cauchy-Schwarz), with the second moment of `shuffled_coverage`; and T is
      never below `fewest_classes`. The sum is taken over blocks of epochs by their last term: P(T > E) decreases.

    Raises:
        ValueError: if B does not lie between 2 and N.
    """
    N, pairs = n_pairs, math.comb(n_pairs, 2)
    p, sharing, apart = _meeting(n_pairs, batch_size)
    if p == 1:
        return ExpectedShuffles(1.0, 1.0)
    first = math.ceil(math.log(pairs) / -math.log1p(-p))
    upper = first + math.exp(math.log(pairs) + first * math.log1p(-p)) / p
    ends = np.unique(np.linspace(0, 2 * first + 2, _STEPS, dtype=np.int64))
    lengths = np.diff(ends, prepend=-1)
    with np.errstate(over="ignore"):
        correlated = sum(
            count * np.power(both / (1 - p) ** 2, ends, dtype=np.float64)
            for count, both in ((2 * (N - 2), sharing), (math.comb(N - 2, 2), apart))
        )
        unmet = pairs / (np.power(1 / (1 - p), ends, dtype=np.float64) + correlated)
    return ExpectedShuffles(max(float(lengths @ unmet), float(fewest_classes(N, batch_size))), upper)


def fewest_classes(n_pairs: int, batch_size: int) -> int:
    """The fewest epochs in which every two points can meet, ceil((N - 1) / (B - 1)): a point meets B - 1 in each.

    A resolvable design with lambda = 1 has exactly (N - 1) / (B - 1) of them.

    Raises:
        ValueError: if B does not lie between 2 and N.
    """
    _check(n_pairs, batch_size)
    return -(-(n_pairs - 1) // (batch_size - 1))


def fewest_to_cover(n_pairs: int, batch_size: int) -> int:
    """The fewest batches in which every two points can meet, at least ``ceil(N / B ceil((N - 1) / (B - 1)))``.

    Each point lies in ceil((N - 1) / (B - 1)) of them or more. A 2-design with B < N needs at least N (Fisher).

    Raises:
        ValueError: if B does not lie between 2 and N.

    References:
        Schönheim, 1964, "On coverings", Pacific J. Math. 14.
    """
    return -(-n_pairs * fewest_classes(n_pairs, batch_size) // batch_size)


def _meeting(n_pairs: int, batch_size: int) -> tuple[float, float, float]:
    """That two points meet in a shuffle; that neither of two pairs does, if they share a point, and if not."""
    p, N, B = epoch_coverage(n_pairs, batch_size), n_pairs, batch_size
    m = N // B
    both = m * B * (B - 1) * (B - 2) / (N * (N - 1) * (N - 2)) if N > 2 else 0.0
    ways = m * B * (B - 1) * ((B - 2) * (B - 3) + (m - 1) * B * (B - 1))
    separate = ways / (N * (N - 1) * (N - 2) * (N - 3)) if N > 3 else 0.0
    return p, max(0.0, 1 - 2 * p + both), max(0.0, 1 - 2 * p + separate)


def _check(n_pairs: int, batch_size: int) -> None:
    check_integer("n_pairs", n_pairs)
    check_integer("batch_size", batch_size)
    if n_pairs < 2:
        raise ValueError(f"n_pairs must be at least 2, received {n_pairs}; one pair has no negative")
    if not 2 <= batch_size <= n_pairs:
        raise ValueError(f"batch_size must lie between 2 and n_pairs = {n_pairs}, received {batch_size}")
