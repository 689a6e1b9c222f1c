"""From energies to losses with a logarithm per anchor: codes minimise InfoNCE, CLIP and NT-Xent."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import LOSS_NAMES
from theory.certificates import chord_bound, energy_bound, log_bound
from theory.certificates.linear_program import curve_bound
from theory.certificates.logarithms import Softplus
from theory.codes import find_code
from theory.formulas.objectives import objective
from theory.formulas.optima import cross_polytope_value, simplex_etf_value
from theory.formulas.potentials import Exponential
from theory.ledger.search import search

LOG = [name for name in LOSS_NAMES if name.startswith(("dcl", "dhel"))]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("loss", ["info_nce", "clip_sum", "nt_xent"])
@pytest.mark.parametrize(("n", "dim"), [(5, 2), (7, 2), (6, 3), (12, 3)])
@pytest.mark.parametrize("tau", [1.0, 0.2])
def test_the_minimum_over_both_views_is_the_code(loss, n, dim, tau):
    """u and v are searched separately, from random starts; the best is the code with u = v, to 1e-9.

    For N = 2 d that is the cross-polytope, without the assumption of Cho et al. that u = v is antipodal.
    """
    bound = log_bound(loss, n, dim, temperature=tau)
    code = find_code(n, dim)
    assert code is not None
    u = code.coordinates
    assert (bound.name, bound.attained) == ("universally optimal code", True)
    assert bound.value == pytest.approx(objective(loss, tau)(u, u)[0], rel=1e-12)
    found = search(loss, n, dim, temperature=tau, starts=4).value
    assert bound.value * (1 - 1e-12) <= found <= bound.value * (1 + 1e-9)


def test_info_nce_of_the_heptagon_at_a_small_temperature():
    """0.0453 at tau = 0.1: the polygon stays the minimum where that of DHEL leaves it."""
    assert log_bound("info_nce", 7, 2, temperature=0.1).value == pytest.approx(0.0453, abs=5e-5)


@settings(deadline=None, max_examples=8)
@given(
    st.sampled_from(LOSS_NAMES),
    st.integers(2, 7),
    st.integers(1, 3),
    st.floats(0.1, 2.0),
    st.integers(0, 2**31),
    st.data(),
)
def test_no_embeddings_go_below(loss, n, dim, tau, seed, data):
    """Free, nearly aligned, and opposed views, over all batches of every size."""
    batch_size = data.draw(st.integers(2, n))
    rng = np.random.default_rng(seed)
    u = unit(rng.standard_normal((n, dim)))
    batches = np.array(list(combinations(range(n), batch_size)))
    bound = log_bound(loss, n, dim, batch_size, tau).value
    for v in (u, unit(u + 0.3 * rng.standard_normal((n, dim))), unit(rng.standard_normal((n, dim))), -u):
        value = objective(loss, tau)(u, v, batches)[0]
        assert bound <= value + 1e-10 * abs(value) + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["info_nce", "nt_xent"])
@pytest.mark.parametrize(("n", "dim"), [(8, 3), (10, 4)])
@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_without_a_code_the_bound_is_close(loss, n, dim, tau):
    bound, best = log_bound(loss, n, dim, temperature=tau), search(loss, n, dim, temperature=tau, starts=4).value
    assert bound.name == "linear program"
    assert not bound.attained
    assert 0.94 * best <= bound.value <= best
    assert bound.value > simplex_etf_value(n, loss=loss, temperature=tau)


def test_the_theorem_is_false_for_dhel():
    """log E for log(1 + E): four of seven points in one corner of a square are lower than the heptagon's."""
    code, tau = find_code(7, 2), 0.05
    assert code is not None
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])[[0, 0, 0, 0, 1, 2, 3]]
    cluster, polygon = (objective("dhel_mean", tau)(x, x)[0] for x in (corners, code.coordinates))
    assert polygon == pytest.approx(-6.8371, abs=1e-4)
    assert cluster == pytest.approx(-7.3848, abs=1e-4)
    assert polygon == pytest.approx(np.log(code.energy(Exponential(tau))), rel=1e-9)
    assert log_bound("dhel_mean", 7, 2, temperature=tau).name == "simplex"


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["info_nce", "nt_xent", "dcl", "dhel_product"])
@pytest.mark.parametrize("batch_size", [None, 5])
def test_never_below_the_simplex_or_the_chord(loss, batch_size):
    for n, dim, tau in ((9, 3, 0.5), (5, 4, 0.3)):
        bound = log_bound(loss, n, dim, batch_size, tau)
        simplex = simplex_etf_value(n, batch_size, loss=loss, temperature=tau)
        chord = chord_bound(loss, n, dim, batch_size, tau)
        assert bound.value >= max(simplex, chord) - 1e-9 * abs(simplex)
        if loss in LOG or n <= dim + 1:
            assert (bound.name, bound.value) == ("simplex", simplex)


def test_the_chord_in_its_usual_form():
    """From 0 it is E log N / (N - 1); from the least xi, (N - 1) e^(-2 / tau), it is a little better."""
    n, dim, tau = 12, 3, 0.5
    energy = energy_bound(Exponential(tau), n, dim).value
    usual = energy * np.log(n) / (n - 1)
    assert usual < chord_bound("info_nce", n, dim, temperature=tau) < np.log1p(energy)


def test_batches_of_two():
    """With N = 2 d and B = 2 the cross-polytope is the minimum for InfoNCE and CLIP, without an assumption."""
    bound = log_bound("clip", 8, 4, 2, 0.3)
    assert bound.attained
    assert bound.value == cross_polytope_value(8, 2, loss="clip", temperature=0.3)
    batches = np.array(list(combinations(range(8), 2)))
    found = search("clip", 8, 4, batches=batches, temperature=0.3, starts=4).value
    assert found == pytest.approx(bound.value, rel=1e-9)
    general = energy_of_pairs_by_linear_programming(8, 4, 0.3)
    assert general == pytest.approx(bound.value, rel=1e-7)


def energy_of_pairs_by_linear_programming(n, dim, tau):
    return curve_bound(Softplus(tau, 1, 1 / (n - 1)), n, dim).value


@settings(deadline=None)
@given(st.floats(0.05, 3.0), st.integers(1, 300), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_the_curvature_of_softplus_is_bounded(tau, m, a, b):
    """Second differences within the interval do not exceed what is promised, and it is met somewhere."""
    a, b = min(a, b), max(a, b) + 1e-3
    curve, s = Softplus(tau, m, 2.0), np.linspace(a, b, 101)
    sigma = 1 / (1 + np.exp(-(np.log(m) + (s - 1) / tau)))
    second = 2.0 * sigma * (1 - sigma) / tau**2
    promised = curve.curvature(np.array([a]), np.array([b]))[0]
    assert second.max() <= promised * (1 + 1e-9)
    assert promised <= second.max() * (1 + 0.01 + ((b - a) / tau) ** 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("info_nce", 1, 3), "n_pairs must be at least 2"),
        (("info_nce", 4, 0), "dim must be at least 1, received 0"),
        (("info_nce", 4, 2, 5), "batch_size must lie between 2 and n_pairs = 4, received 5"),
        (("info_nce", 4, 2, None, 0.0), "temperature must be positive"),
        (("kcl", 4, 2), "loss must be one of"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        log_bound(*arguments)
