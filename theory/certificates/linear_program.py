"""The linear-programming lower bound on energies (Delsarte; Yudin 1992), made a bound and not nearly one.

For every polynomial f = sum_k f_k P_k (`gegenbauer`) with f_k >= 0 for k >= 1 and f <= h on [-1, 1], and all N
points,

    sum_(i != j) h(x_i.x_j) >= sum_(i != j) f(x_i.x_j) = sum_ij f(x_i.x_j) - N f(1) >= N^2 f_0 - N f(1),

as sum_ij P_k(x_i.x_j) >= 0. Per point: N f_0 - f(1). h need not be monotone for this; the best f of one degree is a
linear program with a constraint for every t in [-1, 1].

**From a grid to the interval.** The program is solved on a grid of cosines; between them f may exceed h. On a cell
[a, b] of width w, g = f - h is at most both of

    max(g(a), g(b)) + w^2 / 8 max(0, sup h'' - inf f''),     inf f'' >= f''(middle) - w / 2 sum_k f_k P_k'''(1),
    min(f(1), max(f(a), f(b)) + w^2 / 8 sum_k f_k P_k''(1)) - h(a)        for increasing h,

the second of which serves where h has a pole. Cells are halved until the largest of these is known closely; the
cosines where f exceeds h join the grid, and the program is solved again. What is left, the `violation` e, is
subtracted from f: f - e <= h everywhere, which costs (N - 1) e per point.

References:
    Delsarte, 1972, Philips Res. Rep. 27. Yudin, 1992, "The minimum of potential energy of a system of point
    charges", Discrete Math. Appl. 3. Cohn and Kumar, 2007, Proposition 4.1, arXiv math/0607446. Cohn, Conway,
    Elkies and Kumar, 2007, "The D4 root system is not universally optimal", Exp. Math. 16, arXiv math/0607447
    (the 24-cell is not optimal).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from theory.certificates.gegenbauer import derivative_at_one, gegenbauer, gegenbauer_derivative
from theory.certificates.universal import check_points, levenshtein_quadrature, most_points
from theory.formulas.potentials import Potential

_CLOSE = 1e-10
"""Violation to stop at, in units of the mean potential of a pair."""
_ROUNDS, _LARGEST_DEGREE = 12, 64


@runtime_checkable
class Curve(Protocol):
    """An increasing function of the cosine that is to be bounded from below."""

    def __call__(self, s: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Its values."""
        ...

    def curvature(self, a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """An upper bound of its second derivative on each interval [a_i, b_i]; may be infinite."""
        ...


@dataclass(frozen=True, eq=False)
class EnergyBound:
    """A lower bound of (1/N) sum_(i != j) h(x_i.x_j) over all N unit points in R^d, with its witness f.

    Attributes:
        value: N f_0 - f(1).
        n_points: N.
        dim: d (2 if it was 1).
        degree: of f.
        coefficients: f_0 .. f_degree: the violation is taken off f_0 already, so that f <= h up to rounding.
        violation: what was taken off f_0.
    """

    value: float
    n_points: int
    dim: int
    degree: int
    coefficients: Float[np.ndarray, " k"]
    violation: float

    def polynomial(self, s: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """f(s)."""
        return self.coefficients @ gegenbauer(s, self.dim, self.degree)


@dataclass(frozen=True)
class _Monotone:
    """An absolutely monotone potential: its second derivative increases."""

    potential: Potential

    def __call__(self, s: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return self.potential(s)

    def curvature(self, a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return self.potential(np.maximum(a, b), order=2)


def energy_bound(potential: Potential, n_points: int, dim: int, *, degree: int | None = None) -> EnergyBound:
    """A lower bound of (1/N) sum_(i != j) h(x_i.x_j) over all N unit points in R^d by linear programming.

    A bound up to the rounding of float64: the values of f and h are taken to be exact to 1e-14 times f(1).

    Args:
        potential: h, absolutely monotone; may have a pole at 1.
        n_points: N >= 2.
        dim: d >= 1 (points on a line are points of the plane: 1 counts as 2).
        degree: the largest degree of f; None begins at 12 (or at the degree of the universal bound, if larger, at
            most 64) and adds 6, twice at most, while that helps. Larger is never worse but for time.

    Raises:
        ValueError: if N < 2, d < 1 or the degree is below 1.

    Cost:
        0.05 to 0.5 s: a few linear programs of degree + 1 variables and ten times as many constraints.
    """
    check_points(n_points, dim)
    if degree is None and n_points <= dim + 1:
        return _tangent(potential, n_points, max(dim, 2))
    return curve_bound(_Monotone(potential), n_points, dim, degree=degree)


def curve_bound(curve: Curve, n_points: int, dim: int, *, degree: int | None = None) -> EnergyBound:
    """`energy_bound` of any increasing curve."""
    check_points(n_points, dim)
    d = max(dim, 2)
    if degree is not None:
        if degree < 1:
            raise ValueError(f"degree must be at least 1, received {degree}; leave it out for a good one")
        return _bound(curve, n_points, d, degree)
    some = min(n_points, most_points(d))
    start = min(_LARGEST_DEGREE, max(12, levenshtein_quadrature(some, d).degree + 1))
    best = _bound(curve, n_points, d, start)
    for more in (6, 12):
        longer = _bound(curve, n_points, d, start + more)
        gain = longer.value - best.value
        best = longer if gain > 0 else best
        if gain <= 1e-9 * abs(best.value):
            break
    return best


def _tangent(potential: Potential, n: int, dim: int) -> EnergyBound:
    """The tangent of a convex h at the cosine -1 / (N - 1) of the simplex, which attains its bound."""
    at = np.array(-1 / (n - 1))
    height, slope = float(potential(at)), float(potential(at, order=1))
    coefficients = np.array([height + slope / (n - 1), slope])
    return EnergyBound((n - 1) * height, n, dim, 1, coefficients, 0.0)


def _bound(curve: Curve, n: int, dim: int, degree: int) -> EnergyBound:
    """The bound of one degree by cutting planes, in units in which h is 0 at -1 and about 1 for a typical pair."""
    rule = levenshtein_quadrature(min(n, most_points(dim)), dim)
    shift = float(curve(np.array([-1.0]))[0])
    unit = float(n / (n - 1) * rule.weights @ (curve(rule.nodes) - shift))
    unit = max(unit, abs(shift)) or 1.0
    grid = np.cos(np.linspace(0, np.pi, 10 * degree + 1))
    best, f, stale = (-np.inf, 0.0), np.zeros(degree + 1), 0
    for _ in range(_ROUNDS):
        trial = _solve((curve(grid) - shift) / unit, grid, n, dim, degree)
        if trial is None:
            break
        excess, worst = _excess(trial, curve, dim, shift, unit)
        reached = (n - 1) * (trial[0] - excess) - trial[1:].sum()
        stale += reached <= best[0]
        if reached > best[0]:
            best, f = (reached, excess), trial
        small = 2 * _CLOSE if stale < 2 else 1e-8
        if excess <= small or not len(worst):
            break
        grid = np.union1d(grid, worst)
    excess = best[1] + 1e-14 * np.abs(f).sum()
    f = unit * f
    f[0] += shift - unit * excess
    value = (n - 1) * f[0] - f[1:].sum()
    return EnergyBound(float(value), n, dim, degree, f, unit * excess)


def _solve(
    h: Float[np.ndarray, " t"], grid: Float[np.ndarray, " t"], n: int, dim: int, degree: int
) -> Float[np.ndarray, " k"] | None:
    """The f that is best for f <= h on the grid; None if the solver gives up."""
    from scipy.optimize import linprog  # a third of a second that starting need not wait for

    kept = np.isfinite(h)
    rows, right = gegenbauer(grid[kept], dim, degree).T, h[kept]
    size = np.maximum(1.0, right)  # rows where h is huge are slack; as they stand they would spoil the scaling
    rows, right = rows / size[:, None], right / size
    cost, bounds = np.append(-1.0, np.full(degree, 1 / (n - 1))), [(None, None)] + [(0, None)] * degree
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    result = linprog(cost, A_ub=rows, b_ub=right, bounds=bounds, method="highs", options=options)
    if result.x is None:
        return None
    return np.append(result.x[0], np.maximum(0.0, result.x[1:]))


def _excess(
    f: Float[np.ndarray, " k"], curve: Curve, dim: int, shift: float, unit: float
) -> tuple[float, Float[np.ndarray, " m"]]:
    """An upper bound of f - h on [-1, 1] that is at least 0, and cosines where f - h has local maxima above 0."""
    edges = np.cos(np.linspace(np.pi, 0, 16 * len(f) + 1))
    a, b = edges[:-1], edges[1:]
    seen, values, largest = [edges], [_difference(f, curve, dim, shift, unit, edges)], 0.0
    for _ in range(60):
        above = _cell_bounds(f, curve, dim, shift, unit, a, b)
        low = max(0.0, float(np.max(np.concatenate(values))))
        open_ = above > low + _CLOSE
        largest = max(largest, float(np.max(above[~open_], initial=0.0)))
        if not open_.any():
            break
        a, b = a[open_], b[open_]
        middle = (a + b) / 2
        seen.append(middle)
        values.append(_difference(f, curve, dim, shift, unit, middle))
        a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
    else:
        largest = float(np.max(_cell_bounds(f, curve, dim, shift, unit, a, b), initial=largest))
    s, g = np.concatenate(seen), np.concatenate(values)
    order = np.argsort(s)
    s, g = s[order], g[order]
    return largest, s[_local_maxima(g) & (g > 0)]


def _cell_bounds(
    f: Float[np.ndarray, " k"],
    curve: Curve,
    dim: int,
    shift: float,
    unit: float,
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """The smaller of the two upper bounds of f - h of the module's docstring on every cell [a, b]."""
    degree, eighth = len(f) - 1, (b - a) ** 2 / 8
    second, third = (float(f @ derivative_at_one(dim, degree, order)) for order in (2, 3))
    f_a, f_b = f @ gegenbauer(a, dim, degree), f @ gegenbauer(b, dim, degree)
    h_a, h_b = (curve(a) - shift) / unit, (curve(b) - shift) / unit
    bent = np.maximum(f @ gegenbauer_derivative((a + b) / 2, dim, degree, 2) - (b - a) / 2 * third, -second)
    curvature = curve.curvature(a, b) / unit
    tame = np.isfinite(curvature)
    chord = np.maximum(f_a - h_a, f_b - np.where(tame, h_b, 0.0))
    smooth = np.where(tame, chord + eighth * np.maximum(0.0, np.where(tame, curvature, 0.0) - bent), np.inf)
    rough = np.minimum(f.sum(), np.maximum(f_a, f_b) + eighth * second) - h_a
    return np.minimum(smooth, rough)


def _difference(
    f: Float[np.ndarray, " k"], curve: Curve, dim: int, shift: float, unit: float, s: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    return f @ gegenbauer(s, dim, len(f) - 1) - (curve(s) - shift) / unit


def _local_maxima(g: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    padded = np.concatenate([[-np.inf], g, [-np.inf]])
    return (g >= padded[:-2]) & (g >= padded[2:])
