r"""Spherical codes of generalised quadrangles: a sharp code for every prime power q.

The points of the quadrangle of order (q, q^2) are the N = (q + 1)(q^3 + 1) points of the projective space
PG(5, q) on an elliptic quadric; two are collinear where the line through them lies on it. Every point is collinear
with k = q (q^2 + 1) others; the adjacency matrix A has the eigenvalues k, q - 1 and -(q^2 + 1), the last one
d = q (q^3 + 1) / (q + 1) times. The projection onto that last eigenspace, scaled to ones on the diagonal, is the
Gram matrix

    I - A / q + (J - I - A) / q^2:      N points in d dimensions with the cosines -1/q and 1/q^2.

q = 2, 3, 4, 5 give (d, N) = (6, 27), (21, 112), (52, 325), (105, 756).

References:
    Cameron, Goethals, Seidel, 1978, "Strongly regular graphs having strongly regular subconstituents",
    J. Algebra 55.
    Payne and Thas, 2009, "Finite generalized quadrangles", sections 1.2 and 3.1.
    Cohn and Kumar, 2007, Table 1, arXiv math/0607446.
"""

from functools import partial
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from theory.codes.code import Code, exact_code
from theory.codes.exact import exact
from theory.codes.leech import SOURCE
from theory.galois import GaloisField


def quadrangle_code(q: int) -> Code:
    """The spherical code of the generalised quadrangle of order (q, q^2).

    Args:
        q: a prime power.

    Raises:
        ValueError: if q is no prime power.
    """
    GaloisField(q)
    return exact_code(
        f"generalised quadrangle of order ({q}, {q * q})",
        q * (q * q - q + 1),
        [(exact(-1, q), q * (q * q + 1)), (exact(1, q * q), q**4)],
        strength=4 if q == 2 else 3,
        source=SOURCE,
        make=partial(quadrangle_points, q),
    )


def quadrangle_points(q: int) -> Float[np.ndarray, "n dim"]:
    """Coordinates of the code: eigenvectors of its Gram matrix, whose eigenvalues are N / d (d times) and 0.

    Cost: O(q^6) field operations and an eigendecomposition of size (q + 1)(q^3 + 1).
    """
    collinear = quadric_collinearity(q)
    n, dim = len(collinear), q * (q * q - q + 1)
    gram = np.where(collinear, -1 / q, 1 / q**2)
    np.fill_diagonal(gram, 1.0)
    vectors = np.linalg.eigh(gram)[1][:, n - dim :]
    return vectors * np.sqrt(n / dim)


def quadric_collinearity(q: int) -> Bool[np.ndarray, "n n"]:
    """Which points of the elliptic quadric of PG(5, q) are collinear on it (a point with itself, too).

    The quadric is Q(x) = x0 x1 + x2 x3 + g(x4, x5) = 0 with a form g(y, z) = y^2 + b y z + c z^2 that has no root
    but 0; x and y are collinear where the bilinear form Q(x + y) - Q(x) - Q(y) vanishes.
    """
    field = GaloisField(q)
    b, c = _anisotropic(field)
    points = np.concatenate([_starting_with_one(q, zeros) for zeros in range(6)])

    def form(x: Int[np.ndarray, "*shape 6"]) -> Int[np.ndarray, "*shape"]:
        terms = [field.multiply(x[..., i], x[..., i + 1]) for i in (0, 2, 4)]
        terms[2] = field.multiply(b, terms[2])
        squares = field.multiply(x[..., 4:], x[..., 4:])
        terms += [squares[..., 0], field.multiply(c, squares[..., 1])]
        return _sum(field, terms)

    points = points[form(points) == 0]
    return np.array([form(field.add(points, x)) for x in points]) == 0  # for Q(x) = Q(y) = 0 there


def _anisotropic(field: GaloisField) -> tuple[int, int]:
    """The first b, c such that y^2 + b y + c has no root in the field: y^2 + b y z + c z^2 is 0 at 0 only."""
    y = np.arange(field.q)
    for b, c in product(range(field.q), repeat=2):
        if field.add(field.add(field.multiply(y, y), field.multiply(b, y)), c).all():
            return b, c
    raise AssertionError(f"no irreducible quadratic over {field.q} elements")  # (q^2 - q) / 2 of them are


def _starting_with_one(q: int, zeros: int) -> Int[np.ndarray, "n 6"]:
    """One vector for every point of PG(5, q) whose first coordinates are so many zeros and a one."""
    free = 5 - zeros
    tails = np.arange(q**free)[:, None] // q ** np.arange(free) % q
    return np.hstack([np.zeros((len(tails), zeros), dtype=np.int64), np.ones((len(tails), 1), np.int64), tails])


def _sum(field: GaloisField, terms: list[Int[np.ndarray, "*shape"]]) -> Int[np.ndarray, "*shape"]:
    total = terms[0]
    for term in terms[1:]:
        total = field.add(total, term)
    return total
