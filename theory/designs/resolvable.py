"""Resolvable 2-designs that can be built here, and how they are built from smaller ones.

`resolvable_design` (lambda = 1) tries, for N points in batches of B:

* B = 2, round robin; B = N, one batch; N = B^m, lines of affine spaces; `inflated`, `kirkman_double`, `quadruples`.
* Products, N = v u: a resolvable design D of v points and a net of B rows and u columns with u classes
  (`theory.designs.differences`). On the points (y, x), y of D and x < u, each batch of D and each class of the net
  give u batches, so that each class of D gives u classes, in which points with different y meet once. Designs of u
  points complete it, in parallel for all y; or, with u replaced by B u, designs on the batches of the last class of
  D, which then gives no classes of its own. (D = one batch of B points: the tripling of Kirkman triple systems.)
* Doubling for B = 3: `theory.designs.kirkman`.

References:
    Ray-Chaudhuri and Wilson, 1971, Proc. Symp. Pure Math. 19; and 1973, "The existence of resolvable block
    designs". Beth, Jungnickel, Lenz, 1999, "Design theory", Ch. IX.
"""

from functools import lru_cache

import numpy as np

from theory.designs.developed import all_but_one, halves, inflated, kirkman_double, quadruples
from theory.designs.differences import Differences, differences, divisors
from theory.designs.families import coset_family, wilson_family
from theory.designs.flats import flats
from theory.designs.kirkman import doubled
from theory.designs.nets import Batches, Schedule, affine_lines, net
from theory.designs.rotations import rotated
from theory.designs.tournament import tournament
from theory.galois import prime_power


@lru_cache(maxsize=4096)
def resolvable_design(n: int, batch_size: int) -> Schedule | None:
    """A resolvable design of n points with lambda = 1 in (n - 1) / (B - 1) classes; None if none is known here."""
    B = batch_size
    if B < 2 or n % B or (n - 1) % (B - 1) or B < n < B * B:
        return None
    if n == B:
        return net(B, 1)
    if B == 2:
        return tournament(n)
    found = _direct(n, B) or _product(n, B)
    return found or (doubled((n - 1) // 2, resolvable_design) if B == 3 else None)


def balanced_schedules(n: int, batch_size: int, *, most: int | None = None) -> list[Schedule]:
    """All 2-designs of n points known here whose batches fall into classes, or classes that miss one point.

    The fewest classes first. Where one has lambda = 1 those with a larger lambda are left out: they have more.

    Args:
        n: points.
        batch_size: B.
        most: leaves out designs with lambda > 1 of more classes, except those in which batches of different classes
            share equally many points.
    """
    B = batch_size
    if B == 2:
        return [tournament(n)]
    if found := resolvable_design(n, B):
        return [found]
    limit = most or n * n
    made = [flats(n, B), rotated(n, B)]
    if n == 2 * B:
        made.append(halves(n - 1))
    if n % B == 0 and 2 * (n - 1) <= limit * (B - 1) and (family := coset_family(n // B, B)):
        made.append(inflated(family))
    if n <= limit:
        made.append(all_but_one(n, B))
    few = (some for some in made if some and (some.n_classes <= limit or _even(some)))
    return sorted(few, key=lambda some: some.n_classes)


def _even(some: Schedule) -> bool:
    """Whether b = N + r - 1: then batches of different classes share B^2 / N points, the fewest pairs twice."""
    return some.n_classes * (some.n_batches - 1) == some.n_points - 1


def _direct(n: int, B: int) -> Schedule | None:
    """Constructions over the field of n, n / B, (n - 1) / 2 or (n - 1) / 3 elements."""
    power = 1
    while B**power < n:
        power += 1
    if B**power == n and prime_power(B):
        return affine_lines(power, B)
    for make in (wilson_family, coset_family):
        family = make(n // B, B) if (n // B - 1) % (B * (B - 1)) == 0 else None
        if family and family.meetings == 1 and (found := inflated(family)):
            return found
    if B == 3:
        return kirkman_double((n - 1) // 2)
    return quadruples((n - 1) // 3) if B == 4 else None


def _product(n: int, B: int) -> Schedule | None:
    for u in (u for u in divisors(n) if 2 <= u <= n // B):
        across = differences(u, B)
        if across.classes < u or not (outer := resolvable_design(n // u, B)):
            continue
        if inner := resolvable_design(u, B):
            return _filled(outer, across, inner, on_points=True)
        if n // u > B and (inner := resolvable_design(B * u, B)):
            return _filled(outer, across, inner, on_points=False)
    return None


def _filled(outer: Schedule, across: Differences, inner: Schedule, *, on_points: bool) -> Schedule:
    """The product of `outer` and a net, completed by `inner` on every point or batch of the last class."""
    u, v, B = across.columns, outer.n_points, outer.batch_size
    n, split = u * v, (outer.n_classes if on_points else outer.n_classes - 1) * u

    def make(number: int) -> Batches:
        if number < split:
            which, s = divmod(number, u)
            columns = across.add(np.arange(u)[:, None], across.shift(s)[None, :])
            return (outer.parallel_class(which)[:, None, :] * u + columns).reshape(-1, B)
        batches = inner.parallel_class(number - split)
        if on_points:
            return (np.arange(v)[:, None, None] * u + batches).reshape(-1, B)
        row, column = np.divmod(batches, u)
        return (outer.parallel_class(outer.n_classes - 1)[:, row] * u + column).reshape(-1, B)

    name = f"product of {v} and {u} points"
    return Schedule(n, B, n // B, split + inner.n_classes, "2-design", name, make)
