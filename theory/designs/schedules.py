"""The best schedule that is known here for any number of points and any batch size."""

from dataclasses import replace

from theory.designs.blocks import known_designs
from theory.designs.nets import Schedule, net
from theory.designs.repeats import next_prime_power, punctured_class, repeats, searched_classes
from theory.designs.resolvable import balanced_schedules

_SEARCH = 128
"""Points up to which classes are searched for where algebra gives too few."""
_ENOUGH = 100
"""Classes that are enough, though a point does not meet everyone in them: few runs have more epochs."""

_CYCLE = 512
"""Classes up to which a 2-design with lambda > 1 is played to its end."""


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
    _check_spare(spare)
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
        again = repeats(table)
        if again < repeats(made.classes()):
            status = made.status if again else "no pair twice"
            return Schedule(n, B, m, total, status, "search", lambda s: table[s])
    return made


def schedule(n: int, batch_size: int, *, spare: float = 0.01) -> Schedule:
    """The best schedule known here for n points in batches of B.

    The first of these that exists:

    * a 2-design of all n points, with fewest classes: `theory.designs.resolvable`, or, if n = 1 modulo B, one whose
      classes leave out each point in its turn; for B > n / 2, where a class is one batch, any 2-design. With lambda
      > 1 it must have at most 512 classes, or any two classes must repeat as few pairs as two classes can (batches
      of different classes all share B^2 / N points): of a longer one a run would see too little;
    * if B does not divide n, a 2-design in this sense of all but n mod B points;
    * `partial_design`.

    Raises:
        ValueError: if batch_size does not lie between 2 and n, or spare not between 0 and 1.
    """
    _check(n, batch_size)
    _check_spare(spare)
    used = n - n % batch_size
    if found := _balanced(n, batch_size):
        return found
    if used < n and (found := _balanced(used, batch_size)):
        return replace(found, n_points=n)
    return partial_design(n, batch_size, spare=spare)


def _balanced(n: int, B: int) -> Schedule | None:
    """The 2-design with fewest classes among those that are worth playing."""
    if found := balanced_schedules(n, B, most=_CYCLE):
        return found[0]
    if n // B == 1 and n <= _CYCLE and (best := known_designs(n, B)[0]).n_batches <= _CYCLE:
        make = lambda number: best.batches()[number][None]  # noqa: E731
        return Schedule(n, B, 1, best.n_batches, "2-design", best.name, make, in_turn=n > B)
    return None


def _check_spare(spare: float) -> None:
    if not 0 <= spare < 1:
        raise ValueError(f"spare must be a fraction of the points between 0 and 1, received {spare}")


def _check(n: int, batch_size: int) -> None:
    if not 2 <= batch_size <= n:
        raise ValueError(f"batch_size must lie between 2 and the number of points, {n}, received {batch_size}")
