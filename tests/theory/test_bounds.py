"""Batches against the full batch: pairwise bounds, partitions, coverage, means over all batches."""

import math
from itertools import combinations

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from theory import LOSS_NAMES, simplex_etf, simplex_etf_value
from theory.bounds import (
    all_batches_bounds,
    check_fixed_partition,
    count_batches,
    epoch_coverage,
    fewest_classes,
    fewest_to_cover,
    fixed_partition_variance,
    information_bound,
    information_ceiling,
    largest_mean_positive,
    pair_weights,
    pairwise_bounds,
    shuffled_coverage,
    shuffles_until_all_meet,
    shuffles_until_pair_meets,
    similarities,
)
from theory.designs import affine_plane, pair_coverage, round_robin

seeds = st.integers(0, 2**32 - 1)
temperatures = st.sampled_from([0.05, 0.2, 1.0])


def units(rng, *shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def batch_losses(loss, u, v, batches, temperature):
    return np.array([getattr(reference, loss)(u[batch], v[batch], temperature) for batch in batches])


# ---- the loss of a batch between sums over its pairs


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 6), temperatures)
def test_the_loss_of_a_batch_lies_between_its_pairwise_bounds(seed, size, temperature):
    rng = np.random.default_rng(seed)
    u, v = units(rng, 2, 12, 4)
    batches = np.array([rng.permutation(12)[:size] for _ in range(5)])
    losses = batch_losses("clip_sum", u, v, batches, temperature)
    bounds = pairwise_bounds(u, v, batches, temperature=temperature)
    assert (bounds.lower <= losses * (1 + 1e-12)).all()
    assert (losses <= bounds.upper * (1 + 1e-12)).all()
    if size == 2:
        assert bounds.lower == pytest.approx(losses, rel=1e-12)
        assert bounds.upper == pytest.approx(losses, rel=1e-12)


def test_the_published_weights_bound_the_loss_below_as_a_mean_and_above_as_a_sum():
    rng = np.random.default_rng(0)
    u, v = units(rng, 2, 20, 5)
    batches = rng.permutation(20).reshape(4, 5)
    losses = batch_losses("clip_sum", u, v, batches, 0.3)
    weights = reference.pair_weights(u, v, 5, 0.3)
    total = np.array([sum(weights[i][j] for i, j in combinations(batch, 2)) for batch in batches])
    assert pairwise_bounds(u, v, batches, temperature=0.3).lower == pytest.approx(total / 20, rel=1e-12)
    assert (total / 20 < losses).all()
    assert (
        losses < total / 5
    ).all()  # 4 times the lower bound: looser than the upper bound by weights with factor 1
    assert (pairwise_bounds(u, v, batches, temperature=0.3).upper < total / 5).all()


def test_both_pairwise_bounds_are_reached_in_a_limit():
    """Equal terms reach the lower bound; one pair that is all of the sum reaches the upper."""
    u = simplex_etf(6, 8)
    batch = np.arange(6)[None]
    bounds = pairwise_bounds(u, u, batch, temperature=0.4)
    assert bounds.lower[0] == pytest.approx(simplex_etf_value(6, temperature=0.4), rel=1e-12)
    u = np.repeat(np.eye(2), 2, axis=0)
    bounds = pairwise_bounds(u, u, np.arange(4)[None], temperature=0.02)
    assert bounds.upper[0] == pytest.approx(2 * math.log(2), rel=1e-12)
    assert bounds.lower[0] < 0.7 * bounds.upper[0]


@pytest.mark.parametrize(("factor", "temperature", "named"), [(0.0, 1.0, "factor"), (1.0, 0.0, "temperature")])
def test_weights_name_what_must_be_positive(factor, temperature, named):
    u = np.eye(3)
    with pytest.raises(ValueError, match=f"{named} must be positive"):
        pair_weights(u, u, factor=factor, temperature=temperature)
    with pytest.raises(ValueError, match="at least two pairs, received 1"):
        pairwise_bounds(u, u, np.arange(3)[:, None])


# ---- the optimum of a fixed partition


def rotated_simplices(rng, n, m, dim):
    """Optima of the partition into consecutive batches: simplices, each turned at random."""
    return np.concatenate([simplex_etf(m, dim) @ ortho_group.rvs(dim, random_state=rng) for _ in range(n // m)])


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([(8, 2, 2), (8, 4, 4), (12, 3, 2), (12, 3, 3), (12, 3, 8), (12, 6, 7)]))
def test_every_optimum_of_a_partition_has_its_variance_in_the_range(seed, sizes):
    n, m, dim = sizes
    u = rotated_simplices(np.random.default_rng(seed), n, m, dim)
    check = check_fixed_partition(u, u, np.arange(n).reshape(-1, m))
    assert check.at_optimum
    assert check.as_predicted
    assert check.observed.mean_positive == pytest.approx(1, abs=1e-12)
    assert check.observed.mean_negative == pytest.approx(-1 / (n - 1), abs=1e-12)
    assert check.variance.least >= fixed_partition_variance(n, m).least
    if dim == m - 1:
        assert check.variance.most == pytest.approx(check.variance.least, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(8, 2), (8, 4), (12, 3), (16, 4), (6, 6)])
def test_both_ends_of_the_variance_are_reached(n, m):
    low, high = (n - m) / ((m - 1) * (n - 1) ** 2), n * (n - m) / ((m - 1) * (n - 1) ** 2)
    assert fixed_partition_variance(n, m) == pytest.approx((low, high), rel=1e-12)
    simplex = simplex_etf(m, m - 1)
    orthogonal = np.kron(np.eye(n // m), simplex)
    coinciding = np.tile(simplex, (n // m, 1))
    assert similarities(orthogonal, orthogonal).variance_negative == pytest.approx(low, abs=1e-12)
    assert similarities(coinciding, coinciding).variance_negative == pytest.approx(high, abs=1e-12)


def test_in_few_dimensions_the_smallest_variance_is_larger_and_reached_by_a_tight_frame():
    """Antipodal pairs along the edges of a hexagon: 3 lines in the plane."""
    angles = np.pi / 3 * np.arange(3)
    line = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    u = np.stack([line, -line], axis=1).reshape(6, 2)
    least = fixed_partition_variance(6, 2, 2).least
    assert similarities(u, u).variance_negative == pytest.approx(least, rel=1e-12)
    assert least > 2 * fixed_partition_variance(6, 2).least


def test_the_full_optimum_is_not_that_of_a_partition():
    u = simplex_etf(8, 8)
    check = check_fixed_partition(u, u, np.arange(8).reshape(4, 2))
    assert not check.at_optimum
    assert check.deviation == pytest.approx(6 / 7)
    assert check.observed.variance_negative == pytest.approx(0, abs=1e-12)
    assert not check.as_predicted


def test_a_partition_must_be_one():
    u = np.eye(6)
    with pytest.raises(ValueError, match="partition of the 6 pairs"):
        check_fixed_partition(u, u, np.array([[0, 1, 2], [2, 3, 4]]))
    with pytest.raises(ValueError, match=r"divisor of n_pairs = 36 .* received 5; the nearest is 4"):
        fixed_partition_variance(36, 5)
    with pytest.raises(ValueError, match=r"only for dim >= 3, received 2; take batches of at most 3"):
        fixed_partition_variance(8, 4, 2)


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(2, 9), st.floats(-3, 3))
def test_the_mean_positive_is_limited_by_the_mean_negative(seed, n, pull):
    """Random embeddings, most of them with views that are driven apart along one direction."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((2, n, 3))
    raw[:, :, 0] += pull * np.array([[1], [-1]])
    u, v = raw / np.linalg.norm(raw, axis=-1, keepdims=True)
    found = similarities(u, v)
    limit = largest_mean_positive(n, found.mean_negative)
    assert found.mean_positive <= limit + 1e-12
    assert limit <= 1 + found.mean_negative + 1 / (n - 1) + 1e-12  # Theorem 5.2 of Lee et al.


@pytest.mark.parametrize("apart", [0.0, 0.3, 0.8, 1.0])
def test_the_limit_of_the_mean_positive_is_reached(apart):
    w = np.pad(simplex_etf(5, 4), ((0, 0), (0, 1)))
    c = apart * np.eye(5)[-1]
    w *= math.sqrt(1 - apart**2)
    found = similarities(w + c, w - c)
    assert found.mean_positive == pytest.approx(largest_mean_positive(5, found.mean_negative), abs=1e-12)


def test_means_must_be_of_cosines():
    assert largest_mean_positive(2, -1.0) == 1
    with pytest.raises(ValueError, match="between -1 and 1, received 2"):
        largest_mean_positive(5, 2.0)
    with pytest.raises(ValueError, match="at least 2, received 1"):
        largest_mean_positive(1, 0.0)


# ---- numbers and coverage


def test_numbers_of_batches():
    assert count_batches(64, 8) == 4_426_165_368
    assert fewest_classes(64, 8) == 9 == len(affine_plane(8))
    assert fewest_to_cover(64, 8) == 72 == affine_plane(8).size // 8
    assert fewest_classes(8, 2) == 7 == len(round_robin(8))
    assert fewest_to_cover(7, 3) == 7  # the Fano plane
    assert fewest_to_cover(8, 3) == 11  # C(8, 3, 2) = 11, La Jolla covering repository


@pytest.mark.parametrize(("n", "size"), [(8, 2), (9, 3), (10, 3), (7, 5), (6, 6)])
def test_an_epoch_covers_what_counting_says(n, size):
    epoch = np.arange(n // size * size).reshape(-1, size)
    assert epoch_coverage(n, size) == pytest.approx(pair_coverage(epoch, n).met, rel=1e-12)


@pytest.mark.parametrize(("n", "size", "epochs"), [(8, 2, 5), (9, 3, 3), (10, 4, 2), (6, 6, 1), (3, 2, 2)])
def test_expected_coverage_and_its_spread_are_those_of_shuffles(n, size, epochs):
    rng = np.random.default_rng(0)
    runs = 2000
    met = np.empty(runs)
    for run in range(runs):
        shuffles = np.stack([rng.permutation(n)[: n // size * size].reshape(-1, size) for _ in range(epochs)])
        met[run] = pair_coverage(shuffles, n).met
    mean, deviation = shuffled_coverage(n, size, epochs)
    assert met.mean() == pytest.approx(mean, abs=4 * max(deviation, 1e-9) / math.sqrt(runs))
    assert met.std() == pytest.approx(deviation, rel=0.08, abs=1e-9)


@pytest.mark.parametrize(("n", "size"), [(4, 2), (8, 2), (9, 3), (16, 4), (7, 3), (5, 5)])
def test_shuffles_until_every_pair_has_met_lie_between_the_bounds(n, size):
    rng = np.random.default_rng(1)
    needed, one = [], []
    for _ in range(300):
        met, count = np.eye(n, dtype=bool), 0
        first = None
        while not met.all():
            count += 1
            for batch in rng.permutation(n)[: n // size * size].reshape(-1, size):
                met[np.ix_(batch, batch)] = True
            if first is None and met[0, 1]:
                first = count
        needed.append(count)
        one.append(first)
    bounds = shuffles_until_all_meet(n, size)
    spread = 4 * np.std(needed) / math.sqrt(300)
    assert bounds.lower - spread <= np.mean(needed) <= bounds.upper + spread
    assert bounds.upper <= 1.5 * bounds.lower
    assert np.mean(one) == pytest.approx(shuffles_until_pair_meets(n, size), abs=float(4 * np.std(one) / 17 + 1e-9))


def test_many_points_need_many_shuffles_where_a_design_needs_few():
    """64 points in batches of 8: 9 epochs of an affine plane, some 60 shuffles."""
    assert shuffled_coverage(64, 8, 9).mean == pytest.approx(1 - (8 / 9) ** 9)
    lower, upper = shuffles_until_all_meet(64, 8)
    assert 60 < lower < upper < 75
    lower, upper = shuffles_until_all_meet(50_000, 32)
    assert 20_000 < lower < upper < 40_000


@pytest.mark.parametrize(("n", "size", "words"), [(1, 2, "n_pairs"), (8, 1, "batch_size"), (8, 9, "batch_size")])
def test_impossible_sizes_are_named(n, size, words):
    for ask in (count_batches, epoch_coverage, fewest_classes, fewest_to_cover, shuffles_until_all_meet):
        with pytest.raises(ValueError, match=words):
            ask(n, size)


# ---- all batches of a size


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(LOSS_NAMES), st.integers(2, 6), temperatures)
def test_the_mean_over_all_batches_lies_between_chord_and_jensen(seed, loss, size, temperature):
    u, v = units(np.random.default_rng(seed), 2, 6, 3)
    mean = reference.mean_over_batches(
        getattr(reference, loss), u, v, list(combinations(range(6), size)), temperature
    )
    bounds = all_batches_bounds(u, v, size, loss=loss, temperature=temperature)
    slack = 1e-12 * (1 + abs(mean) + 1 / temperature)
    assert bounds.lower - slack <= mean <= bounds.upper + slack
    assert bounds.upper <= bounds.full + slack
    if size in (2, 6):
        assert mean == pytest.approx(bounds.lower, abs=slack)


def test_at_the_simplex_jensen_is_an_equality():
    u = simplex_etf(9, 8)
    bounds = all_batches_bounds(u, u, 4, loss="nt_xent", temperature=0.2)
    assert bounds.upper == pytest.approx(simplex_etf_value(9, 4, loss="nt_xent", temperature=0.2), rel=1e-12)
    assert bounds.lower < bounds.upper < bounds.full


def test_means_over_batches_of_impossible_sizes():
    u = np.eye(4)
    with pytest.raises(ValueError, match="batch_size must lie between 2 and n_pairs = 4, received 5"):
        all_batches_bounds(u, u, 5)
    with pytest.raises(ValueError, match="loss must be one of"):
        all_batches_bounds(u, u, 2, loss="kcl")


# ---- information


def test_infonce_never_certifies_more_information_than_there_is():
    """Pairs that share one of k values, so that I = log k: embeddings of the values, scores of any kind."""
    k, size, rng = 8, 4, np.random.default_rng(0)
    points = units(rng, k, 3)
    batches = rng.integers(k, size=(4000, size))
    mean = np.mean([reference.info_nce(points[b], points[b], 0.3) for b in batches])
    certified = information_bound(float(mean), size)
    assert 0 < certified < min(math.log(k), information_ceiling(size, 0.3))


def test_the_ceiling_of_information_is_log_b_for_sharp_cosines_and_one_over_tau_for_soft_ones():
    assert information_ceiling(16, 0.02) == pytest.approx(math.log(16), rel=1e-9)
    assert information_ceiling(10**6, 1.0) == pytest.approx(1, abs=1e-4)
    for size in (2, 3, 10, 1000):
        for temperature in (0.05, 0.3, 1.0, 3.0):
            assert information_ceiling(size, temperature) < min(math.log(size), 1 / temperature) + 1e-12
    with pytest.raises(ValueError, match="at least 2"):
        information_ceiling(1)
    with pytest.raises(ValueError, match="positive"):
        information_bound(-1.0, 8)
