"""Races to the optimum: curves against the study's own loop, tuning, crossings, and what a killed one keeps."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from losses import make_loss
from synthetic import race as race_module
from synthetic.config import SyntheticConfig
from synthetic.experiment import study
from synthetic.pairs import FreePairs
from synthetic.race import Race
from synthetic.trajectories import Problem, crossing, crossing_interval, geometric, trajectories
from training import Run

CPU = torch.device("cpu")
SMALL = Problem(n_pairs=8, dim=16, batch_size=2)


def run_race(race, path):
    run = Run.open(path, experiment="race", config={})
    result = race.run(run, CPU)
    run.finish(result)
    return result


def without_times(result):
    """What is the same whenever a race is run."""
    needed = [{key: value for key, value in row.items() if "seconds" not in key} for row in result["needed"]]
    return {**result, "needed": needed}


# ---- trajectories


@pytest.mark.parametrize("selection", ["shuffled", "design", "osgd"])
def test_replicates_do_what_a_study_does(selection, tmp_path):
    config = SyntheticConfig(
        selections=(selection,), n_steps=6, log_every=6, seeds=2, learning_rate=1.5, device="cpu", figures=False
    )
    run = Run.open(tmp_path / "run", experiment="synthetic", config={})
    expected = study(config, 2, run, CPU)["selections"][selection]["gap"]["mean"]
    found = trajectories(SMALL, selection, rates=[0.5, 1.5], seeds=range(2), epochs=6)
    assert found.gaps[-1, 1].mean() == pytest.approx(expected, rel=1e-10)
    alone = trajectories(SMALL, selection, rates=[1.5], seeds=[1], epochs=6)
    assert found.gaps[:, 1, 1] == pytest.approx(alone.gaps[:, 0, 0], rel=1e-10)


def test_a_decay_is_half_a_cosine():
    rate, epochs = 2.0, 5
    found = trajectories(SMALL, "full", rates=[rate], seeds=[3], epochs=epochs, decay="cosine")
    loss = make_loss("clip_sum", temperature=1.0)
    raw = FreePairs(torch.tensor([3]), n_pairs=8, dim=16, equal=False, batch_size=8).raw.detach().clone()
    for update in range(epochs):
        raw.requires_grad_()
        u, v = torch.nn.functional.normalize(raw, dim=-1)
        (slope,) = torch.autograd.grad(loss(u, v).sum(), raw)
        raw = raw.detach() - rate * (1 + math.cos(math.pi * update / epochs)) / 2 * slope
    expected = loss(*torch.nn.functional.normalize(raw, dim=-1)).item() - SMALL.best_loss()
    assert found.gaps[-1, 0, 0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("last", "per_doubling"), [(1, 4), (7, 1), (1000, 8), (64, 0)])
def test_points_are_as_many_for_every_doubling(last, per_doubling):
    points = geometric(last, per_doubling)
    assert points == sorted(set(points))
    assert points[-1] == last
    assert len(points) <= per_doubling * math.log2(last) + 2
    if per_doubling and last > 1:
        assert points[0] == 1


def test_only_the_end_is_measured_where_nothing_else_is_asked_for():
    found = trajectories(SMALL, "shuffled", rates=[1.0], seeds=[0], epochs=5, points_per_doubling=0)
    assert found.updates.tolist() == [20]


# ---- crossings


@given(power=st.floats(-3, -0.2), target=st.floats(1e-4, 0.5))
def test_a_power_law_crosses_where_it_does(power, target):
    updates = np.array(geometric(100_000, 2))
    expected = target ** (1 / power)
    found = crossing(updates, updates**power, target)
    assert found == (pytest.approx(expected, rel=1e-6) if expected <= 100_000 else np.inf)


def test_a_crossing_is_the_first_one():
    assert crossing(np.array([1, 2, 4]), np.array([0.1, 1.0, 0.1]), 0.5) == 1
    assert crossing(np.array([1, 2, 4]), np.array([1.0, 0.5, 1.0]), 0.5) == 2
    assert crossing(np.array([1, 2]), np.array([1.0, 0.9]), 0.5) == np.inf


def test_the_interval_holds_the_median_of_many_seeds():
    rng = np.random.default_rng(1)
    updates = np.array(geometric(10_000, 8))
    gaps = np.exp(rng.normal(size=60)) / updates[:, None]
    found = crossing_interval(updates, gaps, 0.01)
    assert found.value == pytest.approx(100 * np.median(gaps[0]), rel=1e-6)
    assert found.low < 100 < found.high
    assert found.high < 2 * found.low


# ---- races


def test_a_design_needs_fewer_updates_than_shuffles(tmp_path):
    sizes = {"n_pairs": 8, "dim": 8, "batch_size": 2, "epochs": 128, "seeds": 8, "tuning_seeds": 2}
    needed = {
        name: run_race(Race(**sizes, selection=name, targets=(5e-2,)), tmp_path / name)["needed"][0]
        for name in ("shuffled", "design")
    }
    assert needed["design"]["high"] < needed["shuffled"]["low"]


def test_the_best_rate_has_worse_ones_on_both_sides(tmp_path):
    race = Race(n_pairs=8, dim=8, batch_size=2, selection="design", epochs=64, seeds=4, targets=(0.1,))
    (found,) = run_race(race, tmp_path)["needed"]
    exponent = math.log2(found["rate"] / race.unit_rate)
    tuning = range(1_000_000, 1_000_000 + race.tuning_seeds)
    rates = [race.unit_rate * 2.0 ** (exponent + k) for k in (-2, 0, 2)]
    around = trajectories(race, "design", rates=rates, seeds=tuning, epochs=64)
    low, best, high = (crossing(around.updates, m, 0.1) for m in around.medians.T)
    assert best <= min(low, high)


def test_every_horizon_of_a_decay_is_a_run_of_its_own(tmp_path):
    race = Race(n_pairs=8, dim=8, batch_size=2, selection="design", decay="cosine", epochs=64, horizons=3, seeds=4)
    result = run_race(race, tmp_path)
    assert [point["update"] for point in result["curve"]] == [64, 128, 256]
    last = result["curve"][-1]
    alone = trajectories(race, "design", rates=[last["rate"]], seeds=range(4), epochs=64, decay="cosine")
    assert np.median(alone.gaps[-1]) == pytest.approx(last["median"], rel=1e-10)
    out_of_reach = result["needed"][-1]
    assert (out_of_reach["target"], out_of_reach["value"], out_of_reach["at_most"]) == (1e-4, None, 256)


@pytest.mark.parametrize("decay", ["constant", "cosine"])
def test_a_killed_race_goes_on(decay, tmp_path, monkeypatch):
    """It dies in the last of its runs; what came before is not done again."""
    horizons = 2 if decay == "cosine" else None
    sizes = {"n_pairs": 8, "dim": 8, "batch_size": 2, "epochs": 8, "horizons": horizons}
    race = Race(**sizes, selection="design", decay=decay, seeds=3, tuning_seeds=2)
    real, runs = race_module.trajectories, []

    def counted(*args, **options):
        runs.append(options["epochs"])
        if len(runs) == dies:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(race_module, "trajectories", counted)
    dies = 0
    expected = run_race(race, tmp_path / "whole")
    whole = len(runs)
    dies = 2 * whole
    with pytest.raises(KeyboardInterrupt):
        run_race(race, tmp_path / "killed")
    runs.clear()
    assert without_times(run_race(race, tmp_path / "killed")) == without_times(expected)
    assert 0 < len(runs) < whole


# ---- rates that are given


@pytest.mark.parametrize("decay", ["constant", "cosine"])
def test_a_rate_that_is_given_is_not_tuned(decay, tmp_path, monkeypatch):
    horizons = 1 if decay == "cosine" else None
    sizes = {"n_pairs": 8, "dim": 8, "batch_size": 2, "epochs": 16, "horizons": horizons, "seeds": 3}
    race = Race(**sizes, selection="shuffled", learning_rate=0.5, decay=decay, targets=(1.0,))
    alone = trajectories(race, "shuffled", rates=[0.5], seeds=range(3), epochs=16, decay=decay)
    monkeypatch.setattr(race_module, "FIRST_TUNING_SEED", "no such seed")
    result = run_race(race, tmp_path)
    assert {point["rate"] for point in result["curve"]} == {0.5}
    assert result["curve"][-1]["median"] == pytest.approx(np.median(alone.gaps[-1]), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive and finite, or None to be tuned, got 0.0"),
        (
            {"candidates": 8},
            "candidates and keep are settings of osgd, got 8 and None for 'design'; leave them out",
        ),
        ({"selection": "osgd", "n_pairs": 64, "batch_size": 8}, "set candidates to a number of random batches"),
        ({"selection": "osgd", "candidates": 4, "keep": 5}, "keep must lie between 1 and candidates = 4, got 5"),
        ({"seeds": 1}, "at least 2 seeds and 1 tuning seed, got 1 and 8"),
        ({"decay": "cosine", "horizons": 9}, "got 9 of them; take 8 or fewer"),
        ({"decay": "cosine"}, "got None of them for a cosine rate; say how many with decay='cosine'"),
        ({"horizons": 3}, "got 3 of them for a constant rate; .* leave them out else"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        Race(**{"n_pairs": 8, "dim": 8, "batch_size": 2, "selection": "design", "epochs": 128, **change})
