"""What plans are said to be like, against loops and sets; and what may and may not be embedded for it."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from batching import (
    METHODS,
    Guards,
    Plan,
    Remembered,
    coverage,
    hardness,
    make_selection,
    planned,
    purity,
)
from batching import report as module
from losses import clip, make_loss


def pairs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    u, noise = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return normalize(u, dim=-1), normalize(u + 0.5 * noise, dim=-1)


class Rows:
    """An `Embed` that keeps what it was asked for."""

    def __init__(self, u, v):
        self.u, self.v, self.asked = u, v, []

    def __call__(self, index):
        self.asked.append(None if index is None else index.tolist())
        return (self.u, self.v) if index is None else (self.u[index], self.v[index])


def make(name, n=24, **settings_):
    reference = Rows(*pairs(n, 5, seed=9))
    few = {
        "walk": {"candidates": 8},
        "pooled-design": {"batches_per_pool": 2},
        "osgd": {"candidates": 5, "keep": 3},
        "rho": {"reference": reference, "pool_factor": 2.0},
        "jest": {"pool_factor": 2.0},
    }
    return make_selection(
        name, loss=make_loss("clip", temperature=0.2), temperature=0.2, **few.get(name, {}), **settings_
    )


def report(name, embed, batch_size=4, labels=None, **settings_):
    n = len(embed.u)
    rule = make(name, n, **settings_)
    rule.check(n, batch_size)
    return planned(rule, n, batch_size, seed=1, epoch=30, embed=embed, temperature=0.2, labels=labels)


def by_loops(batches, labels):
    same = [labels[i] == labels[j] for batch in batches.tolist() for i, j in combinations(batch, 2)]
    return sum(same) / len(same)


def by_sets(batches, n):
    met = {pair for batch in batches.tolist() for pair in combinations(sorted(batch), 2)}
    return len(met) / (n * (n - 1) / 2)


CASES = [
    ("balanced", {}),
    ("osgd", {}),
    ("walk", {}),
    ("jest", {}),
    ("balanced", {"refresh": 2, "random_fraction": 0.5}),
    ("pooled-design", {}),
]


@pytest.mark.parametrize(("name", "settings_"), CASES)
def test_a_plan_is_described_as_loops_and_sets_say(name, settings_):
    u, v = pairs(26, 5)
    labels = torch.arange(26) % 5
    made = report(name, Rows(u, v), labels=labels, **settings_)
    one_by_one = [clip(u[batch], v[batch], temperature=0.2).item() for batch in made.batches]
    assert made.info["hardness"] == pytest.approx(sum(one_by_one) / len(one_by_one))
    assert made.info["purity"] == pytest.approx(by_loops(made.batches, labels.tolist()))
    assert made.info["coverage"] == pytest.approx(by_sets(made.batches, 26))
    assert made.info["seconds"] > 0
    assert made.info["hardness_before"] > 0


def test_what_is_planned_is_what_the_rule_plans():
    u, v = pairs(24, 5)
    made = report("balanced", Rows(u, v))
    own = make("balanced").plan(24, 4, seed=1, epoch=30, embed=Rows(u, v))
    assert torch.equal(made.batches, own.batches)
    assert made.info.items() >= own.info.items()
    assert "purity" not in made.info
    assert isinstance(made, Plan)


def test_hard_is_harder_than_before_and_easy_easier():
    u, v = pairs(48, 4)
    for name, sign in (("balanced", 1), ("graph", 1), ("spread", -1)):
        info = report(name, Rows(u, v)).info
        assert sign * (info["hardness"] - info["hardness_before"]) > 0


@pytest.mark.parametrize("refresh", [1, 4])
def test_hardness_before_is_that_of_a_shuffle(refresh):
    """Rows that a plan has several times do not meet themselves in it."""
    u, v = pairs(24, 5)
    embed = Rows(u, v)
    before = report("balanced", embed, batch_size=12, refresh=refresh).info["hardness_before"]
    shuffles = [make("shuffled").plan(24, 12, seed=s, epoch=0, embed=embed).batches for s in range(20)]
    values = [hardness((u, v), batches, 0.2) for batches in shuffles]
    assert 0.9 * min(values) <= before <= 1.1 * max(values)


def test_numbers_are_means_over_replicates():
    (u, v), labels = pairs(2, 24, 5), torch.arange(24) % 4
    seeds, rule = torch.tensor([3, 4]), make("balanced")
    embed = lambda index: tuple(x.gather(1, index[..., None].expand(-1, -1, 5)) for x in (u, v))  # noqa: E731
    made = planned(rule, 24, 4, seed=seeds, epoch=0, embed=embed, temperature=0.2, labels=labels)
    alone = [hardness((u[r], v[r]), made.batches[r], 0.2) for r in range(2)]
    assert made.info["hardness"] == pytest.approx(sum(alone) / 2)
    assert made.info["purity"] == pytest.approx(sum(by_loops(b, labels.tolist()) for b in made.batches) / 2)
    assert made.info["coverage"] == pytest.approx(6 * 6 / (24 * 23 / 2))


@given(k=st.integers(1, 6), size=st.integers(1, 6), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_purity_and_coverage_of_any_batches(k, size, seed):
    generator = torch.Generator().manual_seed(seed)
    batches = torch.stack([torch.randperm(8, generator=generator)[:size] for _ in range(k)])
    labels = torch.randint(3, (8,), generator=generator)
    assert coverage(batches, 8) == pytest.approx(by_sets(batches, 8))
    assert purity(batches, labels) == pytest.approx(by_loops(batches, labels.tolist()) if size > 1 else 0.0)


def test_large_batches_and_many_are_measured_in_parts(monkeypatch):
    u, v = pairs(24, 5)
    batches = torch.arange(24).reshape(3, 8)
    whole = hardness((u, v), batches, 0.2), coverage(batches.repeat(2, 1), 24)
    monkeypatch.setattr(module, "_ENTRIES_AT_ONCE", 64)
    monkeypatch.setattr(module, "_LARGE", 4)
    monkeypatch.setattr(module, "_CHUNK", 3)
    assert (hardness((u, v), batches, 0.2), coverage(batches.repeat(2, 1), 24)) == pytest.approx(whole)


def test_one_pair_meets_nobody():
    assert coverage(torch.tensor([[0]]), 1) == 0.0
    assert purity(torch.tensor([[0], [1]]), torch.tensor([0, 0])) == 0.0


@pytest.mark.parametrize("name", [name for name in METHODS if not make(name).uses_embeddings])
def test_nothing_is_embedded_for_rules_that_ask_for_nothing(name):
    embed = Rows(*pairs(24, 5))
    info = report(name, embed).info
    assert embed.asked == []
    assert "hardness" not in info
    assert 0 < info["coverage"] <= 1


@pytest.mark.parametrize("name", ["balanced", "osgd", "walk", "clusters", "jest"])
@pytest.mark.parametrize("guards", [Guards(), Guards(skip_nearest=1)], ids=["free", "guarded"])
def test_no_pair_is_embedded_twice(name, guards):
    embed = Rows(*pairs(26, 5))
    report(name, embed, guards=guards, **({"batches_per_pool": 3} if name == "balanced" else {}))
    asked = [i for index in embed.asked for i in (range(26) if index is None else index)]
    assert len(asked) == len(set(asked))
    if name == "jest" and not guards.active:
        assert len(asked) == 8  # its pool


class TestRemembered:
    def test_it_asks_for_what_is_missing_and_for_nothing_twice(self):
        u, v = pairs(10, 3)
        embed = Rows(u, v)
        memory = Remembered(embed, 10)
        assert not memory.used
        assert torch.equal(memory(torch.tensor([4, 2])).u, u[[4, 2]])
        assert torch.equal(memory(torch.tensor([2, 4, 2])).v, v[[2, 4, 2]])
        assert embed.asked == [[4, 2]]
        held = memory.holding(torch.tensor([[2, 7], [4, 1]]))
        assert torch.equal(held.u[[2, 7, 4, 1]], u[[2, 7, 4, 1]])
        assert embed.asked == [[4, 2], [1, 7]]
        assert torch.equal(memory.all().v, v)
        assert embed.asked[2:] == [[0, 3, 5, 6, 8, 9]]
        assert torch.equal(memory(None).u, u)
        assert len(embed.asked) == 3
        assert memory.used

    def test_all_at_first(self):
        embed = Rows(*pairs(10, 3))
        memory = Remembered(embed, 10)
        memory.all()
        memory(torch.tensor([3]))
        memory.holding(torch.tensor([[5, 6]]))
        assert embed.asked == [None]


BAD = {"nan": torch.nan, "zero": 0.0, "double": 2.0}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", [name for name in METHODS if make(name).uses_embeddings])
def test_rows_that_are_no_unit_rows_are_refused_by_name(name, bad):
    """Whichever pair it is, in u or in v, in the numbers of the pairs; where rules embed some, if it is one."""
    size = 2 if name == "matching" else 4
    u, v = pairs(24, 5)
    v[13] = v[13] * BAD[bad]
    rule = make(name)
    for epoch in range(30, 33):
        embed = Rows(u, v)
        try:
            rule.plan(24, size, seed=0, epoch=epoch, embed=embed)
        except ValueError as error:
            assert "embeddings must be unit rows, got 1 that are not: v[13] has length" in str(error)  # noqa: PT017
            return
        assert all(index is not None and 13 not in index for index in embed.asked)
    raise AssertionError(f"{name} planned with a row of {bad}")
