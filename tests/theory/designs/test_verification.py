"""What batches can leave of a full-batch gap: the bounds contain what minimising finds."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from theory import fixed_partition_range, simplex_etf, simplex_etf_value
from theory.designs import affine_plane, difference_family, pair_coverage, round_robin, verify


def mean_loss(flat, batches, n, temperature):
    """The mean two-direction InfoNCE loss over batches and its gradient, for rows normalised here."""
    raw = flat.reshape(2, n, -1)
    norm = np.linalg.norm(raw, axis=2, keepdims=True)
    x = raw / norm
    value, grad = 0.0, np.zeros_like(x)
    for batch in batches:
        u, v = x[0][batch], x[1][batch]
        logits = u @ v.T / temperature
        for axis in (0, 1):
            weights = np.exp(logits - logits.max(axis, keepdims=True))
            total = weights.sum(axis, keepdims=True)
            value += (np.log(total) + logits.max(axis, keepdims=True)).mean() - np.trace(logits) / len(batch)
            slope = (weights / total - np.eye(len(batch))) / (len(batch) * temperature)
            grad[0][batch] += slope @ v
            grad[1][batch] += slope.T @ u
    grad = (grad - (grad * x).sum(2, keepdims=True) * x) / norm
    return value / len(batches), grad.ravel() / len(batches)


def minimised(batches, n, temperature):
    """The minimum found over the batches, and the full-batch loss there."""
    start = np.random.default_rng(0).normal(size=2 * n * n)
    found = minimize(mean_loss, start, (batches, n, temperature), "L-BFGS-B", jac=True,
                     options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10})  # fmt: skip
    return found.fun, mean_loss(found.x, np.arange(n)[None], n, temperature)[0]


FANO = difference_family(7, 3).batches()
PLANE = affine_plane(3)
LISTS = {
    "Fano plane without a line": (FANO[1:], 7),
    "all triples of 6 but one": (np.array(list(combinations(range(6), 3))[1:]), 6),
    "round robin without its last round": (round_robin(6)[:-1], 6),
    "round robin and a pair once more": (np.concatenate([round_robin(6).reshape(-1, 2), [[0, 1]]]), 6),
    "affine plane without a class": (PLANE[:3], 9),
    "affine plane and a class once more": (np.concatenate([PLANE, PLANE[:1]]), 9),
    "a path": (np.array([[0, 1], [1, 2], [2, 3]]), 4),
    "a point that never occurs": (np.array([[0, 1], [1, 2], [0, 2]]), 4),
}


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("name", LISTS)
def test_bounds_contain_what_is_found(name, temperature):
    batches, n = LISTS[name]
    said = verify(batches, n, temperature)
    assert not said.coverage.is_design
    own, full = minimised(batches.reshape(-1, batches.shape[-1]), n, temperature)
    gap = full - simplex_etf_value(n, temperature=temperature)
    assert said.own_at_least - 1e-9 <= own < said.own_at_most
    assert 0 < said.gap_at_least < gap < said.gap_at_most
    assert "no minimiser is one of the full batch (proved)" in said.statement


@st.composite
def batch_lists(draw):
    """Up to 8 random batches of 2 to N of N points, 3 <= N <= 7."""
    n = draw(st.integers(3, 7))
    size = draw(st.integers(2, n))
    seeds = draw(st.lists(st.integers(0, 99), min_size=1, max_size=8))
    return np.array([np.random.default_rng(seed).permutation(n)[:size] for seed in seeds]), n


@given(some=batch_lists(), temperature=st.sampled_from([2.0, 0.7, 0.3]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_bounds_contain_what_is_found_for_random_batches(some, temperature):
    batches, n = some
    said = verify(batches, n, temperature)
    own, full = minimised(batches, n, temperature)
    gap = full - simplex_etf_value(n, temperature=temperature)
    assert said.own_at_least - 1e-7 <= own <= said.own_at_most + 1e-7
    assert said.gap_at_least - 1e-6 <= gap <= said.gap_at_most + 1e-6


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_a_2_design_leaves_nothing(temperature):
    for batches, n in ((FANO, 7), (PLANE, 9), (round_robin(6), 6)):
        said = verify(batches, n, temperature)
        size = batches.shape[-1]
        assert said.gap_at_least == said.gap_at_most == 0.0
        assert said.own_at_least == said.own_at_most == simplex_etf_value(n, size, temperature=temperature)
        own, full = minimised(batches.reshape(-1, size), n, temperature)
        assert own == pytest.approx(said.own_at_least, abs=1e-9)
        assert full == pytest.approx(simplex_etf_value(n, temperature=temperature), abs=1e-8)


def test_one_partition_is_known_exactly():
    said = verify(PLANE[0], 9)
    ends, full = fixed_partition_range(9, 3), simplex_etf_value(9)
    assert said[1:5] == (ends.own, ends.own, ends.best - full, ends.worst - full)
    own, loss = minimised(PLANE[0], 9, 1.0)
    assert own == pytest.approx(ends.own, abs=1e-9)
    assert said.gap_at_least - 1e-9 <= loss - full <= said.gap_at_most + 1e-9


def test_the_etf_is_stationary_for_designs_alone():
    etf = np.stack([simplex_etf(7, 7)] * 2).ravel()
    assert np.abs(mean_loss(etf, FANO, 7, 0.5)[1]).max() < 1e-15
    assert np.abs(mean_loss(etf, FANO[1:], 7, 0.5)[1]).max() > 1e-3


def test_a_design_once_more_often_leaves_less():
    """The bound by curvature goes to 0 as the batches come closer to a 2-design."""
    pairs = round_robin(6).reshape(-1, 2)
    most = [
        verify(np.concatenate([np.tile(pairs, (times, 1)), pairs[:1]]), 6).gap_at_most
        for times in (1, 10, 100, 3000)
    ]
    assert most == sorted(most, reverse=True)
    assert most[-1] < 0.5 * most[0]


@pytest.mark.parametrize("temperature", [1e-4, 0.02, 50.0])
def test_any_temperature(temperature):
    said = verify(FANO[1:], 7, temperature)
    assert np.isfinite(said[1:5]).all()
    assert 0 <= said.gap_at_least < said.gap_at_most
    assert 0 <= said.own_at_least <= said.own_at_most


def test_refusals():
    with pytest.raises(ValueError, match=r"temperature must be positive, received 0\.0"):
        verify(FANO, 7, 0.0)
    with pytest.raises(ValueError, match=r"distinct points 0 \.\. 5"):
        verify(FANO, 6)
    with pytest.raises(ValueError, match=r"at least 2 points, received 1"):
        verify(np.arange(3)[:, None], 3)
    for count in (lambda some: verify(some, 4), lambda some: pair_coverage(some, 4)):
        with pytest.raises(
            ValueError, match=r"array of integers, a batch a row, received one of float64 and shape"
        ):
            count(np.array([[0.0, 1.0]]))
        with pytest.raises(ValueError, match=r"and shape \(3,\); one batch is batches\[None\]"):
            count(np.array([0, 1, 2]))
        with pytest.raises(ValueError, match=r"distinct points 0 \.\. 3"):
            count(np.zeros((0, 2), dtype=int))
    assert pair_coverage(np.array([[0, 1], [1, 2], [0, 2]], dtype=np.uint8), 3).is_design


def test_epochs_are_told_apart_from_batches_that_happen_to_line_up():
    # Sorted, 11 batches of 10 points make 10 rows of 11 different ones, but no batch ends where a partition does.
    batches = (np.arange(11)[:, None] + np.arange(1, 11)) % 11
    assert not pair_coverage(batches, 11).is_resolvable
