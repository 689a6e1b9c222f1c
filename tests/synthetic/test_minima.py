"""Minimisers of every loss, of partitions, of batches in which pairs never meet: the theory's numbers come out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from losses import make_loss
from synthetic.coverage import Coverage
from synthetic.minimisers import everyone, mean_loss, settled
from synthetic.optima import Optima, distance_to, is_sole, with_temperature
from synthetic.partitions import Partitions
from synthetic.rows import kept_rows, spread
from theory import distance_to_simplex_etf, fixed_partition_range, optimum, simplex_etf
from training import Run

CPU = torch.device("cpu")


def rows_of(cell, path):
    run = Run.open(path, experiment=cell.kind, config={})
    result = cell.run(run, CPU)
    run.finish(result)
    return result["rows"]


def test_rows_that_are_done_are_not_done_again(tmp_path):
    asked = []

    def compute(item):
        asked.append(item)
        if item == 2 and asked.count(2) == 1:
            raise KeyboardInterrupt
        return [{"item": item}, {"item": -item}]

    with pytest.raises(KeyboardInterrupt):
        kept_rows(Run.open(tmp_path, experiment="x", config={}), "x", range(4), compute)
    found = kept_rows(Run.open(tmp_path, experiment="x", config={}), "x", range(4), compute)
    assert [row["item"] for row in found["rows"]] == [0, 0, 1, -1, 2, -2, 3, -3]
    assert asked == [0, 1, 2, 2, 3]


def test_spread_is_least_median_and_largest():
    assert spread("gap", [3.0, 1.0, 2.0, 10.0]) == {"gap_min": 1.0, "gap_median": 2.5, "gap_max": 10.0}


@pytest.mark.parametrize("loss", ["info_nce", "dcl", "kcl", "siglip"])
def test_descent_finds_the_simplex(loss):
    views = settled(make_loss(loss, temperature=0.5), everyone(5), n_pairs=5, dim=5, seed=0)
    assert np.linalg.norm(views, axis=-1) == pytest.approx(1)
    known = optimum(loss, 5, 5, temperature=0.5)
    assert mean_loss(make_loss(loss, temperature=0.5), views, everyone(5)) == pytest.approx(known.value, abs=1e-10)
    assert distance_to(known, views) == pytest.approx(0, abs=1e-3)


def test_equal_views_stay_equal():
    u, v = settled(make_loss("clip", temperature=0.5), everyone(6), n_pairs=6, dim=2, seed=1, equal=True)
    assert u == pytest.approx(v, abs=1e-12)


def test_a_loss_is_held_against_the_ledger(tmp_path):
    cell = Optima(loss="dcl", n_pairs=6, dims=(6, 3), batch_sizes=(6, 2), temperatures=(0.5,), starts=1)
    rows = {(row["dim"], row["batch_size"]): row for row in rows_of(cell, tmp_path)}
    assert rows[6, 6]["status"] == "proved"
    assert all(abs(row["gap_min"]) < 1e-10 for row in rows.values())
    assert rows[6, 6]["distance_max"] < 1e-4
    pairs = rows[6, 2]
    assert not pairs["sole"], "every u = v with sum u = 0 minimises DCL over all pairs"
    assert pairs["gap_max"] < 1e-10 < 1e-2 < pairs["full_gap_max"]


def test_who_has_one_minimiser_alone():
    def sole(loss, size, dim=8):
        return is_sole(loss, optimum(loss, 8, dim, size), optimum(loss, 8, dim), size)

    assert sole("info_nce", 2)
    assert sole("dcl", 3)
    assert not sole("dcl", 2)
    assert not sole("align_uniform", 2), "the logarithm of one term is linear"
    assert not sole("dcl", 8, dim=5)
    assert sole("nce", 8)
    assert not sole("nce", 4), "its noise depends on B, and with it how far views are pulled apart"


def test_distance_is_zero_at_the_optimum_whatever_its_shape():
    for loss in ("info_nce", "spectral_contrastive"):
        known = optimum(loss, 6, 6)
        assert distance_to(known, known.embeddings()) == pytest.approx(0, abs=1e-12)
    assert distance_to(optimum("spectral_contrastive", 6, 6), (simplex_etf(6, 6),) * 2) > 0.1
    assert distance_to(optimum("info_nce", 9, 4), (np.eye(9, 4),) * 2) is None


def test_temperature_matters_where_it_is_a_setting():
    assert with_temperature("clip")
    assert not with_temperature("kcl")


def test_a_partition_stays_in_its_range_and_all_batches_reach_the_optimum(tmp_path):
    rows = rows_of(Partitions(n_pairs=4, starts=2), tmp_path)
    fixed = [row for row in rows if row["family"] == "fixed"]
    assert {(row["batch_size"], row["dim"]) for row in fixed} == {(2, 2), (2, 3), (2, 4)}
    ends, best = fixed_partition_range(4, 2), optimum("clip_sum", 4, 4).value
    assert fixed[-1]["most"] == pytest.approx(ends.worst - best)
    assert all(row["least"] - 1e-9 <= row["gap"] <= row["most"] + 1e-9 for row in fixed)
    assert all(row["gap"] > 1e-3 for row in fixed if row["dim"] >= 3)
    assert all(abs(row["gap"]) < 1e-9 for row in rows if row["family"] == "all" and row["dim"] >= 3)


def test_that_all_meet_is_not_enough(tmp_path):
    sizes = {"n_pairs": 9, "dim": 9, "batch_size": 3, "seeds": 2}
    shuffles = rows_of(Coverage(**sizes, family="shuffles", counts=(48,)), tmp_path / "shuffles")
    assert all(row["least"] >= 1 and row["met"] == 1 and row["gap"] > 1e-3 for row in shuffles)
    design = rows_of(Coverage(**sizes, family="classes"), tmp_path / "classes")
    assert [row["design"] for row in design] == [False] * 6 + [True] * 2
    assert all(abs(row["gap"]) < 1e-10 for row in design[-2:])


def test_random_batches_differ_and_are_as_many_as_asked_for(tmp_path):
    cell = Coverage(n_pairs=6, dim=6, batch_size=3, family="random", counts=(2, 10), seeds=1)
    few, every = rows_of(cell, tmp_path)
    assert (few["n_batches"], every["n_batches"]) == (4, 20)
    assert every["design"], "20 different batches of C(6, 3) = 20 are all of them"
    assert every["gap"] < 1e-10


@pytest.mark.parametrize(
    ("cell", "change", "message"),
    [
        (Optima(loss="dcl"), {"loss": "triplet"}, "loss must be one of"),
        (Optima(loss="dcl"), {"batch_sizes": (9,)}, "between 2 and n_pairs = 8"),
        (Partitions(n_pairs=4), {"n_pairs": 5}, "must be even and at least 4"),
        (
            Coverage(n_pairs=6, dim=6, batch_size=3, family="random"),
            {"counts": (11,)},
            r"no more than C\(6, 3\) = 20",
        ),
        (Coverage(n_pairs=6, dim=6, batch_size=3, family="random"), {"dim": 4}, "at least n_pairs - 1"),
    ],
)
def test_refusals(cell, change, message):
    with pytest.raises(ValueError, match=message):
        replace(cell, **change)


def test_simplex_distance_agrees_with_the_theory():
    views = settled(make_loss("clip"), everyone(4), n_pairs=4, dim=3, seed=0)
    assert distance_to(optimum("clip", 4, 3), views) == pytest.approx(float(distance_to_simplex_etf(*views)))
