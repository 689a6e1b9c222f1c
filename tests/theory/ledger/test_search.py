"""The search reaches what is proved, reports what it did, and is deterministic."""

import numpy as np
import pytest

from theory import optimum, simplex_etf
from theory.formulas.objectives import objective
from theory.ledger.search import search


def test_all_starts_reach_the_simplex():
    found = search("nt_xent", 6, 5, temperature=0.5, starts=5)
    best = optimum("nt_xent", 6, 5, temperature=0.5)
    np.testing.assert_allclose(found.values, best.value, atol=1e-12)
    assert (found.n_best, len(found.values)) == (5, 5)
    np.testing.assert_allclose(found.u @ found.v.T, best.gram(), atol=1e-6)
    assert found.gradient < 1e-8


def test_the_value_is_attained_by_unit_rows():
    batches = np.array([[0, 1, 2], [2, 3, 4]])
    found = search("kcl", 5, 2, batches=batches, starts=2, kernel="imq", parameter=1.0, gamma=2.0)
    np.testing.assert_allclose(np.linalg.norm([found.u, found.v], axis=-1), 1, atol=1e-15)
    function = objective("kcl", kernel="imq", parameter=1.0, gamma=2.0)
    assert function(found.u, found.v, batches)[0] == pytest.approx(found.value, rel=1e-14)
    assert found.value == found.values.min()


def test_a_start_depends_on_the_seed_and_its_number_alone():
    few, many = (search("dhel_mean", 7, 2, temperature=0.1, starts=n).values for n in (2, 4))
    np.testing.assert_array_equal(few, many[:2])
    assert search("dhel_mean", 7, 2, temperature=0.1, starts=2, seed=1).values[0] != few[0]


def test_aligned_views_stay_equal():
    found = search("dcl_cross", 7, 2, temperature=0.1, starts=3, aligned=True)
    np.testing.assert_array_equal(found.u, found.v)
    free = search("dcl_cross", 7, 2, temperature=0.1, starts=3)
    assert free.value < found.value - 0.4


def test_a_given_start_comes_first():
    u = simplex_etf(4, 3)
    found = search("clip", 4, 3, starts=0, start=(u, u))
    assert len(found.values) == 1
    assert found.value == pytest.approx(optimum("clip", 4, 3).value, rel=1e-14)


def test_a_loss_that_vanishes_is_minimised_in_its_own_size():
    found = search("info_nce", 5, 4, temperature=0.04, starts=3)
    best = optimum("info_nce", 5, 4, temperature=0.04).value
    assert best < 1e-12
    assert found.value == pytest.approx(best, rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_pairs": 1, "dim": 2}, "n_pairs and dim must be at least 2, received 1 and 2"),
        ({"n_pairs": 4, "dim": 1}, "received 4 and 1; in one dimension there are only signs"),
        ({"n_pairs": 4, "dim": 2, "starts": 0}, "starts must be at least 1, received 0"),
        ({"n_pairs": 4, "dim": 2, "temperature": 0.0}, "temperature must be positive"),
        ({"n_pairs": 4, "dim": 2, "gamma": 1.0}, "clip has no setting gamma"),
    ],
)
def test_errors_say_requirement_received_remedy(arguments, message):
    with pytest.raises(ValueError, match=message):
        search("clip", **arguments)
