"""The roots of E8, and the sharp codes that lie in them: (8, 240), (7, 56), (6, 27) and (5, 16).

Each is what a point of the one before sees at its smallest angle, seen from there: cosine 1/2 among the 240, 1/3
among the 56, 1/4 among the 27.

References:
    Conway and Sloane, 1999, "Sphere packings, lattices and groups", chapter 4.8 and chapter 14.
"""

from functools import partial
from itertools import combinations, product

import numpy as np
from jaxtyping import Float, Int

from theory.codes.code import exact_code
from theory.codes.exact import exact
from theory.codes.leech import SOURCE
from theory.codes.sections import section


def e8_roots() -> Int[np.ndarray, "240 8"]:
    """The 240 roots of E8 times 2, of norm 8: (+-2^2, 0^6), and (+-1^8) with evenly many minus signs."""
    integral = np.zeros((112, 8), dtype=np.int64)
    places = product(combinations(range(8), 2), product((2, -2), repeat=2))
    for row, (at, values) in zip(integral, places, strict=True):
        row[list(at)] = values
    halves = np.array([signs for signs in product((1, -1), repeat=8) if np.prod(signs) == 1])
    return np.concatenate([integral, halves])


def e8_section(depth: int) -> Float[np.ndarray, "m dim"]:
    """The roots at 60 degrees from `depth` of them that are at 60 degrees from each other, seen from there."""
    return section(e8_roots(), (4,) * depth)


def e8_points() -> Float[np.ndarray, "240 8"]:
    """The roots at unit length."""
    return e8_roots() / np.sqrt(8)


_CODE = partial(exact_code, source=SOURCE)

ROOT_CODES = (
    _CODE("Clebsch code", 5, [(exact(-3, 5), 5), (exact(1, 5), 10)], strength=3, make=partial(e8_section, 3)),
    _CODE("Schlaefli code", 6, [(exact(-1, 2), 10), (exact(1, 4), 16)], strength=4, make=partial(e8_section, 2)),
    _CODE(
        "28 equiangular lines",
        7,
        [(-1, 1), (exact(-1, 3), 27), (exact(1, 3), 27)],
        strength=5,
        make=partial(e8_section, 1),
    ),
    _CODE(
        "roots of E8",
        8,
        [(-1, 1), (exact(-1, 2), 56), (0, 126), (exact(1, 2), 56)],
        strength=7,
        make=e8_points,
    ),
)
