"""The finite table of codes, and the universally optimal code of a given size."""

from theory.codes.code import Code
from theory.codes.families import cross_polytope_code, regular_polygon, simplex_code
from theory.codes.leech import LEECH_CODES
from theory.codes.polytopes import POLYTOPE_CODES
from theory.codes.quadrangles import quadrangle_code
from theory.codes.roots import ROOT_CODES
from theory.galois import prime_power

CODES: tuple[Code, ...] = tuple(
    sorted(
        (*POLYTOPE_CODES, *ROOT_CODES, *LEECH_CODES, quadrangle_code(4), quadrangle_code(5)),
        key=lambda code: (code.dim, code.n_points),
    )
)
"""The codes that belong to no family of every size (of the quadrangles' the first four), and three that are known
NOT to be universally optimal: cube, dodecahedron and 24-cell."""


def find_code(n_points: int, dim: int) -> Code | None:
    """The universally optimal code of N points in d dimensions: its energy is the minimum for all such potentials.

    | N                | d               | code                                                    |
    |------------------|-----------------|---------------------------------------------------------|
    | 2 .. d + 1       | any             | simplex (in N - 1 of the dimensions)                    |
    | 2 d              | 2 or more       | cross-polytope                                          |
    | any              | 2               | regular polygon                                         |
    | (q+1)(q^3+1)     | q (q^2 - q + 1) | generalised quadrangle of order (q, q^2), q prime power |
    | 12               | 3               | icosahedron                                             |
    | 120              | 4               | 600-cell                                                |
    | 16, 27, 56, 240  | 5, 6, 7, 8      | E8 and what lies in it                                  |
    | 100, ..., 196560 | 21, 22, 23, 24  | Leech lattice and what lies in it: see `CODES`          |

    This is the list of Cohn and Kumar (2007, Table 1, arXiv math/0607446), with the proof of each entry in
    `theory.certificates.hermite`. Ballinger, Blekherman, Cohn, Giansiracusa, Kelly and Schuermann (2009, arXiv
    math/0611451) conjecture two more, (10, 40) and (14, 64), which no search has beaten: not listed, not proved.

    Args:
        n_points: N, at least 2.
        dim: d, at least 1.

    Returns:
        The code, or None where no such code is known.

    Raises:
        ValueError: if N < 2 or d < 1.
    """
    if n_points < 2 or dim < 1:
        raise ValueError(f"a code needs n_points >= 2 and dim >= 1, received n_points = {n_points} and dim = {dim}")
    if n_points <= dim + 1:
        return simplex_code(n_points, dim)
    if dim == 1:
        return None
    if n_points == 2 * dim:
        return cross_polytope_code(dim)
    if dim == 2:
        return regular_polygon(n_points)
    for code in CODES:
        if code.universally_optimal and (code.n_points, code.dim) == (n_points, dim):
            return code
    return _quadrangle(n_points, dim)


def _quadrangle(n_points: int, dim: int) -> Code | None:
    q = round(dim ** (1 / 3)) + 1  # q^3 - q^2 + q = dim has its root between the cube root and that plus one
    for candidate in (q - 1, q):
        size = ((candidate + 1) * (candidate**3 + 1), candidate * (candidate**2 - candidate + 1))
        if prime_power(candidate) and size == (n_points, dim):
            return quadrangle_code(candidate)
    return None
