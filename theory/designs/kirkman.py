"""Kirkman triple systems from pairwise balanced designs: N = 2 u + 1 points in triples, each pair once.

A *pairwise balanced design* has blocks of several sizes, and every two of its u points lie in exactly one block.

**Doubling.** If all block sizes k are such that a Kirkman triple system of 2 k + 1 points is known, there is one of
2 u + 1. The points are infinity and two copies (x, 0), (x, 1) of each. In the system on a block A, with infinity,
infinity meets each of the others once, so that points can be named to make its triples {infinity, (a, 0), (a, 1)},
one in each of its k classes. Class x of the whole has {infinity, (x, 0), (x, 1)}, and for every block A with x in
it the other triples of the class of A that belongs to x. They cover (y, 0) and (y, 1) once for every y != x, as y
lies in one block with x; and a pair of copies of x != y occurs once, in the system on the block of x and y.

Here k = 1 modulo 3 and so is u. Balanced designs used:

* u = 4 modulo 12: resolvable designs of quadruples (33 = 2 x 16 + 1, from the affine plane of order 4).
* u = 14 w, w = 2 modulo 3: {0, 1, 4, 6} modulo 14 has all differences but 7 once. So quadruples cover the pairs of
  14 groups {i, i + 7} of different groups; put w points in the place of each, and on the w-fold quadruples the w^2
  blocks of a net; the groups, now of 2 w points, are the other blocks (141 = 2 x 70 + 1).
* u = 34: 27 points, Z_3^3, and 7 more. The translates of {0, e1, e2, e3} have the differences of six of the 13
  subgroups of order 3; each of the 7 others gives a class of triples, which one of the 7 points completes; and the
  7 points are a block (69 = 2 x 34 + 1).

References:
    Ray-Chaudhuri and Wilson, 1971, "Solution of Kirkman's schoolgirl problem", Proc. Symp. Pure Math. 19: the
    doubling theorem, and that such systems exist for all N = 6 k + 3. Brouwer, 1979, "Optimal packings of K_4's
    into a K_n", J. Combin. Theory A 26 (a design of 34 points with one block of 7). Those above are our own.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from theory.designs.differences import differences
from theory.designs.nets import Schedule

Blocks = list[Int[np.ndarray, "n_blocks size"]]
_MOST = 1000
"""The largest u: all blocks are listed, u^2 / 12 of them."""


def doubled(u: int, resolvable: Callable[[int, int], Schedule | None]) -> Schedule | None:
    """A Kirkman triple system of 2 u + 1 points by doubling; None if the parts are not known.

    Args:
        u: points of the pairwise balanced design.
        resolvable: what is known of smaller designs, by their number of points and batch size.
    """
    if u % 3 != 1 or u > _MOST:
        return None
    found = balanced(u, resolvable)
    if found is None:
        return None
    parts = {blocks.shape[1]: resolvable(2 * blocks.shape[1] + 1, 3) for blocks in found}
    if None in parts.values():
        return None
    classes = np.full((u, (2 * u + 1) // 3, 3), 2 * u)
    classes[:, 0, :2] = np.arange(u)[:, None] * [1, 1] + [0, u]
    filled = np.ones(u, dtype=np.int64)
    for blocks in found:
        part = parts[blocks.shape[1]]
        assert part is not None
        table = _through_infinity(part)
        per_class = table.shape[1]
        for block in blocks:
            # Position p < k is (block[p], 0), position k + p is (block[p], 1).
            named = np.concatenate([block, block + u])[table]
            rows = filled[block][:, None] + np.arange(per_class)
            classes[block[:, None], rows] = named
            filled[block] += per_class
    return Schedule(
        2 * u + 1, 3, (2 * u + 1) // 3, u, "2-design", f"Kirkman triples, 2 x {u} + 1", classes.__getitem__
    )


def balanced(u: int, resolvable: Callable[[int, int], Schedule | None]) -> Blocks | None:
    """The blocks of a pairwise balanced design of u points, by size, each 1 modulo 3; None if none is known."""
    if u == 34:
        return _thirty_four()
    if u % 14 == 0 and (w := u // 14) % 3 == 2 and differences(w, 4).classes == w:
        return _fourteen_groups(w)
    known = resolvable(u, 4) if u % 12 == 4 else None
    return None if known is None else [known.classes().reshape(-1, 4)]


def _through_infinity(part: Schedule) -> Int[np.ndarray, "k triples 3"]:
    """Classes without the triple of point 0, whose other points in class p are named p and k + p."""
    k = part.n_classes
    classes = part.classes()
    through = (classes == 0).any(2)
    pairs = np.sort(classes[through], axis=1)[:, 1:]
    name = np.full(2 * k + 1, -1)
    name[pairs[:, 0]], name[pairs[:, 1]] = np.arange(k), k + np.arange(k)
    return name[classes[~through].reshape(k, -1, 3)]


def _fourteen_groups(w: int) -> Blocks:
    """Point (i, x) of 14 w has the number i w + x."""
    net = differences(w, 4)
    lines = np.concatenate([net.add(np.arange(w)[:, None], net.shift(s)) for s in range(w)])
    quadruples = (np.arange(14)[:, None] + [0, 1, 4, 6]) % 14
    spread = (quadruples[:, None, :] * w + lines).reshape(-1, 4)
    groups = np.concatenate([np.arange(7 * w).reshape(7, w), 7 * w + np.arange(7 * w).reshape(7, w)], axis=1)
    return [spread, groups]


def _thirty_four() -> Blocks:
    """Points of Z_3^3 are numbered in base 3, the others follow."""
    vectors = np.arange(27)[:, None] // np.array([9, 3, 1]) % 3
    number = np.array([9, 3, 1])
    base = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    quadruples = ((vectors[:, None] + base) % 3) @ number
    differences_used = set((((base[:, None] - base) % 3) @ number).ravel().tolist())
    parts = [quadruples]
    steps = [v for v in vectors if not {int(v @ number), int(-v % 3 @ number)} & differences_used]
    steps = [v for v in steps if v @ number < -v % 3 @ number]  # one of each subgroup
    for extra, step in enumerate(steps):
        lines = ((vectors[:, None] + np.arange(3)[:, None] * step) % 3) @ number
        cosets = np.unique(np.sort(lines, axis=1), axis=0)
        parts.append(np.concatenate([cosets, np.full((9, 1), 27 + extra)], axis=1))
    return [np.concatenate(parts), np.arange(27, 34)[None]]
