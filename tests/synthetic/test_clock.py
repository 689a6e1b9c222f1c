"""What an update costs: planning, stepping, and never the measuring."""

from dataclasses import asdict

import pytest
import torch

from batching import Shuffled
from figures.table import collect, read_table
from synthetic import trajectories as trajectories_module
from synthetic.pairs import FreePairs
from synthetic.race import Race
from synthetic.trajectories import Problem, trajectories
from training import GradientDescent, Run

CPU = torch.device("cpu")
SMALL = Problem(n_pairs=8, dim=16, batch_size=2)
GOALS = (1.0, 0.5, 1e-9)


def run_race(race, path):
    run = Run.open(path, experiment="race", config={})
    result = race.run(run, CPU)
    run.finish(result)
    return result


class Hand:
    """A clock that is moved by hand."""

    time = 0.0

    def __call__(self):
        return self.time


def test_time_is_told_apart(monkeypatch):
    """A plan takes 10, a step of the 4 updates of an epoch 1, a measurement 1000."""
    hand = Hand()

    def moved(function, seconds):
        def slow(*args, **options):
            hand.time += seconds
            return function(*args, **options)

        return slow

    monkeypatch.setattr(trajectories_module, "clock_of", lambda _: hand)
    monkeypatch.setattr(Shuffled, "plan", moved(Shuffled.plan, 10))
    monkeypatch.setattr(GradientDescent, "step", moved(GradientDescent.step, 1))
    embed, asked = FreePairs.embed, []
    monkeypatch.setattr(FreePairs, "embed", lambda *args: asked.append(1) or moved(embed, 1000)(*args))
    found = trajectories(SMALL, "shuffled", rates=[1.0, 2.0], seeds=range(3), epochs=5)
    updates, replicates = 5 * 4, 6
    assert asked
    assert found.cost.side_by_side == replicates
    assert found.cost.planning * updates * replicates == pytest.approx(5 * 10)
    assert found.cost.stepping * updates * replicates == pytest.approx(5 * 1)
    assert found.cost.update == pytest.approx(55 / 120)


def test_seconds_are_updates_times_their_cost(tmp_path):
    race = Race(n_pairs=8, dim=8, batch_size=2, selection="spectral", epochs=16, seeds=3, targets=GOALS)
    near, nearer, never = run_race(race, tmp_path)["needed"]
    assert 0 < near["planning_seconds"] < near["update_seconds"]
    assert near["side_by_side"] == 9
    for row in (near, nearer):
        assert row["seconds"] == pytest.approx(row["value"] * row["update_seconds"])
        assert row["seconds_low"] == pytest.approx(row["low"] * row["update_seconds"])
    assert (never["value"], never["seconds"]) == (None, None)


def test_results_without_times_are_still_tabled(tmp_path):
    """As races wrote them before they told the time, beside one of now."""
    race = Race(n_pairs=8, dim=8, batch_size=2, selection="design", epochs=4, seeds=2, tuning_seeds=1)
    for name, selection in (("old", "shuffled"), ("new", "design")):
        settings = {**asdict(race), "selection": selection}
        result = run_race(race, tmp_path / "once" / name)
        if name == "old":
            for key in ("learning_rate", "candidates", "keep"):
                del settings[key]
            result = {**result, "needed": [without_cost(row) for row in result["needed"]]}
        run = Run.open(tmp_path / "runs" / name, experiment="race", config=settings)
        run.finish(result)
    collect([tmp_path / "runs" / "old"], tmp_path / "data")
    assert read_table(tmp_path / "data" / "race_needed.csv")["seconds"].isna().all()
    collect([tmp_path / "runs"], tmp_path / "data")
    needed = read_table(tmp_path / "data" / "race_needed.csv").set_index("selection")
    assert needed.loc["shuffled", "update_seconds"].isna().all()
    assert (needed.loc["design", "update_seconds"] > 0).all()


def without_cost(row):
    return {key: row[key] for key in ("target", "value", "low", "high", "at_most", "rate", "n")}
