"""Pools: cut anew every epoch, in turns, by a teacher once, or shared out to processes; curricula of clusters."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
import torch.distributed as dist
from torch.nn.functional import normalize

from batching.algorithms.swaps import Swaps
from batching.engines.bisection import Bisection, Spread
from batching.rules.adjusted import Adjusted
from batching.rules.curriculum import Curriculum
from batching.rules.guards import Guards
from batching.rules.oblivious import Random
from batching.rules.partition import Partitioned


def on_two_ranks(run, monkeypatch):
    """[run(group) of rank 0, of rank 1]: two ranks as threads, whose objects are gathered behind a barrier."""
    told, barrier = [None, None], Barrier(2)

    def all_gather_object(answers, mine, group):
        told[group.rank()] = pickle.dumps(mine)
        barrier.wait(timeout=60)
        answers[:] = [pickle.loads(answer) for answer in told]
        barrier.wait(timeout=60)

    monkeypatch.setattr(dist, "get_rank", lambda group: group.rank())
    monkeypatch.setattr(dist, "get_world_size", lambda group: group.size())
    monkeypatch.setattr(dist, "all_gather_object", all_gather_object)
    store = dist.HashStore()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda rank: run(dist.ProcessGroup(store, rank, 2)), range(2)))


def pairs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    u, noise = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return normalize(u, dim=-1), normalize(u + 0.5 * noise, dim=-1)


class Rows:
    """An `Embed` that keeps what it was asked for."""

    def __init__(self, u, v):
        self.u, self.v, self.asked = u, v, []

    def __call__(self, index):
        self.asked.append(index)
        if index is None or index.dim() == 1:
            return (self.u, self.v) if index is None else (self.u[index], self.v[index])
        return tuple(x.gather(1, index[..., None].expand(-1, -1, x.shape[-1])) for x in (self.u, self.v))


def plan(rule, embed, n, batch_size, seed=0, epoch=0):
    rule.check(n, batch_size)
    return rule.plan(n, batch_size, seed=seed, epoch=epoch, embed=embed)


def never(index):
    raise AssertionError(f"asked for {index}")


def as_sets(batches):
    return {frozenset(batch) for batch in batches.tolist()}


HARD = {"engine": Bisection(), "refine": Swaps(0.2)}


class TestPools:
    def test_each_pool_is_cut_as_if_it_were_all(self):
        """The pools of an epoch are what an engine that changes nothing makes of them."""
        u, v = pairs(26, 4)
        embed = Rows(u, v)
        made = plan(Partitioned(**HARD, batches_per_pool=2), embed, 26, 4, epoch=5)
        assert made.batches.shape == (6, 4)
        assert made.kind == "partition"
        assert made.info["engine"] == "bisection + swaps"
        pools = torch.cat(embed.asked).reshape(3, 8)
        for pool in pools:
            cut = Bisection().cut(u[pool][None], v[pool][None], 4, seed=torch.tensor([0]), epoch=5).batches
            refined, _ = Swaps(0.2).refine(u[pool][None], v[pool][None], cut)
            assert as_sets(pool[refined[0]]) <= as_sets(made.batches)

    @pytest.mark.parametrize("per_pool", [None, 2])
    def test_others_are_left_out_every_epoch(self, per_pool):
        embed = Rows(*pairs(27, 4))
        left = set()
        for epoch in range(12):
            made = plan(Partitioned(**HARD, batches_per_pool=per_pool), embed, 27, 4, epoch=epoch)
            assert sorted(made.batches.flatten().tolist() + made.remainder.tolist()) == list(range(27))
            left |= {tuple(made.remainder.tolist())}
        assert len(left) == 12

    def test_a_single_whole_pool_depends_on_the_seed_in_order_alone(self):
        embed = Rows(*pairs(24, 4))
        rule = Partitioned(**HARD)
        plans = [plan(rule, embed, 24, 4, seed=s, epoch=e).batches for s, e in ((0, 0), (1, 0), (0, 1))]
        assert all(as_sets(batches) == as_sets(plans[0]) for batches in plans)
        assert len({tuple(batches[:, 0].tolist()) for batches in plans}) == 3

    def test_pool_after_pool_makes_an_epoch(self):
        """Each plan embeds its own pool alone; three make a partition, the next three another one."""
        embed = Rows(*pairs(26, 4))
        rule = Partitioned(**HARD, batches_per_pool=2, replan="pool")
        assert rule.updates_per_epoch(26, 4) == 6
        turns = []
        for turn in range(2):
            plans = [plan(rule, embed, 26, 4, epoch=3 * turn + i) for i in range(3)]
            assert [made.kind for made in plans] == ["subset"] * 3
            asked = embed.asked[-3:]
            assert [sorted(index.tolist()) for index in asked] == [
                sorted(made.batches.flatten().tolist()) for made in plans
            ]
            assert len(torch.cat(asked).unique()) == 24
            turns.append(as_sets(torch.stack([index.sort().values for index in asked])))
        assert turns[0] != turns[1]

    def test_pool_after_pool_is_all_at_once_where_weights_stay(self):
        embed = Rows(*pairs(24, 4))
        at_once = plan(Partitioned(Spread(), batches_per_pool=2), embed, 24, 4, epoch=2)
        rule = Partitioned(Spread(), batches_per_pool=2, replan="pool")
        turns = [plan(rule, embed, 24, 4, epoch=6 + i).batches for i in range(3)]
        assert as_sets(torch.cat(turns)) == as_sets(at_once.batches)

    def test_refusals(self):
        with pytest.raises(
            ValueError, match=r"batches_per_pool \* batch_size = 32 .* got 24; lower .* to 6 or less"
        ):
            Partitioned(**HARD, batches_per_pool=8).check(24, 4)


class TestFeatures:
    @pytest.mark.parametrize(("replan", "calls"), [("epoch", 1), ("pool", 3)])
    def test_a_teacher_is_asked_once_and_epochs_differ_in_order(self, replan, calls):
        teacher = Rows(*pairs(26, 4))
        rule = Partitioned(**HARD, batches_per_pool=2, replan=replan, features=teacher)
        assert not rule.uses_embeddings
        per_epoch = 1 if replan == "epoch" else 3
        plans = [plan(rule, never, 26, 4, epoch=e) for e in range(4 * per_epoch)]
        epochs = [
            torch.cat([made.batches for made in plans[i * per_epoch : (i + 1) * per_epoch]]) for i in range(4)
        ]
        assert all(as_sets(batches) == as_sets(epochs[0]) for batches in epochs)
        assert len({tuple(batches.flatten().tolist()) for batches in epochs}) > 1
        assert len(teacher.asked) == calls

    def test_another_seed_or_size_is_another_plan(self):
        teacher = Rows(*pairs(26, 4))
        rule = Partitioned(**HARD, batches_per_pool=2, features=teacher)
        first, second = (as_sets(plan(rule, never, 26, 4, seed=s).batches) for s in (0, 1))
        assert first != second
        assert plan(rule, never, 26, 2).batches.shape == (12, 2)
        assert as_sets(plan(rule, never, 26, 4, seed=torch.tensor([0]).item()).batches) == first


class TestGroup:
    @pytest.mark.parametrize(("n", "per_pool", "rows"), [(32, 2, (16, 16)), (26, 2, (16, 8)), (24, None, (24, 0))])
    @pytest.mark.parametrize("seed", [3, torch.tensor([3, 4])], ids=["one", "replicates"])
    def test_two_ranks_share_the_pools_and_end_with_one_plan(self, n, per_pool, rows, seed, monkeypatch):
        """4 pools, 3 pools, 1 pool: each is embedded by one rank, and the plan is that of one process."""
        u, v = pairs(n, 4) if isinstance(seed, int) else pairs(2, n, 4)
        alone = plan(Partitioned(**HARD, batches_per_pool=per_pool), Rows(u, v), n, 4, seed=seed, epoch=1)

        def run(group):
            embed = Rows(u, v)
            rule = Partitioned(**HARD, batches_per_pool=per_pool, group=group)
            made = plan(rule, embed, n, 4, seed=seed, epoch=1)
            return made, sum(index.shape[-1] for index in embed.asked)

        answers = on_two_ranks(run, monkeypatch)
        assert tuple(count for _, count in answers) == rows
        for made, _ in answers:
            assert torch.equal(made.batches, alone.batches)
            assert torch.equal(made.remainder, alone.remainder)
            assert made.info == alone.info

    def test_guards_do_not_depend_on_the_rank(self, monkeypatch):
        """A rank that had no pool to plan exchanges rows as the other does."""
        u, v = pairs(24, 4)
        label = torch.arange(24) % 6

        def run(group):
            rule = Adjusted(Partitioned(**HARD, group=group), guards=Guards(labels=label), swaps=Swaps(0.2))
            return plan(rule, Rows(u, v), 24, 4).batches

        first, second = on_two_ranks(run, monkeypatch)
        assert torch.equal(first, second)


class TestCurriculum:
    def test_clusters_double_at_their_epochs(self):
        rule = Curriculum(Partitioned(Bisection()), doublings=(2, 3, 7, 9))
        assert [rule.cluster_size(8, e) for e in range(11)] == [1, 1, 2, 4, 4, 4, 4, 8, 8, 8, 8]
        assert [rule.cluster_size(12, e) for e in (0, 2, 3, 7, 9)] == [1, 2, 4, 6, 12]  # divisors of 12
        assert [rule.cluster_size(7, e) for e in (0, 3, 9)] == [1, 1, 7]
        published = Curriculum(Partitioned(Bisection()))
        assert [published.cluster_size(1024, e) for e in (0, 9, 10, 25, 199, 200)] == [1, 1, 2, 8, 256, 512]

    def test_batches_are_unions_of_clusters(self):
        embed = Rows(*pairs(64, 4))
        rule = Curriculum(Partitioned(Bisection()), doublings=(1, 2, 3, 4))
        for epoch, size in enumerate((1, 2, 4, 8, 16)):
            made = plan(rule, embed, 64, 16, epoch=epoch)
            assert made.info["cluster_size"] == size
            assert made.batches.shape == (4, 16)
            if epoch == 0:
                assert not embed.asked  # a shuffle needs no embeddings
            else:
                clusters = as_sets(plan(Partitioned(Bisection()), embed, 64, size).batches)
                assert as_sets(made.batches.reshape(-1, size)) == clusters

    def test_every_epoch_has_equally_many_batches(self):
        embed = Rows(*pairs(50, 4))
        rule = Curriculum(Partitioned(Bisection()), doublings=(1, 2, 3))
        for epoch in range(4):
            made = plan(rule, embed, 50, 8, epoch=epoch)
            assert made.n_batches == rule.updates_per_epoch(50, 8) == 6
            assert sorted(made.batches.flatten().tolist() + made.remainder.tolist()) == list(range(50))

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"share no pairs, got Random"):
            Curriculum(Random())
        with pytest.raises(ValueError, match=r"ascending order, got \(3, 2\)"):
            Curriculum(Partitioned(Bisection()), doublings=(3, 2))
        with pytest.raises(ValueError, match=r"got replan 'pool'; set 'epoch'"):
            Curriculum(Partitioned(Bisection(), batches_per_pool=2, replan="pool"))
        with pytest.raises(ValueError, match=r"must give 5 batches, got [34] from clusters of \d"):
            Curriculum(Partitioned(Bisection(), batches_per_pool=3)).check(47, 8)
        Curriculum(Partitioned(Bisection(), batches_per_pool=2)).check(48, 8)
