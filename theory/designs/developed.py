"""Schedules whose classes are translates of one base class: rotational designs over finite fields.

Points are copies of a field of q elements, (x, j) with the number j q + x, and sometimes one point more that every
translation fixes, infinity. Adding c to the field's part of all points of a class gives another class. So a base
class, of which every difference is counted, gives q classes; and a block with one point in every copy gives, with
its q translates, one class alone.

References:
    Ray-Chaudhuri and Wilson, 1971, "Solution of Kirkman's schoolgirl problem", Proc. Symp. Pure Math. 19. Hanani,
    Ray-Chaudhuri and Wilson, 1972, "On resolvable designs", Discrete Math. 3. Bose, 1939, Ann. Eugenics 9. Paley,
    1933, "On orthogonal matrices", J. Math. Phys. 12.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from theory.designs.cyclotomy import cyclotomy, has_tables
from theory.designs.families import DifferenceFamily
from theory.designs.nets import Batches, Schedule

_SHIFTED = 2000
"""Blocks up to which translates that are disjoint are looked for."""


def developed(
    n: int, q: int, bases: Sequence[Batches], name: str, alone: Int[np.ndarray, "n_alone batch"] | None = None
) -> Schedule:
    """The q translates of every base class, then one class for every block of `alone`, its q translates.

    Points from the last multiple of q on stay where they are. That it is a 2-design is up to the caller.
    """
    field, copies = cyclotomy(q).field, n // q * q
    m, B = bases[0].shape

    def translate(points: Int[np.ndarray, "*shape"], by: int | Int[np.ndarray, "q 1"]) -> Int[np.ndarray, "*new"]:
        moved = field.add(points % q, by) + points // q * q
        return np.where(points < copies, moved, points)

    def make(number: int) -> Batches:
        which, by = divmod(number, q)
        if which < len(bases):
            return translate(bases[which], by)
        assert alone is not None
        return translate(alone[number - len(bases) * q][None, :], np.arange(q)[:, None])

    n_classes = len(bases) * q + (0 if alone is None else len(alone))
    return Schedule(n, B, m, n_classes, "2-design", name, make, in_turn=m * B < n)


def inflated(family: DifferenceFamily) -> Schedule | None:
    """N = k q, B = k from a (q, k, lambda) difference family F over a field whose blocks can be made disjoint.

    Let a_0 .. a_(k-1) be different elements but 0, D the union of the blocks, C the other elements. The base class
    has the blocks (a_j A, j) for A in F, and {(c a_j, j) : j} for c in C; further classes are the blocks
    {(c a_j, j) : j} alone, lambda times for c in D and lambda - 1 times for c in C. Copy j is covered once, by a_j
    D and a_j C. Differences inside a copy are those of a_j F, every one lambda times; those of copies i and j are
    c (a_i - a_j), lambda times for every c. Translates of a block are as good, so blocks are moved apart first.

    With cosets of a subgroup of order k (q = 1 mod k) lambda = k - 1 is always possible.

    Returns:
        The schedule, of lambda (k q - 1) / (k - 1) classes; None if the blocks do not come apart.
    """
    q, k = family.order, family.blocks.shape[1]
    blocks = apart(family)
    if not family.is_field or blocks is None:
        return None
    field, copy = cyclotomy(q).field, np.arange(k) * q
    scale = np.arange(1, k + 1)
    union = np.zeros(q, dtype=bool)
    union[blocks] = True
    inside, outside = np.flatnonzero(union), np.flatnonzero(~union)
    pure = field.multiply(scale[:, None, None], blocks[None]) + copy[:, None, None]
    across = field.multiply(outside[:, None], scale) + copy
    base = np.concatenate([pure.reshape(-1, k), across])
    rest = np.concatenate([inside, np.tile(np.arange(q), family.meetings - 1)])
    alone = field.multiply(rest[:, None], scale) + copy
    return developed(k * q, q, [base], f"difference family in {k} copies of {q}", alone)


def kirkman_double(q: int) -> Schedule | None:
    """A Kirkman triple system of 2 q + 1 points, q = 6 t + 1 a prime power; None for other q.

    With 2 x^m = x^t + 1, the base class has {infinity, (0, 0), (0, 1)}, {(x^i, 0), (x^(i+t), 0), (x^(i+m), 1)} for
    i in [0, t), [2 t, 3 t) and [4 t, 5 t), and {(x^(i+m+t), 1), (x^(i+m+3t), 1), (x^(i+m+5t), 1)} for i in [0, t).
    As x^3t = -1 these i are one of each +-x^i: x^i (x^t - 1) are all differences in copy 0, and the mixed ones,
    x^i (x^m - 1) and x^i (x^m - x^t), are -+x^i (x^t - 1) / 2. Translates of {1, x^2t, x^4t} x^i do for copy 1.
    """
    if q % 6 != 1 or not has_tables(q):
        return None
    group, t = cyclotomy(q), q // 6
    i = np.arange(t)
    some = np.concatenate([i, i + 2 * t, i + 4 * t])
    double = group.field.add(group.powers, group.powers)
    m = int(np.flatnonzero(double == group.field.add(group.power(t), 1))[0])
    mixed = np.stack([group.power(some), group.power(some + t), q + group.power(some + m)], axis=1)
    pure = q + group.power(i[:, None] + m + t * np.array([1, 3, 5]))
    return developed(
        2 * q + 1, q, [np.concatenate([[[2 * q, 0, q]], mixed, pure])], f"Kirkman triples, 2 x {q} + 1"
    )


def quadruples(q: int) -> Schedule | None:
    """A resolvable design of N = 3 q + 1, B = 4, lambda = 1, q = 4 t + 1 a prime power; None for other q.

    Let y and 1 - y^2 be no squares. The base class has {infinity, (0, 0), (0, 1), (0, 2)} and, for the copies
    j = 0, 1, 2 modulo 3 and s = x^0, x^2 .. x^(2t-2), {(s, j), (-s, j), (s y, j + 1), (-s y, j + 1)}. As -1 is a
    square, +-s are the squares and +-s y the others, so that the class is a partition, and differences in a copy
    are +-2 s and +-2 s y, all of them; the mixed ones, +-s (1 - y) and +-s (1 + y), are all too as (1 + y) / (1 -
    y) = (1 - y^2) / (1 - y)^2 is no square. y is searched for: about every second non-square will do.
    """
    if q % 4 != 1 or not has_tables(q):
        return None
    group = cyclotomy(q)
    ys = group.powers[1::2]
    good = group.logs[group.subtract(np.array(1), group.field.multiply(ys, ys))] % 2 == 1
    y = int(ys[good][0])  # y != +-1, so that the logarithm is defined
    s = group.powers[: (q - 1) // 2 : 2]
    half = np.stack([s, group.negatives[s]], axis=1)
    other = group.field.multiply(half, y)
    rows = [np.concatenate([half + j * q, other + (j + 1) % 3 * q], axis=1) for j in range(3)]
    base = np.concatenate([[[3 * q, 0, q, 2 * q]], *rows])
    return developed(3 * q + 1, q, [base], f"quadruples, 3 x {q} + 1")


def halves(q: int) -> Schedule | None:
    """N = q + 1, B = N / 2 from the squares S and other elements R of a field, q an odd prime power.

    q = 3 mod 4: classes {S + c, 0 + c}, {R + c, infinity}; lambda = (q - 1) / 2. R = -S, each has every difference
    (q - 3) / 4 times, and 0 together with S the differences +-S, all of them, once.
    q = 1 mod 4: {S, infinity}, {R, 0} and {S, 0}, {R, infinity}; lambda = q - 1. S and R have every difference
    (q - 3) / 2 times together, and 0 with S and R every one twice.
    """
    if q % 2 == 0 or q < 3 or not has_tables(q):
        return None
    group = cyclotomy(q)
    squares, others = group.powers[::2], group.powers[1::2]
    bases = [np.stack([np.append(squares, 0), np.append(others, q)])]
    if q % 4 == 1:
        bases.append(np.stack([np.append(squares, q), np.append(others, 0)]))
    return developed(q + 1, q, bases, f"squares modulo {q}")


def all_but_one(q: int, batch_size: int) -> Schedule | None:
    """N = q a prime power, q = 1 mod B: classes {x H + c : cosets x H}, which leave out c; lambda = B - 1.

    H is the subgroup of order B. Differences of all its cosets are (h - 1) x H, h != 1: every one B - 1 times.
    """
    if batch_size < 2 or q % batch_size != 1 or not has_tables(q):
        return None
    group, e = cyclotomy(q), (q - 1) // batch_size
    cosets = group.power(np.arange(e)[:, None] + e * np.arange(batch_size))
    return developed(q, q, [cosets], f"cosets of a subgroup, each of {q} left out in turn")


def apart(family: DifferenceFamily) -> Batches | None:
    """Translates of the blocks without common elements: each moved by the first element that does."""
    blocks = family.blocks
    if len(np.unique(blocks)) == blocks.size:
        return blocks
    if len(blocks) > _SHIFTED or blocks.size > family.order:
        return None
    used, moved = np.zeros(family.order, dtype=bool), list[Int[np.ndarray, " batch"]]()
    field, shifts = cyclotomy(family.order).field, np.arange(family.order)
    for block in blocks:
        for start in range(0, len(shifts), 64):
            images = field.add(block, shifts[start : start + 64, None])
            free = np.flatnonzero(~used[images].any(1))
            if len(free):
                moved.append(images[free[0]])
                used[moved[-1]] = True
                break
        else:
            return None
    return np.stack(moved)
