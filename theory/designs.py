"""Which pairs meet in which batch: combinatorial designs as schedules of epochs.

Names: N points, batches of B, a *parallel class* is a partition of the points into batches (an epoch), and a
schedule is *resolvable* if it consists of such classes. It is a *2-design* if every pair of points meets in the
same number lambda >= 1 of batches.

**Pair-design theorem.** Let d >= N - 1 and let a multiset of B-batches be a 2-design. Then the mean over it of the
two-direction InfoNCE loss (`clip_sum`) is at least ``2 log(1 + (B - 1) e^(-N / ((N - 1) tau)))``, with equality
exactly at the simplex ETF, u = v: its minimisers are those of the full batch and of all C(N, B) batches.

*Proof.* In one direction, anchor i contributes log(1 + sum_j e^(x_ij)) to batch b, j over its other members and
x_ij = u_i.(v_j - v_i) / tau. By convexity this is at least g(mean_j x_ij), g(x) = log(1 + (B - 1) e^x), which is
convex and increasing; so the mean over anchors and batches is at least g(m), m the mean of all these x. Every pair
meets equally often, so that with a = sum u, b = sum v and e_i = |u_i - v_i|^2

    N (N - 1) tau m = a.b - N sum_i u_i.v_i >= -|a - b|^2 / 4 - N^2 + (N / 2) sum_i e_i
                   >= -N^2 + (N / 4) sum_i e_i >= -N^2,        as |a - b|^2 <= N sum_i e_i.

Equality needs u = v, a = 0 and, g being strictly convex, all x_ij equal. QED. Likewise the value of the simplex
ETF bounds every loss of `theory.optima`, at any tau > 0. That only the ETF attains it needs the positive in the
denominator: without it (DCL, DHEL) other embeddings may, see `theory.optima.minimum`.

`schedule` gives the best that is known here for any N and B; `pair_coverage` checks one by counting.

References:
    Kirkman, 1847, "On a problem in combinations" (the circle method). Bose, 1938, and MacNeish, 1922 (nets from
    finite fields). Cho et al., 2024, Theorems 4 and 5, arXiv 2307.05906 (all batches suffice, one partition does
    not). The theorem is this project's own.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from theory.galois import GaloisField, prime_power
from theory.nets import Batches, Schedule, affine_plane, hyperplanes, net
from theory.repeats import next_prime_power, punctured_class, repeats, searched_classes

__all__ = [
    "Coverage",
    "GaloisField",
    "Schedule",
    "affine_plane",
    "hyperplanes",
    "net",
    "pair_coverage",
    "partial_design",
    "prime_power",
    "round_robin",
    "schedule",
]

_SEARCH = 128
"""Points up to which classes are searched for where algebra gives too few."""
_COUNTED = 4096
"""Points up to which pairs are counted, in one matrix of 128 MiB."""
_ENOUGH = 100
"""Classes that are enough, though a point does not meet everyone in them: few runs have more epochs."""


class Coverage(NamedTuple):
    """How often each of the N (N - 1) / 2 pairs meets."""

    least: int
    most: int
    mean: float
    met: float
    """Fraction of the pairs that meet at all."""
    is_design: bool
    """All pairs meet equally often, and they do meet."""
    is_resolvable: bool
    """The batches, in their order, fall into partitions of all points."""


def round_robin(n: int) -> Int[np.ndarray, "classes n_batches 2"]:
    """The circle method for B = 2: n - 1 partitions of an even number n of points in which each pair meets once.

    Class i pairs i with the last point, and i + k with i - k modulo n - 1.

    Raises:
        ValueError: if n is odd or below 2.

    References:
        Kirkman, 1847.
    """
    if n < 2 or n % 2:
        raise ValueError(
            f"a round robin pairs off an even number of points, received {n}; leave one out or add one"
        )
    return np.stack([_round(n, i) for i in range(n - 1)])


def partial_design(n: int, batch_size: int, *, spare: float = 0.01) -> Schedule:
    """A schedule for any n >= B: no pair twice before every pair once, as far as possible.

    The first of these that exists, with m the number of batches:

    * A `net` for m = n // B, or for the largest smaller m that leaves out at most a fraction `spare` of the points
      more, that has enough classes: 100, or as many as let a point meet half of the others.
    * Classes that repeat some pairs, of m = n // B batches: `punctured_class`, a net over the next prime power q
      with columns taken out; for B m <= 128 a search (`searched_classes`) if that repeats fewer pairs. There are
      ceil((B m - 1) / (B - 1)) classes, in which a point could meet everyone, or q if that is smaller.

    Raises:
        ValueError: if batch_size does not lie between 2 and n, or spare not between 0 and 1.
    """
    _check(n, batch_size)
    if not 0 <= spare < 1:
        raise ValueError(f"spare must be a fraction of the points between 0 and 1, received {spare}")
    B, most = batch_size, n // batch_size
    for m in range(most, max(0, most - int(spare * n) // B - 1), -1):
        plain = net(B, m)
        if plain.n_classes >= _ENOUGH or 2 * plain.n_classes * (B - 1) >= B * m - 1:
            return Schedule(n, B, m, plain.n_classes, plain.status, plain.name, plain.make)
    m = most
    total = min(next_prime_power(m), -(-(B * m - 1) // (B - 1)))
    made = Schedule(n, B, m, total, "as few repeats as found", "punctured net", lambda s: punctured_class(B, m, s))
    if B * m <= _SEARCH:
        table = searched_classes(B, m, total)
        if repeats(table) < repeats(made.classes()):
            return Schedule(n, B, m, total, made.status, "search", lambda s: table[s])
    return made


def schedule(n: int, batch_size: int, *, spare: float = 0.01) -> Schedule:
    """The best schedule known here for n points in batches of B.

    Round robin for B = 2 (an odd number leaves out another point in every class, and still each pair meets once);
    `hyperplanes` for n = q^k, B = q^(k-1), k >= 3; else `partial_design`, which holds the affine planes and spaces
    (n = B^k, B a prime power).

    Raises:
        ValueError: if batch_size does not lie between 2 and n.
    """
    _check(n, batch_size)
    if batch_size == 2:
        players = n + n % 2

        def pairs(number: int) -> Batches:
            games = _round(players, number)
            return games[(games < n).all(1)]

        return Schedule(n, 2, n // 2, players - 1, "2-design", "round robin", pairs)
    m, left = divmod(n, batch_size)
    if left == 0 and (found := prime_power(m)) and m < batch_size and (power := prime_power(batch_size)):
        (p, a), (other, b) = found, power
        if p == other and b % a == 0:
            return hyperplanes(m, b // a + 1)
    return partial_design(n, batch_size, spare=spare)


def pair_coverage(batches: Int[np.ndarray, "*classes n_batches batch"], n: int) -> Coverage:
    """How often each pair of n points meets in these batches, counted one by one.

    Args:
        batches: of one size; leading dimensions are a matter of order only.
        n: number of points, at most 4096.

    Raises:
        ValueError: if there are no batches, points are out of range or occur twice in a batch, or n is too large.
    """
    if not 2 <= n <= _COUNTED:
        raise ValueError(f"pairs are counted among 2 to {_COUNTED} points, received {n}; take a sample")
    rows = np.sort(batches.reshape(-1, batches.shape[-1]), axis=1)
    if not rows.size or rows.min() < 0 or rows.max() >= n or (rows[:, 1:] == rows[:, :-1]).any():
        raise ValueError(f"batches must hold distinct points 0 .. {n - 1}, received {rows[:1]} and others")
    count, B = np.zeros(n * n, dtype=np.int64), rows.shape[1]
    for chunk in np.array_split(rows, -(-rows.size * B // n**2)):
        count += np.bincount((chunk[:, :, None] * n + chunk[:, None, :]).ravel(), minlength=n * n)
    meets = count.reshape(n, n)[np.triu_indices(n, 1)]
    least, most = int(meets.min()), int(meets.max())
    whole = rows.size % n == 0 and bool((np.sort(rows.reshape(-1, n), axis=1) == np.arange(n)).all())
    return Coverage(least, most, float(meets.mean()), float((meets > 0).mean()), least == most > 0, whole)


def _round(n: int, i: int) -> Batches:
    """Round i of a tournament of n, an even number."""
    k = np.arange(n // 2)
    games = np.stack([(i + k) % (n - 1), (i - k) % (n - 1)], axis=1)
    games[0, 1] = n - 1
    return games


def _check(n: int, batch_size: int) -> None:
    if not 2 <= batch_size <= n:
        raise ValueError(f"batch_size must lie between 2 and the number of points, {n}, received {batch_size}")
