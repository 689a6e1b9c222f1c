"""The engine under trajectories: in parts, recorded as on a GPU, with every loss whose optimum is known."""

import numpy as np
import pytest
import torch
from pretend_cuda import CUDA, pretend_cuda

import synthetic.trajectories as engine
from losses import PAIR_LOSSES, make_loss
from synthetic.pairs import FreePairs
from synthetic.trajectories import Problem, trajectories
from theory import LOSS_NAMES
from training import GradientDescent, Ranks, constant, fit
from training.captured import CapturedSteps, captures, steps_for
from training.steps import Steps

SMALL = Problem(n_pairs=8, dim=4, batch_size=2)
LOSS = make_loss("clip_sum", temperature=1.0)
SEEDS = torch.tensor([3, 8, 5])
RATES = torch.tensor([0.5, 1.0, 0.5])
KNOWN = [name for name in PAIR_LOSSES if name in LOSS_NAMES]


def again(work):
    """In place of a CUDA graph: takes three steps that must not count, and does the work anew each time."""
    for _ in range(3):
        work()
    return work


def trained(selection, make_steps, *, at_once=True, updates=12, **settings):
    """Embeddings after some updates at a falling rate, and the losses that were told."""
    task = SMALL.start(SEEDS, RATES)
    task.updates_commute = at_once
    told = []
    fit(
        task,
        selection=SMALL.rule(selection, **settings),
        loss=LOSS,
        optimizer=GradientDescent([task.raw], 1.0),
        learning_rate=lambda update: 1 / (1 + update),
        batch_size=2,
        updates=updates,
        seed=SEEDS,
        log_every=4,
        observe=lambda moment: told.append((moment.pairs_seen, moment.loss, *task.embed(None))) or {},
        make_steps=make_steps,
    )
    return task.raw.detach(), told


# ---- recorded steps


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("selection", ["shuffled", "full", "all", "osgd", "spectral"])
def test_a_recorded_step_is_the_step(selection, at_once):
    """Steps that recording takes do not count, the rate is read anew, and embeddings are those after a replay."""
    plain, told = trained(selection, Steps, at_once=at_once)
    recorded, retold = trained(
        selection, lambda *a, **k: CapturedSteps(*a, device=torch.device("cpu"), record=again, **k), at_once=at_once
    )
    torch.testing.assert_close(recorded, plain, rtol=1e-12, atol=1e-13)
    for (seen, loss, u, v), (seen_too, loss_too, *uv) in zip(told, retold, strict=True):
        assert seen == seen_too
        assert (loss is None) == (loss_too is None)
        torch.testing.assert_close([u, v], uv, rtol=1e-12, atol=1e-13)
        if loss is not None:
            torch.testing.assert_close(loss, loss_too, rtol=1e-12, atol=1e-13)


def test_free_pairs_are_recorded_on_a_gpu_alone():
    task = SMALL.start(SEEDS, RATES)
    assert not captures("auto", task, LOSS, Ranks(device="cpu"))
    assert captures("auto", task, LOSS, Ranks(device="cuda"))
    assert steps_for("auto", task, LOSS, Ranks(device="cpu")) is Steps
    with pytest.raises(ValueError, match="recording steps needs a CUDA device"):
        steps_for("on", task, LOSS, Ranks(device="cpu"))


@pytest.mark.parametrize("name", KNOWN)
def test_nothing_is_read_back_in_a_recorded_step(name):
    """Whatever makes the host wait for the device cannot be recorded."""
    with pretend_cuda() as traffic:
        task = FreePairs(SEEDS.to(CUDA), n_pairs=8, dim=4, equal=False, batch_size=2, rates=RATES.to(CUDA))
        loss = make_loss(name, temperature=0.5)

        def record(work):
            work()
            with traffic.recorded():
                work()
            return work

        fit(
            task,
            selection=SMALL.rule("shuffled"),
            loss=loss,
            optimizer=GradientDescent([task.raw], 1.0),
            learning_rate=constant(0.1),
            batch_size=2,
            updates=8,
            seed=SEEDS.to(CUDA),
            log_every=[],
            make_steps=lambda *a, **k: CapturedSteps(*a, device=CUDA, record=record, **k),
        )


# ---- many replicates, in parts


@pytest.mark.parametrize("selection", ["shuffled", "spectral"])
def test_parts_are_the_whole(selection, monkeypatch):
    """Seeds in parts of a cache's size, each seed as it would be beside all others."""
    options = {"rates": [0.5, 1.0], "seeds": range(5), "epochs": 3, "watch": {"u11": lambda u, _v: u[:, 0, 0]}}
    whole = trajectories(SMALL, selection, **options)
    monkeypatch.setattr(engine, "_CACHE", 2 * 2 * 8 * 4 * 2 * 8)  # two seeds at two rates
    parts = trajectories(SMALL, selection, **options)
    assert (whole.cost.side_by_side, parts.cost.side_by_side) == (10, 4)
    assert parts.gaps == pytest.approx(whole.gaps, rel=1e-9, abs=1e-12)
    assert parts.watched["u11"] == pytest.approx(whole.watched["u11"], rel=1e-9)
    assert parts.cost.update > 0


@pytest.mark.parametrize(("n_seeds", "cache", "width"), [(64, 1, 1), (32, 21, 16), (5, 2, 2), (7, 100, 7)])
def test_parts_are_of_one_size(n_seeds, cache, width, monkeypatch):
    """`cache` in seeds."""
    monkeypatch.setattr(engine, "_CACHE", cache * 2 * 8 * 4 * 8)
    assert engine._side_by_side(SMALL, 1, n_seeds, None) == width
    assert engine._side_by_side(SMALL, 1, n_seeds, torch.device("cuda")) == n_seeds


# ---- losses


@pytest.mark.parametrize("name", KNOWN)
def test_every_loss_whose_optimum_is_known_is_trained(name):
    """In closed form or by autograd, a small step downhill lowers the loss of the full batch."""
    problem = Problem(n_pairs=6, dim=6, batch_size=2, loss=name, temperature=0.7)
    found = trajectories(problem, "full", rates=[1e-3], seeds=range(3), epochs=4)
    assert (np.diff(found.gaps[:, 0], axis=0) < 0).all()
    assert (found.gaps > 0).all()
