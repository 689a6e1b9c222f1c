"""Distance to an optimum: zero exactly there, blind to rotation and relabelling, and exact."""

from itertools import permutations

import jaxtyping
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import (
    aligned_gram,
    cross_polytope,
    cross_polytope_gram,
    cross_polytope_pairing,
    distance_to_cross_polytope,
    distance_to_optimum,
    distance_to_simplex_etf,
    optimum,
    simplex_etf,
    simplex_etf_gram,
)

SIZES = {"simplex_etf": (7, 9), "cross_polytope": (8, 4)}
POINTS = {"simplex_etf": simplex_etf, "cross_polytope": cross_polytope}
GRAMS = {"simplex_etf": simplex_etf_gram, "cross_polytope": cross_polytope_gram}
both_configurations = pytest.mark.parametrize("configuration", ["simplex_etf", "cross_polytope"])


def optimal(configuration):
    return POINTS[configuration](*SIZES[configuration])


def random_units(rng, *shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def random_rotation(rng, dim):
    return np.linalg.qr(rng.standard_normal((dim, dim)))[0]


def row_by_row_measure(z, solution):
    """The measure of earlier code: each row of Z sorted, by itself and greedily, towards its target."""
    arranged = np.empty_like(z)
    for i, targets in enumerate(solution):
        left = list(z[i])
        for j, target in enumerate(targets):
            arranged[i, j] = left.pop(int(np.argmin(np.abs(np.array(left) - target))))
    return np.linalg.norm(arranged - solution)


def smallest_over_permutations(z):
    """min over all relabellings P of |Z - P G P^T|_F, by trying every one."""
    gram = cross_polytope_gram(len(z))
    return min(np.linalg.norm(z - gram[np.ix_(p, p)]) for p in map(list, permutations(range(len(z)))))


# ---- zero at an optimum, and only there


@both_configurations
def test_zero_at_a_rotated_and_relabelled_optimum(configuration):
    rng = np.random.default_rng(0)
    u = optimal(configuration)
    u = u[rng.permutation(len(u))] @ random_rotation(rng, u.shape[1])
    assert distance_to_optimum(u, u, configuration) < 1e-13


@both_configurations
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_blind_to_a_common_rotation_and_a_joint_relabelling(configuration, seed):
    rng = np.random.default_rng(seed)
    u, v = random_units(rng, 2, *SIZES[configuration])
    before = distance_to_optimum(u, v, configuration)
    order, rotation = rng.permutation(len(u)), random_rotation(rng, u.shape[1])
    after = distance_to_optimum(u[order] @ rotation, v[order] @ rotation, configuration)
    swapped = distance_to_optimum(v, u, configuration)
    assert before > 0.1
    assert after == pytest.approx(float(before), abs=1e-12)
    assert swapped == pytest.approx(float(before), abs=1e-12)


@both_configurations
def test_sees_a_rotation_of_one_view_alone(configuration):
    u = optimal(configuration)
    v = u @ random_rotation(np.random.default_rng(1), u.shape[1])
    assert distance_to_optimum(u, v, configuration) > 1


@both_configurations
@pytest.mark.parametrize("step", [1e-2, 1e-4, 1e-6])
def test_grows_in_proportion_to_a_small_step_away(configuration, step):
    u = optimal(configuration)
    direction = np.random.default_rng(2).standard_normal(u.shape)
    moved = u + step * direction
    moved /= np.linalg.norm(moved, axis=-1, keepdims=True)
    tangent = direction - np.sum(direction * u, axis=-1, keepdims=True) * u
    first_order = np.linalg.norm(tangent @ u.T)
    assert distance_to_optimum(moved, u, configuration) / step == pytest.approx(first_order, rel=10 * step)


@pytest.mark.parametrize("dim", [2, 3])
def test_no_optimum_fits_into_too_few_dimensions(dim):
    u = random_units(np.random.default_rng(3), 50, 8, dim)
    assert distance_to_simplex_etf(u, u).min() > 1
    assert distance_to_cross_polytope(u, u).min() > 1


# ---- what sorting each row by itself misses


WRONG_PARTNERS = {
    "shifted": lambda n: np.roll(np.arange(n), 1),
    "collapsed": lambda n: np.zeros(n, dtype=int),
    "each row shuffled": lambda n: np.random.default_rng(4).integers(n, size=n),
}


@both_configurations
@pytest.mark.parametrize("partners", WRONG_PARTNERS)
def test_rows_that_sort_to_the_solution_are_far_from_it(configuration, partners):
    u = optimal(configuration)
    v = u[WRONG_PARTNERS[partners](len(u))]
    gram = GRAMS[configuration](len(u))
    assert row_by_row_measure(v @ u.T, gram) < 1e-12
    assert distance_to_optimum(v, u, configuration) > 2


def test_a_simplex_with_shifted_positives_by_hand():
    u = simplex_etf(8, 16)
    v = np.roll(u, 1, axis=0)
    assert distance_to_simplex_etf(u, v) == pytest.approx(8 / 7 * np.sqrt(2 * 8))
    assert reference.clip_sum(u, v, 1.0) == pytest.approx(4.632, abs=5e-4)
    assert optimum("clip_sum", 8, 16).value == pytest.approx(2.346, abs=5e-4)


# ---- the smallest over all pairings, in three ways


@pytest.mark.parametrize("n", [2, 4, 6])
def test_distance_is_the_smallest_over_all_relabellings(n):
    rng = np.random.default_rng(n)
    u, v = random_units(rng, 2, 5, n, 3)
    expected = [smallest_over_permutations(z) for z in u @ v.swapaxes(-2, -1)]
    np.testing.assert_allclose(distance_to_cross_polytope(u, v), expected, rtol=1e-13)


@pytest.mark.parametrize("n", [2, 4, 8, 10])
def test_enumeration_equals_matching(n, monkeypatch):
    u, v = random_units(np.random.default_rng(n), 2, 20, n, 4)
    enumerated = distance_to_cross_polytope(u, v)
    monkeypatch.setattr("theory.distance.ENUMERATION_LIMIT", 0)
    np.testing.assert_allclose(distance_to_cross_polytope(u, v), enumerated, rtol=1e-10)


def test_matching_finds_the_antipodes_of_many_points():
    rng = np.random.default_rng(6)
    order = rng.permutation(32)
    u = cross_polytope(32, 16)[order] @ random_rotation(rng, 16)
    assert distance_to_cross_polytope(u, u) < 1e-12
    np.testing.assert_array_equal(order[cross_polytope_pairing(u @ u.T)], order ^ 1)


def test_pairing_by_hand_where_greedy_fails():
    z = np.eye(4)
    for (i, j), product in {(0, 1): -0.9, (2, 3): 0.9, (0, 2): -0.8, (1, 3): -0.8}.items():
        z[i, j] = z[j, i] = product
    np.testing.assert_array_equal(cross_polytope_pairing(z), [2, 3, 0, 1])


def test_pairing_uses_both_directions_of_z():
    z = np.eye(4)
    z[0, 1], z[1, 0], z[0, 2] = -0.6, 0.5, -0.4
    np.testing.assert_array_equal(cross_polytope_pairing(z), [2, 3, 0, 1])


# ---- replicates, precision, display


@both_configurations
def test_leading_dimensions_are_replicates(configuration):
    u, v = random_units(np.random.default_rng(7), 2, 3, 2, *SIZES[configuration])
    distances = distance_to_optimum(u, v, configuration)
    assert distances.shape == (3, 2)
    for index in np.ndindex(3, 2):
        one = distance_to_optimum(u[index], v[index], configuration)
        assert one.shape == ()
        assert distances[index] == pytest.approx(float(one), rel=1e-13)


def test_more_replicates_than_one_block(monkeypatch):
    u, v = random_units(np.random.default_rng(8), 2, 25, 6, 3)
    at_once = distance_to_cross_polytope(u, v)
    monkeypatch.setattr("theory.distance.REPLICATES_PER_BLOCK", 7)
    np.testing.assert_array_equal(distance_to_cross_polytope(u, v), at_once)


@both_configurations
def test_no_replicates_give_no_distances(configuration):
    empty = np.empty((0, *SIZES[configuration]))
    assert distance_to_optimum(empty, empty, configuration).shape == (0,)


@both_configurations
def test_float32_embeddings_are_measured_in_float64(configuration):
    u = optimal(configuration).astype(np.float32)
    distance = distance_to_optimum(u, u, configuration)
    assert distance.dtype == np.float64
    assert distance < 1e-6


def test_aligned_gram_puts_antipodes_side_by_side():
    order = np.random.default_rng(9).permutation(8)
    u = cross_polytope(8, 4)[order]
    z = u @ u.T
    assert not np.array_equal(z, cross_polytope_gram(8))
    np.testing.assert_array_equal(aligned_gram(z, "cross_polytope"), cross_polytope_gram(8))


def test_aligned_gram_moves_rows_and_columns_together():
    z = np.random.default_rng(10).uniform(-1, 1, (6, 6))
    aligned = aligned_gram(z, "cross_polytope")
    np.testing.assert_array_equal(sorted(np.diag(aligned)), sorted(np.diag(z)))
    np.testing.assert_allclose(
        np.linalg.norm(aligned - cross_polytope_gram(6)), smallest_over_permutations(z), rtol=1e-12
    )


def test_aligned_gram_leaves_the_simplex_as_it_is_and_returns_a_copy():
    z = np.random.default_rng(11).uniform(-1, 1, (5, 5))
    aligned = aligned_gram(z, "simplex_etf")
    np.testing.assert_array_equal(aligned, z)
    assert not np.shares_memory(aligned, z)


# ---- errors


def with_entry(x, value):
    x = x.copy()
    x[0, 0] = value
    return x


U = simplex_etf(5, 4)
Z = np.eye(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distance_to_simplex_etf(2 * U, U), "u must have rows of length 1.*of length 2; divide"),
        (lambda: distance_to_simplex_etf(U, 0.5 * U), "v must have rows of length 1.*of length 0.5; divide"),
        (lambda: distance_to_simplex_etf(U, 1.002 * U), "v must have rows of length 1 .*length 1.002"),
        (lambda: distance_to_cross_polytope(with_entry(U, np.nan), U), "received 1 NaN or infinite entries"),
        (lambda: distance_to_cross_polytope(U, with_entry(U, np.inf)), "v must be finite"),
        (lambda: distance_to_cross_polytope(U, U), "n must be even and at least 2 .* received 5"),
        (lambda: distance_to_simplex_etf(U[:1], U[:1]), "n must be at least 2, received 1"),
        (lambda: distance_to_optimum(U, U, None), "received None; where no optimal configuration"),
        (lambda: distance_to_optimum(U, U, "cube"), "'simplex_etf' or 'cross_polytope', received 'cube'"),
        (lambda: aligned_gram(Z, None), "received None"),
        (lambda: aligned_gram(np.eye(5), "cross_polytope"), "n must be even .* received 5"),
        (lambda: cross_polytope_pairing(with_entry(Z, np.nan)), "z must be finite"),
    ],
)  # fmt: skip
def test_errors_say_requirement_received_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_rows_within_the_tolerance_pass():
    assert distance_to_simplex_etf(1.0005 * U, U) < 1e-2


MISMATCHED = {
    "u and v must have one shape": lambda: distance_to_simplex_etf(U, U[:4]),
    "z must be a square matrix, received shape": lambda: cross_polytope_pairing(Z[:3]),
}


@pytest.mark.parametrize("message", MISMATCHED)
def test_wrong_shapes_fail_with_and_without_the_shape_checker(message):
    call = MISMATCHED[message]
    with pytest.raises(jaxtyping.TypeCheckError):
        call()
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(ValueError, match=message):
            call()
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
