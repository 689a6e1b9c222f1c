"""Planned batches in a `DataLoader`: epochs, positions, ranks, and going on where one stopped."""

import io
from functools import partial

import planned_rules as rules
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from batching import Report, make_selection
from batching.plan import Plan
from batching.rules.oblivious import All, Fixed, Full, Shuffled
from batching.rules.osgd import OrderedSGD
from batching.sampler import PlannedBatchSampler
from losses import make_loss

N, B, SEED = 23, 4, 7
PER_EPOCH = N // B


def sampler_of(rule, n=N, size=B, **settings):
    return PlannedBatchSampler(rule, n, size, seed=SEED, **settings)


def no_embeddings(_):
    raise AssertionError("not needed")


def planned(rule, number, embed=no_embeddings, n=N, size=B):
    """The batches of a plan, asked for by hand."""
    return rule.plan(n, size, seed=SEED, epoch=number, embed=embed).batches.tolist()


def saved_and_loaded(state):
    """A state after its way through a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file)  # plain types only: torch's default is to load nothing else


def osgd(candidates, keep):
    return OrderedSGD(partial(make_loss("clip", temperature=0.1)), candidates=candidates, keep=keep)


# Epochs


def test_batches_are_those_of_the_plan():
    sampler = sampler_of(Shuffled())
    sampler.set_epoch(3)
    assert list(sampler) == planned(Shuffled(), 3)
    assert all(type(i) is int for batch in sampler for i in batch)
    assert sampler.plan is not None
    assert sampler.plan.kind == "partition"


def test_without_set_epoch_every_iteration_is_a_new_epoch():
    sampler = sampler_of(Shuffled())
    for epoch in range(3):
        assert sampler.epoch == epoch
        assert list(sampler) == planned(Shuffled(), epoch)


def test_set_epoch_wins_over_counting():
    sampler = sampler_of(Shuffled())
    list(sampler)
    for epoch in (0, 5, 5, 2):
        sampler.set_epoch(epoch)
        assert list(sampler) == planned(Shuffled(), epoch)


def test_an_iterator_that_is_given_up_moves_nothing():
    sampler = sampler_of(Shuffled())
    abandoned = iter(sampler)
    for _ in range(2):
        next(abandoned)
    iter(sampler)
    assert (sampler.epoch, sampler.start) == (0, 0)
    assert list(sampler) == planned(Shuffled(), 0)
    assert list(sampler) == planned(Shuffled(), 1)


def test_an_iterator_takes_the_epoch_of_its_first_batch():
    sampler = sampler_of(Shuffled())
    early = iter(sampler)  # some trainers do this before they set the epoch
    sampler.set_epoch(4)
    assert list(early) == planned(Shuffled(), 4)


def test_an_epoch_is_planned_once():
    rule, embed = rules.Ranked(), rules.Moving(N)
    sampler = sampler_of(rule, embed=embed)
    assert embed.calls == 0, "nothing is planned before a batch is asked for"
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        first = list(sampler)
        sampler.set_epoch(epoch)
        assert list(sampler) == first
    assert rule.planned == [0, 1]
    assert embed.calls == 2


def test_the_report_is_that_of_the_plan_in_force():
    sampler = sampler_of(rules.Ranked(), embed=rules.Moving(N))
    assert sampler.plan is None
    for epoch in range(2):
        next(iter(sampler))
        assert sampler.plan.info == {"number": epoch}
        list(sampler)


def test_embeddings_are_asked_for_without_gradients():
    asked = []

    def embed(_):
        asked.append(torch.is_grad_enabled())
        return tuple(rules.unit(N))

    list(sampler_of(rules.Ranked(), embed=embed))
    assert asked == [False]


# Plans that are not one epoch long


@pytest.mark.parametrize(("keep", "per_epoch"), [(1, 5), (2, 3), (3, 2), (5, 1)])
def test_short_plans_are_made_again_within_the_epoch(keep, per_epoch):
    rule, fixed = osgd(5, keep), lambda index: tuple(x if index is None else x[index] for x in rules.unit(N))
    sampler = sampler_of(rule, embed=fixed)
    for epoch in (0, 1):
        numbers = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        expected = [batch for number in numbers for batch in planned(rule, number, fixed)]
        assert list(sampler) == expected[:PER_EPOCH]
        assert len(sampler) == PER_EPOCH


def test_short_plans_are_made_with_the_embeddings_of_their_turn():
    embed = rules.Moving(N)
    sampler = sampler_of(osgd(5, 2), embed=embed)
    made = []
    for _ in sampler:
        made.append(embed.calls)
    assert made == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("extra", [0, 2])
def test_a_plan_may_hold_several_epochs(extra):
    rule = rules.Counted(epochs=3, extra=extra)
    sampler = sampler_of(rule)
    for epoch in range(6):
        assert list(sampler) == planned(Shuffled(), epoch)
        assert len(sampler) == PER_EPOCH
    assert rule.planned == [0, 1]


@pytest.mark.parametrize("start", [1, 4])
def test_numbers_of_plans_do_not_depend_on_where_one_starts(start):
    fixed = lambda index: tuple(x if index is None else x[index] for x in rules.unit(N))  # noqa: E731
    for rule in (osgd(5, 2), rules.Counted(epochs=2), rules.Ranked()):
        one, other = sampler_of(rule, embed=fixed), sampler_of(rule, embed=fixed)
        epochs = [list(one) for _ in range(start + 1)]
        other.set_epoch(start)
        assert list(other) == epochs[-1]


def test_a_plan_of_another_length_is_refused():
    class Uneven(Shuffled):
        def plan(self, *sizes, epoch, **settings):
            plan = super().plan(*sizes, epoch=epoch, **settings)
            return Plan(plan.batches[epoch:], plan.remainder, "subset")

    sampler = sampler_of(Uneven())
    list(sampler)
    with pytest.raises(ValueError, match="equally many batches, got 4 after 5"):
        list(sampler)


def test_full_is_one_batch_of_everything():
    sampler = sampler_of(Full())
    assert (len(sampler), sampler.batch_size, list(sampler)) == (1, N, [list(range(N))])


# Ranks


@given(
    n=st.integers(2, 60),
    ranks=st.integers(1, 4),
    part=st.integers(1, 3),
    layout=st.sampled_from(["own", "split", "all"]),
)
def test_length_is_exact_and_equal_and_ranks_share_what_is_planned(n, ranks, part, layout):
    size = part * ranks if layout == "split" else part
    per_epoch = n // size if size <= n else 0
    if per_epoch // (ranks if layout == "own" else 1) == 0:
        with pytest.raises(ValueError, match=r"batch_size|batch of its own"):
            sampler_of(Shuffled(), n, size, layout=layout, world_size=ranks)
        return
    samplers = [sampler_of(Shuffled(), n, size, layout=layout, rank=r, world_size=ranks) for r in range(ranks)]
    got = [list(sampler) for sampler in samplers]
    plan = planned(Shuffled(), 0, n=n, size=size)
    assert {len(batches) for batches in got} == {len(sampler) for sampler in samplers} == {len(samplers[0])}
    assert all(len(b) == s.batch_size for s, batches in zip(samplers, got, strict=True) for b in batches)
    together = list(zip(*got, strict=True))
    if layout == "all":
        assert got == [plan] * ranks
    elif layout == "own":
        assert [batch for step in together for batch in step] == plan[: per_epoch // ranks * ranks]
    else:
        assert [[i for part in step for i in part] for step in together] == plan


def test_ranks_that_need_embeddings_need_each_other():
    sampler = sampler_of(rules.Ranked(), embed=rules.Moving(N), rank=1, world_size=2)
    with pytest.raises(ValueError, match="init_process_group before the first batch"):
        next(iter(sampler))
    assert len(list(sampler_of(Shuffled(), rank=1, world_size=2))) == 2


# Going on


@pytest.mark.parametrize(
    ("rule", "ranks"),
    [(Shuffled(), 2), (rules.Ranked(), 1), (osgd(5, 2), 1), (rules.Counted(epochs=2), 2)],
    ids=["shuffled, two ranks", "ranked", "osgd", "two epochs at once, two ranks"],
)
@pytest.mark.parametrize("position", [1, 2])
def test_a_resumed_sampler_goes_on_with_the_plan_in_force(rule, ranks, position):
    embed, again = rules.Moving(N), rules.Moving(N)
    sampler, resumed = (sampler_of(rule, embed=e, world_size=ranks) for e in (embed, again))
    list(sampler)
    running = iter(sampler)
    for _ in range(position):
        next(running)
    state = saved_and_loaded(sampler.state_dict())
    again.calls = embed.calls  # what later plans see is what they would have seen
    rest = list(running)

    assert (state["epoch"], state["position"]) == (1, position)
    resumed.load_state_dict(state)
    resumed.set_epoch(1)  # a trainer may well name the epoch
    assert list(resumed) == rest
    assert len(resumed) == position + len(rest), "the length is that of an epoch"
    assert list(resumed) == list(sampler)


def test_a_resumed_sampler_does_not_plan_again():
    rule = rules.Ranked()
    sampler, resumed = (sampler_of(rule, embed=rules.Moving(N)) for _ in range(2))
    batches = list(sampler)
    resumed.load_state_dict(saved_and_loaded(sampler.state_dict(epoch=0, position=0)))
    assert list(resumed) == batches
    assert rule.planned == [0]


def test_a_resumed_epoch_is_whole_the_next_time():
    sampler = sampler_of(Shuffled())
    sampler.load_state_dict(sampler.state_dict(epoch=2, position=3))
    assert sampler.start == 3
    assert list(sampler) == planned(Shuffled(), 2)[3:]
    assert list(sampler) == planned(Shuffled(), 3)
    sampler.load_state_dict(sampler.state_dict(epoch=2, position=3))
    sampler.set_epoch(4)
    assert list(sampler) == planned(Shuffled(), 4)


def test_nothing_is_left_of_an_epoch_that_was_trained_on():
    sampler = sampler_of(Shuffled())
    sampler.load_state_dict(sampler.state_dict(epoch=1, position=PER_EPOCH))
    assert list(sampler) == []
    assert list(sampler) == planned(Shuffled(), 2)


def test_with_workers_the_trainer_tells_what_it_has_trained_on():
    rule = rules.Ranked()
    sampler = sampler_of(rule, embed=rules.Moving(N))
    loader = DataLoader(torch.arange(N), batch_sampler=sampler, num_workers=1, prefetch_factor=2)
    batches = iter(loader)
    trained = [next(batches).tolist() for _ in range(2)]
    assert sampler.state_dict()["position"] > 2
    state = saved_and_loaded(sampler.state_dict(epoch=0, position=2))
    rest = [batch.tolist() for batch in batches]
    resumed = sampler_of(rule, embed=rules.Moving(N))
    resumed.load_state_dict(state)
    assert list(resumed) == rest
    assert len(trained + rest) == len(loader)
    assert rule.planned == [0]


def test_a_position_whose_plan_has_gone_is_refused():
    sampler = sampler_of(rules.Ranked(), embed=rules.Moving(N))
    for _ in range(2):
        list(sampler)
    assert sampler.state_dict(epoch=1, position=PER_EPOCH)["epoch"] == 1
    with pytest.raises(ValueError, match="plan of batch 1 of epoch 0 is not there"):
        sampler.state_dict(epoch=0, position=2)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 8},
        {"n_pairs": N + 1},
        {"batch_size": 5},
        {"layout": "all"},
        {"rank": 1, "world_size": 2},
        {"selection": rules.Counted()},
    ],
    ids=lambda other: next(reversed(other)),
)
def test_a_state_of_other_settings_is_refused(other):
    own = {"selection": Shuffled(), "n_pairs": N, "batch_size": B, "seed": SEED}
    state = PlannedBatchSampler(**own).state_dict()
    with pytest.raises(ValueError, match=rf"with the settings that it was saved with.*{next(reversed(other))}"):
        PlannedBatchSampler(**own | other).load_state_dict(state)


# What trainers look for, and refusals


def test_trainers_find_what_they_look_for():
    sampler = sampler_of(Shuffled())
    assert sampler.sampler is sampler
    assert sampler.drop_last is True
    assert sampler.batch_size == B
    assert sampler_of(Shuffled(), layout="split", world_size=2).batch_size == B // 2
    assert len(DataLoader(range(N), batch_sampler=sampler)) == PER_EPOCH


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": N + 1}, "batch_size must lie between 1 and the number of pairs"),
        ({"rule": Fixed()}, "a fixed partition needs"),
        ({"rule": All()}, "one batch to an update, got All"),
        ({"rule": rules.Ranked()}, "Ranked plans from embeddings, got embed=None"),
        ({"rank": 2, "world_size": 2}, "rank must lie between 0 and world_size - 1"),
        ({"layout": "split", "world_size": 3}, "3 ranks cannot split batches of 4"),
        ({"rule": Full(), "layout": "split", "world_size": 3}, "3 ranks cannot split batches of 23"),
        ({"world_size": 6}, "6 ranks needs a batch of its own, got 5 batches"),
    ],
    ids=lambda x: x if isinstance(x, str) else None,
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        sampler_of(settings.pop("rule", Shuffled()), **settings)


def test_a_mean_over_batches_is_refused_whatever_its_rule():
    class Means(Shuffled):
        def plan(self, *sizes, **settings):
            plan = super().plan(*sizes, **settings)
            return Plan(plan.batches, plan.remainder, plan.kind, "mean")

    with pytest.raises(ValueError, match="one batch to an update, got Means"):
        list(sampler_of(Means()))


def test_a_rule_that_says_it_needs_no_embeddings_gets_none():
    class Sly(Shuffled):
        def plan(self, *_, embed, **__):
            embed(None)

    with pytest.raises(ValueError, match="asked for embeddings although"):
        list(sampler_of(Sly()))


def test_plans_are_measured_if_a_report_is_asked_for(unit_pairs):
    u, v = unit_pairs(24, 5)
    rule = make_selection("balanced", loss=make_loss("clip", temperature=0.1), temperature=0.1)
    report = Report(0.1, torch.arange(24) % 3)
    sampler = PlannedBatchSampler(rule, 24, 4, embed=lambda i: (u, v) if i is None else (u[i], v[i]), report=report)
    next(iter(sampler))
    info = sampler.plan.info
    assert info["hardness"] > info["hardness_before"]
    assert 0 <= info["purity"] <= 1
    assert info["coverage"] == pytest.approx(3 / 23)
