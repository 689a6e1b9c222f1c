"""Difference families: a few base blocks over a group, whose translates are a 2-design.

Blocks of k elements of a group of v elements are a (v, k, lambda) *difference family* if every element but 0 is
the difference of two elements of one block in exactly lambda ways. Then their v translates each are a 2-design:
x and y lie together in B + g once for every way to write x - y = b - b' in B.

* `wilson_family`, v = k (k - 1) t + 1 a prime power, lambda = 1: a block A whose e = k (k - 1) / 2 differences lie
  in different cosets of the subgroup H of index e (in which -1 lies); the blocks are x^(e i) A for i < t.
* `coset_family`, v a prime power: cosets of the subgroup H of order k, or of order k - 1 together with 0. One coset
  of every ±H suffices if -1 is not in H, and one coset alone may (quadratic residues, v = 3 mod 4).
* `singer_family`, v = (q^(m + 1) - 1) / (q - 1), k = (q^m - 1) / (q - 1): one block, a hyperplane of PG(m, q), over
  the integers modulo v: planes of order q are m = 2.
* `bent_family`, v = 4^m: one block, the support of a quadratic form.

References:
    Bose, 1939, "On the construction of balanced incomplete block designs", Ann. Eugenics 9. Singer, 1938, "A
    theorem in finite projective geometry", Trans. AMS 43. Paley, 1933, "On orthogonal matrices". Wilson, 1972,
    "Cyclotomy and difference families in elementary abelian groups", J. Number Theory 4. Menon, 1962, "On
    difference sets whose parameters satisfy a certain relation", Proc. AMS 13.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from theory.designs.cyclotomy import cyclotomy, has_tables
from theory.galois import prime_power

_TRIED = 20_000
"""Blocks tried for `wilson_family`: enough for k <= 5, with luck for k = 6."""
_HOPELESS = 8
"""Block sizes from which random blocks are not tried: e! / e^e of them will do, e = 28 differences."""
_FIELD = 2**20
"""The largest field whose powers are listed for `singer_family`."""


@dataclass(frozen=True, eq=False)
class DifferenceFamily:
    """Base blocks over the additive group of a field, or over the integers modulo v.

    Attributes:
        order: v.
        blocks: one a row.
        meetings: lambda.
        name: the construction.
        is_field: whether sums are those of the field of v elements, or modulo v.
    """

    order: int
    blocks: Int[np.ndarray, "n_blocks batch"]
    meetings: int
    name: str
    is_field: bool

    def translate(self, blocks: Int[np.ndarray, "n_blocks batch"], by: int) -> Int[np.ndarray, "n_blocks batch"]:
        """Blocks + by, in the group."""
        return cyclotomy(self.order).field.add(blocks, by) if self.is_field else (blocks + by) % self.order

    def batches(self) -> Int[np.ndarray, "n_batches batch"]:
        """All translates of all blocks: a 2-design of v points."""
        return np.concatenate([self.translate(self.blocks, g) for g in range(self.order)])


def difference_family(v: int, k: int, meetings: int = 1) -> DifferenceFamily:
    """A (v, k, lambda) difference family, lambda = meetings.

    >>> difference_family(7, 3).blocks.tolist()
    [[1, 2, 4]]

    Raises:
        ValueError: if sizes are out of range, lambda (v - 1) is no multiple of k (k - 1), or none is known here.
    """
    if not 2 <= k < v or meetings < 1:
        raise ValueError(f"a difference family needs 2 <= k < v and lambda >= 1, received {v}, {k}, {meetings}")
    if meetings * (v - 1) % (k * (k - 1)):
        near = [u for u in (v - v % (k * (k - 1)) + 1, v - v % (k * (k - 1)) + 1 + k * (k - 1)) if u > k]
        raise ValueError(
            f"k (k - 1) = {k * (k - 1)} must divide lambda (v - 1) = {meetings * (v - 1)}, as each block has that "
            f"many differences; v = {' or '.join(map(str, near))} is possible for lambda = 1"
        )
    known = [some for some in known_families(v, k) if some.meetings == meetings]
    if not known:
        least = min((some.meetings for some in known_families(v, k)), default=None)
        raise ValueError(
            f"no ({v}, {k}, {meetings}) difference family is known here (it may exist); "
            + (f"lambda = {least} is" if least else "take v a prime power, v = 1 mod k (k - 1)")
        )
    return known[0]


def known_families(v: int, k: int) -> list[DifferenceFamily]:
    """All families that the constructions of this module give, with any lambda; the fewest batches first."""
    made = [singer_family(v, k), wilson_family(v, k), coset_family(v, k), bent_family(v, k)]
    return sorted((some for some in made if some), key=lambda some: some.meetings)


@lru_cache(maxsize=512)
def wilson_family(q: int, k: int) -> DifferenceFamily | None:
    """A (q, k, 1) family x^(e i) A; None if q is not as it must be or no block A was found.

    A is the subgroup of order k where that will do (for k = 3 it does); else it is searched for among pseudorandom
    sets, a fixed sequence, and the cosets of all differences are looked up.
    """
    e = k * (k - 1) // 2
    if k < 3 or (q - 1) % (2 * e) or not has_tables(q):
        return None
    group, rng = cyclotomy(q), np.random.default_rng(0)
    left, right = np.triu_indices(k, 1)
    t = (q - 1) // (2 * e)
    for chunk in range(_TRIED // 1000 if k < _HOPELESS else 1):
        sets = rng.integers(1, q, (1000 if k < _HOPELESS else 1, k))
        if chunk == 0 and (q - 1) % k == 0:  # a subgroup is a good candidate, for odd k
            sets[0] = group.power(np.arange(k) * ((q - 1) // k))
        cosets = np.sort(group.logs[group.subtract(sets[:, left], sets[:, right])] % e, axis=1)
        distinct = (np.sort(sets, axis=1)[:, 1:] != np.sort(sets, axis=1)[:, :-1]).all(1)
        good = np.flatnonzero((cosets == np.arange(e)).all(1) & distinct)
        if len(good):
            blocks = group.field.multiply(group.power(e * np.arange(t))[:, None], sets[good[0]])
            return DifferenceFamily(q, blocks, 1, "cyclotomic difference family", is_field=True)
    return None


@lru_cache(maxsize=512)
def coset_family(q: int, k: int) -> DifferenceFamily | None:
    """Cosets of the subgroup H of order k, or of order k - 1 with 0 added, with the smallest lambda.

    The differences of H are the cosets (h - 1) H, h != 1, and for those with 0 also H and -H; those of x^i H are
    x^i times these. So it is enough to count how many of them lie in each of the e cosets, for blocks x^i H with
    i = 0, s, 2 s, ... < e, or, as differences come in pairs +-, < e / 2 where -1 = x^(e / 2) H.
    """
    if k < 2 or k >= q or not has_tables(q):
        return None
    group, found = cyclotomy(q), list[DifferenceFamily]()
    for order, with_zero in ((k, False), (k - 1, True)):
        if order < 2 or (q - 1) % order:
            continue
        e = (q - 1) // order
        subgroup = group.power(np.arange(order) * e)
        gaps = group.subtract(subgroup[1:], subgroup[:1])
        if with_zero:
            gaps = np.concatenate([gaps, subgroup[:1], group.negatives[subgroup[:1]]])
        count = np.bincount(group.logs[gaps] % e, minlength=e)
        base = np.concatenate([[0], subgroup]) if with_zero else subgroup
        half = q % 2 == 1 and order % 2 == 1
        for s in (s for s in range(e, 0, -1) if e % s == 0):
            if (count.reshape(-1, s).sum(0) == len(gaps) // s).all() and len(gaps) % s == 0:
                in_half = half and e // 2 % s == 0
                rows = np.arange(0, e // 2 if in_half else e, s)
                blocks = group.field.multiply(group.power(rows)[:, None], base)
                meetings = len(gaps) // s // (2 if in_half else 1)
                found.append(DifferenceFamily(q, blocks, meetings, "cosets of a subgroup", is_field=True))
                break
    return min(found, key=lambda some: some.meetings, default=None)


@lru_cache(maxsize=512)
def singer_family(v: int, k: int) -> DifferenceFamily | None:
    """The hyperplanes of PG(m, q), v = k q + 1: the i modulo v for which x^i has trace 0 over q elements."""
    if k < 2 or (v - 1) % k:
        return None
    q, m = (v - 1) // k, 1
    if prime_power(q) is None:
        return None
    while (q ** (m + 1) - 1) // (q - 1) < v:
        m += 1
    if m < 2 or (q ** (m + 1) - 1) // (q - 1) != v or q ** (m + 1) > _FIELD:
        return None
    group, i = cyclotomy(q ** (m + 1)), np.arange(v)
    trace = np.zeros(v, dtype=np.int64)
    for j in range(m + 1):
        trace = group.field.add(trace, group.power(i * q**j))
    block = np.flatnonzero(trace == 0)
    return DifferenceFamily(v, block[None], (k - 1) // q, "hyperplanes of projective space", is_field=False)


def bent_family(v: int, k: int) -> DifferenceFamily | None:
    """One block of v = 4^m points, k = 2^(2m-1) - 2^(m-1): vectors of bits with x_1 x_2 + x_3 x_4 + .. = 1 (Menon).

    The form f has full rank, so that f(x) + f(x + g), g != 0, is a linear function of x, but 0, plus a constant. It
    is 1 for half of the x; so v / 4 of the k vectors have no translate by g among them: lambda = k - v / 4.
    """
    m = (v.bit_length() - 1) // 2
    if m < 2 or v != 4**m or k != 2 ** (2 * m - 1) - 2 ** (m - 1) or not has_tables(v):
        return None
    bits = np.arange(v)[:, None] >> np.arange(2 * m) & 1
    block = np.flatnonzero((bits[:, ::2] * bits[:, 1::2]).sum(1) % 2)
    return DifferenceFamily(v, block[None], k - v // 4, "bent function", is_field=True)
