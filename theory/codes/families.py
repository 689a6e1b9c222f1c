"""Universally optimal codes of any size: simplex, cross-polytope and regular polygon."""

from collections import Counter
from functools import partial

import numpy as np
from jaxtyping import Float

from theory.codes.code import Code, exact_code
from theory.codes.exact import QuadraticNumber, exact
from theory.codes.frames import cross_polytope, simplex_etf
from theory.codes.leech import SOURCE

_QUADRATIC = {0: exact(1), 60: exact(1, 2), 90: exact(0), 120: exact(-1, 2), 180: exact(-1)}
"""Cosines of the angles, in degrees, at which they are in Q(sqrt 5)."""
for _degrees, _a, _b in ((36, 1, 1), (72, -1, 1), (108, 1, -1), (144, -1, -1)):
    _QUADRATIC[_degrees] = QuadraticNumber(exact(_a, 4).rational, exact(_b, 4).rational)


def simplex_code(n_points: int, dim: int) -> Code:
    """The simplex of N <= d + 1 points, every two at the cosine -1 / (N - 1).

    It minimises every convex increasing potential, for sum_{i != j} x_i.x_j = |sum_i x_i|^2 - N >= -N. Its strength
    is 2 where N = d + 1 and 1 below (the points span N - 1 dimensions only).

    Raises:
        ValueError: if there are fewer than 2 or more than d + 1 points.
    """
    if not 2 <= n_points <= dim + 1:
        raise ValueError(
            f"a simplex in {dim} dimensions has 2 to {dim + 1} points, received {n_points}; "
            f"take as many, or dim = {max(n_points, 2) - 1}"
        )
    return exact_code(
        f"simplex of {n_points} points",
        dim,
        [(exact(-1, n_points - 1), n_points - 1)],
        strength=2 if n_points == dim + 1 else 1,
        source=SOURCE,
        make=partial(simplex_etf, n_points, dim),
    )


def cross_polytope_code(dim: int) -> Code:
    """The cross-polytope of N = 2 d points, d >= 2: every point has its antipode and is orthogonal to all others.

    Raises:
        ValueError: if d < 2.
    """
    if dim < 2:
        raise ValueError(f"a cross-polytope needs dim >= 2, received {dim}; two points are the simplex")
    return exact_code(
        f"cross-polytope of {2 * dim} points",
        dim,
        [(-1, 1), (0, 2 * dim - 2)],
        strength=3,
        source=SOURCE,
        make=partial(cross_polytope, 2 * dim, dim),
    )


def regular_polygon(n: int) -> Code:
    """The regular n-gon in the plane: cosines cos(2 pi k / n), each twice, and -1 once where n is even.

    It is sharp for every n (its strength is n - 1). The cosines are in Q(sqrt 5) for n = 3, 4, 5, 6, 10 alone; for
    these `exact` is given.

    Raises:
        ValueError: if n < 3.
    """
    if n < 3:
        raise ValueError(f"a polygon has 3 points or more, received {n}; two points are the simplex")
    counts = Counter(min(k, n - k) for k in range(1, n))
    name, strength, make = f"regular {n}-gon", n - 1, partial(polygon_points, n)
    if 360 % n == 0 and all(360 // n * k in _QUADRATIC for k in counts):
        cosines = [(_QUADRATIC[360 // n * k], count) for k, count in counts.items()]
        return exact_code(name, 2, cosines, strength=strength, source=SOURCE, make=make)
    similarities = tuple((float(_cosine(k, n)), counts[k]) for k in sorted(counts, reverse=True))
    return Code(name, 2, n, similarities, strength, True, SOURCE, make)


def polygon_points(n: int) -> Float[np.ndarray, "{n} 2"]:
    """The vertices (cos(2 pi k / n), sin(2 pi k / n)), k = 0 .. n - 1."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _cosine(k: int, n: int) -> float:
    """cos(2 pi k / n) as the sine of a small angle, so that -1 and 0 are exact."""
    return float(np.sin(np.pi * (n - 4 * k) / (2 * n)))
