"""Kernel losses: codes, bounds and tight frames against what minimisation reaches."""

import math
from itertools import combinations, product

import numpy as np
import pytest

from theory import optimum
from theory.formulas.objectives import objective
from theory.ledger.kernel_sums import tight_frame
from theory.ledger.search import search

KERNELS = [("gaussian", 2.0), ("imq", 0.5), ("log", 1.0), ("riesz", 2.0), ("riesz", -1.0)]
every_kernel = pytest.mark.parametrize(("kernel", "parameter"), KERNELS)
CODES = [
    (3, 4, "simplex_etf"),
    (4, 3, "simplex_etf"),
    (7, 2, "regular 7-gon"),
    (6, 3, "cross_polytope"),
    (12, 3, "icosahedron"),
]


def all_batches(n_pairs, batch_size):
    return np.array(list(combinations(range(n_pairs), batch_size)))


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"parameter": 2.0, "gamma": 16.0}, -1 + 16 * math.exp(-2 * 2 * 5 / 4)),
        ({"kernel": "imq", "parameter": 1.0, "gamma": 1.0}, -1 + 1 / math.sqrt(1 + 2.5)),
        ({"kernel": "log", "parameter": 2.0, "gamma": 3.0}, -1.5 * math.log(6)),
        ({"kernel": "riesz", "parameter": 2.0, "gamma": 1.0}, -1e4 + 1 / 2.5001),
        ({"kernel": "riesz", "parameter": -1.0, "gamma": 1.0}, 1e-2 - math.sqrt(2.5001)),
        ({"gamma": 0.0}, -1.0),
    ],
)
def test_five_points_of_a_simplex_by_hand(settings, value):
    best = optimum("kcl", 5, 4, **settings)
    assert best.value == pytest.approx(value, rel=1e-11)
    assert (best.status, best.configuration) == ("proved", "simplex_etf")


@every_kernel
@pytest.mark.parametrize(("n_pairs", "dim", "name"), CODES)
def test_kcl_is_lowest_at_the_code(n_pairs, dim, name, kernel, parameter):
    settings = {"kernel": kernel, "parameter": parameter, "gamma": 4.0}
    best = optimum("kcl", n_pairs, dim, **settings)
    assert (best.status, best.configuration) == ("proved", name)
    assert objective("kcl", **settings)(*best.embeddings())[0] == pytest.approx(best.value, rel=1e-11)
    reached = search("kcl", n_pairs, dim, starts=2, aligned=True, **settings).value
    assert reached == pytest.approx(best.value, abs=1e-9, rel=1e-11)
    if kernel != "riesz":  # slow: a peak of 1e4 at every meeting
        free = search("kcl", n_pairs, dim, starts=1, **settings).value  # two views seldom settle in the same order
        assert free >= best.value - 1e-9


@pytest.mark.parametrize(("n_pairs", "dim", "name"), CODES)
def test_align_uniform_is_lowest_at_the_code(n_pairs, dim, name):
    settings = {"alpha": 2.0, "t": 3.0, "weight": 0.5}
    best = optimum("align_uniform", n_pairs, dim, **settings)
    assert (best.status, best.configuration) == ("proved", name)
    assert objective("align_uniform", **settings)(*best.embeddings())[0] == pytest.approx(best.value, rel=1e-12)
    assert search("align_uniform", n_pairs, dim, starts=2, aligned=True, **settings).value == pytest.approx(
        best.value, abs=1e-9
    )


@pytest.mark.parametrize(("n_pairs", "dim"), [(5, 4), (7, 2)])
def test_kcl_has_one_minimum_for_every_batch_size(n_pairs, dim):
    full, of_three = (optimum("kcl", n_pairs, dim, size) for size in (None, 3))
    assert of_three == full
    batches = all_batches(n_pairs, 3)
    assert objective("kcl")(*full.embeddings(), batches)[0] == pytest.approx(full.value, rel=1e-12)
    found = search("kcl", n_pairs, dim, batches=batches, starts=2, aligned=True)
    assert found.value == pytest.approx(full.value, abs=1e-9)


def test_align_uniform_over_batches_is_proved_for_the_simplex_only():
    batches = all_batches(5, 3)
    best = optimum("align_uniform", 5, 4, 3)
    assert (best.status, best.value) == ("proved", optimum("align_uniform", 5, 4).value)
    assert search("align_uniform", 5, 4, batches=batches, starts=3).value == pytest.approx(best.value, abs=1e-9)
    bound = optimum("align_uniform", 5, 2, 3)
    assert (bound.status, bound.configuration) == ("lower_bound", None)
    assert search("align_uniform", 5, 2, batches=batches, starts=3).value > bound.value + 1e-3


@every_kernel
@pytest.mark.parametrize(("n_pairs", "dim"), [(5, 3)])
def test_where_there_is_no_code_the_bound_holds(n_pairs, dim, kernel, parameter):
    settings = {"kernel": kernel, "parameter": parameter, "gamma": 4.0}
    bound = optimum("kcl", n_pairs, dim, **settings)
    assert bound.status == "lower_bound"
    assert bound.value < search("kcl", n_pairs, dim, starts=2, aligned=True, **settings).value
    assert bound.value >= optimum("kcl", n_pairs, n_pairs, **settings).value
    with pytest.raises(ValueError, match="no embeddings are known to attain this lower bound"):
        bound.embeddings()


@pytest.mark.parametrize("n_pairs", [3, 4, 7])
@pytest.mark.parametrize("loss", ["kcl", "align_uniform"])
def test_on_a_line_signs_split_evenly(loss, n_pairs):
    best = optimum(loss, n_pairs, 1)
    function, grid = objective(loss), np.array(np.meshgrid(*[[-1.0, 1.0]] * n_pairs)).reshape(n_pairs, -1).T
    lowest = min(function(x[:, None], x[:, None])[0] for x in grid)
    assert (best.status, best.value) == ("proved", pytest.approx(lowest, rel=1e-12))
    assert function(*best.embeddings())[0] == pytest.approx(lowest, rel=1e-12)


@pytest.mark.parametrize(
    ("n_pairs", "dim"), [(2, 1), (3, 1), (2, 2), (4, 7), (5, 4), (6, 4), (7, 3), (8, 4), (9, 2), (16, 5)]
)
def test_spectral_contrastive_is_lowest_at_a_tight_frame(n_pairs, dim):
    best = optimum("spectral_contrastive", n_pairs, dim)
    assert best.status == "proved"
    for batch_size in (None, 2, n_pairs):
        batches = None if batch_size is None else all_batches(n_pairs, batch_size)
        assert optimum("spectral_contrastive", n_pairs, dim, batch_size) == best
        assert objective("spectral_contrastive")(*best.embeddings(), batches)[0] == pytest.approx(best.value)
    if dim > 1:
        assert search("spectral_contrastive", n_pairs, dim, starts=2).value == pytest.approx(best.value, abs=1e-9)


def test_spectral_contrastive_by_hand():
    assert optimum("spectral_contrastive", 4, 4).value == -2
    assert optimum("spectral_contrastive", 6, 3).value == pytest.approx(-2 + 1 / 5)
    assert optimum("spectral_contrastive", 6, 3).configuration == "cross_polytope"
    assert optimum("spectral_contrastive", 6, 5).configuration == "simplex_etf"


@pytest.mark.parametrize("dim", range(1, 8))
@pytest.mark.parametrize("more", [0, 1, 2, 5])
def test_the_harmonic_frame_is_tight(dim, more):
    n = dim + more
    frame = tight_frame(n, dim)
    np.testing.assert_allclose(np.linalg.norm(frame, axis=1), 1)
    np.testing.assert_allclose(frame.T @ frame, n / dim * np.eye(dim), atol=1e-12)


def test_a_tight_frame_needs_as_many_points_as_dimensions():
    with pytest.raises(ValueError, match="n >= dim points, received n = 2, dim = 3"):
        tight_frame(2, 3)


@pytest.mark.parametrize(("n_pairs", "dim", "value"), [(4, 3, -2000 * 4 / 3), (6, 3, -2000), (8, 3, -2000 * 8 / 7)])
def test_uniformity_stays_finite_where_its_terms_underflow(n_pairs, dim, value):
    assert optimum("align_uniform", n_pairs, dim, t=1000.0).value == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(("n_pairs", "dim"), [(5, 2), (6, 3), (7, 3), (5, 1), (6, 1)])
def test_alignment_and_uniformity_of_two_pairs_is_linear(n_pairs, dim):
    """Within a batch of two the logarithm is that of one term: any points of least |sum| are optimal."""
    best = optimum("align_uniform", n_pairs, dim, 2, weight=0.7)
    assert best.status == "proved"
    batches = all_batches(n_pairs, 2)
    function = objective("align_uniform", weight=0.7)
    assert function(*best.embeddings(), batches)[0] == pytest.approx(best.value, rel=1e-12)
    if dim == 1:
        ends = [np.array(signs, float)[:, None] for signs in product((1, -1), repeat=n_pairs)]
        assert min(function(x, x, batches)[0] for x in ends) == pytest.approx(best.value, rel=1e-12)
    else:
        found = search("align_uniform", n_pairs, dim, batches=batches, starts=2, weight=0.7)
        assert found.value == pytest.approx(best.value, abs=1e-9)
