"""Point sets that may be optimal for the log-sum-exp family where the simplex does not fit, N > d + 1.

| N              | candidates                                                                             |
|----------------|----------------------------------------------------------------------------------------|
| d + 2 .. 2 d   | N - d simplices in orthogonal subspaces; for N = 2 d, pairs: the cross-polytope         |
| of a code      | the universally optimal code of that size: regular polygons, icosahedron, E8, ...       |
| of the plane   | rivals: polygons with fewer vertices, all points left over at one of them               |
| d + 2 .. 2 d-1 | rivals: a pyramid, that is a simplex above the plane of a cross-polytope                |

The codes are proved to be optimal for log(1 + xi) over the full batch (`certificates.logarithms`). None is for
log xi, and some are known not to be (`counterexamples`).

References:
    Cohn and Kumar, 2007, arXiv math/0607446 (the codes, for sums without a logarithm). Schwartz, 2016, "Five
    point energy minimization: a synopsis", arXiv 1610.03303 (on the sphere, five points change from the
    bipyramid, 2 + 3 in orthogonal subspaces, to the pyramid over a square as the power of a Riesz energy grows;
    a small temperature does the same here).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from theory.codes import find_code, regular_polygon, simplex_etf
from theory.formulas.family import value_at_equal_views
from theory.ledger.entry import Points

_MOST_SPLITS = 64


@dataclass(frozen=True)
class Candidate:
    """Points for u = v.

    Attributes:
        name: in words.
        make: builds them.
        anchors: (how many points, what they see), the latter as (how many others, at which similarity).
    """

    name: str
    make: Callable[[], Points]
    anchors: tuple[tuple[int, tuple[tuple[int, float], ...]], ...]

    def value(self, loss: str, temperature: float) -> float:
        """The full-batch value of a loss of the family."""
        total = sum(count for count, _ in self.anchors)
        return sum(k * value_at_equal_views(loss, others, temperature) for k, others in self.anchors) / total


def natural_candidates(n: int, dim: int) -> list[Candidate]:
    """The code of this size, or else orthogonal simplices; none for n > 2 d where there is no code."""
    code = find_code(n, dim)
    if code is not None:
        others = tuple((count, cosine) for cosine, count in code.similarities)
        return [Candidate(code.name, lambda: code.coordinates, ((n, others),))]
    if not dim + 2 <= n < 2 * dim:
        return []
    return [_of_simplices(sizes, dim) for sizes in _splits(n, n - dim)]


def orthogonal_simplices(sizes: tuple[int, ...], dim: int) -> Points:
    """Simplices of these sizes, each of at least 2 points, in subspaces that are orthogonal to each other.

    They take ``sum (n_i - 1)`` dimensions.

    Raises:
        ValueError: if there are fewer dimensions.
    """
    needed = sum(sizes) - len(sizes)
    if dim < needed:
        raise ValueError(f"dim must be at least {needed} for simplices of {sizes} points, received {dim}")
    points, row, column = np.zeros((sum(sizes), dim)), 0, 0
    for size in sizes:
        points[row : row + size, column : column + size - 1] = simplex_etf(size, size - 1)
        row, column = row + size, column + size - 1
    return points


def plane_cluster(n: int, n_vertices: int) -> Points:
    """A regular polygon with ``n - n_vertices`` more points at its first vertex.

    Raises:
        ValueError: unless 3 <= n_vertices <= n.
    """
    if not 3 <= n_vertices <= n:
        raise ValueError(f"n_vertices must lie between 3 and n = {n}, received {n_vertices}")
    return regular_polygon(n_vertices).coordinates[
        np.concatenate([np.zeros(n - n_vertices, int), np.arange(n_vertices)])
    ]


def pyramid(n: int, dim: int) -> Points:
    """A cross-polytope of 2 (n - d) points below, and a simplex of the other 2 d - n above; a start for a descent.

    Their planes are orthogonal, and an axis that is orthogonal to both carries the heights, which sum to 0.

    Raises:
        ValueError: unless d + 2 <= n <= 2 d - 1.
    """
    if not dim + 2 <= n < 2 * dim:
        raise ValueError(f"a pyramid has d + 2 to 2 d - 1 points, received n = {n}, dim = {dim}")
    k, apexes = n - dim, 2 * dim - n
    height = 1.0 if apexes == 1 else 0.3
    drop = height * apexes / (2 * k) * (0.5 if apexes == 1 else 1.0)
    points = np.zeros((n, dim))
    points[:k, :k], points[k : 2 * k, :k] = np.eye(k), -np.eye(k)
    points[: 2 * k] *= np.sqrt(1 - drop**2)
    points[: 2 * k, -1] = -drop
    if apexes > 1:
        points[2 * k :, k : dim - 1] = np.sqrt(1 - height**2) * simplex_etf(apexes, apexes - 1)
    points[2 * k :, -1] = height
    return points


def _of_simplices(sizes: tuple[int, ...], dim: int) -> Candidate:
    n = sum(sizes)
    anchors = tuple((k, ((k - 1, -1 / (k - 1)), (n - k, 0.0))) for k in sizes)
    kinds = ", ".join(f"{count} of {size} points" for size, count in Counter(sizes).items())
    name = f"orthogonal simplices, {kinds}"
    return Candidate(name, partial(orthogonal_simplices, sizes, dim), anchors)


def _splits(n: int, parts: int) -> list[tuple[int, ...]]:
    """Sizes of at least 2, as equal as can be first; further ones give one of them the points of others.

    For two parts these are all; else the largest grows, and the smallest shrink to 2 in turn.
    """
    sizes = [n // parts + (i < n % parts) for i in range(parts)]
    found = [tuple(sizes)]
    while sizes[-1] > 2 or any(size > 2 for size in sizes[1:]):
        last = max(i for i in range(parts) if sizes[i] > 2)
        sizes[0], sizes[last] = sizes[0] + 1, sizes[last] - 1
        found.append(tuple(sizes))
    step = -(-len(found) // _MOST_SPLITS)
    return [*found[:-1:step], found[-1]]
