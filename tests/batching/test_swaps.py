"""Exchanges between batches: every one gains what the formula says, and in the end none is left."""

from itertools import combinations, permutations
from math import exp, log1p

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from batching.algorithms import swaps as module
from batching.algorithms.affinity import pair_weights
from batching.algorithms.swaps import Swaps, bar, swap_refine


def pairs(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    u = normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)
    v = normalize(u + 0.5 * torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)
    return u.to(dtype), v.to(dtype)


def weights_of(*shape, seed=0):
    w = torch.rand(*shape, shape[-1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    w = w + w.mT
    w.diagonal(dim1=-2, dim2=-1).zero_()
    return w


def labels(k, size):
    return torch.arange(k).repeat_interleave(size)


def inside(weights, label):
    """sum of w_ij over i < j of one batch, for one pool."""
    return weights.where(label[:, None] == label, 0).sum().item() / 2


def in_random_batches(k, size, pools=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(k * size, generator=generator) for _ in range(pools)]).reshape(
        pools, k, size
    )


def worth(u, v, batches, temperature=0.2):
    """Total weight inside the batches of each pool."""
    w = pair_weights(u, v, batch_size=batches.shape[-1], temperature=temperature)
    label = torch.empty(batches.flatten(1).shape, dtype=torch.long)
    label.scatter_(1, batches.flatten(1), labels(*batches.shape[1:]).expand(len(batches), -1))
    return [inside(*one) for one in zip(w, label, strict=True)]


@pytest.mark.parametrize("temperature", [0.01, 0.3])  # beyond and within the range of e^x
def test_weights_equal_the_double_loop(temperature):
    u, v = pairs(6, 3)
    found = pair_weights(u, v, batch_size=4, temperature=temperature)
    for i, j in permutations(range(6), 2):
        expected = sum(
            log1p(3 * exp(u[a] @ (v[b] - v[a]) / temperature)) + log1p(3 * exp(v[a] @ (u[b] - u[a]) / temperature))
            for a, b in ((i, j), (j, i))
        )
        assert found[i, j].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_stay_finite_at_tiny_temperatures(dtype):
    u, _ = pairs(8, 3, dtype=dtype)
    for temperature in (0.05, 0.04, 0.01, 1e-4):
        weights = pair_weights(u, -u, batch_size=1000, temperature=temperature)
        assert torch.isfinite(weights).all()
        assert (weights >= 0).all()


@given(k=st.integers(2, 6), size=st.integers(1, 5), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_no_exchange_that_gains_is_left(k, size, seed):
    w, before = weights_of(k * size, seed=seed), labels(k, size)
    after, made = (x[0] for x in swap_refine(w[None], before[None], k, sweeps=100))
    assert torch.equal(after.bincount(), before.bincount())
    assert bool(made) == (inside(w, after) > inside(w, before) + 1e-9)
    for i, j in combinations(range(k * size), 2):
        other = after.clone()
        other[i], other[j] = after[j], after[i]
        assert inside(w, other) <= inside(w, after) * (1 + 1e-5) + 1e-9


@given(k=st.integers(2, 5), size=st.integers(2, 4), seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_one_exchange_gains_what_is_claimed(k, size, seed):
    """(W_ib - W_ia) + (W_ja - W_jb) - 2 w_ij, for whichever i and j change places."""
    w, label = weights_of(k * size, seed=seed), labels(k, size)
    total = torch.zeros(1, k, k * size, dtype=torch.float64).scatter_(1, label[None, None], 1) @ w
    latest, made = label[None].clone(), torch.zeros(1, dtype=torch.long)
    module._exchange(w[None], latest, total, made, slice(0, None, k * size), None)  # a block of row 0 alone
    moved = (latest[0] != label).nonzero()[:, 0].tolist()
    assert len(moved) == 2 * made.item()
    if moved:
        i, j = moved
        a, b = labels(k, size) == label[i], labels(k, size) == label[j]
        gain = (w[i, b].sum() - w[i, a].sum()) + (w[j, a].sum() - w[j, b].sum()) - 2 * w[i, j]
        assert gain > 0
        assert inside(w, latest[0]) - inside(w, label) == pytest.approx(gain.item())
    # What batches weigh for each row is kept up to date.
    torch.testing.assert_close(total[0], torch.stack([w[latest[0] == c].sum(0) for c in range(k)]))


def test_the_best_partition_is_nearly_found():
    """All partitions of 9 into 3 x 3: the best of a few random starts is within 3 percent of the best of all."""
    for seed in range(8):
        w = weights_of(9, seed=seed)
        best = 0.0
        for first in combinations(range(1, 9), 2):
            rest = [i for i in range(1, 9) if i not in first]
            for second in combinations(rest[1:], 2):
                label = torch.full((9,), 2)
                label[[0, *first]], label[[rest[0], *second]] = 0, 1
                best = max(best, inside(w, label))
        starts = torch.stack([labels(3, 3)[torch.randperm(9)] for _ in range(5)])
        found, _ = swap_refine(w.expand(5, -1, -1), starts, 3, sweeps=50)
        values = [inside(w, label) for label in found]
        assert max(values) >= 0.97 * best
        assert max(values) <= best + 1e-9


def test_pools_are_refined_as_each_would_be_alone():
    u, v = pairs(3, 24, 4)
    batches = in_random_batches(6, 4, pools=3)
    together, made = Swaps(0.2).refine(u, v, batches)
    alone = [Swaps(0.2).refine(u[i : i + 1], v[i : i + 1], batches[i : i + 1]) for i in range(3)]
    assert torch.equal(together, torch.cat([one for one, _ in alone]))
    assert made == sum(count for _, count in alone) > 0


@pytest.mark.parametrize("towards", ["hard", "easy"])
@pytest.mark.parametrize("shard", [None, 8, 12])
def test_batches_become_harder_or_easier(towards, shard):
    u, v = pairs(1, 60, 4)
    before = in_random_batches(15, 4)
    kept = before.clone()
    after, made = Swaps(0.2, shard=shard, towards=towards).refine(u, v, before)
    assert torch.equal(before, kept)  # the argument is left alone
    assert torch.equal(after.flatten().sort().values, torch.arange(60))
    assert made > 0
    (was,), (is_,) = worth(u, v, before), worth(u, v, after)
    assert is_ > 1.1 * was if towards == "hard" else is_ < 0.9 * was


def test_one_large_shard_is_at_least_as_good_as_small_ones_from_the_same_start():
    u, v = pairs(1, 96, 4)
    before = in_random_batches(24, 4)
    values = [worth(u, v, Swaps(0.2, shard=shard).refine(u, v, before)[0])[0] for shard in (8, 32, 96)]
    assert worth(u, v, before)[0] < values[0] < values[1] < values[2] * 1.02


def test_forbidden_pairs_are_separated():
    """Four twins among five batches, each with its own: hardness wants them together, the guard does not."""
    u, v = pairs(1, 20, 4)
    u[0, 10:14], v[0, 10:14] = u[0, :4], v[0, :4]
    twin = torch.arange(20)
    twin[10:14] = torch.arange(4)

    def forbidden(index, a, b):
        assert torch.equal(a, u.gather(1, index[..., None].expand_as(a)))
        assert torch.equal(b, v.gather(1, index[..., None].expand_as(b)))
        return twin[index][..., None] == twin[index][..., None, :]

    free, _ = Swaps(0.1).refine(u, v, in_random_batches(5, 4))
    kept, _ = Swaps(0.1).refine(u, v, free, forbidden=forbidden)
    twice = lambda batches: sum(len(set(batch)) < 4 for batch in twin[batches][0].tolist())  # noqa: E731
    assert twice(free) > 0
    assert twice(kept) == 0
    # Told to, it leaves all batches alone but those that change places with them.
    least, made = Swaps(0.1).refine(u, v, free, forbidden=forbidden, only_conflicts=True)
    assert twice(least) == 0
    assert (least != free).any(-1).sum() <= 2 * made <= 2 * twin.numel()
    unchanged, made = Swaps(0.1).refine(u, v, kept, forbidden=forbidden, only_conflicts=True)
    assert made == 0
    assert torch.equal(unchanged, kept)


@given(k=st.integers(2, 4), size=st.integers(2, 4), seed=st.integers(0, 999), sign=st.sampled_from([-1, 1]))
@settings(max_examples=30, deadline=None)
def test_a_forbidden_meeting_outweighs_everything(k, size, seed, sign):
    """Gains above the bound are those of exchanges that undo conflicts, by trying all of them."""
    generator = torch.Generator().manual_seed(seed)
    n, label = k * size, labels(k, size)
    barred = torch.rand(n, n, generator=generator) < 0.2
    barred = (barred | barred.T).fill_diagonal_(False)
    w = sign * weights_of(n, seed=seed)
    bound = bar(w[None], barred[None], size)
    conflicts = lambda own: inside(barred.double(), own)  # noqa: E731
    for i, j in combinations(range(n), 2):
        other = label.clone()
        other[i], other[j] = label[j], label[i]
        gain = inside(w, other) - inside(w, label)
        assert (gain > bound.item()) == (conflicts(other) < conflicts(label))


def test_batches_of_which_two_are_too_large_are_left(monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 15)
    u, v = pairs(1, 32, 4)
    before = in_random_batches(4, 8)
    after, made = Swaps(0.2, shard=8).refine(u, v, before)
    assert made == 0
    assert torch.equal(after, before)


def test_a_single_batch_has_nobody_to_exchange_with():
    u, v = pairs(1, 8, 4)
    assert Swaps(0.2).refine(u, v, in_random_batches(1, 8))[1] == 0
