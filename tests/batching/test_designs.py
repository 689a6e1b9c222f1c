"""Epochs of a design meet every pair equally often; pooled designs do so inside every pool."""

from dataclasses import dataclass

import pytest
import torch

from batching.engines.engine import Cut, Engine
from batching.rules.designs import Design, PooledDesign
from theory.designs import pair_coverage


@dataclass(frozen=True)
class Sorted(Engine):
    """Pools are runs of the first coordinate of u."""

    def cut(self, u, v, batch_size, *, seed, epoch):
        assert len(u) == len(v) == len(seed)
        assert epoch >= 0
        return Cut(u[..., 0].argsort(dim=-1).unflatten(-1, (-1, batch_size)), {"cuts": 1.0})


def never(index):
    raise AssertionError(f"a design needs no embeddings, and asked for {index}")


def design(n, size, epochs, seed=0):
    return [Design().plan(n, size, seed=seed, epoch=epoch, embed=never) for epoch in epochs]


def stacked(plans):
    return torch.cat([plan.batches for plan in plans]).numpy()


@pytest.mark.parametrize(("n", "size", "classes"), [(9, 3, 4), (25, 5, 6), (8, 2, 7), (7, 2, 7), (27, 3, 13)])
def test_a_cycle_meets_every_pair_exactly_once(n, size, classes):
    for start in (0, classes, 5 * classes):
        plans = design(n, size, range(start, start + classes))
        assert pair_coverage(stacked(plans), n)[:2] == (1, 1)
        assert all(plan.kind == "partition" for plan in plans)
        assert plans[0].info["status"] == "2-design"
        assert plans[0].info["classes"] == classes


@pytest.mark.parametrize(
    ("n", "size", "classes", "meetings", "name"),
    [(15, 3, 7, 1, "Kirkman triples, 2 x 7 + 1"), (21, 3, 10, 1, "difference family in 3 copies of 7"),
     (33, 3, 16, 1, "Kirkman triples, 2 x 16 + 1"), (45, 3, 22, 1, "product of 15 and 3 points"),
     (28, 4, 9, 1, "quadruples, 3 x 9 + 1"), (32, 8, 31, 7, "flats of AG(5, 2)"), (27, 9, 13, 4, "hyperplanes"),
     (12, 6, 11, 5, "squares modulo 11"), (20, 5, 19, 4, "rotation modulo 19"), (16, 4, 5, 1, "lines of AG(2, 4)"),
     (13, 3, 13, 2, "cosets of a subgroup, each of 13 left out in turn"), (21, 4, 21, 3, "rotation modulo 21"),
     (7, 4, 7, 2, "cosets of a subgroup")],
)  # fmt: skip
def test_every_construction_is_played_a_class_an_epoch(n, size, classes, meetings, name):
    for start in (0, 3 * classes):
        plans = design(n, size, range(start, start + classes))
        assert plans[0].info == {"design": name, "status": "2-design", "classes": classes}
        assert pair_coverage(stacked(plans), n)[:2] == (meetings, meetings)
        for plan in plans:
            assert plan.batches.dtype == torch.int64
            assert sorted(plan.batches.flatten().tolist() + plan.remainder.tolist()) == list(range(n))
        left = torch.cat([plan.remainder for plan in plans]).bincount(minlength=n)
        assert left.min() == left.max()  # each pair is left out as often as any other


@pytest.mark.parametrize(("n", "size"), [(11, 3), (23, 5), (9, 2), (30, 8), (5, 5), (7, 4)])
def test_what_is_left_out_is_the_remainder(n, size):
    for plan in design(n, size, range(12)):
        assert sorted(plan.batches.flatten().tolist() + plan.remainder.tolist()) == list(range(n))
        assert plan.n_batches == Design().updates_per_epoch(n, size) == n // size


def test_every_cycle_numbers_the_pairs_anew():
    left = {tuple(plan.remainder.tolist()) for plan in design(11, 3, range(60))}
    assert len(left) > 8
    first, again = stacked(design(9, 3, range(4))), stacked(design(9, 3, range(4, 8)))
    assert {frozenset(b) for b in first.tolist()} != {frozenset(b) for b in again.tolist()}
    # The class played first, and the batch played first, are random too.
    sets = [{frozenset(b) for b in design(9, 3, [0], seed)[0].batches.tolist()} for seed in range(10)]
    assert len({frozenset(s) for s in sets}) > 5


def test_replicates_are_planned_as_they_would_be_alone():
    seeds = torch.tensor([3, 9, 3, 4])
    for epoch in (0, 5):
        (plan,) = design(26, 5, [epoch], seeds)
        for r, seed in enumerate(seeds.tolist()):
            (alone,) = design(26, 5, [epoch], seed)
            assert torch.equal(plan.batches[r], alone.batches)
            assert torch.equal(plan.remainder[r], alone.remainder)


def test_updates_are_exact_where_a_better_net_costs_a_few_pairs():
    assert Design().updates_per_epoch(50_000, 64) == 778
    (plan,) = design(50_000, 64, [1])
    assert plan.batches.shape == (778, 64)
    assert plan.remainder.shape == (208,)


def test_refusals():
    with pytest.raises(ValueError, match=r"at least 2 pairs, got batch_size 1"):
        Design().check(12, 1)
    with pytest.raises(ValueError, match=r"= 16 pairs needs at least as many pairs, got 12; .* 3 or less"):
        PooledDesign(Sorted()).check(12, 4)
    with pytest.raises(ValueError, match=r"at most the 5 classes .* got 6"):
        PooledDesign(Sorted(), classes_per_plan=6).check(16, 4)
    with pytest.raises(ValueError, match=r"batches_per_pool must be at least 1, got 0"):
        PooledDesign(Sorted(), batches_per_pool=0)


# ---- pooled


def embedder(u, v):
    def embed(index):
        if index is None:
            return u, v
        if index.dim() == 1:
            return u[index], v[index]
        rows = index[..., None].expand(*index.shape, u.shape[-1])
        return u.gather(1, rows), v.gather(1, rows)

    return embed


def pool_of(u, kept, pool):
    """Which pool each of the kept pairs is in."""
    order = kept[u[kept, 0].argsort()]
    number = torch.full((len(u),), -1)
    number[order] = torch.arange(len(kept)) // pool
    return number


@pytest.mark.parametrize("n", [27, 32])
def test_pool_mates_meet_exactly_once_in_a_plan_and_nobody_else_does(unit_pairs, n):
    u, v = unit_pairs(n, 5)
    rule = PooledDesign(Sorted())
    plan = rule.plan(n, 3, seed=7, epoch=2, embed=embedder(u, v))
    assert (plan.kind, len(plan.remainder)) == ("cover", n - 27)
    assert rule.updates_per_epoch(n, 3) == 9
    assert plan.batches.shape == (4 * 9, 3)
    kept = torch.tensor(sorted(set(range(n)) - set(plan.remainder.tolist())))
    number = pool_of(u, kept, 9)
    assert (number[plan.batches] == number[plan.batches[:, :1]]).all()
    for epoch in plan.batches.split(9):
        assert sorted(epoch.flatten().tolist()) == kept.tolist()
    for pool in range(3):
        members = (number == pool).nonzero()[:, 0]
        mine = plan.batches[number[plan.batches[:, 0]] == pool]
        assert pair_coverage(torch.searchsorted(members, mine).numpy(), 9)[:2] == (1, 1)
    # Batches of a class are shuffled across pools.
    assert number[plan.batches[:9, 0]].tolist() != sorted(number[plan.batches[:9, 0]].tolist())
    assert plan.info == {
        "engine": "sorted",
        "cuts": 1.0,
        "design": "lines of AG(2, 3)",
        "status": "2-design",
        "classes": 4,
    }


def test_fewer_classes_a_plan_and_other_pools(unit_pairs):
    u, v = unit_pairs(24, 5)
    rule = PooledDesign(Sorted(), batches_per_pool=2, classes_per_plan=1)
    plan = rule.plan(24, 2, seed=0, epoch=0, embed=embedder(u, v))
    assert plan.kind == "partition"
    assert sorted(plan.batches.flatten().tolist()) == list(range(24))
    number = pool_of(u, torch.arange(24), 4)
    assert (number[plan.batches[:, 0]] == number[plan.batches[:, 1]]).all()
    plans = [rule.plan(24, 2, seed=0, epoch=epoch, embed=embedder(u, v)) for epoch in range(20)]
    met = {tuple(sorted(batch)) for plan in plans for batch in plan.batches.tolist()}
    assert len(met) == 6 * 6  # all pairs of pool-mates, in the end


def test_pooled_replicates_are_planned_as_they_would_be_alone(unit_pairs):
    u, v = unit_pairs(3, 20, 5)
    seeds = torch.tensor([3, 9, 3])
    rule = PooledDesign(Sorted())
    plan = rule.plan(20, 3, seed=seeds, epoch=1, embed=embedder(u, v))
    for r, seed in enumerate(seeds.tolist()):
        alone = rule.plan(20, 3, seed=seed, epoch=1, embed=embedder(u[r], v[r]))
        assert torch.equal(plan.batches[r], alone.batches)
        assert torch.equal(plan.remainder[r], alone.remainder)
