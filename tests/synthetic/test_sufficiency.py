"""Which batches suffice, by minimising: the theory's own numbers at both ends."""

import numpy as np
import pytest
import torch

from losses import make_loss
from synthetic.sufficiency import Sufficiency, minimised
from theory import distance_to_simplex_etf, fixed_partition_range, optimum, simplex_etf_value
from theory.designs import affine_plane
from training import Run

CPU = torch.device("cpu")
NINE = {"n_pairs": 9, "dim": 9, "batch_size": 3, "seeds": 2}


def run_cell(cell, path):
    run = Run.open(path, experiment="sufficiency", config={})
    result = cell.run(run, CPU)
    run.finish(result)
    return result["points"]


def mean_loss(views, batches, name="clip_sum", temperature=1.0):
    u, v = map(torch.from_numpy, views)
    return make_loss(name, temperature=temperature)(u, v, batches=torch.from_numpy(batches)).mean().item()


@pytest.mark.parametrize("loss", ["clip_sum", "nt_xent", "info_nce"])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_lines_of_a_plane_suffice(loss, temperature):
    problem = Sufficiency(**NINE, family="classes", loss=loss, temperature=temperature)
    lines = affine_plane(3).reshape(-1, 3)
    views = minimised(problem, lines, seed=0)
    reached = mean_loss(views, lines, loss, temperature)
    assert reached == pytest.approx(simplex_etf_value(9, 3, loss=loss, temperature=temperature), abs=1e-12)
    assert distance_to_simplex_etf(*views) < 1e-5
    everyone = np.arange(9)[None]
    best = optimum(loss, 9, 9, temperature=temperature).value
    assert mean_loss(views, everyone, loss, temperature) == pytest.approx(best, abs=1e-12)


def test_one_class_less_leaves_the_worst_that_a_partition_can_leave(tmp_path):
    """The pairs of the class that is left out never meet, and coincide; all batches are simplices then."""
    points = run_cell(Sufficiency(**NINE, family="classes"), tmp_path)
    assert [point["n_batches"] for point in points] == [3, 6, 9, 12]
    assert [point["met"] for point in points] == pytest.approx([1 / 4, 1 / 2, 3 / 4, 1])
    assert [point["design"] for point in points] == [False, False, False, True]
    ends, best = fixed_partition_range(9, 3), optimum("clip_sum", 9, 9).value
    assert ends.best - best - 1e-9 <= points[0]["gap_min"] <= points[0]["gap_max"] <= ends.worst - best + 1e-9
    assert points[2]["gap_min"] == pytest.approx(ends.worst - best, abs=1e-9)
    assert points[3]["gap_max"] < 1e-12
    assert points[3]["distance_max"] < 1e-5


def test_shuffles_do_not_suffice_and_all_batches_do(tmp_path):
    shuffles = run_cell(Sufficiency(**NINE, family="shuffles", counts=(4, 16)), tmp_path / "shuffles")
    assert [point["n_batches"] for point in shuffles] == [12, 48]
    assert all(point["gap_min"] > 1e-2 for point in shuffles)
    (everything,) = run_cell(Sufficiency(**NINE, family="all"), tmp_path / "all")
    assert everything["n_batches"] == 84
    assert everything["gap_max"] < 1e-12


def test_the_similarities_of_the_first_seed_are_kept(tmp_path):
    run_cell(Sufficiency(**NINE, family="classes", counts=(4,)), tmp_path)
    gram = np.load(tmp_path / "arrays.npz")["gram_4"]
    assert gram == pytest.approx(np.where(np.eye(9), 1, -1 / 8), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 7}, "dim must be at least n_pairs - 1 = 8"),
        ({"batch_size": 2}, "batch_size must divide n_pairs, got 2 and 9"),
        ({"n_pairs": 36, "dim": 36, "batch_size": 6, "family": "all"}, r"at most 20,000 batches, got C\(36, 6\)"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        Sufficiency(**{**NINE, "family": "classes", **change})
