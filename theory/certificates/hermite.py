r"""Exact certificates of universal optimality: one finite computation for every absolutely monotone potential.

Notation: N unit points in R^d at the cosines t_1 < ... < t_m with multiplicities mu_i (the same from every point),
P_k the Gegenbauer polynomials of the sphere with P_k(1) = 1, energy E_h = (1/N) sum_{i != j} h(x_i.x_j). Nodes
s_1 <= ... <= s_n: every t_i twice, but -1 (where it occurs) once. Partial products p_k = prod_{j <= k} (t - s_j),
and F = p_n, which is >= 0 on [-1, 1], being a product of squares and perhaps 1 + t.

**Theorem.** Let there be for every k = 1 .. n - 1 a polynomial q_k >= 0 on [-1, 1] such that r_k = p_k - F q_k has
Gegenbauer coefficients >= 0 in all degrees j >= 1, and = 0 in those degrees j >= 1 where the moment
P_j(1) + sum_i mu_i P_j(t_i) of the code is not 0. Then the code has the least energy of all N points of the sphere,
for every h on [-1, 1) whose derivatives of order 1, 2, ... are all >= 0.

*Proof.* Let D_k = h[s_1, ..., s_(k+1)] be the divided differences (with derivatives at double nodes). By the mean
value theorem D_k = h^(k)(xi) / k! >= 0 for k >= 1, and g(t) = h[s_1, ..., s_n, t] >= 0 on [-1, 1). Newton's formula
is h = D_0 + sum_{k=1}^{n-1} D_k p_k + g F. So f = D_0 + sum_k D_k r_k has

    h - f = F (g + sum_k D_k q_k) >= 0 on [-1, 1), and = 0 at the cosines of the code (F is 0 there).

f = sum_j f_j P_j with f_j >= 0 for j >= 1. Any N points have sum_{i,l} P_j(x_i.x_l) >= 0 (Schoenberg), so

    N E_h >= sum_{i != l} f(x_i.x_l) = sum_j f_j sum_{i,l} P_j(x_i.x_l) - N f(1) >= N^2 f_0 - N f(1).

At the code the first step is an equality, and so is the second: the sum over i and l is N times the moment, which
is 0 wherever f_j > 0. (For points that coincide h(1), the limit, is >= f(1) as well.) QED

**Sharp codes** (strength >= 2m - 1) need no q_k: r_k = p_k has degree n - 1 <= 2m - 1 at most, all moments up to
there vanish, and what is left to check is that the partial products, of the nodes *in ascending order*, have
coefficients >= 0. (Cohn and Kumar prove that for all sharp codes at once, by orthogonal polynomials.)

**The 600-cell** is not sharp: n = 15, and its moments of degree 1 .. 11 and 13 .. 19 vanish, that of degree 12 does
not. Here q_k = c_k (1 + t)^2 (a_k - t) with a = 11/10, 8/7, 6/5 for k = 12, 13, 14 does it, where c_k > 0 is what
makes the coefficient of degree 12 vanish: again a proof for all potentials at once. (Cohn and Kumar, section 7,
take another polynomial; these a_k were found by linear programming, and are checked exactly.)

Everything is computed in Q or Q(sqrt 5); no rounding enters. **Regular polygons** have cosines in larger fields,
except for n = 3, 4, 5, 6, 10; for the others both conditions hold by proof: sum_j e^(2 pi i jk / n) = 0 for
k = 1 .. n - 1, and `theory.certificates.polygons` says why all coefficients are >= 0.

References:
    Cohn and Kumar, 2007, "Universally optimal distribution of points on spheres", J. Amer. Math. Soc. 20, sections
    2 to 5 and 7, arXiv math/0607446. Schoenberg, 1942, "Positive definite functions on spheres", Duke Math. J. 9.
    Yudin, 1993, "The minimum of potential energy of a system of point charges", Discrete Math. Appl. 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from theory.certificates.exact_gegenbauer import Coefficients, gegenbauer_values, times_root
from theory.certificates.polygons import polygon_partial_products, polygon_products
from theory.certificates.universal import levenshtein_quadrature
from theory.codes.code import Code
from theory.codes.exact import QuadraticNumber, exact
from theory.codes.polytopes import CELL_600
from theory.formulas.potentials import Potential

_WRITTEN_OUT = 64
"""Points of a polygon up to which the products of the proof are evaluated, too."""
_CORRECTIONS = {12: Fraction(11, 10), 13: Fraction(8, 7), 14: Fraction(6, 5)}
"""The a_k of q_k for the 600-cell."""


@dataclass(frozen=True)
class HermiteCertificate:
    """What the exact check found.

    Attributes:
        code: the code.
        arithmetic: in which numbers the check was done: Q, Q(sqrt 5), or `proof` for the polygons with neither.
        degree: of the polynomials below the potentials.
        moments: P_k(1) + sum_i mu_i P_k(t_i) for k = 1 .. degree; 0 for a design of that strength.
        polynomials: the r_k, k = 1 .. n - 1, by their Gegenbauer coefficients; none with `proof`.
        failures: what does not hold, in words; none if the code is proved to be universally optimal.
    """

    code: Code
    arithmetic: str
    degree: int
    moments: tuple[QuadraticNumber, ...]
    polynomials: tuple[Coefficients, ...]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the code is proved to minimise the energy of every absolutely monotone potential."""
        return not self.failures

    @property
    def smallest_coefficient(self) -> float:
        """The least Gegenbauer coefficient of degree 1 or more of any r_k; 0 where there is none."""
        return min((float(c) for r in self.polynomials for c in r[1:]), default=0.0)


def hermite_certificate(code: Code) -> HermiteCertificate:
    """Check in exact arithmetic that a code minimises the energy of every absolutely monotone potential.

    A certificate that fails says that this proof fails, and no more. (Of cube, dodecahedron and 24-cell it is known
    that other points beat them.)

    Args:
        code: any code with exact cosines, or a regular polygon.

    Raises:
        ValueError: if the code has no exact cosines and is no regular polygon.

    Cost: n^2 exact operations for n nodes, at most a few milliseconds. For polygons of more than 64 points nothing
        is evaluated: there the proof stands alone.
    """
    if code.exact is None:
        return _polygon_certificate(code)
    nodes = [cosine for cosine, _ in code.exact for _ in range(1 if cosine == -1 else 2)]
    polynomials = _lower_polynomials(nodes, code.dim, _CORRECTIONS if code.exact == CELL_600.exact else {})
    degree = max((len(r) - 1 for r in polynomials), default=0)
    moments = code_moments(code, degree)
    rational = all(not cosine.root for cosine, _ in code.exact)
    failures = [
        f"the coefficient of degree {j} of r_{k} is {c}, and "
        + ("negative" if c < 0 else "the code's moment is not 0")
        for k, r in enumerate(polynomials, start=1)
        for j, c in enumerate(r[1:], start=1)
        if c < 0 or (c != 0 and moments[j - 1] != 0)
    ]
    return HermiteCertificate(
        code, "Q" if rational else "Q(sqrt 5)", degree, moments, tuple(polynomials), tuple(failures)
    )


def code_moments(code: Code, degree: int) -> tuple[QuadraticNumber, ...]:
    """P_k(1) + sum_i mu_i P_k(t_i), exactly, for k = 1 .. degree: N times the average of P_k over all pairs.

    They are never negative, and those of degree 1 .. t vanish if and only if the code is a spherical t-design.

    Args:
        code: with exact cosines, in d >= 2 dimensions (d = 1 up to degree 1).
        degree: the last one.

    Raises:
        ValueError: if the code has no exact cosines.

    References:
        Delsarte, Goethals, Seidel, 1977, "Spherical codes and designs", Geom. Dedicata 6, Theorem 5.5.
    """
    if code.exact is None:
        raise ValueError(f"moments need exact cosines, and those of {code.name} are not in Q(sqrt 5)")
    totals = [exact(0)] * (degree + 1)
    for cosine, count in (*code.exact, (exact(1), 1)):
        values = gegenbauer_values(cosine, code.dim, degree)
        totals = [total + value * count for total, value in zip(totals, values, strict=True)]
    return tuple(totals[1:])


def hermite_polynomial(code: Code, potential: Potential) -> Float[np.ndarray, " degree"]:
    """The polynomial f of the proof, f <= h with equality at the cosines of the code, in float64.

    Args:
        code: one whose certificate passes.
        potential: h.

    Returns:
        Its Gegenbauer coefficients, lowest degree first; those of degree >= 1 are >= 0.

    Raises:
        ValueError: if the code has no certificate that passes.
    """
    certificate = hermite_certificate(code)
    if not certificate.passed:
        raise ValueError(
            f"the polynomial needs a code whose certificate passes; {code.name}: {certificate.failures[0]}"
        )
    nodes = np.array([cosine for cosine, _ in code.similarities for _ in range(1 if cosine == -1 else 2)])
    rows = polygon_partial_products(code.n_points) if code.exact is None else certificate.polynomials
    differences = _divided_differences(nodes, potential)
    f = np.zeros(certificate.degree + 1)
    f[0] = differences[0]
    for difference, row in zip(differences[1:], rows, strict=True):
        f[: len(row)] += difference * np.array([float(c) for c in row])
    return f


def hermite_bound(code: Code, potential: Potential) -> float:
    """N f_0 - f(1), the bound of the proof on (1/N) sum_{i != j} h(x_i.x_j) for all N points, in float64.

    In exact arithmetic it equals `code.energy(potential)`; a difference between the two is rounding.
    """
    f = hermite_polynomial(code, potential)
    return float(code.n_points * f[0] - f.sum())


def _lower_polynomials(
    nodes: Sequence[QuadraticNumber], dim: int, corrections: Mapping[int, Fraction]
) -> list[Coefficients]:
    """The r_k, k = 1 .. n - 1: partial products p_k, less c_k F (1 + t)^2 (a_k - t) where there is an a_k."""
    products: list[Coefficients] = [(exact(1),)]
    for node in nodes:
        products.append(times_root(products[-1], node, dim))
    full = products[-1]
    lower = products[1:-1]
    for k, a in corrections.items():
        term = full
        for root in (-1, -1, a):
            term = times_root(term, exact(root), dim)
        scale = products[k][12] / term[12]  # of (1 + t)^2 (t - a), so that it is -c_k
        if scale < 0:
            padded = (*products[k], *[exact(0)] * (len(term) - k - 1))
            lower[k - 1] = tuple(x - scale * y for x, y in zip(padded, term, strict=True))
    return lower


def _polygon_certificate(code: Code) -> HermiteCertificate:
    """Of a regular polygon, by the proof of `polygons`, and up to 64 points by its products, too."""
    if code.dim != 2 or not _is_polygon(code):
        raise ValueError(f"a certificate needs exact cosines or a regular polygon, received {code.name}")
    degree = code.n_points - 2
    products = polygon_products(code.n_points) if code.n_points <= _WRITTEN_OUT else []
    negative = [j for j, row in enumerate(products, start=1) if (row < 0).any()]
    failures = tuple(f"a product of {j} nodes has a negative coefficient" for j in negative)
    return HermiteCertificate(code, "proof", degree, (exact(0),) * degree, (), failures)


def _is_polygon(code: Code) -> bool:
    """Whether the cosines are those of the regular polygon, each twice but -1."""
    cosines, counts = np.array(code.similarities).T
    rule = levenshtein_quadrature(code.n_points, 2)
    weights = np.rint(code.n_points * rule.weights)
    return len(cosines) == len(rule.nodes) and bool((cosines == rule.nodes).all() and (counts == weights).all())


def _divided_differences(nodes: Float[np.ndarray, " n"], potential: Potential) -> list[float]:
    """h[s_1], h[s_1, s_2], ..., with a derivative where a node is repeated (twice at most)."""
    column = potential(nodes)
    slopes = potential(nodes, order=1)
    differences = [float(column[0])]
    for k in range(1, len(nodes)):
        steps = nodes[k:] - nodes[:-k]
        quotients = np.diff(column) / np.where(steps, steps, 1.0)
        column = np.where(steps, quotients, slopes[:-k])
        differences.append(float(column[0]))
    return differences
