"""Balanced bisection, and the engines made of it: equal parts of near rows, or one row from each part."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from batching.algorithms.bisection import bisect
from batching.engines.balanced_kmeans import BalancedKMeans
from batching.engines.bisection import Bisection, Spread, middles


def rows(*shape, seed=0):
    """Rows without structure."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blobs(n_blobs, size, seed=0, noise=0.02):
    """Unit pairs around orthogonal centres in a random order, and the blob of each."""
    generator = torch.Generator().manual_seed(seed)
    blob = torch.arange(n_blobs).repeat_interleave(size)[torch.randperm(n_blobs * size, generator=generator)]
    noise_ = noise * torch.randn(2, len(blob), n_blobs, generator=generator, dtype=torch.float64)
    u, v = normalize(torch.eye(n_blobs, dtype=torch.float64)[blob] + noise_, dim=-1)
    return u, v, blob


def cut(engine, u, v, batch_size, seed=0):
    """The batches of one pool."""
    return engine.cut(u[None], v[None], batch_size, seed=torch.tensor([seed]), epoch=0).batches[0]


def as_sets(parts):
    return {frozenset(part) for part in parts.tolist()}


@given(parts=st.integers(1, 13), size=st.integers(1, 5), pools=st.integers(1, 3), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_parts_are_equal_and_hold_every_row_once(parts, size, pools, seed):
    found = bisect(rows(pools, parts * size, 3, seed=seed), parts)
    assert found.shape == (pools, parts, size)
    assert torch.equal(found.flatten(1).sort(1).values, torch.arange(parts * size).expand(pools, -1))


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"multiple of the number of parts, got 10 and 3"):
        bisect(rows(1, 10, 2), 3)
    with pytest.raises(ValueError, match=r"got 10 and 0"):
        bisect(rows(1, 10, 2), 0)


@given(left=st.integers(1, 6), right=st.integers(0, 1), size=st.integers(1, 6), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_two_far_blobs_are_never_mixed(left, right, size, seed):
    """The first split takes ceil(c/2) of the parts: with so many in one blob no part has rows of both."""
    n_left, n_right = left * size, (left - right) * size
    x = rows(n_left + n_right, 3, seed=seed)
    x[:n_left, 0] += 100
    own = (bisect(x[None], 2 * left - right)[0] < n_left).int()
    assert (own == own[:, :1]).all()
    assert (own[:, 0].diff() != 0).sum() <= 1  # parts of a blob follow each other


def test_parts_of_a_node_are_consecutive():
    """Points on a line: parts are intervals, the first and the last half of the list are the line's halves."""
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    x = torch.stack([torch.arange(60.0), torch.zeros(60)], 1)[order]
    parts = order[bisect(x[None], 12)[0]]
    assert sorted(parts.sort(1).values.tolist()) == torch.arange(60).reshape(12, 5).tolist()
    for node in (12, 6, 3):
        ranges = [nodes.max() - nodes.min() + 1 for nodes in parts.split(node)]
        assert ranges == [node * 5] * (12 // node)


def test_rows_may_come_in_any_order():
    x, order = rows(56, 4), torch.randperm(56, generator=torch.Generator().manual_seed(1))
    assert as_sets(order[bisect(x[order][None], 7)[0]]) == as_sets(bisect(x[None], 7)[0])


def test_equal_rows_are_cut_all_the_same():
    found = bisect(torch.ones(2, 12, 3), 5 - 1)
    assert torch.equal(found.flatten(1).sort(1).values, torch.arange(12).expand(2, -1))


@pytest.mark.parametrize("engine", [Bisection(), Spread(), BalancedKMeans()], ids=lambda e: type(e).__name__)
def test_pools_are_cut_as_each_would_be_alone(engine):
    u, v = (normalize(rows(3, 24, 5, seed=s), dim=-1) for s in (0, 1))
    seed = torch.tensor([4, 9, 2])
    together = engine.cut(u, v, 4, seed=seed, epoch=1).batches
    for i in range(3):
        one = slice(i, i + 1)
        assert torch.equal(together[i], engine.cut(u[one], v[one], 4, seed=seed[one], epoch=1).batches[0])


def test_the_middle_of_opposite_rows_is_nowhere():
    u = normalize(rows(4, 3), dim=-1)
    assert torch.equal(middles(u, -u), torch.zeros(4, 3, dtype=torch.float64))
    torch.testing.assert_close(middles(u, u), u)


def test_spread_takes_one_of_each_cluster():
    angle = torch.linspace(0, 2.5, 8).repeat_interleave(6)
    u = torch.stack([angle.cos(), angle.sin()], 1) + 0.01 * rows(48, 2)
    u, blob = normalize(u, dim=-1), torch.arange(8).repeat_interleave(6)
    batches, again = (cut(Spread(), u, u, 8, seed=seed) for seed in (0, 1))
    for found in (batches, again):
        assert (blob[found].sort(1).values == torch.arange(8)).all()
    assert as_sets(batches) != as_sets(again)  # which of them meet is random


@pytest.mark.parametrize("engine", [Bisection(), BalancedKMeans()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("n_blobs", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_blobs_of_a_batch_each_are_found(engine, n_blobs, seed):
    u, v, blob = blobs(n_blobs, 5, seed=seed)
    own = blob[cut(engine, u, v, 5)]
    assert (own == own[:, :1]).all()


def within(u, v, batches):
    """sum_i |[u_i; v_i] - mean of its batch|^2, by loops."""
    x = torch.cat([u, v], -1)
    return sum((x[batch] - x[batch].mean(0)).square().sum().item() for batch in batches)


@given(k=st.integers(2, 6), size=st.integers(2, 6), seed=st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_balanced_k_means_improves_on_bisection(k, size, seed):
    u, v = (normalize(rows(k * size, 4, seed=seed + s), dim=-1) for s in (0, 1000))
    before, after = (within(u, v, cut(engine, u, v, size)) for engine in (Bisection(), BalancedKMeans()))
    assert after <= before + 1e-9


def test_large_pools_are_shards_for_k_means():
    """More rows than are assigned at once: still a partition, and not worse."""
    u, v = (normalize(rows(2100, 3, seed=s), dim=-1) for s in (0, 1))
    found = cut(BalancedKMeans(iterations=1), u, v, 300)
    assert torch.equal(found.flatten().sort().values, torch.arange(2100))
    assert within(u, v, found) <= within(u, v, cut(Bisection(), u, v, 300))
