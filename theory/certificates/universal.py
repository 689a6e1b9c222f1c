"""The universal lower bound on energies: from the numbers N and d alone, for all absolutely monotone potentials.

A quadrature rule with the point 1 among its nodes, of weight 1 / N, exact for polynomials of degree up to m:

    f_0 = f(1) / N + sum_i rho_i f(alpha_i),     f_0 the mean of f(x.y) over the sphere.

For h absolutely monotone, let f interpolate h at the alpha_i, twice at each except at -1. Then f <= h on [-1, 1],
since h - f is a derivative of h times (t - alpha_1)^2 (t - alpha_2)^2 .. or (t + 1) times that, and f is positive
definite (f_k >= 0: the paper, after Levenshtein). So for all N points

    (1/N) sum_(i != j) h(x_i.x_j) >= (1/N) sum_(i != j) f(x_i.x_j) >= N f_0 - f(1) = N sum_i rho_i h(alpha_i).

**Which rule.** Let D(d, 2k - 1) = 2 C(d+k-2, d-1) and D(d, 2k) = C(d+k-1, d-1) + C(d+k-2, d-1), the smallest
number of points of a spherical design of that strength (Delsarte, Goethals and Seidel 1977), and let m be such
that D(d, m) < N <= D(d, m + 1).

* m = 2k - 1: the k nodes are those of the Gauss rule of nu = mu - delta_1 / N, mu the distribution of one
  coordinate of a uniform point of the sphere. nu is positive on squares of polynomials of degree < k because N >
  D(d, 2k - 2) = max p(1)^2 / mean(p^2): so the rule exists, with real nodes and positive weights.
* m = 2k: -1 and the k nodes of the Gauss rule of (1 + t) nu, positive for the same reason as N > D(d, 2k - 1).

The nodes lie in [-1, 1) (Levenshtein 1992). At N = D(d, m + 1) the rules of both sides agree, and the points of a
tight design, if there is one, have just these cosines: the bound is attained there without any special case
(regular polygons, simplex, cross-polytope, icosahedron, (7, 56), E8, the Leech lattice). In the plane D(2, m) =
m + 1, so that this is so for every N, and the rule is that of the regular N-gon.

References:
    Boyvalenkov, Dragnev, Hardin, Saff and Stoyanova, 2016, "Universal lower bounds for potential energy of
    spherical codes", Constr. Approx. 44, arXiv 1503.07228. Levenshtein, 1992, "Designs as maximum codes in
    polynomial metric spaces", Acta Appl. Math. 29.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.formulas.potentials import Potential

MOST_NODES = 1000
"""Nodes up to which a rule is computed for d >= 3; the eigenvalues take half a second there."""


@dataclass(frozen=True)
class Quadrature:
    """f_0 = f(1) / N + sum_i weights_i f(nodes_i) for all polynomials f of degree up to `degree`.

    Attributes:
        nodes: alpha_1 < alpha_2 < .. in [-1, 1).
        weights: rho_i >= 0, adding up to 1 - 1 / N.
        degree: m, as in the module's docstring.
    """

    nodes: Float[np.ndarray, " nodes"]
    weights: Float[np.ndarray, " nodes"]
    degree: int


def universal_bound(potential: Potential, n_points: int, dim: int) -> float:
    """A lower bound of (1/N) sum_(i != j) h(x_i.x_j) for all N unit points in R^d: N sum_i rho_i h(alpha_i).

    Attained by every sharp code. Rounding: a few units of 1e-15, relatively. With more points than
    there are rules for, M (`most_points`), it is (N - 1) / (M - 1) times the bound of M points: the mean over all
    pairs is the mean of that over all subsets of M points.

    Args:
        potential: h, absolutely monotone.
        n_points: N >= 2.
        dim: d >= 1; for d = 1 it is the bound of the plane.

    Raises:
        ValueError: if N < 2 or d < 1.

    Cost:
        k^3 for k nodes, k ~ N^(1 / (d - 1)): for a million points half a second in d = 3, less in more dimensions;
        N in the plane.
    """
    check_points(n_points, dim)
    some = min(n_points, most_points(dim))
    rule = levenshtein_quadrature(some, dim)
    return float((n_points - 1) / (some - 1) * some * (rule.weights @ potential(rule.nodes)))


def levenshtein_quadrature(n_points: int, dim: int) -> Quadrature:
    """The rule of the module's docstring.

    In the orthonormal polynomials q_0 .. q_(k-1) of the positive part of the measure, with Jacobi matrix J (of
    multiplication by t), the measure less w delta_1 has the matrices I - w q q^T of inner products and J - w q
    q^T of multiplication, q = (q_0(1) .. q_(k-1)(1)): the nodes are their generalised eigenvalues, and the
    weights the squares of the inner products of the eigenvectors with the constant 1.

    Args:
        n_points: N >= 2.
        dim: d >= 1, where 1 is taken as 2.

    Raises:
        ValueError: if N < 2 or d < 1, or the rule has more than 1000 nodes in d >= 3 dimensions or a million in the
            plane.
    """
    check_points(n_points, dim)
    N, d = n_points, max(dim, 2)
    if most_points(d) < N:
        raise ValueError(
            f"n_points must be at most {most_points(d)} for a rule in {d} dimensions, received {N}; "
            "the mean over pairs is at least the bound of fewer points"
        )
    if d == 2:
        return _polygon_rule(N)
    degree = 1
    while design_bound(d, degree + 1) < N:
        degree += 1
    k, even = (degree + 1) // 2, degree % 2 == 0
    alpha, beta = (d - 3) / 2, (d - 1) / 2 if even else (d - 3) / 2
    nodes, weights = _gauss_less_a_point(alpha, beta, k, (2 if even else 1) / N)
    if even:
        weights = weights / (1 + nodes)
        nodes = np.append(-1.0, nodes)
        weights = np.append(max(0.0, 1 - 1 / N - weights.sum()), weights)
    return Quadrature(np.clip(nodes, -1, 1), weights, degree)


def most_points(dim: int) -> int:
    """The most points that `levenshtein_quadrature` has a rule for: a million nodes in the plane, else 1000."""
    return 2_000_000 if dim <= 2 else design_bound(dim, 2 * MOST_NODES)


def design_bound(dim: int, strength: int) -> int:
    """D(d, t): no spherical t-design in d dimensions has fewer points (Delsarte, Goethals and Seidel 1977).

    >>> [design_bound(3, t) for t in range(1, 6)]
    [2, 4, 6, 9, 12]
    """
    k = strength // 2
    if strength % 2:
        return 2 * math.comb(dim + k - 1, dim - 1)
    return math.comb(dim + k - 1, dim - 1) + math.comb(dim + k - 2, dim - 1)


def check_points(n_points: int, dim: int) -> None:
    """Refuse numbers of points and dimensions that leave nothing to bound.

    Raises:
        ValueError: if N < 2 or d < 1.
    """
    if n_points < 2:
        raise ValueError(f"n_points must be at least 2, received {n_points}; one point has no energy")
    if dim < 1:
        raise ValueError(f"dim must be at least 1, received {dim}; pass the dimension of the points")


def _polygon_rule(n: int) -> Quadrature:
    """The cosines of the regular n-gon, each of weight 2 / n, but -1 of weight 1 / n (and it alone for n = 2)."""
    k = np.arange(n // 2, 0, -1)
    weights = np.where(2 * k == n, 1.0, 2.0) / n
    return Quadrature(np.sin(np.pi * (n - 4 * k) / (2 * n)), weights, max(1, n - 2))


def _gauss_less_a_point(
    alpha: float, beta: float, k: int, mass: float
) -> tuple[Float[np.ndarray, "{k}"], Float[np.ndarray, "{k}"]]:
    """Nodes and weights of the Gauss rule of the Jacobi distribution (1-t)^alpha (1+t)^beta less mass delta_1."""
    from scipy.linalg import eigh  # a fifth of a second that starting need not wait for

    diagonal, side = _jacobi_matrix(alpha, beta, k)
    J = np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1)
    q = np.ones(k)
    for i in range(1, k):
        before = side[i - 2] * q[i - 2] if i > 1 else 0.0
        q[i] = ((1 - diagonal[i - 1]) * q[i - 1] - before) / side[i - 1]
    taken = mass * np.outer(q, q)
    nodes, vectors = eigh(J - taken, np.eye(k) - taken)
    first = (np.eye(k) - taken)[0]
    return nodes, (first @ vectors) ** 2


def _jacobi_matrix(
    alpha: float, beta: float, k: int
) -> tuple[Float[np.ndarray, "{k}"], Float[np.ndarray, "{k}-1"]]:
    """Diagonal and side diagonal of multiplication by t in orthonormal Jacobi polynomials (DLMF 18.9.1)."""
    total = alpha + beta
    n = np.arange(1.0, k)
    diagonal = np.empty(k)
    diagonal[0] = (beta - alpha) / (total + 2)
    diagonal[1:] = (beta**2 - alpha**2) / ((2 * n + total) * (2 * n + total + 2))
    squares = 4 * n * (n + alpha) * (n + beta) * (n + total)
    with np.errstate(invalid="ignore"):  # 0 / 0 at n = 1 in the plane, replaced below
        squares = squares / ((2 * n + total) ** 2 * (2 * n + total + 1) * (2 * n + total - 1))
    squares[:1] = 4 * (1 + alpha) * (1 + beta) / ((2 + total) ** 2 * (3 + total))
    return diagonal, np.sqrt(squares)
