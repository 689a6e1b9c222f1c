"""Races of selections: Ordered SGD over some batches, how hard plans are, and which cells there are."""

from itertools import permutations

import numpy as np
import pytest
import torch

from batching import hardness
from synthetic.presets import selections
from synthetic.selection_race import SelectionRace, plan_hardness, states_of
from synthetic.trajectories import Problem, trajectories
from training import Run

SMALL = Problem(n_pairs=8, dim=16, batch_size=2)


def run_race(race, path):
    run = Run.open(path, experiment=race.kind, config={})
    result = race.run(run, torch.device("cpu"))
    run.finish(result)
    return result


def test_ordered_sgd_chooses_among_so_many(tmp_path):
    sizes = {"n_pairs": 8, "dim": 8, "batch_size": 2, "epochs": 16, "seeds": 4, "targets": (0.5,)}
    every, some = (
        run_race(
            SelectionRace(**sizes, selection="osgd", learning_rate=4.0, **settings), tmp_path / str(len(settings))
        )
        for settings in ({}, {"candidates": 8, "keep": 4})
    )
    (alone,) = trajectories(SMALL, "osgd", rates=[4.0], seeds=[0], epochs=4, candidates=28).gaps[-1]
    (others,) = trajectories(SMALL, "osgd", rates=[4.0], seeds=[0], epochs=4, candidates=8, keep=4).gaps[-1]
    assert alone != others
    assert every["needed"][0]["value"] < some["needed"][0]["value"]


# ---- how hard plans are


def test_the_hardest_partition_is_the_hardest_of_all():
    """Against every perfect matching of six pairs."""
    problem = Problem(n_pairs=6, dim=6, batch_size=2)
    found = plan_hardness(problem, problem.rule("matching"), seeds=range(2))
    assert found["hardness"] == found["hardness_exact"]
    matchings = {
        tuple(sorted(tuple(sorted(pair)) for pair in np.reshape(order, (3, 2)).tolist()))
        for order in permutations(range(6))
    }
    assert len(matchings) == 15
    hardest = [
        np.mean(
            [max(hardness((u, v), torch.tensor(m), 1.0) for m in matchings) for u, v in zip(*state, strict=True)]
        )
        for state in states_of(problem, range(2), None)
    ]
    assert found["hardness"] == pytest.approx(np.mean(hardest), rel=1e-6)


def test_hard_and_easy_rules_lie_on_both_sides_of_random():
    problem = Problem(n_pairs=12, dim=12, batch_size=3)
    found = {name: plan_hardness(problem, problem.rule(name), seeds=range(4)) for name in ("balanced", "spread")}
    assert found["spread"]["hardness"] < found["spread"]["hardness_random"] < found["balanced"]["hardness"]
    assert found["spread"]["hardness_exact"] is None  # known for batches of two alone
    random = plan_hardness(problem, problem.rule("shuffled"), seeds=range(4))
    assert random["hardness"] == pytest.approx(random["hardness_random"], abs=0.03)
    assert plan_hardness(problem, problem.rule("full"), seeds=range(4))["hardness"] is None


def test_a_race_of_selections_tells_how_hard_they_are(tmp_path):
    sizes = {"n_pairs": 8, "dim": 8, "batch_size": 2, "epochs": 4, "seeds": 2, "tuning_seeds": 1}
    race = SelectionRace(**sizes, selection="matching")
    result = run_race(race, tmp_path)
    assert {row["hardness"] for row in result["needed"]} == {result["needed"][0]["hardness_exact"]}
    assert [row["target"] for row in result["needed"]] == [1e-1, 1e-2, 1e-3]


def test_the_studies_race_every_selection_at_every_size():
    cells = selections.STUDIES["selection-race"].cells.values()
    tuned = [cell for cell in cells if cell.learning_rate is None]
    assert {n for n, b in selections.SIZES if b == 2} == {8, 16, 32, 64}
    for n, b in selections.SIZES:
        own = {cell.selection for cell in tuned if (cell.n_pairs, cell.batch_size) == (n, b)}
        pairing = {"matching"} if b == 2 else set()
        assert own == pairing | {
            *("shuffled", "fixed", "random", "design", "full", "osgd", "spectral", "balanced", "graph")
        }
    assert {cell.learning_rate for cell in cells} == {None, 0.5}
