"""Every counterexample is rebuilt, and has the printed values."""

import numpy as np
import pytest
import reference

from theory.formulas.objectives import objective
from theory.ledger.candidates import plane_cluster
from theory.ledger.counterexamples import COUNTEREXAMPLES, LINES, triangles
from theory.ledger.search import search

IDS = [f"{c.loss}-{c.n_pairs}-{c.dim}-{c.temperature}-{number}" for number, c in enumerate(COUNTEREXAMPLES)]


def printed(value, expected):
    """Whether a value is the expected one in its printed digits."""
    return value == pytest.approx(expected, abs=6e-5 * min(1.0, abs(expected) or 1.0), rel=3e-5)


@pytest.mark.parametrize("example", COUNTEREXAMPLES, ids=IDS)
def test_the_printed_values_are_reproduced(example):
    candidate, value = example.reproduce()
    assert printed(candidate, example.candidate)
    assert printed(value, example.value)
    assert value < candidate + 1e-12
    if example.batches is None:
        assert value < candidate - 1e-6


@pytest.mark.parametrize("example", [c for c in COUNTEREXAMPLES if "best of" not in c.found], ids=repr)
def test_double_loops_agree(example):
    u, v = example.make()
    np.testing.assert_allclose(np.linalg.norm([u, v], axis=-1), 1, atol=1e-12)
    batches = [range(example.n_pairs)] if example.batches is None else example.batches.tolist()
    naive = reference.mean_over_batches(getattr(reference, example.loss), u, v, batches, example.temperature)
    assert printed(naive, example.value)


def test_cross_only_dcl_is_lowest_where_the_views_differ():
    (example,) = [c for c in COUNTEREXAMPLES if (c.loss, c.n_pairs) == ("dcl_cross", 7)]
    u, v = example.make()
    assert (u * v).sum(1).mean() == pytest.approx(0.944, abs=5e-4)
    assert example.value == pytest.approx(-3.609, abs=5e-4)


@pytest.mark.parametrize("loss", ["dhel_anchor", "dhel_mean", "dcl", "dcl_cross"])
def test_the_cluster_beats_the_polygon_for_log_xi_alone(loss):
    clustered, regular = plane_cluster(7, 4), plane_cluster(7, 7)
    function = objective(loss, 0.1)
    shift = np.log(2) * (loss == "dcl")  # twice as many negatives
    assert function(clustered, clustered)[0] == pytest.approx(-3.0990 + shift, abs=5e-5)
    assert function(regular, regular)[0] == pytest.approx(-3.0717 + shift, abs=5e-5)


def test_the_cluster_is_worse_with_the_positive_in_the_denominator():
    function = objective("info_nce", 0.1)
    clustered, regular = (function(x, x)[0] for x in (plane_cluster(7, 4), plane_cluster(7, 7)))
    assert clustered == pytest.approx(0.792, abs=5e-4)
    assert regular == pytest.approx(0.0453, abs=5e-5)


def test_twelve_points_are_too_many_for_the_cluster_at_a_tenth():
    function = objective("dhel_mean", 0.1)
    clustered, regular = (function(x, x)[0] for x in (plane_cluster(12, 4), plane_cluster(12, 12)))
    assert clustered == pytest.approx(-0.4989, abs=5e-5)
    assert regular == pytest.approx(-0.6210, abs=5e-5)


@pytest.mark.parametrize("n_pairs", [5, 6])
@pytest.mark.parametrize("temperature", [0.2, 0.1, 0.05])
def test_five_and_six_points_are_best_as_polygons_with_equal_views(n_pairs, temperature):
    found = search("dhel_mean", n_pairs, 2, temperature=temperature, aligned=True, starts=4)
    regular = plane_cluster(n_pairs, n_pairs)
    assert found.value == pytest.approx(objective("dhel_mean", temperature)(regular, regular)[0], abs=1e-9)


def test_any_two_points_are_on_one_line():
    meetings = np.zeros((9, 9), int)
    for line in LINES:
        meetings[np.ix_(line, line)] += 1
    np.testing.assert_array_equal(meetings, 1 + 3 * np.eye(9, dtype=int))


def test_every_line_of_the_triangles_is_one_of_them_or_orthogonal():
    gram = triangles() @ triangles().T
    for line in LINES:
        corner = gram[np.ix_(line, line)]
        on_one = np.allclose(corner, 1.5 * np.eye(3) - 0.5)
        assert on_one or np.allclose(corner, np.eye(3))


@pytest.mark.parametrize("call", [lambda: plane_cluster(7, 2), lambda: plane_cluster(3, 4)])
def test_a_cluster_needs_three_vertices_and_as_many_points(call):
    with pytest.raises(ValueError, match="n_vertices must lie between 3 and n"):
        call()
