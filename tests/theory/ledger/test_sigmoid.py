"""The sigmoid losses: from the simplex to antipodal views, with the double-constant embedding between."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import optimum
from theory.formulas.objectives import objective
from theory.ledger.search import search
from theory.ledger.sigmoid import double_constant, negative_similarity

BIASES = [(1.0, -10.0), (1.0, 0.0), (0.3, 0.0), (0.1, -10.0), (1.0, 1.0), (1.0, 5.0), (0.2, 2.0)]


@pytest.mark.parametrize(("temperature", "bias"), BIASES)
@pytest.mark.parametrize("n_pairs", [2, 5])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_minimisation_reaches_the_double_constant_embedding(n_pairs, temperature, bias, batch_size):
    batches = None if batch_size is None else np.array(list(combinations(range(n_pairs), batch_size)))
    best = optimum("siglip", n_pairs, n_pairs, batch_size, temperature, bias=bias)
    assert best.status == "proved"
    function = objective("siglip", temperature, bias=bias)
    assert function(*best.embeddings(), batches)[0] == pytest.approx(best.value, rel=1e-12, abs=1e-14)
    found = search("siglip", n_pairs, n_pairs, batches=batches, temperature=temperature, starts=1, bias=bias)
    assert found.value == pytest.approx(best.value, abs=1e-9)


@pytest.mark.parametrize("batch_size", [None, 2, 3])
@pytest.mark.parametrize("log_noise", [None, -3.0])
def test_nce_is_siglip_at_the_bias_of_its_noise(batch_size, log_noise):
    B = batch_size or 5
    bias = -math.log(B - 1) + (math.log(B) if log_noise is None else 3.0)
    best = optimum("nce", 5, 5, batch_size, 0.5, log_noise=log_noise)
    assert best == optimum("siglip", 5, 5, batch_size, 0.5, bias=bias)
    batches = None if batch_size is None else np.array(list(combinations(range(5), batch_size)))
    found = search("nce", 5, 5, batches=batches, temperature=0.5, starts=3, log_noise=log_noise)
    assert found.value == pytest.approx(best.value, abs=1e-9)


@pytest.mark.parametrize(
    ("bias", "dim", "status", "configuration"),
    [
        (-10.0, 4, "proved", "simplex_etf"),
        (-10.0, 3, "lower_bound", None),
        (0.0, 5, "proved", "double-constant embedding"),
        (0.0, 4, "lower_bound", None),
        (5.0, 1, "proved", "antipodal views"),
    ],
)
def test_what_dimension_each_case_needs(bias, dim, status, configuration):
    best = optimum("siglip", 5, dim, bias=bias)
    assert (best.status, best.configuration) == (status, configuration)
    assert best.value == optimum("siglip", 5, 5, bias=bias).value


@given(temperature=st.floats(0.05, 3), bias=st.floats(-12, 6), n_pairs=st.integers(3, 40))
@settings(max_examples=100, deadline=None)
def test_views_separate_where_the_paper_says(temperature, bias, n_pairs):
    """Lee et al. 2024: (1 + e^(t / (N - 1) - b)) / (1 + e^(t + b)) < (N - 2) / 2, with b added to the logits."""
    t, N = 1 / temperature, n_pairs
    gap = np.logaddexp(0, t / (N - 1) - bias) - np.logaddexp(0, t + bias) - math.log((N - 2) / 2)
    best = optimum("siglip", N, N, temperature=temperature, bias=bias)
    if abs(gap) > 1e-9:
        assert (best.configuration == "simplex_etf") == (gap > 0)


@given(p=st.floats(-1, 1), n_pairs=st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_the_double_constant_embedding_has_two_similarities(p, n_pairs):
    u, v = double_constant(n_pairs, n_pairs, p)
    np.testing.assert_allclose(np.linalg.norm([u, v], axis=-1), 1, atol=1e-12)
    expected = np.full((n_pairs, n_pairs), negative_similarity(n_pairs, p))
    np.fill_diagonal(expected, p)
    np.testing.assert_allclose(u @ v.T, expected, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), n_pairs=st.integers(2, 6), dim=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_no_negatives_are_lower_on_average(seed, n_pairs, dim):
    u, v = np.random.default_rng(seed).standard_normal((2, n_pairs, dim))
    u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
    s = u @ v.T
    p = np.trace(s) / n_pairs
    q = (s.sum() - np.trace(s)) / (n_pairs * (n_pairs - 1))
    assert q >= negative_similarity(n_pairs, p) - 1e-12


def test_a_dimension_too_small_is_an_error():
    with pytest.raises(ValueError, match=r"dim must be at least 4 for positives at 0.5 and N = 4, received 3"):
        double_constant(4, 3, 0.5)
