"""Losses with a state, against python loops that keep theirs in a dict or a list."""

import copy
import inspect
import math
from functools import partial

import numpy as np
import pytest
import torch

from losses import GlobalContrastive, LearnedTemperature, Queue, dcl, info_nce, moco

close = partial(torch.testing.assert_close, rtol=1e-11, atol=1e-12)
equal = partial(torch.testing.assert_close, rtol=0, atol=0)


def gradients(loss, u, v, **call):
    """The value and its gradients by u and v."""
    u, v = u.clone().requires_grad_(), v.clone().requires_grad_()
    value = loss(u, v, **call)
    return value.detach(), *torch.autograd.grad(value, (u, v), materialize_grads=True)


# ---- running averages


def naive_visit(averages, u, v, index, temperature, gamma):
    """SogCLR on one batch: values of the pairs, gradient of their mean by z = (u, v); `averages` is updated."""
    n = len(u)
    z, number = np.concatenate([u, v]), [*index, *index]
    values, slope, visits = np.zeros(n), np.zeros_like(z), {}
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        negatives = [k for k in range(2 * n) if number[k] != number[i]]
        if not negatives:
            continue
        odds = {k: math.exp((z[i] @ z[k] - z[i] @ z[partner]) / temperature) for k in negatives}
        g = sum(odds.values()) / len(negatives)
        old = averages.get(number[i])
        a = g if old is None else (1 - gamma) * old + gamma * g
        visits.setdefault(number[i], []).append(a)
        values[i % n] += math.log(len(negatives) * a) / 2
        weight = g / a / (2 * n * temperature)
        for k, e in odds.items():
            share = weight * e / sum(odds.values())
            slope[i] += share * z[k]
            slope[k] += share * z[i]
        slope[i] -= weight * z[partner]
        slope[partner] -= weight * z[i]
    averages.update({pair: sum(a) / len(a) for pair, a in visits.items()})
    return values, slope[:n], slope[n:]


SCHEDULES = {
    "all new, then all old": [[0, 1, 2, 3], [3, 1, 0, 2], [0, 1, 2, 3]],
    "old and new mixed": [[0, 1, 2, 3], [3, 4, 0, 5], [6, 4, 1, 7]],
    "one pair twice, new": [[0, 1, 1, 2], [1, 3, 0, 4], [5, 6, 2, 1]],
    "one pair twice, old": [[0, 1, 2, 3], [1, 4, 1, 0], [1, 2, 1, 1]],
    "nothing but one pair": [[0, 1, 2, 3], [2, 2, 2, 2], [4, 4, 4, 4], [4, 2, 0, 1]],
    "batches of one": [[0, 1, 2, 3], [2], [4], [4, 2, 0]],
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("gamma", [0.9, 0.3, 1.0])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_averages_follow_the_loop(schedule, gamma, chunk_size, unit_pairs):
    loss = GlobalContrastive(8, temperature=0.4, gamma=gamma, chunk_size=chunk_size).double()
    averages = {}
    for seed, numbers in enumerate(schedule):
        u, v = unit_pairs(len(numbers), 3, seed=seed)
        values, *slopes = naive_visit(averages, u.numpy(), v.numpy(), numbers, 0.4, gamma)
        index = torch.tensor(numbers)
        close(loss.eval()(u, v, index=index, reduction="none"), torch.from_numpy(values))
        value, du, dv = gradients(loss.train(), u, v, index=index)
        assert value.item() == pytest.approx(values.mean(), rel=1e-12, abs=1e-14)
        close(du, torch.from_numpy(slopes[0]))
        close(dv, torch.from_numpy(slopes[1]))
        assert set(loss.seen.nonzero().flatten().tolist()) == averages.keys()
        for pair, average in averages.items():
            assert loss.log_average[pair].item() == pytest.approx(math.log(average), abs=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.01])
def test_the_first_visit_is_dcl(temperature, unit_pairs):
    u, v = unit_pairs(9, 5)
    index = torch.randperm(20)[:9]
    expected = gradients(partial(dcl, temperature=temperature), u, v)
    found = gradients(GlobalContrastive(20, temperature=temperature), u, v, index=index)
    for mine, theirs in zip(found, expected, strict=True):
        close(mine, theirs)


def test_without_memory_every_visit_is_dcl(unit_pairs):
    loss = GlobalContrastive(6, temperature=0.2, gamma=1.0)
    for seed in range(3):
        u, v = unit_pairs(6, 4, seed=seed)
        found = gradients(loss, u, v, index=torch.arange(6))
        for mine, theirs in zip(found, gradients(partial(dcl, temperature=0.2), u, v), strict=True):
            close(mine, theirs)


def test_new_pairs_do_not_notice_old_ones_in_their_batch(unit_pairs):
    # An all-or-nothing rule for the first visit would give the unseen pairs gamma g instead of g.
    loss = GlobalContrastive(8, temperature=0.5, gamma=0.1)
    u, v = unit_pairs(4, 3)
    loss(u, v, index=torch.tensor([0, 1, 2, 3]))
    second = torch.tensor([0, 1, 6, 7])
    values = loss(*unit_pairs(4, 3, seed=1), index=second, reduction="none")
    as_dcl = dcl(*unit_pairs(4, 3, seed=1), temperature=0.5, reduction="none")
    close(values[2:], as_dcl[2:])
    assert (values[:2] - as_dcl[:2]).abs().min() > 1e-3


def test_the_order_of_a_batch_with_a_pair_twice_does_not_matter(unit_pairs):
    u, v = unit_pairs(6, 4)
    index, order = torch.tensor([0, 1, 1, 2, 1, 0]), torch.tensor([4, 3, 0, 2, 5, 1])
    one, other = (GlobalContrastive(3, temperature=0.3).double() for _ in range(2))
    for _ in range(2):
        found = one(u, v, index=index, reduction="none")
        close(other(u[order], v[order], index=index[order], reduction="none"), found[order])
        close(other.log_average, one.log_average)


def test_the_value_comes_to_be_that_of_dcl_over_the_whole_set(unit_pairs):
    # Embeddings at rest: batches of 4 of 24 pairs, and in the end the average over all that an anchor has met.
    u, v = unit_pairs(24, 16)
    loss = GlobalContrastive(24, temperature=0.5, gamma=0.05).double()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        for index in torch.randperm(24, generator=generator).split(4):
            loss(u[index], v[index], index=index)
    n_all = 2 * 24 - 2
    mean_of_both = (loss.log_average + math.log(n_all)).mean().item()
    assert mean_of_both == pytest.approx(dcl(u, v, temperature=0.5).item(), abs=0.02)


def test_finite_at_a_tiny_temperature(unit_pairs):
    loss = GlobalContrastive(8, temperature=1e-3)
    for seed in range(4):
        u, v = unit_pairs(8, 4, seed=seed, dtype=torch.float32)
        for first, second in ((u, v), (u, u), (u, -u), (u[[0] * 8], u[[0] * 8])):
            for found in gradients(loss, first, second, index=torch.arange(8)):
                assert torch.isfinite(found).all()
            assert torch.isfinite(loss.log_average).all()


def test_half_precision_and_autocast_do_not_reach_the_averages(unit_pairs):
    u, v = (x.bfloat16() for x in unit_pairs(16, 8))
    index = torch.arange(16)
    half, full = GlobalContrastive(16), GlobalContrastive(16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = [half(u, v, index=index) for _ in range(2)]
    expected = [full(u.float(), v.float(), index=index) for _ in range(2)]
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(half.log_average, full.log_average, rtol=1e-5, atol=1e-5)


def test_the_state_travels(unit_pairs):
    first, resumed = GlobalContrastive(6, gamma=0.5), GlobalContrastive(6, gamma=0.5)
    batch = partial(unit_pairs, 4, 3, dtype=torch.float32)
    first(*batch(seed=0), index=torch.tensor([0, 1, 2, 3]))
    state = copy.deepcopy(first.state_dict())
    assert {name: x.dtype for name, x in state.items()} == {"log_average": torch.float32, "seen": torch.bool}
    assert not list(first.parameters())
    resumed.load_state_dict(state)
    for seed, index in enumerate([[3, 4, 0, 1], [5, 4, 2, 0]], start=1):
        both = [gradients(loss, *batch(seed=seed), index=torch.tensor(index)) for loss in (first, resumed)]
        equal(*both)
    equal(resumed.state_dict(), first.state_dict())


def test_evaluation_leaves_the_state(unit_pairs):
    first, second = unit_pairs(4, 3), unit_pairs(4, 3, seed=1)
    for loss, call in (
        (GlobalContrastive(5), {"index": torch.tensor([0, 1, 2, 4])}),
        (Queue(3, size=6), {}),
    ):
        loss(*first, **call)
        before = copy.deepcopy(loss.state_dict())
        value = loss.eval()(*second, **call)
        equal(loss.eval()(*second, **call), value)
        equal(loss.state_dict(), before)
        equal(loss.train()(*second, **call), value)
        assert any(not torch.equal(x, before[name]) for name, x in loss.state_dict().items())


def test_what_the_averages_refuse(unit_pairs):
    u, v = unit_pairs(4, 3)
    forward = inspect.unwrap(GlobalContrastive.forward)  # without the shape annotations, which refuse it as well
    with pytest.raises(ValueError, match="index must have a number for each pair, 4, got 3"):
        forward(GlobalContrastive(9), u, v, index=torch.arange(3))
    with pytest.raises(ValueError, match="gamma is the weight of the new value"):
        GlobalContrastive(9, gamma=0.0)
    with pytest.raises(ValueError, match="temperature must be positive"):
        GlobalContrastive(9, temperature=0.0)


# ---- queue


def naive_moco(u, v, remembered, temperature):
    """Values of the queries: log(1 + sum_k e^{(u.q_k - u.v) / tau}), over the (key, number) that remain."""
    values = []
    for x, y, keys in zip(u, v, remembered, strict=True):
        values.append(math.log1p(sum(math.exp((x @ q - x @ y) / temperature) for q in keys)))
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("size", "batches"),
    [(7, [3, 3, 3, 3, 3, 3]), (7, [1, 2, 10, 3, 7, 4, 15]), (6, [2, 2, 2, 2, 2]), (5, [6, 1, 6]), (1, [2, 1, 3])],
)
@pytest.mark.parametrize("with_index", [False, True], ids=["keys alone", "with numbers"])
def test_the_queue_has_the_newest_keys(size, batches, with_index, unit_pairs):
    loss = Queue(4, size=size, temperature=0.3).double()
    remembered = []  # (key, number of its pair), oldest first
    generator = torch.Generator().manual_seed(0)
    for seed, n in enumerate(batches):
        u, v = unit_pairs(n, 4, seed=seed)
        index = torch.randint(5, (n,), generator=generator) if with_index else None
        numbers = index.tolist() if with_index else [None] * n
        others = [[q for q, of in remembered if of is None or of != own] for own in numbers]
        expected = naive_moco(u.numpy(), v.numpy(), others, 0.3)
        found = loss(u, v, index=index, reduction="none")
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
        remembered = [*remembered, *zip(v.numpy(), numbers, strict=True)][-size:]
    held = {tuple(key) for key in loss.keys.tolist()}
    assert held == {tuple(key.tolist()) for key, _ in remembered}
    assert loss.entered == sum(batches)


def test_the_first_batch_has_no_negatives(unit_pairs):
    for found in gradients(Queue(4, size=8), *unit_pairs(3, 4)):
        equal(found, torch.zeros_like(found))


def test_keys_known_and_unknown_by_number_may_mix(unit_pairs):
    loss = Queue(4, size=8).double()
    loss(*unit_pairs(2, 4))
    u, v = unit_pairs(2, 4, seed=1)
    without = loss.eval()(u, v)
    equal(loss(u, v, index=torch.tensor([0, 1])), without)


def test_older_views_of_the_same_image_are_no_negatives(unit_pairs):
    loss = Queue(4, size=8).double()
    index = torch.tensor([3, 5])
    u, v = unit_pairs(2, 4)
    loss(u, v, index=index)
    value, du, _ = gradients(loss, u.flip(0), v.flip(0), index=index.flip(0))
    expected = info_nce(u, v, temperature=0.07)  # what is left are the other images' keys
    close(value, expected)
    assert du.norm() > 0
    alone = Queue(4, size=8).double()
    alone(u[:1], v[:1], index=index[:1])
    for found in gradients(alone, u[:1], v[:1], index=index[:1]):
        equal(found, torch.zeros_like(found))


def test_no_gradient_to_keys(unit_pairs):
    loss = Queue(4, size=8)
    loss(*unit_pairs(3, 4, dtype=torch.float32))
    u, v = (x.requires_grad_() for x in unit_pairs(3, 4, seed=1, dtype=torch.float32))
    loss(u, v).backward()
    assert u.grad.norm() > 0
    assert v.grad is None
    assert not loss.keys.requires_grad
    assert not list(loss.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_queue_takes_any_precision(dtype, unit_pairs):
    loss, u, v = Queue(4, size=8), *unit_pairs(3, 4)
    loss(u.to(dtype), v.to(dtype))
    value = loss(u.to(dtype), v.to(dtype))
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert value.item() == pytest.approx(
        moco(u, v, v, temperature=0.07).item(), rel=0.2 if dtype != u.dtype else 1e-5
    )


def test_the_queue_travels(unit_pairs):
    first, resumed = Queue(4, size=5), Queue(4, size=5)
    for seed in range(3):
        first(*unit_pairs(3, 4, seed=seed), index=torch.arange(3) + seed)
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    for seed in range(3, 6):
        batch = unit_pairs(3, 4, seed=seed)
        equal(resumed(*batch, index=torch.arange(3)), first(*batch, index=torch.arange(3)))
    equal(resumed.state_dict(), first.state_dict())


def test_a_queue_needs_places():
    with pytest.raises(ValueError, match="size must be positive, got 0"):
        Queue(4, size=0)
    with pytest.raises(ValueError, match="temperature must be positive"):
        Queue(4, temperature=0.0)


# ---- temperature


def test_the_learned_temperature_starts_where_told_and_learns(unit_pairs):
    u, v = unit_pairs(8, 4)
    learned = LearnedTemperature(0.2).double()
    assert LearnedTemperature()().item() == pytest.approx(0.07)
    assert learned().item() == pytest.approx(0.2)
    info_nce(u, v, temperature=learned()).backward()
    step = 1e-5  # by s, where tau = e^{-s}
    up, down = (info_nce(u, v, temperature=0.2 * math.exp(-sign * step)).item() for sign in (1, -1))
    assert learned.log_scale.grad.item() == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_the_learned_temperature_has_a_bound_and_comes_back_from_it():
    learned = LearnedTemperature(0.02, smallest=0.01)
    for direction in (1, 1, -1):
        (slope,) = torch.autograd.grad(direction * learned(), learned.log_scale)
        assert slope.abs() > 0
        learned.log_scale.data -= 100 * slope
        if direction > 0:
            assert learned().item() == pytest.approx(0.01)
    assert learned().item() > 0.02
    with pytest.raises(ValueError, match=r"initial must be at least smallest, 0.01, got 0.001"):
        LearnedTemperature(0.001, smallest=0.01)


def test_the_learned_temperature_must_be_positive():
    for settings in ({"initial": 0.0}, {"smallest": -0.1}):
        with pytest.raises(ValueError, match="must be positive"):
            LearnedTemperature(**settings)
