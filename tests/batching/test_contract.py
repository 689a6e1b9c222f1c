"""What every selection rule promises, for any sizes, seeds and number of replicates."""

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from batching import ALIASES, METHODS, SELECTIONS, Combinations, Guards, canonical_name, hardness, make_selection
from losses import make_loss

VARIANTS = [
    *[(name, {}) for name in SELECTIONS if name not in ("pooled-design", "rho")],
    ("osgd", {"candidates": 5, "keep": 2}),
    ("osgd", {"candidates": 2, "keep": 1}),
    ("spectral", {"batches_per_pool": 2}),
    ("spectral", {"batches_per_pool": 2, "replan": "pool"}),
    ("pooled-design", {"batches_per_pool": 2}),
    ("balanced", {"batches_per_pool": 2}),
    ("graph", {"neighbours": 3, "window_start": 1}),
    ("walk", {"walk_candidates": 4}),
    ("rho", {"reference": "given", "pool_factor": 2.0}),
    ("jest", {"reference": "given", "pool_factor": 2.0}),
    ("effective-rank", {"pool_factor": 1.5}),
    ("balanced", {"teacher": "given"}),
    ("clusters", {"teacher": "given"}),
    ("shuffled", {"random_fraction": 0.5, "refresh": 2}),
    ("osgd", {"candidates": 5, "keep": 3, "random_fraction": 0.5}),
    ("balanced", {"random_fraction": 0.5, "refresh": 3}),
    ("balanced", {"guards": Guards(max_similarity=0.999)}),
    ("random", {"guards": Guards(max_similarity=0.999)}),
    ("spread", {"guards": Guards(skip_nearest=1)}),
]
every_rule = pytest.mark.parametrize(
    ("name", "settings_"),
    VARIANTS,
    ids=[" ".join([n, *(f"{k}={getattr(v, 'max_similarity', v)}" for k, v in s.items())]) for n, s in VARIANTS],
)


def another_models(n):
    """An `Embed` of embeddings that do not change, the same for all replicates."""
    u, v = views(n, 5, generator=torch.Generator().manual_seed(5))
    return lambda index: (u, v) if index is None else (u[index], v[index])


def make(name, settings_, temperature=0.5, n=12):
    loss = make_loss("clip_sum", temperature=temperature)
    settings_ = {key: another_models(n) if value == "given" else value for key, value in settings_.items()}
    if METHODS[canonical_name(name)].scope == "step":
        settings_ = {"pool_factor": 1.5} | settings_
    return make_selection(name, loss=loss, temperature=temperature, **settings_)


def views(*shape, generator):
    """Unit rows, and the same with some noise."""
    u = torch.nn.functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)
    noise = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return u, torch.nn.functional.normalize(u + 0.3 * noise, dim=-1)


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
@drawn(data=st.data())
@settings(max_examples=15, deadline=None)
@pytest.mark.filterwarnings("ignore:.*pairs that must not meet", "ignore:the engine failed")  # tiny graphs
def test_batches_are_valid(name, settings_, data):
    size = 2 if name == "matching" else data.draw(st.integers(2, 4), label="batch_size")
    n = size * data.draw(st.integers(2, 4), label="batches")
    if name != "fixed":
        n += data.draw(st.integers(0, size - 1), label="leftover")
    rule = make(name, settings_, n=n)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000), label="embeddings"))
    embed = Embeddings(*views(n, 5, generator=generator))
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
    if plan.kind != "subset" and plan.reduction == "step":  # whole epochs, one or several
        assert plan.n_batches % rule.updates_per_epoch(n, size) == 0
    left = plan.remainder.tolist()
    if plan.kind == "partition":
        assert sorted(batches.flatten().tolist() + left) == list(range(n))
    if plan.kind == "cover":
        assert set(batches.flatten().tolist()) == set(range(n)) - set(left)
    if rule.disjoint:
        assert len(batches.unique()) == batches.numel()
    assert bool(embed.calls) <= rule.uses_embeddings
    if name != "curriculum":  # which begins with random batches
        assert bool(embed.calls) == rule.uses_embeddings


@every_rule
@pytest.mark.filterwarnings("ignore:.*pairs that must not meet")
def test_a_plan_is_a_function_of_seed_epoch_and_embeddings(name, settings_):
    embed = Embeddings(*views(12, 5, generator=torch.Generator().manual_seed(0)))
    rule = make(name, settings_)
    plan = lambda seed, epoch: listed(rule.plan(12, 2, seed=seed, epoch=epoch, embed=embed)).tolist()  # noqa: E731
    assert plan(1, 4) == plan(1, 4)
    if name in ("shuffled", "random", "design", "pooled-design", "walk", "balanced", "jest"):
        assert plan(1, 4) != plan(1, 5)
        assert plan(1, 4) != plan(2, 4)
    if name == "fixed":
        assert plan(1, 4) == plan(1, 5)
        assert plan(1, 4) != plan(2, 4)


@every_rule
@pytest.mark.filterwarnings("ignore:.*pairs that must not meet")
def test_each_replicate_is_planned_as_it_would_be_alone(name, settings_):
    size = 2 if name == "matching" else 3
    u, v = views(4, 12, 5, generator=torch.Generator().manual_seed(0))
    seeds = torch.tensor([7, 3, 11, 5])
    rule = make(name, settings_)
    together = rule.plan(12, size, seed=seeds, epoch=2, embed=Embeddings(u, v))
    for r, seed in enumerate(seeds):
        one = slice(r, r + 1)
        alone = rule.plan(12, size, seed=seeds[one], epoch=2, embed=Embeddings(u[one], v[one]))
        if isinstance(together.batches, Combinations):
            assert together.batches == alone.batches
        else:
            assert torch.equal(together.batches[r], alone.batches[0]), f"seed {seed}"
            single = rule.plan(12, size, seed=int(seed), epoch=2, embed=Embeddings(u[r], v[r]))
            assert torch.equal(together.batches[r], single.batches), f"seed {seed}, not as a tensor"


HARD = [name for name, method in METHODS.items() if method.towards == "hard" and name not in ("matching", "osgd")]


@pytest.mark.parametrize("name", HARD)
def test_embeddings_may_come_in_any_order(name):
    """Hardness hardly depends on the numbers that pairs have; plans of rules without random parts follow them."""
    generator = torch.Generator().manual_seed(3)
    centre = torch.randn(12, 8, generator=generator, dtype=torch.float64)
    x = centre[torch.randint(12, (96,), generator=generator)]
    u, v = torch.nn.functional.normalize(
        x + 0.5 * torch.randn(2, 96, 8, generator=generator, dtype=torch.float64), dim=-1
    )
    order = torch.randperm(96, generator=generator)
    few = {"walk_candidates": 60} if name == "walk" else {}
    values = []
    for a, b in ((u, v), (u[order], v[order])):
        plans = [make(name, few, 0.1).plan(96, 8, seed=s, epoch=30, embed=Embeddings(a, b)) for s in range(6)]
        values.append(sum(hardness((a, b), plan.batches, 0.1) for plan in plans) / 6)
    random = make("shuffled", {}).plan(96, 8, seed=0, epoch=0, embed=Embeddings(u, v))
    assert values[0] == pytest.approx(values[1], rel=0.15)
    assert min(values) > 1.2 * hardness((u, v), random.batches, 0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.towards != "neither"])
def test_a_gpu_finds_batches_as_hard(name):
    """Not the same ones: sums are rounded differently, and some engines have a way of their own there."""
    size = 2 if name == "matching" else 16
    generator = torch.Generator().manual_seed(3)
    centre = torch.randn(40, 32, generator=generator)
    x = centre[torch.randint(40, (640,), generator=generator)]
    u, v = torch.nn.functional.normalize(x + 0.5 * torch.randn(2, 640, 32, generator=generator), dim=-1)
    rule = make(name, {"candidates": 300, "walk_candidates": 300}, 0.1)
    values = []
    for device in ("cpu", "cuda"):
        embed = Embeddings(u.to(device), v.to(device))
        plans = [rule.plan(640, size, seed=s, epoch=30, embed=embed) for s in range(4)]
        for plan in plans:
            assert all(len(set(batch)) == size for batch in plan.batches.tolist())
        values.append(sum(hardness((u, v), plan.batches.cpu(), 0.1) for plan in plans) / 4)
    assert values[1] == pytest.approx(values[0], rel=0.03)


@every_rule
def test_updates_per_epoch(name, settings_):
    rule = make(name, settings_)
    size = 2 if name == "matching" else 3
    updates = rule.updates_per_epoch(12, size)
    assert updates == (1 if name in ("full", "all") else 12 // size)


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


def test_settings_that_would_do_nothing_are_refused():
    with pytest.raises(ValueError, match=r"shuffled has no use for a teacher; .* or choose one of spectral"):
        make("shuffled", {"teacher": "given"})
    with pytest.raises(ValueError, match=r"osgd has no use for a reference; .* rho, jest"):
        make("osgd", {"reference": "given"})
    with pytest.raises(ValueError, match=r"jest picks every batch .* got refresh 2"):
        make("jest", {"refresh": 2})
    with pytest.raises(ValueError, match=r"'full' has nothing to adjust"):
        make("full", {"random_fraction": 0.5})
    make("shuffled", {"teacher": "given", "guards": Guards(max_similarity=0.9)})  # similar by the teacher


def test_names_and_aliases():
    assert [canonical_name(alias) for alias in ("f", "s", "full", "NcB", "osgd_NcB", "sc_even")] == [
        *("fixed", "shuffled", "full", "all", "osgd", "spectral")
    ]
    assert set(ALIASES.values()) <= set(SELECTIONS)
    assert not ALIASES.keys() & METHODS.keys()
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
