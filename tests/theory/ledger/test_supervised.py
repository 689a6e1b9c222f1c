"""The supervised loss: classes collapse to a simplex, over the full batch and over all batches."""

import math
import time
from itertools import combinations

import numpy as np
import pytest

from theory import optimum
from theory.formulas.objectives import objective
from theory.ledger.search import search
from theory.ledger.supervised import hypergeometric


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


@pytest.mark.parametrize(
    ("population", "good", "drawn"), [(7, 3, 2), (50, 20, 30), (99, 49, 63), (9, 0, 3), (9, 9, 3)]
)
def test_chances_are_quotients_of_binomials(population, good, drawn):
    k, chances = hypergeometric(population, good, drawn)
    whole = [int(x) for x in k]
    assert whole == [x for x in range(drawn + 1) if x <= good and drawn - x <= population - good]
    every = math.comb(population, drawn)
    exact = [math.comb(good, x) * math.comb(population - good, drawn - x) / every for x in whole]
    np.testing.assert_allclose(chances, exact, rtol=1e-12)


def test_large_batches_are_summed_where_the_mass_is():
    """As many classes as pairs: one term. Two classes of half a million: as many positives as by drawing."""
    started = time.process_time()
    best = optimum("supcon", 10**6, 3, 10**5, n_classes=2)
    assert time.process_time() - started < 0.5
    k, chances = hypergeometric(10**6 - 1, 5 * 10**5 - 1, 10**5 - 1)
    assert len(k) < 6000
    mean, variance = chances @ k, chances @ k**2 - (chances @ k) ** 2
    share, others = (5 * 10**5 - 1) / (10**6 - 1), 10**5 - 1
    assert mean == pytest.approx(others * share, rel=1e-12)
    assert variance == pytest.approx(others * share * (1 - share) * (10**6 - 10**5) / (10**6 - 2), rel=1e-5)
    typical = math.log(2 * mean + 1 + 2 * (others - mean) * math.exp(-2))
    assert best.value == pytest.approx(typical, abs=1e-5)
