"""Closed-form minima against double loops, numerical minimisation and random embeddings."""

import math
from itertools import combinations

import numpy as np
import pytest
import reference
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from theory import (
    LOSS_NAMES,
    cross_polytope,
    cross_polytope_value,
    fixed_partition_range,
    optimum,
    simplex_etf,
    simplex_etf_value,
)

NAIVE = {name: getattr(reference, name) for name in LOSS_NAMES}
POSITIVE_REMOVED = ("dcl", "dcl_one_way", "dcl_cross", "dhel_anchor", "dhel_mean", "dhel_product")
POSITIVE_KEPT = ("info_nce", "clip", "clip_sum", "nt_xent")
ALIASES = {"mnrl": "info_nce", "simcse": "info_nce", "flatnce": "nt_xent"}
every_name = pytest.mark.parametrize("loss", LOSS_NAMES)
every_loss = pytest.mark.parametrize("loss", POSITIVE_KEPT + POSITIVE_REMOVED)
positive_removed = pytest.mark.parametrize("loss", POSITIVE_REMOVED)
a_few = pytest.mark.parametrize("loss", ["nt_xent", "dhel_product"])  # test_closed_forms: all
temperatures = pytest.mark.parametrize("temperature", [1.0, 0.3, 0.05])
seeds = st.integers(0, 2**32 - 1)


def all_batches(n_pairs, batch_size):
    return list(combinations(range(n_pairs), batch_size or n_pairs))


def naive_mean(loss, u, v, batch_size, temperature):
    batches = all_batches(len(u), batch_size)
    return reference.mean_over_batches(NAIVE[loss], u, v, batches, temperature)


def rounding(loss, value):
    """How far a double loop may be off: small values keep their digits if the positive is in the denominator."""
    return 1e-12 * (abs(value) + (loss in POSITIVE_REMOVED))


def random_units(rng, *shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def random_rotation(rng, dim):
    return np.linalg.qr(rng.standard_normal((dim, dim)))[0]


# ---- numbers


@pytest.mark.parametrize(
    ("n_pairs", "dim", "batch_size", "value"),
    [
        (8, 16, None, 2.3464163177),
        (16, 32, None, 3.6369023769),
        (8, 16, 2, 0.5536060553),
        (8, 16, 4, 1.3425388688),
        (16, 32, 2, 0.5915293206),
        (16, 32, 4, 1.4184951030),
        (7, 6, 3, 0.9683140512),
        (9, 8, 3, 1.0007078949),
        (8, 4, None, 2.4135050328),
        (16, 8, None, 3.6765377068),
        (8, 4, 2, 0.5732851818),
        (8, 4, 4, 1.3869267565),
        (16, 8, 2, 0.6016788848),
        (16, 8, 4, 1.4404787590),
    ],
)
def test_minimum_of_the_loss_of_cho_et_al(n_pairs, dim, batch_size, value):
    assert optimum("clip_sum", n_pairs, dim, batch_size).value == pytest.approx(value, abs=5e-11)


@pytest.mark.parametrize(
    ("n_pairs", "batch_size", "own", "best", "worst"),
    [
        (8, 2, 0.2538560221, 2.4135050328, 3.0264447443),
        (8, 4, 1.1653153061, 2.3648705635, 2.5516096672),
        (16, 4, 1.1653153061, 3.6508219409, 3.9379040284),
    ],
)
def test_fixed_partition_range_of_the_loss_of_cho_et_al(n_pairs, batch_size, own, best, worst):
    expected = pytest.approx((own, best, worst), abs=5e-11)
    assert tuple(fixed_partition_range(n_pairs, batch_size)) == expected


TWO_PAIRS_AT_HALF = {
    "info_nce": math.log1p(math.exp(-4)),
    "mnrl": math.log1p(math.exp(-4)),
    "simcse": math.log1p(math.exp(-4)),
    "clip": math.log1p(math.exp(-4)),
    "clip_sum": 2 * math.log1p(math.exp(-4)),
    "nt_xent": math.log1p(2 * math.exp(-4)),
    "flatnce": math.log1p(2 * math.exp(-4)),
    "dcl": math.log(2) - 4,
    "dcl_one_way": math.log(2) - 4,
    "dcl_cross": -4,
    "dhel_anchor": -2 - 2,
    "dhel_mean": -2 - 2,
    "dhel_product": -2 - 2 - 2,
}


@every_name
def test_two_pairs_by_hand(loss):
    expected = TWO_PAIRS_AT_HALF[loss]
    best = optimum(loss, 2, 1, temperature=0.5)
    assert best.value == pytest.approx(expected, rel=1e-14)
    assert cross_polytope_value(2, loss=loss, temperature=0.5) == pytest.approx(expected, rel=1e-14)


def test_small_values_keep_their_digits():
    gap = 8 / 7 / 0.02
    value = optimum("info_nce", 8, 7, temperature=0.02).value
    assert value == pytest.approx(7 * math.exp(-gap), rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        ("dcl", math.log(14) - 8 / 7 / 0.1),
        ("dcl_one_way", math.log(14) - 8 / 7 / 0.1),
        ("dcl_cross", math.log(7) - 8 / 7 / 0.1),
        ("dhel_anchor", math.log(7) - 8 / 7 / 0.1),
        ("dhel_mean", math.log(7) - 8 / 7 / 0.1),
        ("dhel_product", -1 / 0.1 + 2 * (math.log(7) - 1 / 7 / 0.1)),
    ],
)
def test_simplex_without_the_positive_by_hand(loss, value):
    assert optimum(loss, 8, 7, temperature=0.1).value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(("alias", "loss"), ALIASES.items())
def test_aliases_have_equal_values(alias, loss):
    assert optimum(alias, 8, 7, temperature=0.3).value == optimum(loss, 8, 7, temperature=0.3).value
    assert optimum(alias, 8, 4, 3) == optimum(loss, 8, 4, 3)
    assert fixed_partition_range(8, 4, loss=alias) == fixed_partition_range(8, 4, loss=loss)


def test_the_names_are_those_tested():
    assert set(LOSS_NAMES) == {*POSITIVE_KEPT, *POSITIVE_REMOVED, *ALIASES} == set(TWO_PAIRS_AT_HALF)


def test_vanishing_temperature_does_not_overflow():
    assert optimum("clip_sum", 8, 7, temperature=1e-99).value == 0
    assert optimum("dcl", 8, 7, temperature=1e-99).value == pytest.approx(-8 / 7 * 1e99)
    assert cross_polytope_value(8, 2, loss="dhel_product", temperature=1e-99) == pytest.approx(-9 / 7 * 1e99)
    assert fixed_partition_range(8, 4, temperature=1e-99).worst == pytest.approx(2 * math.log(2))


# ---- which statement applies


@pytest.mark.parametrize(
    ("n_pairs", "dim", "status", "configuration"),
    [
        (8, 16, "proved", "simplex_etf"),
        (8, 7, "proved", "simplex_etf"),
        (8, 6, "conjectured", "orthogonal_simplices"),
        (8, 5, "conjectured", "orthogonal_simplices"),
        (8, 4, "proved_if_symmetric_antipodal", "cross_polytope"),
        (8, 3, "lower_bound", None),
        (7, 3, "lower_bound", None),
        (2, 1, "proved", "simplex_etf"),
        (4, 2, "proved_if_symmetric_antipodal", "cross_polytope"),
    ],
)
@every_name
def test_status_and_configuration(loss, n_pairs, dim, status, configuration):
    if status == "proved_if_symmetric_antipodal" and loss not in POSITIVE_REMOVED:
        status = "proved"  # over the full batch
    for batch_size in (None, n_pairs):
        best = optimum(loss, n_pairs, dim, batch_size)
        assert (best.status, best.configuration) == (status, configuration)
        assert "arXiv" in best.source


@positive_removed
@pytest.mark.parametrize(
    ("n_pairs", "dim", "status", "configuration"),
    [
        (8, 7, "proved", "simplex_etf"),
        (8, 6, "proved", None),
        (8, 4, "proved", "cross_polytope"),
        (7, 2, "proved", None),
        (4, 1, "proved", None),
    ],
)
def test_without_the_positive_two_pairs_a_batch_have_a_minimum_in_every_dimension(
    loss, n_pairs, dim, status, configuration
):
    best = optimum(loss, n_pairs, dim, 2)
    assert (best.status, best.configuration) == (status, configuration)
    assert best.value == simplex_etf_value(n_pairs, 2, loss=loss)


@positive_removed
def test_three_signs_cannot_sum_to_zero(loss):
    best = optimum(loss, 3, 1, 2)
    assert best.status == "proved"
    u, v = best.embeddings()
    assert best.value == pytest.approx(naive_mean(loss, u, v, 2, 1.0), rel=1e-12)
    assert best.value > simplex_etf_value(3, 2, loss=loss) + 1e-3


def test_batches_of_all_pairs_are_the_full_batch():
    assert optimum("clip_sum", 8, 16, 8) == optimum("clip_sum", 8, 16)
    assert optimum("clip_sum", 8, 4, 8) == optimum("clip_sum", 8, 4)


@every_loss
def test_between_the_two_cases_the_cross_polytope_is_not_best(loss):
    triangle, nothing = simplex_etf(3, 2), np.zeros((3, 2))
    u = np.block([[triangle, nothing], [nothing, triangle]])
    two_triangles = NAIVE[loss](u, u, 1.0)
    best = optimum(loss, 6, 4)
    assert (best.status, best.configuration) == ("conjectured", "orthogonal_simplices")
    assert best.value == pytest.approx(two_triangles, rel=1e-12)
    assert best.lower_bound < two_triangles - 1e-3
    assert two_triangles < cross_polytope_value(6, loss=loss) - 1e-3


def polygon(n_points):
    angles = 2 * np.pi / n_points * np.arange(n_points)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@every_loss
def test_the_polygon_is_not_best_for_small_temperature_without_the_positive(loss):
    regular, square = polygon(7), polygon(4)
    clustered = square[[0, 0, 0, 0, 1, 2, 3]]
    best = optimum(loss, 7, 2, temperature=0.1)
    values = [NAIVE[loss](u, u, 0.1) for u in (regular, clustered)]
    if loss in POSITIVE_REMOVED:
        assert (best.status, best.configuration) == ("refuted", None)
        assert "regular 7-gon" in best.note
        assert best.value < min(values) - 1e-3
    else:
        assert (best.status, best.configuration) == ("proved", "regular 7-gon")
        assert best.value == pytest.approx(min(values), rel=1e-12)
    assert (values[1] < values[0] - 0.02) == (loss in POSITIVE_REMOVED)


# ---- against double loops at the configurations


@every_loss
@temperatures
@pytest.mark.parametrize(("n_pairs", "batch_size"), [(3, 2), (5, None), (6, 3), (7, 5), (8, 2)])
def test_simplex_etf_value_is_the_loss_of_the_simplex(n_pairs, batch_size, loss, temperature):
    rng = np.random.default_rng(n_pairs)
    u = simplex_etf(n_pairs, n_pairs) @ random_rotation(rng, n_pairs)
    expected = naive_mean(loss, u, u, batch_size, temperature)
    value = simplex_etf_value(n_pairs, batch_size, loss=loss, temperature=temperature)
    assert value == pytest.approx(expected, rel=1e-11, abs=0)
    assert optimum(loss, n_pairs, n_pairs, batch_size, temperature=temperature).value == value


@every_loss
@temperatures
@pytest.mark.parametrize(("n_pairs", "batch_size"), [(4, 2), (4, 3), (6, None), (6, 5), (8, 2), (8, 4)])
def test_cross_polytope_value_is_the_loss_of_the_cross_polytope(n_pairs, batch_size, loss, temperature):
    rng, dim = np.random.default_rng(n_pairs), n_pairs // 2
    u = cross_polytope(n_pairs, dim)[rng.permutation(n_pairs)] @ random_rotation(rng, dim)
    expected = naive_mean(loss, u, u, batch_size, temperature)
    value = cross_polytope_value(n_pairs, batch_size, loss=loss, temperature=temperature)
    assert value == pytest.approx(expected, rel=1e-11, abs=0)
    if n_pairs > dim + 1:
        best = optimum(loss, n_pairs, dim, batch_size, temperature=temperature)
        assert best.value == pytest.approx(value, rel=1e-14)


@every_loss
def test_a_design_has_the_minimum_of_all_batches(loss):
    fano = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]
    u = simplex_etf(7, 6)
    expected = reference.mean_over_batches(NAIVE[loss], u, u, fano, 0.5)
    value = optimum(loss, 7, 6, 3, temperature=0.5).value
    assert value == pytest.approx(expected, rel=1e-12)


@every_loss
def test_another_minimiser_over_the_lines_of_a_plane_without_the_positive(loss):
    """Three simplices of three points in orthogonal planes: every line is one of them or orthogonal."""
    parallel = [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    across = [(0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (1, 5, 6), (2, 3, 7), (0, 5, 7), (1, 3, 8), (2, 4, 6)]
    u = np.kron(np.eye(3), simplex_etf(3, 2))
    on_lines = reference.mean_over_batches(NAIVE[loss], u, u, parallel + across, 0.5)
    on_all = naive_mean(loss, u, u, 3, 0.5)
    value = optimum(loss, 9, 8, 3, temperature=0.5).value
    if loss in POSITIVE_REMOVED:
        assert on_lines == pytest.approx(value, rel=1e-12)
    else:
        assert on_lines > value + 1e-3
    assert on_all > value + 1e-3


@positive_removed
@temperatures
def test_two_pairs_a_batch_ask_only_for_a_zero_sum_without_the_positive(loss, temperature):
    rng = np.random.default_rng(1)
    points = [simplex_etf(n, 3) @ random_rotation(rng, 3) for n in (3, 2)]
    u = np.concatenate(points)
    value = optimum(loss, 5, 3, 2, temperature=temperature).value
    assert naive_mean(loss, u, u, 2, temperature) == pytest.approx(value, rel=1e-12)
    assert naive_mean(loss, u, np.roll(u, 1, axis=0), 2, temperature) > value + 1e-3
    signs = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    value = optimum(loss, 4, 1, 2, temperature=temperature).value
    assert naive_mean(loss, signs, signs, 2, temperature) == pytest.approx(value, rel=1e-12)


# ---- against numerical minimisation


def torch_mean(loss, u, v, batches, temperature):
    """Mean over batches [n_batches, B] of a loss, differentiable; both views free."""
    u, v = (torch.nn.functional.normalize(x, dim=-1)[batches] for x in (u, v))
    s, a, b = (x @ y.mT / temperature for x, y in ((u, v), (u, u), (v, v)))
    positive = s.diagonal(dim1=-2, dim2=-1)
    own = torch.eye(s.shape[-1], dtype=torch.bool)
    s, a, b = (x.masked_fill(own, -torch.inf) for x in (s, a, b))

    def log_xi(*negatives):
        return torch.cat(negatives, dim=-1).logsumexp(-1) - positive

    def log_one_plus_xi(*negatives):
        return torch.nn.functional.softplus(log_xi(*negatives))

    per_pair = {
        "info_nce": lambda: log_one_plus_xi(s),
        "clip": lambda: (log_one_plus_xi(s) + log_one_plus_xi(s.mT)) / 2,
        "clip_sum": lambda: log_one_plus_xi(s) + log_one_plus_xi(s.mT),
        "nt_xent": lambda: (log_one_plus_xi(s, a) + log_one_plus_xi(s.mT, b)) / 2,
        "dcl": lambda: (log_xi(s, a) + log_xi(s.mT, b)) / 2,
        "dcl_one_way": lambda: log_xi(s, a),
        "dcl_cross": lambda: log_xi(s),
        "dhel_anchor": lambda: log_xi(a),
        "dhel_mean": lambda: (log_xi(a) + log_xi(b)) / 2,
        "dhel_product": lambda: log_xi(a) + log_xi(b) + positive,
    }
    return per_pair[loss]().mean()


def minimise(loss, n_pairs, dim, batch_size, temperature, seed):
    """The naive mean at unit embeddings that L-BFGS finds from a random start."""
    batches = torch.tensor(all_batches(n_pairs, batch_size))

    def value_and_gradient(flat):
        x = torch.tensor(flat.reshape(2, n_pairs, dim), requires_grad=True)
        value = torch_mean(loss, x[0], x[1], batches, temperature)
        value.backward()
        return value.item(), x.grad.numpy().ravel()

    start = np.random.default_rng(seed).standard_normal(2 * n_pairs * dim)
    options = {"maxiter": 800, "maxfun": 2000, "ftol": 1e-16, "gtol": 1e-8}
    with threadpool_limits(1):  # problems this small only wait for a second thread
        found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    u, v = found.x.reshape(2, n_pairs, dim)
    u, v = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (u, v))
    reached = naive_mean(loss, u, v, batch_size, temperature)
    assert reached == pytest.approx(found.fun, rel=1e-12, abs=1e-12)
    return reached


@a_few
@pytest.mark.parametrize(
    ("n_pairs", "dim", "batch_size", "temperature"),
    [(4, 3, None, 1.0), (5, 4, 2, 0.5), (6, 6, 3, 1.0), (8, 7, None, 0.2), (8, 9, 4, 1.0)],
)
def test_minimisation_reaches_the_proved_minimum(loss, n_pairs, dim, batch_size, temperature):
    best = optimum(loss, n_pairs, dim, batch_size, temperature=temperature)
    assert best.status == "proved"
    for seed in range(2):
        reached = minimise(loss, n_pairs, dim, batch_size, temperature, seed)
        assert best.value - 1e-12 <= reached <= best.value + 1e-9


@a_few
@pytest.mark.parametrize(
    ("n_pairs", "batch_size", "temperature"),
    [(4, 2, 0.5), (6, None, 0.5), (6, 3, 1.0), (8, 2, 1.0)],
)
def test_minimisation_finds_nothing_below_the_cross_polytope(loss, n_pairs, batch_size, temperature):
    dim = n_pairs // 2
    best = optimum(loss, n_pairs, dim, batch_size, temperature=temperature)
    assert best.configuration == "cross_polytope"
    reached = [minimise(loss, n_pairs, dim, batch_size, temperature, seed) for seed in range(3)]
    assert best.value - 1e-12 <= min(reached) <= best.value + 1e-9


@a_few
@pytest.mark.parametrize(("n_pairs", "dim", "batch_size"), [(5, 2, None), (6, 4, 2), (7, 3, 3)])
def test_minimisation_stays_above_a_mere_lower_bound(loss, n_pairs, dim, batch_size):
    best = optimum(loss, n_pairs, dim, batch_size)
    reached = min(minimise(loss, n_pairs, dim, batch_size, 1.0, seed) for seed in range(3))
    if best.status == "proved":
        assert (loss in POSITIVE_REMOVED) == (batch_size == 2)
        assert reached == pytest.approx(best.value, abs=1e-9)
    else:
        assert reached > best.lower_bound + 1e-3
    if best.status == "conjectured":
        assert reached == pytest.approx(best.value, abs=1e-9)


# ---- nothing goes below


@every_loss
@given(
    seed=seeds,
    n_pairs=st.integers(2, 6),
    dim=st.integers(1, 6),
    batch_share=st.floats(0, 1),
    temperature=st.floats(0.02, 5),
    closeness=st.floats(0.1, 6),
)
@settings(max_examples=25, deadline=None)
def test_no_embeddings_go_below_the_simplex_bound(loss, seed, n_pairs, dim, batch_share, temperature, closeness):
    """Random embeddings, and ever smaller steps away from the simplex where it fits."""
    rng = np.random.default_rng(seed)
    u, v = random_units(rng, 2, n_pairs, dim)
    if dim >= n_pairs - 1:
        u, v = (simplex_etf(n_pairs, dim) + 10**-closeness * x for x in (u, v))
        u, v = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (u, v))
    batch_size = 2 + round(batch_share * (n_pairs - 2))
    value = naive_mean(loss, u, v, batch_size, temperature)
    bound = simplex_etf_value(n_pairs, batch_size, loss=loss, temperature=temperature)
    assert value >= bound - rounding(loss, bound)
    if dim == 1 or dim >= n_pairs - 1:
        best = optimum(loss, n_pairs, dim, batch_size, temperature=temperature)
        assert value >= best.value - rounding(loss, best.value)
        assert best.value >= best.lower_bound >= bound


@every_loss
@given(
    seed=seeds,
    dim=st.integers(2, 4),
    batch_share=st.floats(0, 1),
    temperature=st.floats(0.05, 5),
    closeness=st.floats(0.1, 6),
)
@settings(max_examples=25, deadline=None)
def test_no_antipodal_embeddings_go_below_the_cross_polytope(loss, seed, dim, batch_share, temperature, closeness):
    axes = np.eye(dim) + 10**-closeness * np.random.default_rng(seed).standard_normal((dim, dim))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    u = np.concatenate([axes, -axes])
    batch_size = 2 + round(batch_share * (2 * dim - 2))
    best = optimum(loss, 2 * dim, dim, batch_size, temperature=temperature)
    assert best.configuration == "cross_polytope"
    value = naive_mean(loss, u, u, batch_size, temperature)
    assert value >= best.value - rounding(loss, best.value)


# ---- one fixed partition


def partition_losses(loss, simplices, temperature):
    """Mean over the batches, and full-batch loss, of u = v made of one simplex per batch."""
    n_batches, batch_size, _ = simplices.shape
    u = np.concatenate(simplices)
    batches = np.arange(n_batches * batch_size).reshape(n_batches, batch_size)
    own = reference.mean_over_batches(NAIVE[loss], u, u, batches, temperature)
    return own, NAIVE[loss](u, u, temperature)


@every_loss
@temperatures
@pytest.mark.parametrize(("n_pairs", "batch_size"), [(4, 2), (6, 3), (8, 2), (8, 4), (5, 5)])
def test_both_ends_of_a_fixed_partition_are_attained(n_pairs, batch_size, loss, temperature):
    n_batches, width = n_pairs // batch_size, batch_size - 1
    expected = fixed_partition_range(n_pairs, batch_size, loss=loss, temperature=temperature)
    coinciding = np.stack([simplex_etf(batch_size, width)] * n_batches)
    orthogonal = np.zeros((n_batches, batch_size, n_batches * width))
    for k in range(n_batches):
        orthogonal[k, :, k * width : (k + 1) * width] = simplex_etf(batch_size, width)
    own, worst = partition_losses(loss, coinciding, temperature)
    same_own, best = partition_losses(loss, orthogonal, temperature)
    assert own == pytest.approx(same_own, rel=1e-11)
    small = 1e-13 if loss in POSITIVE_REMOVED else 0  # where log xi passes through zero
    assert tuple(expected) == pytest.approx((own, best, worst), rel=1e-11, abs=small)
    assert best <= worst
    assert best >= optimum(loss, n_pairs, n_pairs, temperature=temperature).value - 1e-12


@every_loss
@given(
    seed=seeds,
    sizes=st.sampled_from([(2, 2), (2, 3), (3, 2), (2, 4)]),
    temperature=st.floats(0.05, 3),
    spread=st.floats(-4, 1),
)
@example(seed=0, sizes=(2, 3), temperature=0.1, spread=-4.0)
@settings(max_examples=25, deadline=None)
def test_rotated_batches_stay_within_the_range(loss, seed, sizes, temperature, spread):
    """Batches turned by random angles: spread -4 is next to coinciding, 1 is everywhere."""
    n_batches, batch_size = sizes
    rng, dim = np.random.default_rng(seed), batch_size
    simplices = np.stack(
        [
            simplex_etf(batch_size, dim)
            @ np.linalg.qr(np.eye(dim) + 10**spread * rng.standard_normal((dim, dim)))[0]
            for _ in range(n_batches)
        ]
    )
    own, full = partition_losses(loss, simplices, temperature)
    expected = fixed_partition_range(n_batches * batch_size, batch_size, loss=loss, temperature=temperature)
    assert own == pytest.approx(expected.own, rel=1e-10)
    assert expected.best - rounding(loss, expected.best) <= full <= expected.worst + rounding(loss, expected.worst)


@every_loss
def test_only_the_full_batch_as_partition_leads_to_the_optimum(loss):
    own, best, worst = fixed_partition_range(8, 8, loss=loss)
    assert own == best == worst == optimum(loss, 8, 7).value
    assert fixed_partition_range(8, 4, loss=loss).best > own + 1e-3


# ---- errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimum("clip_sum", 1, 4), "n_pairs must be at least 2, received 1"),
        (lambda: optimum("clip_sum", 4, 0), "dim must be at least 1, received 0"),
        (lambda: optimum("clip_sum", 4, 4, 1), "between 2 and n_pairs = 4, received 1; leave it out for the full"),
        (lambda: optimum("clip_sum", 4, 4, 5), "between 2 and n_pairs = 4, received 5"),
        (lambda: optimum("clip_sum", 4, 4, temperature=0.0), "temperature must be positive and finite, received 0"),
        (lambda: optimum("clip_sum", 4, 4, temperature=math.nan), "temperature must be positive .* received nan"),
        (lambda: optimum("clip_sum", 4, 4, temperature=math.inf), "temperature must be positive .* received inf"),
        (lambda: simplex_etf_value(4, loss="kcl"), "one of info_nce, mnrl, .*, dhel_product; received 'kcl'"),
        (lambda: cross_polytope_value(5), "n_pairs must be even for a cross-polytope, received 5"),
        (lambda: fixed_partition_range(8, 3), "batch_size must divide n_pairs, received 3 and 8"),
    ],
)  # fmt: skip
def test_errors_say_requirement_received_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
