"""Batches cut from clusters, and batches drawn from one cluster each."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batching.algorithms.kmeans import kmeans_centres, nearest_centres
from batching.rules.clusters import ClusterDraws, Clusters

BOTH = [Clusters, ClusterDraws]


def blobs(sizes, seed=0, noise=0.02):
    """Pairs of far apart clusters of these sizes, in a random order, and the cluster of each."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    label = label[torch.randperm(len(label), generator=generator)]
    centre = torch.eye(len(sizes) + 2)[: len(sizes)]
    noise_ = noise * torch.randn(2, len(label), len(sizes) + 2, generator=generator)
    u, v = torch.nn.functional.normalize(centre[label] + noise_, dim=-1)
    return u, v, label


def plan(rule, u, v, batch_size, seed=0, epoch=0):
    n = u.shape[-2]
    rule.check(n, batch_size)
    return rule.plan(n, batch_size, seed=seed, epoch=epoch, embed=lambda _: (u, v))


@pytest.mark.parametrize("order", ["random", "greedy"])
def test_batches_are_pure_where_clusters_are_whole_batches(order):
    u, v, label = blobs([12, 12, 12, 12])
    made = plan(Clusters(pairs_per_cluster=12, order=order), u, v, 4)
    own = label[made.batches]
    assert (own == own[:, :1]).all()
    assert sorted(made.batches.flatten().tolist()) == list(range(48))
    assert made.info["clusters"] == 4


def test_both_directions_of_a_pair_are_clustered():
    """Which tower an embedding comes from does not count: exchanging u and v everywhere leaves clusters alone."""
    u, v, label = blobs([8, 8, 8])
    for first, second in ((u, v), (v, u)):
        own = label[plan(Clusters(pairs_per_cluster=8), first, second, 4).batches]
        assert (own == own[:, :1]).all()


def test_greedy_order_goes_to_the_nearest_cluster():
    """Clusters along a quarter circle: the chain from one end is the circle."""
    angle = torch.linspace(0, 1.5, 6).repeat_interleave(10)
    u = torch.stack([angle.cos(), angle.sin()], 1)
    for seed in range(30):
        made = plan(Clusters(pairs_per_cluster=10, order="greedy"), u, u, 8, seed=seed)
        widths = [len(set((batch // 10).tolist())) for batch in made.batches]
        spread = [int((batch // 10).max() - (batch // 10).min()) for batch in made.batches]
        if max(widths) == 2 and max(spread) == 1:
            return
    pytest.fail("no start led along the circle")


@given(n=st.integers(2, 80), size=st.integers(2, 9), per=st.integers(9, 30), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_sizes_and_remainders(n, size, per, seed):
    size = min(n, size)
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.nn.functional.normalize(torch.randn(2, n, 3, generator=generator), dim=-1)
    cut = plan(Clusters(pairs_per_cluster=per), u, v, size, seed=seed)
    assert cut.kind == "partition"
    assert sorted([*cut.batches.flatten().tolist(), *cut.remainder.tolist()]) == list(range(n))
    assert len(cut.remainder) == n % size
    drawn = plan(ClusterDraws(pairs_per_cluster=per), u, v, size, seed=seed)
    assert (drawn.kind, drawn.remainder.shape) == ("subset", (0,))
    for made in (cut, drawn):
        assert made.batches.shape == (n // size, size)
        assert all(len(set(batch)) == size for batch in made.batches.tolist())


def test_remainder_is_the_end_of_the_order():
    u, v, label = blobs([10, 10, 10])
    made = plan(Clusters(pairs_per_cluster=10), u, v, 4)
    assert len(set(label[made.remainder].tolist())) == 1
    full = plan(Clusters(pairs_per_cluster=10), u, v, 4, epoch=1)
    assert made.remainder.tolist() != full.remainder.tolist()


def test_each_batch_is_drawn_from_one_cluster():
    u, v, label = blobs([30, 60, 90])
    made = plan(ClusterDraws(pairs_per_cluster=60), u, v, 6)
    own = label[made.batches]
    assert (own == own[:, :1]).all()


def test_draws_are_as_frequent_as_clusters_are_large():
    u, v, label = blobs([30, 60, 90])
    rule = ClusterDraws(pairs_per_cluster=60, features=lambda _: (u, v))
    pairs = torch.cat([plan(rule, u, v, 6, epoch=e).batches for e in range(100)])
    share = Counter(label[pairs[:, 0]].tolist())
    for cluster, size in enumerate((30, 60, 90)):
        assert share[cluster] / len(pairs) == pytest.approx(size / 180, abs=0.03)
    times = torch.bincount(pairs.flatten(), minlength=180) / 100
    assert times.mean() == 1
    assert times.min() > 0.6
    assert times.max() < 1.5


def test_small_clusters_join_the_nearest():
    """Three pairs near the first blob cannot fill a batch; they are drawn together with that blob."""
    u, v, label = blobs([20, 3, 20])
    tilt = torch.where(label[:, None] == 1, u.new_tensor([0.8, 0.6, 0, 0, 0]), u)
    u = torch.nn.functional.normalize(tilt, dim=-1)
    seen = set()
    for epoch in range(30):
        made = plan(ClusterDraws(pairs_per_cluster=14), u, v, 5, epoch=epoch)
        own = label[made.batches]
        assert all(set(batch) <= {0, 1} or set(batch) == {2} for batch in own.tolist())
        seen |= set(made.batches.flatten().tolist())
    assert seen == set(range(43))


@pytest.mark.parametrize("rule", BOTH)
def test_clusters_of_a_teacher_are_found_once(rule):
    u, v, label = blobs([12, 12, 12])
    calls = []

    def teacher(index):
        assert index is None
        calls.append(1)
        return u, v

    def nobody(_):
        pytest.fail("the current embeddings are not needed")

    chosen = rule(pairs_per_cluster=12, features=teacher)
    assert not chosen.uses_embeddings
    assert rule().uses_embeddings
    plans = [chosen.plan(36, 4, seed=3, epoch=e, embed=nobody).batches for e in (0, 1, 0)]
    assert len(calls) == 1
    assert torch.equal(plans[0], plans[2])
    assert not torch.equal(plans[0], plans[1])
    own = label[torch.cat(plans)]
    assert (own == own[:, :1]).all()
    both = chosen.plan(36, 4, seed=torch.tensor([3, 4]), epoch=1, embed=nobody).batches
    assert torch.equal(both[0], plans[1])
    assert chosen == rule(pairs_per_cluster=12, features=teacher)


@pytest.mark.parametrize("rule", BOTH)
def test_replicates_and_equal_rows(rule):
    u, v, _ = blobs([9, 20, 11], noise=0.5)
    chosen = rule(pairs_per_cluster=10)
    together = plan(chosen, torch.stack([u, v]), torch.stack([v, u]), 4, seed=torch.tensor([5, 6])).batches
    assert torch.equal(together[0], plan(chosen, u, v, 4, seed=5).batches)
    assert torch.equal(together[1], plan(chosen, v, u, 4, seed=6).batches)
    same = torch.ones(30, 2) / 2**0.5
    assert all(len(set(b)) == 7 for b in plan(chosen, same, same, 7).batches.tolist())


@pytest.mark.parametrize("rule", BOTH)
def test_sizes_that_are_refused(rule):
    with pytest.raises(
        ValueError, match="pairs_per_cluster must be at least the batch_size 8, got 4; None takes 8"
    ):
        rule(pairs_per_cluster=4).check(64, 8)
    with pytest.raises(ValueError, match="at least 2 pairs"):
        rule().check(64, 1)


def test_centres_from_a_sample_are_nearly_as_good():
    u, _, _ = blobs([100] * 8, noise=0.1)
    cost = [
        torch.cdist(u, kmeans_centres(u, 8, seed=0, points_per_centre=p)).amin(1).square().sum().item()
        for p in (None, 25)
    ]
    assert cost[1] < 1.2 * cost[0]


def test_spherical_centres_have_unit_length_and_are_mean_directions():
    u, _, _ = blobs([20, 30, 25], noise=0.3)
    centres = kmeans_centres(u, 3, seed=1, spherical=True)
    label = nearest_centres(u, centres)
    assert torch.equal(label, (u @ centres.T).argmax(1))
    for c in range(3):
        torch.testing.assert_close(centres[c], torch.nn.functional.normalize(u[label == c].sum(0), dim=0))
