"""Regular polytopes in three and four dimensions, with and without universal optimality.

Icosahedron and 600-cell minimise every absolutely monotone potential. The cube, the dodecahedron and the 24-cell do
not, regular as they are. Cube and dodecahedron lose already for e^((s - 1) / tau) with tau = 1. The 24-cell loses
for (1 + s)^k, k = 8, 10, 12, 13, and, by 7e-6 and 6e-5 of the energy, for the exponentials with tau = 0.2 and 0.17
(points found by search). At tau = 2, 1, 0.5, 0.25, 0.15, 0.1 and 0.05 a search found no better ones; whether the
24-cell minimises those is open here.
"""

from functools import partial
from itertools import permutations, product

import numpy as np
from jaxtyping import Float

from theory.codes.code import exact_code
from theory.codes.exact import QuadraticNumber, exact
from theory.codes.leech import SOURCE
from theory.codes.sections import unit_rows

_GOLDEN = (1 + np.sqrt(5)) / 2
_ROOT = exact(QuadraticNumber(exact(0).rational, exact(1).rational))  # sqrt(5)


def icosahedron() -> Float[np.ndarray, "12 3"]:
    """The vertices (0, +-1, +-phi) in cyclic order, phi the golden ratio, at unit length."""
    rows = [np.roll([0, a, b * _GOLDEN], k) for k in range(3) for a, b in product((1, -1), repeat=2)]
    return unit_rows(np.array(rows, dtype=np.float64))


def cube(dim: int) -> Float[np.ndarray, "n {dim}"]:
    """The 2^dim vertices (+-1, ..., +-1) at unit length."""
    return unit_rows(np.array(list(product((1.0, -1.0), repeat=dim))))


def dodecahedron() -> Float[np.ndarray, "20 3"]:
    """The vertices (+-1, +-1, +-1) and (0, +-1/phi, +-phi) in cyclic order, at unit length."""
    rows = [np.roll([0, a / _GOLDEN, b * _GOLDEN], k) for k in range(3) for a, b in product((1, -1), repeat=2)]
    return np.concatenate([cube(3), unit_rows(np.array(rows))])


def cell_24() -> Float[np.ndarray, "24 4"]:
    """The 24 roots of D4, (+-1, +-1, 0, 0) in any order, at unit length."""
    rows = {order for a, b in product((1.0, -1.0), repeat=2) for order in permutations((a, b, 0.0, 0.0))}
    return unit_rows(np.array(sorted(rows)))


def cell_600() -> Float[np.ndarray, "120 4"]:
    """The unit icosians: 8 (+-1, 0, 0, 0), 16 (+-1/2)^4, 96 even permutations of (+-phi, +-1, +-1/phi, 0) / 2."""
    axes = np.concatenate([np.eye(4), -np.eye(4)])
    even = [order for order in permutations(range(4)) if round(np.linalg.det(np.eye(4)[list(order)])) == 1]
    signs = np.array([(*s, 1.0) for s in product((1.0, -1.0), repeat=3)])
    values = signs * np.array([_GOLDEN, 1.0, 1 / _GOLDEN, 0.0]) / 2
    return np.concatenate([axes, cube(4), *(values[:, list(order)] for order in even)])


_CUBE = "refuted: the square antiprism is further apart (Schuette and van der Waerden 1951) and has a lower energy"
_DODECAHEDRON = "refuted: other points, found by search, have a lower energy (tests/theory/codes/test_polytopes.py)"
_CELL_24 = "refuted: Cohn, Conway, Elkies, Kumar 2007, arXiv math/0607447"
_CELL_600 = "Cohn and Kumar 2007, Theorem 1.2 and section 7, arXiv math/0607446"

CELL_600 = exact_code(
    "600-cell",
    4,
    [
        (-1, 1),
        ((_ROOT + 1) / -4, 12),
        (exact(-1, 2), 20),
        ((_ROOT - 1) / -4, 12),
        (0, 30),
        ((_ROOT - 1) / 4, 12),
        (exact(1, 2), 20),
        ((_ROOT + 1) / 4, 12),
    ],
    strength=11,
    source=_CELL_600,
    make=cell_600,
)

POLYTOPE_CODES = (
    exact_code(
        "icosahedron", 3, [(-1, 1), (_ROOT / -5, 5), (_ROOT / 5, 5)], strength=5, source=SOURCE, make=icosahedron
    ),
    CELL_600,
    exact_code(
        "cube",
        3,
        [(-1, 1), (exact(-1, 3), 3), (exact(1, 3), 3)],
        strength=3,
        source=_CUBE,
        make=partial(cube, 3),
        universally_optimal=False,
    ),
    exact_code(
        "dodecahedron",
        3,
        [(-1, 1), (_ROOT / -3, 3), (exact(-1, 3), 6), (exact(1, 3), 6), (_ROOT / 3, 3)],
        strength=5,
        source=_DODECAHEDRON,
        make=dodecahedron,
        universally_optimal=False,
    ),
    exact_code(
        "24-cell",
        4,
        [(-1, 1), (exact(-1, 2), 8), (0, 6), (exact(1, 2), 8)],
        strength=5,
        source=_CELL_24,
        make=cell_24,
        universally_optimal=False,
    ),
)
