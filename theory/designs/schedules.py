"""The best schedule that is known here for any number of points and any batch size."""

from theory.designs.galois import prime_power
from theory.designs.nets import Schedule, hyperplanes, net
from theory.designs.repeats import next_prime_power, punctured_class, repeats, searched_classes
from theory.designs.tournament import tournament

_SEARCH = 128
"""Points up to which classes are searched for where algebra gives too few."""
_ENOUGH = 100
"""Classes that are enough, though a point does not meet everyone in them: few runs have more epochs."""


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
        return tournament(n)
    m, left = divmod(n, batch_size)
    if left == 0 and (found := prime_power(m)) and m < batch_size and (power := prime_power(batch_size)):
        (p, a), (other, b) = found, power
        if p == other and b % a == 0:
            return hyperplanes(m, b // a + 1)
    return partial_design(n, batch_size, spare=spare)


def _check(n: int, batch_size: int) -> None:
    if not 2 <= batch_size <= n:
        raise ValueError(f"batch_size must lie between 2 and the number of points, {n}, received {batch_size}")
