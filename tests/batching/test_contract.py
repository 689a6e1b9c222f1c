"""What every selection rule promises, for any sizes, seeds and number of replicates."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batching import ALIASES, SELECTIONS, Combinations, canonical_name, make_selection
from losses import make_loss

VARIANTS = [
    *[(name, {}) for name in SELECTIONS],
    ("osgd", {"candidates": 5, "keep": 2}),
    ("osgd", {"candidates": 2, "keep": 1}),
    ("spectral", {"batches_per_pool": 2}),
    ("spectral", {"batches_per_pool": 2, "replan": "pool"}),
]
every_rule = pytest.mark.parametrize(
    ("name", "settings_"), VARIANTS, ids=[" ".join([n, *map(str, s.values())]) for n, s in VARIANTS]
)


def make(name, settings_, temperature=0.5):
    loss = make_loss("clip_sum", temperature=temperature)
    return make_selection(name, loss=loss, temperature=temperature, **settings_)


class Embeddings:
    """An `Embed` that counts how often it is asked."""

    def __init__(self, u, v):
        self.u, self.v, self.calls = u, v, 0

    def __call__(self, index):
        self.calls += 1
        if index is None:
            return self.u, self.v
        if index.dim() == 1:
            return self.u[index], self.v[index]
        rows = index[..., None].expand(*index.shape, self.u.shape[-1])
        return self.u.gather(1, rows), self.v.gather(1, rows)


def listed(plan):
    return plan.batches.rows() if isinstance(plan.batches, Combinations) else plan.batches


@every_rule
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_batches_are_valid(name, settings_, data):
    size = data.draw(st.integers(2, 4), label="batch_size")
    n = size * data.draw(st.integers(2, 4), label="batches")
    if name != "fixed":
        n += data.draw(st.integers(0, size - 1), label="leftover")
    rule = make(name, settings_)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000), label="embeddings"))
    embed = Embeddings(*torch.nn.functional.normalize(torch.randn(2, n, 5, generator=generator), dim=-1))
    if name == "spectral" and not settings_:
        n -= n % size  # one pool of everything; the rest is left out, see below
    rule.check(n, size)
    plan = rule.plan(n, size, seed=data.draw(st.integers(0, 2**40), label="seed"), epoch=3, embed=embed)
    batches = listed(plan)
    assert batches.dtype == torch.int64
    assert batches.shape[-1] == (n if name == "full" else size)
    assert batches.min() >= 0
    assert batches.max() < n
    assert all(len(set(batch)) == len(batch) for batch in batches.tolist())
    assert plan.n_batches == len(batches)
    assert plan.n_updates == (1 if plan.reduction == "mean" else len(batches))
    if plan.kind == "partition":
        seen = sorted(batches.flatten().tolist() + plan.remainder.tolist())
        assert seen == list(range(n))
    if plan.kind == "cover":
        assert set(batches.flatten().tolist()) == set(range(n))
    assert bool(embed.calls) == rule.uses_embeddings


@every_rule
def test_a_plan_is_a_function_of_seed_epoch_and_embeddings(name, settings_, unit_pairs):
    embed = Embeddings(*unit_pairs(12, 5))
    rule = make(name, settings_)
    plan = lambda seed, epoch: listed(rule.plan(12, 2, seed=seed, epoch=epoch, embed=embed)).tolist()  # noqa: E731
    assert plan(1, 4) == plan(1, 4)
    if name == "shuffled":
        assert plan(1, 4) != plan(1, 5)
        assert plan(1, 4) != plan(2, 4)
    if name == "fixed":
        assert plan(1, 4) == plan(1, 5)
        assert plan(1, 4) != plan(2, 4)


@every_rule
def test_each_replicate_is_planned_as_it_would_be_alone(name, settings_, unit_pairs):
    u, v = unit_pairs(4, 12, 5)
    seeds = torch.tensor([7, 3, 11, 5])
    rule = make(name, settings_)
    together = rule.plan(12, 3, seed=seeds, epoch=2, embed=Embeddings(u, v))
    for r, seed in enumerate(seeds):
        one = slice(r, r + 1)
        alone = rule.plan(12, 3, seed=seeds[one], epoch=2, embed=Embeddings(u[one], v[one]))
        if isinstance(together.batches, Combinations):
            assert together.batches == alone.batches
        else:
            assert torch.equal(together.batches[r], alone.batches[0]), f"seed {seed}"


@every_rule
def test_updates_per_epoch(name, settings_):
    rule = make(name, settings_)
    updates = rule.updates_per_epoch(12, 3)
    assert updates == (1 if name in ("full", "all") else 4)


@every_rule
def test_impossible_sizes_are_refused(name, settings_):
    rule = make(name, settings_)
    with pytest.raises(ValueError, match=r"batch_size must lie between 1 and .* got 13"):
        rule.check(12, 13)


def test_specific_refusals():
    with pytest.raises(ValueError, match=r"fixed partition needs a batch_size that divides .* got 5 and 12"):
        make("fixed", {}).check(12, 5)
    with pytest.raises(ValueError, match=r"set candidates to a number of random batches"):
        make("osgd", {}).check(1000, 8)
    with pytest.raises(ValueError, match=r"keep must lie between 1 and candidates = 3, got 4"):
        make("osgd", {"candidates": 3, "keep": 4})
    with pytest.raises(ValueError, match=r"pool of batches_per_pool \* batch_size = 40 pairs .* got 12"):
        make("spectral", {"batches_per_pool": 10}).check(12, 4)
    with pytest.raises(ValueError, match=r"batches of at least 2 pairs, got batch_size 1"):
        make("spectral", {}).check(12, 1)


def test_names_and_aliases():
    assert {canonical_name(alias) for alias in ALIASES} == set(SELECTIONS)
    with pytest.raises(ValueError, match=r"selection must be one of fixed, .* got 'sorted'"):
        canonical_name("sorted")


def test_a_partition_at_once_is_one_step_of_many_updates():
    plan = make("shuffled", {}).plan(12, 3, seed=0, epoch=0, embed=Embeddings(None, None))
    (step,) = plan.steps(at_once=True)
    assert (step.updates, step.scale) == (4, 1.0)
    assert torch.equal(step.batches, plan.batches)
    one_by_one = list(plan.steps())
    assert [s.updates for s in one_by_one] == [1] * 4
    assert torch.equal(torch.cat([s.batches for s in one_by_one]), plan.batches)
    assert len(list(plan.steps(start=3))) == 1


def test_all_is_one_step_with_the_mean():
    plan = make("all", {}).plan(6, 3, seed=0, epoch=0, embed=Embeddings(None, None))
    (step,) = plan.steps(at_once=True)
    assert step.scale == 1 / 20
    assert step.updates == 1
