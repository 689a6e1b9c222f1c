"""Bounds by energies, the limit of many pairs, and Ordered SGD."""

import math
from itertools import combinations

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import ive

from theory import LOSS_NAMES, cross_polytope, simplex_etf, simplex_etf_value
from theory.bounds import (
    finite_range,
    hardest_batch_speedup,
    log_uniform_mean,
    ordered_objective,
    ordered_weights,
    population_limit,
    stationarity_bound,
    weak_convexity,
)
from theory.certificates.linear_program import energy_bound
from theory.certificates.logarithms import COVERED, loss_bound
from theory.codes import find_code
from theory.formulas.potentials import Exponential

seeds = st.integers(0, 2**32 - 1)


def units(rng, *shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def known_code(n, d):
    code = find_code(n, d)
    assert code is not None
    return code


def aligned_info_nce(raw, n, temperature):
    """Mean over i of log sum_j e^((x_i.x_j - 1) / tau), and its gradient, for unit rows x of raw."""
    raw = raw.reshape(n, -1)
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    x = raw / length
    terms = np.exp((x @ x.T - 1) / temperature)
    sums = terms.sum(1, keepdims=True)
    shares = terms / sums
    slope = (shares + shares.T) @ x / (n * temperature)
    slope -= (slope * x).sum(1, keepdims=True) * x
    return float(np.log(sums).mean()), (slope / length).ravel()


# ---- energies bound aligned InfoNCE


@pytest.mark.parametrize(("n", "d"), [(4, 3), (6, 3), (8, 4), (5, 2), (7, 2), (12, 3), (16, 5)])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_universally_optimal_codes_minimise_aligned_infonce(n, d, temperature):
    """The bound from the code's own energy is met by the code and by no descent from random starts undercut."""
    code = known_code(n, d)
    bound = loss_bound(code.energy(Exponential(temperature)))
    assert aligned_info_nce(code.coordinates, n, temperature)[0] == pytest.approx(bound, abs=1e-12)
    rng = np.random.default_rng(n)
    found = [
        minimize(aligned_info_nce, rng.standard_normal(n * d), (n, temperature), jac=True, tol=1e-14).fun
        for _ in range(12)
    ]
    assert bound - 1e-12 <= min(found) < bound + 1e-9


@pytest.mark.parametrize("temperature", [0.2, 1.0])
@pytest.mark.parametrize(("n", "d"), [(24, 4), (10, 3), (9, 5)])
def test_any_energy_bound_bounds_aligned_losses(n, d, temperature):
    energy = energy_bound(Exponential(temperature), n, d).value
    for loss in ("info_nce", "clip_sum", "nt_xent"):
        bound = loss_bound(energy, loss)
        best = min(getattr(reference, loss)(u, u, temperature) for u in units(np.random.default_rng(0), 5, n, d))
        assert simplex_etf_value(n, loss=loss, temperature=temperature) <= bound + 1e-9
        assert bound <= best


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(2, 9), st.integers(1, 4), st.sampled_from([0.05, 0.3, 1.0]))
def test_the_first_step_of_the_proof(seed, n, d, temperature):
    """g'Kg <= sum g for g = 1 / (N U), however uneven the points."""
    x = units(np.random.default_rng(seed), n, d)
    x[: n // 2] = x[0]
    kernel = np.exp((x @ x.T - 1) / temperature)
    g = 1 / kernel.sum(1)
    assert g @ kernel @ g <= g.sum() * (1 + 1e-12)


def test_without_the_positive_in_the_denominator_the_statement_is_false():
    """DHEL of four coincident points and three more on a square, u = v, is below that of the regular 7-gon."""
    angles = np.pi / 2 * np.array([0, 0, 0, 0, 1, 2, 3])
    u = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    energy = known_code(7, 2).energy(Exponential(0.1))
    assert reference.dhel_anchor(u, u, 0.1) == pytest.approx(-3.0990, abs=1e-4)
    assert reference.dhel_anchor(u, u, 0.1) < math.log(energy)
    assert reference.info_nce(u, u, 0.1) > loss_bound(energy)


@pytest.mark.parametrize("loss", [name for name in LOSS_NAMES if name not in COVERED])
def test_losses_that_are_not_covered_are_refused(loss):
    with pytest.raises(ValueError, match="only the simplex bound is known"):
        loss_bound(1.0, loss)
    with pytest.raises(ValueError, match="energy must be finite"):
        loss_bound(math.inf)
    assert loss_bound(-1.0) == 0


# ---- many pairs


@pytest.mark.parametrize("dim", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("temperature", [0.02, 0.1, 1.0, 10.0])
def test_the_expectation_over_the_sphere_is_a_bessel_function(dim, temperature):
    order, x = dim / 2 - 1, 1 / temperature
    scaled = ive(order, x)
    assert scaled > 0
    closed = math.lgamma(dim / 2) + order * math.log(2 * temperature) + math.log(scaled) + x
    assert log_uniform_mean(dim, temperature) == pytest.approx(closed, abs=1e-11 * (1 + x))


def test_the_expectation_over_the_sphere_in_known_cases():
    assert log_uniform_mean(1, 0.5) == pytest.approx(math.log(math.cosh(2)), rel=1e-13)
    assert log_uniform_mean(3, 0.5) == pytest.approx(math.log(math.sinh(2) / 2), rel=1e-13)
    weight = quad(lambda s: (1 - s * s) ** 1.5, -1, 1)[0]
    integral = quad(lambda s: (1 - s * s) ** 1.5 * math.exp(4 * s), -1, 1)[0] / weight
    assert log_uniform_mean(6, 0.25) == pytest.approx(math.log(integral), rel=1e-9)
    large = log_uniform_mean(4096, 0.07)  # close to a normal cosine of variance 1 / d; ive underflows here
    assert ive(2047, 1 / 0.07) == 0
    assert large == pytest.approx(1 / (2 * 4096 * 0.07**2), rel=1e-4)


@pytest.mark.parametrize(("dim", "temperature"), [(2, 0.2), (3, 0.5), (8, 0.3)])
def test_infonce_of_random_points_tends_to_the_limit(dim, temperature):
    rng = np.random.default_rng(0)
    gaps = []
    for n in (20, 200, 2000):
        values = [aligned_info_nce(units(rng, n, dim), n, temperature)[0] for _ in range(8)]
        assert np.mean(values) <= finite_range(n, dim, temperature).upper + 3 * np.std(values) / math.sqrt(8)
        gaps.append(abs(np.mean(values) - math.log(n) - population_limit(dim, temperature)))
    assert gaps[2] < gaps[0] / 5
    assert gaps[2] < 1 / math.sqrt(2000)


def test_the_range_of_two_pairs():
    """One negative of expectation c: at best log(1 + e^(-2 / tau)), at worst its Jensen bound log(1 + c)."""
    c = math.sinh(2) / 2 / math.exp(2)
    assert finite_range(2, 3, 0.5) == pytest.approx((max(0.0, math.log(2 * c)), math.log(1 + c)), rel=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("dim", [1, 2, 5, 40])
def test_the_simplex_lies_in_the_range_of_finitely_many_pairs(dim, temperature):
    lower, upper = finite_range(dim + 1, dim, temperature)
    simplex = simplex_etf_value(dim + 1, loss="info_nce", temperature=temperature)
    assert lower - 1e-12 <= simplex <= upper
    if dim == 1:
        assert simplex == pytest.approx(lower, rel=1e-12)  # two antipodal points are the uniform distribution


@pytest.mark.parametrize("n", [3, 8, 50, 1000])
def test_polygons_lie_in_the_range_which_closes_with_more_pairs(n):
    lower, upper = finite_range(n, 2, 0.2)
    polygon = loss_bound(known_code(n, 2).energy(Exponential(0.2)))
    assert lower - 1e-12 <= polygon <= upper
    assert upper - lower <= math.exp(-population_limit(2, 0.2)) / n
    if n >= 50:
        assert polygon == pytest.approx(lower, abs=1e-10)


def test_impossible_populations():
    with pytest.raises(ValueError, match="dim must be at least 1, received 0"):
        population_limit(0)
    with pytest.raises(ValueError, match="temperature"):
        population_limit(3, 0.0)
    with pytest.raises(ValueError, match="n_pairs must be at least 2, received 1"):
        finite_range(1, 3)


# ---- ordered SGD


@pytest.mark.parametrize(("n", "k", "q"), [(28, 8, 3), (6, 6, 2), (5, 3, 3), (7, 1, 1), (6, 6, 6)])
def test_weights_of_ordered_sgd_are_those_of_drawing(n, k, q):
    rng = np.random.default_rng(0)
    runs = 20_000
    kept = np.zeros(n)
    for _ in range(runs):
        kept[np.sort(rng.permutation(n)[:k])[:q]] += 1  # ranks of the losses, largest first
    gamma = ordered_weights(n, k, q)
    assert gamma.sum() == pytest.approx(q, rel=1e-10)
    assert kept / runs == pytest.approx(gamma, abs=4 * 0.5 / math.sqrt(runs))
    exact = [
        sum(math.comb(j - 1, x) * math.comb(n - j, k - x - 1) for x in range(q)) / math.comb(n, k)
        for j in range(1, n + 1)
    ]
    assert gamma == pytest.approx(exact, rel=1e-11, abs=1e-14)


def test_what_ordered_sgd_minimises_is_the_expected_loss_of_the_kept():
    losses = [3.0, -1.0, 0.5, 2.0, 7.0]
    kept = [sorted(drawn, reverse=True)[:2] for drawn in combinations(losses, 3)]
    assert ordered_objective(losses, 3, 2) == pytest.approx(float(np.mean(kept)), rel=1e-12)
    assert ordered_objective(losses, 5, 5) == pytest.approx(float(np.mean(losses)), rel=1e-12)
    assert ordered_objective(losses, 5, 1) == pytest.approx(7, rel=1e-12)
    with pytest.raises(ValueError, match="1 <= kept <= drawn <= n_batches, received 4, 3 and 5"):
        ordered_objective(losses, 3, 4)


def free_clip_sum(x, size, temperature):
    u, v = x.reshape(2, size, -1)
    logits = u @ v.T / temperature
    both = np.log(np.exp(logits).sum(1)) + np.log(np.exp(logits).sum(0))
    return float((both - 2 * np.diag(logits)).mean())


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([(2, 1.0), (2, 0.3), (5, 1.0), (5, 0.5)]))
def test_the_constant_of_weak_convexity_holds_along_random_lines(seed, case):
    size, temperature = case
    rng = np.random.default_rng(seed)
    a, b = (units(rng, 2 * size, 3).ravel() for _ in range(2))
    rho = weak_convexity(size, temperature)
    if temperature == 1:  # the published constant is larger
        assert rho < 2 * math.sqrt(2 / size) + 4 * math.e**2 / size
    for share in (0.25, 0.5, 0.75):
        middle = share * a + (1 - share) * b
        chord = share * free_clip_sum(a, size, temperature) + (1 - share) * free_clip_sum(b, size, temperature)
        slack = rho / 2 * share * (1 - share) * ((a - b) ** 2).sum()
        assert free_clip_sum(middle, size, temperature) <= chord + slack + 1e-12


def test_the_loss_of_a_batch_is_not_convex():
    """So that some constant is needed: turning all embeddings around passes through a higher middle, 0."""
    u = np.array([[1.0, 0], [-1, 0]])
    x, y = np.stack([u, u]).ravel(), np.stack([-u, -u]).ravel()
    assert free_clip_sum((x + y) / 2, 2, 1.0) > free_clip_sum(x, 2, 1.0) == free_clip_sum(y, 2, 1.0)


def test_the_constant_of_weak_convexity_is_not_far_from_what_is_needed():
    """Opposite views, moved along a third dimension: the second derivative is -1.76, the constant 2.41."""
    u = 0.99 * np.array([[1.0, 0, 0], [-1, 0, 0]])
    step = np.array([[0, 0, 0.05], [0, 0, -0.05]])
    ends = [np.stack([u + sign * step, -u + sign * step]).ravel() for sign in (1, -1)]
    bulge = free_clip_sum(np.mean(ends, axis=0), 2, 1.0) - np.mean([free_clip_sum(x, 2, 1.0) for x in ends])
    needed = 8 * bulge / ((ends[0] - ends[1]) ** 2).sum()
    assert 0.7 * weak_convexity(2) < needed < weak_convexity(2)


def test_the_rate_of_stochastic_steps_is_as_bounded():
    """f = |x^2 - 1|, 2-weakly convex, with noise: the bound holds, and falls as T^(-1/2)."""
    rng, rho, start = np.random.default_rng(0), 2.0, 0.1
    bounds = []
    for steps in (100, 400, 1600):
        rate = 0.1 / math.sqrt(steps)
        x, squares = np.full(2000, start), []
        grid = np.linspace(-2, 2, 4001)
        for step in range(steps):
            if step % (steps // 20) == 0:
                near = grid[np.argmin(abs(grid**2 - 1) + rho * (x[:200, None] - grid) ** 2, axis=1)]
                squares.append(((2 * rho * (x[:200] - near)) ** 2).mean())
            x = x - rate * (np.sign(x**2 - 1) * 2 * x + rng.standard_normal(len(x)))
        bounds.append(stationarity_bound(1.0, rho, math.sqrt(4 * 1.5**2 + 1), [rate] * steps))
        assert min(squares) <= bounds[-1]
    assert bounds[0] / bounds[1] == pytest.approx(2, rel=1e-9)
    assert bounds[1] / bounds[2] == pytest.approx(2, rel=1e-9)
    with pytest.raises(ValueError, match="at least one learning rate"):
        stationarity_bound(1.0, 1.0, 1.0, [])


def opened(choose, rate, temperature):
    """Steps until the bad start of Cho et al. has opened from 1e-3 to 2e-3 (mean of |angles| within pairs)."""
    t = 1e-3
    angles = np.array([t, -t, np.pi + t, np.pi - t])
    u = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    v = u.copy()
    steps = 0
    while np.abs(u[:, 1]).mean() < 2e-3:
        i, j = choose(steps, u, v)
        gradients = np.zeros((2, 4, 2))
        for k, (x, y) in enumerate(((u, v), (v, u))):  # log(1 + e^(x_a.(y_b - y_a) / tau)), mean over the 2 anchors
            for a, b in ((i, j), (j, i)):
                force = 1 / (1 + math.exp(x[a] @ (y[a] - y[b]) / temperature)) / (2 * temperature)
                gradients[k, a] += force * (y[b] - y[a])
                gradients[1 - k, b] += force * x[a]
                gradients[1 - k, a] -= force * x[a]
        u, v = (x - rate * g for x, g in zip((u, v), gradients, strict=True))
        u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
        steps += 1
    return steps


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_hardest_batch_leaves_a_bad_start_faster(temperature):
    pairs = list(combinations(range(4), 2))
    rng = np.random.default_rng(0)

    def hardest(_, u, v):
        return max(pairs, key=lambda p: reference.clip_sum(u[list(p)], v[list(p)], temperature))

    orders = [rng.permutation(6) for _ in range(2000)]  # every pair once in six steps: the mean of random draws
    slow = opened(lambda step, _u, _v: pairs[orders[step // 6][step % 6]], 0.02, temperature)
    fast = opened(hardest, 0.02, temperature)
    assert slow / fast == pytest.approx(hardest_batch_speedup(temperature), rel=0.04)


def test_the_speedup_at_temperature_one_is_the_published_one():
    assert hardest_batch_speedup() == pytest.approx(3 * (math.e**2 + 1) / (math.e**2 - 1), rel=1e-14)
    assert hardest_batch_speedup() == pytest.approx(3.939, abs=5e-4)
    with pytest.raises(ValueError, match="temperature"):
        hardest_batch_speedup(0.0)


def test_cross_polytopes_are_optimal_for_equal_views_in_every_dimension():
    """Not only among antipodal points: no antipodes are assumed by the bound that the cross-polytope meets."""
    for d in (2, 3, 10):
        u = cross_polytope(2 * d, d)
        energy = math.exp(-2 / 0.3) + (2 * d - 2) * math.exp(-1 / 0.3)
        assert energy_bound(Exponential(0.3), 2 * d, d).value == pytest.approx(energy, rel=1e-5)
        assert aligned_info_nce(u, 2 * d, 0.3)[0] == pytest.approx(loss_bound(energy), rel=1e-12)


def test_the_simplex_bound_is_the_bound_of_its_energy():
    u = simplex_etf(6, 7)
    energy = known_code(6, 7).energy(Exponential(0.4))
    for loss in COVERED:
        assert loss_bound(energy, loss) == pytest.approx(
            simplex_etf_value(6, loss=loss, temperature=0.4), rel=1e-12
        )
    assert aligned_info_nce(u, 6, 0.4)[0] == pytest.approx(loss_bound(energy), rel=1e-12)
