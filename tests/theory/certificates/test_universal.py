"""The universal lower bound: a quadrature from N and d alone, exact at every sharp code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import roots_jacobi

from theory.bounds import population_limit
from theory.certificates import design_bound, energy_bound, levenshtein_quadrature, universal_bound
from theory.codes import find_code
from theory.formulas.potentials import Exponential, kernel_potential

SHARP = [(5, 4), (8, 4), (7, 2), (8, 2), (12, 3), (16, 5), (27, 6), (56, 7), (240, 8), (275, 22), (4600, 23)]


@pytest.mark.parametrize(("n", "dim"), SHARP)
@pytest.mark.parametrize("tau", [1.0, 0.5, 0.1])
def test_exact_at_sharp_codes(n, dim, tau):
    """Also where N is the number of points of a tight design: 7-gon, icosahedron, (7, 56), E8."""
    code = find_code(n, dim)
    assert code is not None
    assert universal_bound(Exponential(tau), n, dim) == pytest.approx(code.energy(Exponential(tau)), rel=1e-12)


def test_its_nodes_at_a_sharp_code_are_the_cosines():
    rule = levenshtein_quadrature(16, 5)
    np.testing.assert_allclose(rule.nodes, [-3 / 5, 1 / 5], atol=1e-14)
    np.testing.assert_allclose(rule.weights, [5 / 16, 10 / 16], atol=1e-14)


def test_smallest_designs_by_hand():
    """Strength 1 .. 3: two antipodes, simplex, cross-polytope; E8 has strength 7, Leech 11."""
    assert [design_bound(3, t) for t in range(1, 6)] == [2, 4, 6, 9, 12]
    assert (design_bound(8, 7), design_bound(24, 11)) == (240, 196560)


@settings(deadline=None)
@given(st.integers(2, 8), st.integers(2, 400))
def test_the_rule_is_exact_to_its_degree(dim, n):
    """f_0 = f(1) / N + sum rho_i f(alpha_i) for f = t^k; nodes in [-1, 1), no weight is negative."""
    rule = levenshtein_quadrature(n, dim)
    t, w = roots_jacobi(rule.degree + 1, (dim - 3) / 2, (dim - 3) / 2)
    for k in range(rule.degree + 1):
        mean = w @ t**k / w.sum()
        assert 1 / n + rule.weights @ rule.nodes**k == pytest.approx(mean, abs=1e-9)
    assert rule.nodes.min() >= -1
    assert rule.nodes.max() < 1
    assert rule.weights.min() >= 0


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(2, 20), st.floats(0.05, 3.0), st.integers(0, 2**31))
def test_no_points_go_below(dim, n, tau, seed):
    x = np.random.default_rng(seed).standard_normal((n, dim))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    others = (x @ x.T)[~np.eye(n, dtype=bool)]
    for potential in (Exponential(tau), kernel_potential("log", 1.0), kernel_potential("riesz", -1.0)):
        energy = float(potential(others).sum()) / n
        assert universal_bound(potential, n, dim) <= energy + 1e-9 * abs(energy)


@pytest.mark.parametrize(("n", "dim"), [(8, 3), (24, 4), (10, 4), (120, 4)])
def test_linear_programming_is_never_worse(n, dim):
    potential = Exponential(0.2)
    universal = universal_bound(potential, n, dim)
    assert energy_bound(potential, n, dim).value >= universal * (1 - 1e-6)


def test_not_tight_at_the_600_cell():
    """It is not sharp: the linear program needs degrees that the universal bound does not have."""
    code = find_code(120, 4)
    assert code is not None
    assert universal_bound(Exponential(0.1), 120, 4) / code.energy(Exponential(0.1)) - 1 == pytest.approx(
        -5.7e-4, rel=0.02
    )


def test_many_points_of_the_plane():
    """The 500-gon: degree 499, 250 nodes."""
    angles = 2 * np.pi * np.arange(1, 500) / 500
    exact = Exponential(0.01)(np.cos(angles)).sum()
    assert universal_bound(Exponential(0.01), 500, 2) == pytest.approx(exact, rel=1e-9)


def test_errors():
    with pytest.raises(ValueError, match="n_points must be at least 2, received 1"):
        universal_bound(Exponential(1.0), 1, 3)
    with pytest.raises(ValueError, match="dim must be at least 1, received 0"):
        levenshtein_quadrature(5, 0)


@pytest.mark.parametrize("n", [2, 3, 8, 9, 40])
def test_in_the_plane_the_rule_is_that_of_the_polygon(n):
    """Exact for cos(k x), k < n: the sum of the n-th roots of unity, the point 1 with weight 1 / n."""
    rule = levenshtein_quadrature(n, 2)
    assert rule.weights.sum() == pytest.approx(1 - 1 / n)
    for k in range(1, rule.degree + 1):
        assert 1 / n + rule.weights @ np.cos(k * np.arccos(rule.nodes)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "dim"), [(10**10, 3), (10**7, 2)])
def test_more_points_than_there_are_rules_for(n, dim):
    """The rule is refused at once; the bound is that of fewer points, and near the mean over the sphere."""
    with pytest.raises(ValueError, match=rf"n_points must be at most .* for a rule in {dim} dimensions"):
        levenshtein_quadrature(n, dim)
    mean = np.exp(population_limit(dim))
    assert universal_bound(Exponential(1.0), n, dim) / n == pytest.approx(mean, rel=1e-5)
