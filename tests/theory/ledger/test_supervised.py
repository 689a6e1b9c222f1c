"""The supervised loss: classes collapse to a simplex, over the full batch and over all batches."""

import math
from itertools import combinations

import numpy as np
import pytest

from theory import optimum
from theory.formulas.objectives import objective
from theory.ledger.search import search


def test_two_classes_of_two_pairs_by_hand():
    """Three positives at 1, four negatives at -1."""
    assert optimum("supcon", 4, 1, n_classes=2).value == pytest.approx(math.log(3 + 4 * math.exp(-2)))
    assert optimum("supcon", 4, 1, temperature=0.5, n_classes=2, base_temperature=0.25).value == pytest.approx(
        2 * math.log(3 + 4 * math.exp(-4))
    )


@pytest.mark.parametrize("batch_size", [None, 2, 3])
def test_as_many_classes_as_pairs_is_nt_xent(batch_size):
    for settings in ({}, {"n_classes": 5}):
        best = optimum("supcon", 5, 4, batch_size, 0.3, **settings)
        assert best.value == pytest.approx(optimum("nt_xent", 5, 4, batch_size, 0.3).value, rel=1e-13)
        assert (best.status, best.configuration) == ("proved", "simplex_etf")


@pytest.mark.parametrize(("n_pairs", "n_classes", "dim"), [(4, 2, 2), (6, 3, 2), (6, 2, 3), (8, 4, 3), (4, 1, 2)])
@pytest.mark.parametrize("batch_size", [None, 2, 3])
@pytest.mark.parametrize("temperature", [0.5])
def test_minimisation_reaches_the_collapsed_simplex(n_pairs, n_classes, dim, batch_size, temperature):
    best = optimum("supcon", n_pairs, dim, batch_size, temperature, n_classes=n_classes)
    assert (best.status, best.configuration) == ("proved", "simplex of classes")
    batches = None if batch_size is None else np.array(list(combinations(range(n_pairs), batch_size)))
    function = objective("supcon", temperature, n_classes=n_classes)
    assert function(*best.embeddings(), batches)[0] == pytest.approx(best.value, rel=1e-12)
    found = search("supcon", n_pairs, dim, batches=batches, temperature=temperature, starts=2, n_classes=n_classes)
    assert found.value == pytest.approx(best.value, abs=1e-9)


def test_too_many_classes_leave_a_bound():
    bound = optimum("supcon", 8, 2, n_classes=4, temperature=0.5)
    assert (bound.status, bound.value) == (
        "lower_bound",
        optimum("supcon", 8, 3, n_classes=4, temperature=0.5).value,
    )
    assert "needs dim = 3" in bound.note
    assert search("supcon", 8, 2, temperature=0.5, starts=3, n_classes=4).value > bound.value + 1e-3


def test_classes_are_equal_or_it_is_an_error():
    with pytest.raises(
        ValueError, match=r"n_classes must divide n_pairs.*received 4 and 6; the divisors are 1, 2, 3, 6"
    ):
        optimum("supcon", 6, 5, n_classes=4)
