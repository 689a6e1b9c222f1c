"""Schedules are checked by counting pairs, the theorem by minimising."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from losses import clip, clip_sum
from theory import optimum
from theory.designs import (
    affine_plane,
    hyperplanes,
    net,
    pair_coverage,
    partial_design,
    round_robin,
    schedule,
)
from theory.designs.differences import differences
from theory.designs.repeats import punctured_class, repeats
from theory.galois import prime_factors


def naive_meetings(batches, n):
    met = np.zeros((n, n), dtype=int)
    for batch in batches.reshape(-1, batches.shape[-1]).tolist():
        for i in batch:
            for j in batch:
                met[i, j] += i != j
    return met[np.triu_indices(n, 1)]


def check_classes(made):
    """Every class is a partition of all but `left_out` points; the status is what counting says."""
    classes = made.classes()
    assert classes.shape == (made.n_classes, made.n_batches, made.batch_size)
    assert classes.dtype == np.int64
    for one in classes:
        points = np.unique(one)
        assert len(points) == one.size == made.n_points - made.left_out
        assert points[0] >= 0
        assert points[-1] < made.n_points
    used = np.unique(classes)
    counted = pair_coverage(np.searchsorted(used, classes), len(used))
    if made.status == "2-design":
        assert counted.is_design
    elif made.status == "no pair twice":
        assert counted.most == 1
        assert not counted.is_design
    else:
        assert counted.most > 1
        assert not counted.is_design
    assert len(used) == made.n_used
    return classes, counted


@pytest.mark.parametrize("q", [2, 3, 4, 5, 7, 8, 9])
def test_affine_planes_are_resolvable_2_designs(q):
    classes = affine_plane(q)
    assert classes.shape == (q + 1, q, q)
    assert np.array_equal(naive_meetings(classes, q * q), np.ones(q * q * (q * q - 1) // 2))
    assert pair_coverage(classes, q * q) == (1, 1, 1.0, 1.0, True, True)
    with pytest.raises(ValueError, match=r"received 6"):
        affine_plane(6)


@pytest.mark.parametrize("n", [2, 4, 6, 10, 16, 22])
def test_round_robin(n):
    classes = round_robin(n)
    assert classes.shape == (n - 1, n // 2, 2)
    assert pair_coverage(classes, n) == (1, 1, 1.0, 1.0, True, True)


def test_an_odd_round_robin_leaves_out_each_in_its_turn():
    with pytest.raises(ValueError, match=r"even number of points, received 7"):
        round_robin(7)
    made = schedule(7, 2)
    assert (made.n_classes, made.left_out, made.status) == (7, 1, "2-design")
    classes = made.classes()
    assert pair_coverage(classes, 7).is_design
    assert sorted(21 - classes.sum((1, 2))) == list(range(7))


@pytest.mark.parametrize(("q", "k"), [(2, 3), (2, 4), (3, 3), (4, 3), (5, 2)])
def test_hyperplanes_are_2_designs(q, k):
    made = hyperplanes(q, k)
    _, counted = check_classes(made)
    assert counted.most == (q ** (k - 1) - 1) // (q - 1)
    assert schedule(q**k, q ** (k - 1)).status == "2-design"


@pytest.mark.parametrize(("n", "size"), [(27, 3), (64, 4), (81, 3), (64, 8), (512, 8)])
def test_nets_inside_rows_complete_affine_spaces(n, size):
    made = schedule(n, size)
    assert (made.name[:8], made.status, made.n_classes) == ("lines of", "2-design", (n - 1) // (size - 1))
    check_classes(made)


@given(size=st.integers(2, 12), m=st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_no_pair_meets_twice_in_a_net(size, m):
    made = net(size, m)
    _, counted = check_classes(made)
    assert counted.most == 1
    assert counted.is_resolvable
    powers = [p**a for p, a in prime_factors(m)]
    if m > 1 and size <= min(powers):
        assert made.n_classes >= m  # all there can be across rows
        across = (np.arange(size * m)[:, None] // m) != (np.arange(size * m) // m)
        assert counted.met >= across.sum() / (size * m * (size * m - 1))
    assert differences(m, size).classes >= max([1, *(q for q in powers if q >= size)])


def test_how_many_classes_nets_have():
    # Fields; cyclic steps, 998 = 2 * 499; products, 72 = 8 * 9 and 40 = 8 * 5; and too few columns.
    sizes = [(7, 8), (64, 3125), (64, 998), (8, 72), (9, 72), (32, 40), (20, 6)]
    assert [differences(m, size).classes for size, m in sizes] == [8, 3125, 499, 72, 9, 5, 1]


@pytest.mark.slow
@pytest.mark.parametrize("n", range(2, 61))
def test_the_status_is_what_counting_says(n):
    for size in range(2, n + 1):
        made = schedule(n, size)
        _, counted = check_classes(made)
        if made.status == "2-design":
            assert made.meetings == counted.least


@pytest.mark.parametrize("n", range(2, 25))
def test_the_status_is_what_counting_says_of_few_points(n):
    test_the_status_is_what_counting_says(n)


@pytest.mark.parametrize(
    ("n", "size", "n_classes", "meetings", "left_out"),
    [(15, 3, 7, 1, 0), (33, 3, 16, 1, 0), (28, 4, 9, 1, 0), (8, 4, 7, 3, 0), (12, 6, 11, 5, 0), (32, 4, 31, 3, 0),
     (55, 5, 27, 2, 0), (24, 4, 23, 3, 0),  # resolvable
     (13, 3, 13, 2, 1), (17, 4, 17, 3, 1), (21, 4, 21, 3, 1), (9, 2, 9, 1, 1),  # each point left out in turn
     (7, 4, 7, 2, 3), (13, 9, 13, 6, 4), (10, 9, 10, 8, 1),  # one batch is a class
     (16, 3, 16, 2, 1), (17, 3, 7, 1, 2), (30, 14, 27, 13, 2)],
)  # fmt: skip
def test_which_2_designs_are_played(n, size, n_classes, meetings, left_out):
    made = schedule(n, size)
    check_classes(made)
    assert made.status == "2-design"
    assert (made.n_classes, made.meetings, made.left_out) == (n_classes, meetings, left_out)


def test_a_long_cycle_is_not_played_if_pairs_repeat_before_others_meet():
    assert schedule(65_537, 64).status == "no pair twice"  # not 65537 classes with lambda = 63
    assert schedule(4096, 2048).n_classes == 4095  # hyperplanes: any two classes are as different as they can be


@given(n=st.integers(2, 100), data=st.data())
@settings(max_examples=20, deadline=None)
def test_any_size_has_a_schedule(n, data):
    size = data.draw(st.integers(2, n), label="batch_size")
    made = schedule(n, size)
    _, counted = check_classes(made)
    k = n // size
    assert made.n_batches == k  # n is too small to leave out a batch for less than a hundredth
    if made.status == "as few repeats as found":
        rng = np.random.default_rng(0)
        shuffles = [rng.permutation(k * size).reshape(k, size) for _ in range(made.n_classes)]
        # With two or three batches a shuffle repeats little more than it must.
        assert repeats(made.classes()) <= repeats(np.stack(shuffles)) * (1 if k > 3 else 1.1) + 2
    assert np.array_equal(made.classes(), schedule(n, size).classes())
    assert counted.mean > 0


@pytest.mark.parametrize(("size", "m", "most"), [(8, 7, 2), (31, 29, 2), (16, 16, 1), (32, 16, 2), (64, 8, 2)])
def test_polynomials_bound_how_often_a_pair_meets(size, m, most):
    classes = np.stack([punctured_class(size, m, s) for s in range(m)])
    assert pair_coverage(classes, size * m).most == most


def test_a_punctured_net_repeats_few_pairs():
    made = schedule(1280, 32)  # m = 40 is no prime power; 41 is
    classes, counted = check_classes(made)
    assert (made.n_classes, made.left_out) == (41, 0)
    assert repeats(classes) < 0.05 * classes.size * 31 / 2  # a shuffle: 0.49
    assert counted.met > 0.94  # a shuffle: 0.63


def test_leaving_out_up_to_a_hundredth_may_give_a_better_net():
    made = schedule(50_000, 64)
    assert (made.status, made.n_batches, made.n_classes, made.left_out) == ("no pair twice", 778, 389, 208)
    assert partial_design(50_000, 64, spare=0.0).n_batches == 781


def test_large_schedules_are_made_class_by_class():
    made = schedule(200_000, 64)
    assert (made.n_classes, made.left_out) == (3125, 0)
    one, other = made.parallel_class(1), made.parallel_class(3124)
    assert np.array_equal(np.sort(one.ravel()), np.arange(200_000))
    where = np.empty(200_000, dtype=int)
    where[one.ravel()] = np.repeat(np.arange(3125), 64)
    assert (np.diff(np.sort(where[other], axis=1)) > 0).all()  # no two of a batch were in one before
    with pytest.raises(ValueError, match=r"class must lie between 0 and 3124, received 3125"):
        made.parallel_class(3125)


def test_coverage_counts_pairs():
    batches = np.array([[0, 1, 2], [2, 3, 0], [3, 4, 5]])
    meets = naive_meetings(batches, 6)
    counted = pair_coverage(batches, 6)
    assert counted == (0, 2, meets.mean(), (meets > 0).mean(), False, False)
    assert pair_coverage(np.array([[0, 1], [1, 2], [0, 2]]), 3) == (1, 1, 1.0, 1.0, True, False)
    with pytest.raises(ValueError, match=r"distinct points 0 \.\. 2"):
        pair_coverage(np.array([[0, 0]]), 3)
    with pytest.raises(ValueError, match=r"2 to 4096 points, received 5000"):
        pair_coverage(batches, 5000)


def test_refusals():
    with pytest.raises(ValueError, match=r"batch_size must lie between 2 and the number of points, 5, received 6"):
        schedule(5, 6)
    with pytest.raises(ValueError, match=r"spare must be a fraction"):
        partial_design(12, 3, spare=1.0)
    with pytest.raises(ValueError, match=r"batch_size of at least 2"):
        net(1, 4)
    with pytest.raises(ValueError, match=r"k >= 2 dimensions, received 1"):
        hyperplanes(3, 1)


# ---- the theorem


def minimised(batches, n, dim, seed=0):
    """(mean batch loss, full-batch loss) after L-BFGS in float64 from a random start."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(2, n, dim, generator=generator, dtype=torch.float64).requires_grad_()
    units = lambda: torch.nn.functional.normalize(raw, dim=-1)  # noqa: E731
    optimiser = torch.optim.LBFGS(
        [raw],
        max_iter=2000,
        tolerance_grad=1e-13,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        loss = clip_sum(*units(), temperature=1.0, batches=batches).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        u, v = units()
        return clip_sum(u, v, temperature=1.0, batches=batches).mean().item(), 2 * clip(
            u, v, temperature=1.0
        ).item()


def test_a_design_has_the_minimisers_of_the_full_batch():
    classes = torch.from_numpy(affine_plane(3))
    own, full = minimised(classes.flatten(0, 1), 9, 12)
    assert own == pytest.approx(optimum("clip_sum", 9, 12, 3).value, abs=1e-9)
    assert full == pytest.approx(optimum("clip_sum", 9, 12).value, abs=1e-9)
    own, full = minimised(classes[0], 9, 12)
    assert own < optimum("clip_sum", 9, 12, 3).value - 1e-2
    assert full > optimum("clip_sum", 9, 12).value + 1e-3
