"""The knobs of every rule: communities, random pairs, guards, refresh."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from batching import METHODS, Guards, hardness, make_selection
from batching.algorithms.swaps import Swaps
from batching.engines.bisection import Bisection
from batching.rules.adjusted import Adjusted
from batching.rules.curriculum import Curriculum
from batching.rules.designs import Design
from batching.rules.oblivious import Fixed, Random, Shuffled
from batching.rules.partition import Partitioned
from batching.rules.separation import dealt_anew, kept_apart, parted, random_places, replaced, with_room
from losses import make_loss

TAU = 0.1
HARD = Partitioned(Bisection(), Swaps(TAU))


def clustered(n, n_labels=8, dim=8, seed=0):
    """Pairs around a centre for each label, and the labels, in a random order."""
    generator = torch.Generator().manual_seed(seed)
    label = (torch.arange(n) % n_labels)[torch.randperm(n, generator=generator)]
    centre = torch.randn(n_labels, dim, generator=generator, dtype=torch.float64)
    x = centre[label] + 0.8 * torch.randn(n, dim, generator=generator, dtype=torch.float64)
    noise = 0.3 * torch.randn(2, n, dim, generator=generator, dtype=torch.float64)
    u, v = normalize(x + noise, dim=-1)
    return u, v, label


class Rows:
    """An `Embed` that counts."""

    def __init__(self, u, v):
        self.u, self.v, self.calls = u, v, 0

    def __call__(self, index):
        self.calls += 1
        return (self.u, self.v) if index is None else (self.u[index], self.v[index])


def never(index):
    raise AssertionError(f"asked for {index}")


def plan(rule, n, batch_size, embed=never, seed=0, epoch=0):
    rule.check(n, batch_size)
    return rule.plan(n, batch_size, seed=seed, epoch=epoch, embed=embed)


def as_sets(batches):
    return {frozenset(batch) for batch in batches.tolist()}


def conflicts(batches, labels):
    """Pairs of equal label in a batch, by counting."""
    return sum((labels[b][:, None] == labels[b]).sum().item() - len(b) for b in batches) // 2


class TestCommunities:
    def test_batches_are_unions_of_the_rules_own(self):
        u, v, _ = clustered(64)
        small = as_sets(plan(HARD, 64, 4, Rows(u, v)).batches)
        joined = plan(Adjusted(HARD, communities=4), 64, 16, Rows(u, v)).batches
        assert joined.shape == (4, 16)
        assert as_sets(joined.reshape(16, 4)) == small

    def test_what_does_not_make_a_whole_batch_is_left_out(self):
        """7 batches of 3 make 2 of 9; one of 3 and the rule's own remainder of 1 are left, others in every plan."""
        rule = Adjusted(Shuffled(), communities=3)
        left = []
        for epoch in range(6):
            made = plan(rule, 22, 9, epoch=epoch)
            assert made.kind == "partition"
            assert made.batches.shape == (2, 9)
            assert sorted(made.batches.flatten().tolist() + made.remainder.tolist()) == list(range(22))
            left.append(frozenset(made.remainder.tolist()))
        assert len(set(left)) == 6

    @pytest.mark.parametrize(("batch_size", "groups"), [(1024, 32), (64, 8), (12, 3), (7, 1), (1, 1)])
    def test_none_is_as_many_as_each_has_pairs(self, batch_size, groups):
        assert Adjusted(Shuffled(), communities=None).groups(batch_size) == groups

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"divide batch_size, got 5 and 12; possible are 1, 2, 3, 4, 6, 12"):
            Adjusted(Shuffled(), communities=5).check(48, 12)
        with pytest.raises(ValueError, match=r"share no pairs, got Random; leave communities at 1"):
            Adjusted(Random(), communities=2)
        with pytest.raises(ValueError, match=r"communities must be at least 1, got 0"):
            Adjusted(Shuffled(), communities=0)
        with pytest.raises(ValueError, match=r"4 batches of 3 pairs for one of 12, got fewer from 12 pairs"):
            Adjusted(Partitioned(Bisection(), batches_per_pool=3), communities=4).check(12, 12)


class TestRandomFraction:
    def test_at_zero_batches_are_the_rules_own(self):
        u, v, _ = clustered(64)
        own = plan(HARD, 64, 8, Rows(u, v)).batches
        assert torch.equal(plan(Adjusted(HARD), 64, 8, Rows(u, v)).batches, own)

    @pytest.mark.parametrize(("fraction", "moved"), [(0.25, 2), (0.5, 4), (1.0, 8)])
    def test_so_many_rows_of_each_batch_are_dealt_anew(self, fraction, moved):
        """The others stay where they are; nobody is lost."""
        batches = torch.arange(80).reshape(10, 8)
        dealt = dealt_anew(batches, fraction, seed=3, epoch=0)
        assert (dealt != batches).sum(1).max() <= moved
        assert (dealt != batches).sum() >= 0.6 * 10 * moved
        assert torch.equal(dealt.flatten().sort().values, torch.arange(80))
        assert (random_places(batches, fraction, seed=3, epoch=0).sum(1) == moved).all()

    def test_at_one_nothing_is_left_of_the_rule(self):
        """Two rows of a batch meet again as often as in a shuffle, (B - 1) / (N - 1) of them."""
        batches = torch.arange(64).reshape(8, 8)
        again = [conflicts(dealt_anew(batches, 1.0, seed=s, epoch=0), torch.arange(64) // 8) for s in range(100)]
        assert sum(again) / 100 / (8 * 28) == pytest.approx(7 / 63, rel=0.1)

    @pytest.mark.parametrize("guards", [{}, {"labels": torch.arange(64) // 4}], ids=["free", "guarded"])
    def test_hardness_falls_with_it(self, guards):
        """With guards too, whose exchanges may not make it hard again."""
        u, v, _ = clustered(64)
        values = []
        for fraction in (0.0, 0.25, 0.5, 1.0):
            rule = Adjusted(HARD, random_fraction=fraction, guards=Guards(**guards), swaps=Swaps(TAU))
            plans = [plan(rule, 64, 8, Rows(u, v), seed=s) for s in range(8)]
            values.append(sum(hardness((u, v), p.batches, TAU) for p in plans) / 8)
        apart = Adjusted(Shuffled(), guards=Guards(**guards))
        shuffled = [plan(apart, 64, 8, seed=s).batches for s in range(20)]
        random = sum(hardness((u, v), b, TAU) for b in shuffled) / 20
        assert values == sorted(values, reverse=True)
        assert values[0] > 1.5 * random
        assert values[-1] == pytest.approx(random, rel=0.2)

    def test_overlapping_batches_get_other_pairs(self):
        own = plan(Random(), 30, 6).batches
        made = plan(Adjusted(Random(), random_fraction=0.5), 30, 6).batches
        assert (made != own).sum(1).max() <= 3
        assert (made != own).any()
        assert all(len(set(batch)) == 6 for batch in made.tolist())

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"between 0 and 1, got 1.5"):
            Adjusted(Shuffled(), random_fraction=1.5)
        with pytest.raises(ValueError, match=r"a pair of each batch at least, got 0.05 of 8; raise it to 0.12"):
            Adjusted(Shuffled(), random_fraction=0.05).check(64, 8)


class TestRefresh:
    def test_a_plan_is_the_same_partition_in_another_order(self):
        u, v, _ = clustered(48)
        embed = Rows(u, v)
        made = plan(Adjusted(HARD, refresh=3), 48, 8, embed)
        assert made.batches.shape == (18, 8)
        assert made.kind == "cover"
        assert embed.calls == 1
        parts = made.batches.split(6)
        assert all(as_sets(part) == as_sets(parts[0]) for part in parts)
        assert len({tuple(part[:, 0].tolist()) for part in parts}) == 3

    @pytest.mark.parametrize("refresh", [1, 2, 3])
    def test_each_use_has_its_own_random_part(self, refresh):
        rule = Adjusted(Fixed(), communities=2, random_fraction=0.5, refresh=refresh)
        seen = [as_sets(part) for e in range(2) for part in plan(rule, 48, 8, epoch=e).batches.split(6)]
        assert len(seen) == 2 * refresh
        assert all(a != b for i, a in enumerate(seen) for b in seen[:i])
        assert torch.equal(plan(rule, 48, 8, epoch=1).batches, plan(rule, 48, 8, epoch=1).batches)

    def test_the_rule_is_asked_for_its_plans_one_after_the_other(self):
        """All classes of a design, all pools in turn: none is passed over."""
        rule = Adjusted(Design(), refresh=2)  # 4 classes of 3 batches
        met = {
            frozenset(pair)
            for epoch in range(4)
            for batch in plan(rule, 9, 3, epoch=epoch).batches.tolist()
            for pair in ((batch[0], batch[1]), (batch[0], batch[2]), (batch[1], batch[2]))
        }
        assert len(met) == 36
        u, v, _ = clustered(24)
        pools = Adjusted(Partitioned(Bisection(), batches_per_pool=3, replan="pool"), refresh=2)
        seen = torch.cat([plan(pools, 24, 4, Rows(u, v), epoch=e).batches for e in (0, 1)])
        assert (seen.flatten().bincount() == 2).all()

    def test_a_curriculum_goes_by_epochs_all_the_same(self):
        u, v, _ = clustered(32)
        rule = Adjusted(Curriculum(HARD, doublings=(4, 8)), refresh=4)
        sizes = [plan(rule, 32, 8, Rows(u, v), epoch=e).info["cluster_size"] for e in range(3)]
        assert sizes == [1, 2, 4]

    def test_refusal(self):
        with pytest.raises(ValueError, match=r"refresh must be at least 1, got 0"):
            Adjusted(Shuffled(), refresh=0)


METHODS_GUARDED = ["shuffled", "random", "balanced", "graph", "osgd", "walk", "clusters", "cluster-draws", "spread"]


def made_with(name, guards, **more):
    few = {"candidates": 60} if name == "walk" else {"candidates": 12, "keep": 8} if name == "osgd" else {}
    loss = make_loss("clip", temperature=TAU)
    return make_selection(name, loss=loss, temperature=TAU, guards=guards, **few, **more)


@pytest.mark.parametrize("name", METHODS_GUARDED)
class TestGuards:
    @pytest.mark.parametrize("key", ["labels", "ids"])
    def test_labels_are_kept_apart_even_where_only_one_way_is_left(self, name, key):
        """8 labels of 8 pairs each in 8 batches of 8: every batch holds every label."""
        u, v, label = clustered(64)
        rule = made_with(name, Guards(**{key: label}))
        for seed in range(3):
            found = plan(rule, 64, 8, Rows(u, v), seed=seed)
            assert found.info["conflicts"] == 0
            assert conflicts(found.batches, label) == 0
            assert all(len(set(batch)) == 8 for batch in found.batches.tolist())
            if rule.disjoint:
                assert len(found.batches.unique()) == 64

    def test_similar_pairs_are_kept_apart(self, name):
        u, v, _ = clustered(64, n_labels=32)
        batches = plan(made_with(name, Guards(max_similarity=0.9)), 64, 4, Rows(u, v)).batches
        for batch in batches:
            cross = u[batch] @ v[batch].T
            own = cross.diagonal()
            near = torch.maximum(cross, cross.T) > (own - 0.1 * own.abs())[:, None]
            assert not near.fill_diagonal_(False).any()

    def test_the_nearest_are_skipped(self, name):
        u, v, _ = clustered(64, n_labels=32)
        batches = plan(made_with(name, Guards(skip_nearest=2)), 64, 4, Rows(u, v)).batches
        x = normalize(u + v, dim=-1)
        nearest = (x @ x.T).fill_diagonal_(-2).topk(2).indices
        for batch in batches:
            assert not torch.isin(nearest[batch], batch).any()


class TestMoreOnGuards:
    def test_hardness_is_kept_where_labels_are_apart(self):
        u, v, label = clustered(128, n_labels=16)
        values = {}
        for name in ("shuffled", "balanced", "graph", "spread"):
            batches = plan(made_with(name, Guards(labels=label)), 128, 8, Rows(u, v)).batches
            assert conflicts(batches, label) == 0
            values[name] = hardness((u, v), batches, TAU)
        assert values["balanced"] > 1.5 * values["shuffled"]
        assert values["graph"] > 1.5 * values["shuffled"]
        assert values["spread"] < values["shuffled"]

    def test_random_rules_embed_nothing_for_labels(self):
        label = torch.arange(24) % 6
        for name in ("shuffled", "random", "fixed", "design"):
            assert plan(made_with(name, Guards(labels=label)), 24, 4).info["conflicts"] == 0

    @pytest.mark.parametrize("name", ["shuffled", "balanced"])
    def test_who_is_left_out_may_depend_on_the_label(self, name):
        """One label has 7 of 27 pairs, there are 5 batches, and 2 pairs are left out: they must be two of it."""
        label = torch.cat([torch.zeros(7, dtype=torch.long), torch.arange(1, 21)])
        u, v, _ = clustered(27)
        for seed in range(5):
            found = plan(made_with(name, Guards(labels=label)), 27, 5, Rows(u, v), seed=seed)
            assert conflicts(found.batches, label) == 0
            assert sorted(found.batches.flatten().tolist() + found.remainder.tolist()) == list(range(27))
            assert label[found.remainder].tolist() == [0, 0]

    def test_impossible_labels_are_refused_before_any_work(self):
        label = torch.tensor([0] * 5 + list(range(1, 8)))
        rule = made_with("balanced", Guards(labels=label))
        with pytest.raises(ValueError, match=r"commonest 5 times, which fill 11; lower batch_size to 2 or less"):
            rule.check(12, 3)
        rule.check(12, 2)
        with pytest.raises(ValueError, match=r"one for each of the 13 pairs, got 12"):
            rule.check(13, 3)
        # 3 pairs may be left out of 7, but there are not 4 labels for the batch.
        with pytest.raises(ValueError, match=r"the 4 places of 1 batches .* got 2 different ones"):
            made_with("shuffled", Guards(ids=torch.tensor([0, 0, 0, 0, 1, 1, 1]))).check(7, 4)
        # Batches that may overlap need no more than a label for each place.
        made_with("random", Guards(labels=label)).check(12, 3)
        with pytest.raises(ValueError, match=r"got 2 different ones"):
            made_with("random", Guards(labels=label % 2)).check(12, 3)

    def test_what_cannot_be_fulfilled_is_counted_and_warned_of(self):
        u, v, label = clustered(24, n_labels=4)
        same = torch.arange(24) % 12 // 6
        guards = Guards(labels=label, ids=same)  # two ids would do for batches of 2, both for none of 4
        with pytest.raises(ValueError, match="ids can be kept apart"):
            plan(made_with("balanced", guards), 24, 4, Rows(u, v))
        for name in ("balanced", "random"):
            with pytest.warns(UserWarning, match=r"\d+ pairs that must not meet share a batch after all"):
                found = plan(made_with(name, Guards(skip_nearest=12)), 24, 4, Rows(u, v))
            assert found.info["conflicts"] > 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plan(made_with("balanced", Guards(skip_nearest=1)), 24, 4, Rows(u, v))

    def test_two_labels_at_once(self):
        u, v, label = clustered(96, n_labels=24)
        other = torch.arange(96) // 4
        found = plan(made_with("balanced", Guards(labels=label, ids=other)), 96, 6, Rows(u, v))
        assert conflicts(found.batches, label) == conflicts(found.batches, other) == 0

    @pytest.mark.parametrize("name", ["shuffled", "osgd", "balanced"])
    def test_a_teacher_says_who_is_similar(self, name):
        """By current embeddings pair i is like i + 1, by the teacher's like i + 12; the rule keeps to its own."""
        u, v, _ = clustered(12)
        twins = Rows(torch.cat([u, u]), torch.cat([v, v]))
        now = Rows(u.repeat_interleave(2, 0), v.repeat_interleave(2, 0))
        rule = made_with(name, Guards(max_similarity=1.0, skip_nearest=1), teacher=twins)
        batches = plan(rule, 24, 4, now).batches
        assert conflicts(batches, torch.arange(24) % 12) == 0
        assert twins.calls >= 1
        assert bool(now.calls) == rule.uses_embeddings == (name == "osgd")

    def test_one_teacher_serves_all_replicates(self):
        teacher, seeds = Rows(*clustered(24)[:2]), torch.tensor([5, 8])
        rule = Adjusted(Shuffled(), guards=Guards(skip_nearest=2), swaps=Swaps(TAU), features=teacher)
        together = rule.plan(24, 4, seed=seeds, epoch=0, embed=never).batches
        for r in range(2):
            alone = rule.plan(24, 4, seed=seeds[r : r + 1], epoch=0, embed=never).batches
            assert torch.equal(together[r], alone[0])

    def test_embeddings_that_say_nothing_are_refused(self):
        u, v, _ = clustered(24)
        u[7] = torch.nan
        for name in ("shuffled", "random", "balanced"):
            with pytest.raises(ValueError, match=r"unit rows, got 1 that are not: u\[7\] has length nan"):
                plan(made_with(name, Guards(max_similarity=0.9)), 24, 4, Rows(u, v))

    def test_settings_out_of_range(self):
        with pytest.raises(ValueError, match=r"\(0, 1\], got 0.0; 0.95 is usual"):
            Guards(max_similarity=0.0)
        with pytest.raises(ValueError, match=r"skip_nearest must be at least 0, got -1"):
            Guards(skip_nearest=-1)
        assert not Guards().active
        assert METHODS["balanced"].towards == "hard"


@given(k=st.integers(2, 6), size=st.integers(2, 6), spare=st.integers(0, 4), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_possible_labels_always_end_apart(k, size, spare, seed):
    """From any batches, for any counts of labels that fit."""
    generator = torch.Generator().manual_seed(seed)
    n = k * size + spare
    label = torch.randint(size + 2, (n,), generator=generator)
    counts = label.bincount().clamp(max=k)
    order = torch.randperm(n, generator=generator)
    batches, left = order[: k * size].reshape(k, size), order[k * size :]
    if counts.sum() < k * size:
        with pytest.raises(ValueError, match="labels can be kept apart if"):
            Guards(labels=label).check(n, size, n_batches=k)
        return
    Guards(labels=label).check(n, size, n_batches=k)
    batches, left = with_room(batches, left, k, label)
    assert label[batches].flatten().bincount().max() <= k
    relation = Guards(labels=label).relation(n, None)
    exchanged = kept_apart(batches, relation, swaps=None, embeddings=None, seed=0, epoch=0)
    for found in (parted(batches, label), exchanged):
        assert conflicts(found, label) == 0
        assert sorted(found.flatten().tolist() + left.tolist()) == list(range(n))


def test_replicates_without_conflicts_are_left_alone():
    """Beside one that needs several turns."""
    label = torch.arange(64) % 8
    apart = torch.arange(64).reshape(8, 8)
    together = apart.T.contiguous()
    relation = Guards(labels=label).relation(64, None)
    found = kept_apart(
        torch.stack([apart, together]), relation, swaps=None, embeddings=None, seed=torch.tensor([1, 2]), epoch=0
    )
    assert torch.equal(found[0], apart)
    assert conflicts(found[1], label) == 0


def test_a_place_that_nobody_fits_keeps_its_row():
    batches = torch.tensor([[0, 1, 2]])
    places = torch.tensor([[False, True, False]])
    assert torch.equal(replaced(batches, places, 3, None, seed=0, epoch=0), batches)
    assert replaced(batches, places, 4, None, seed=0, epoch=0).tolist() == [[0, 3, 2]]
