"""Polygons, codes and what is between them: published numbers and proved bounds come out."""

import numpy as np
import pytest
import torch

from losses import dcl_cross, diagnostics, info_nce
from synthetic.beyond import Beyond
from synthetic.initialisation import Initialisation
from synthetic.kernels import Kernels
from synthetic.polygons import Polygons
from synthetic.signals import Signals, views
from synthetic.temperatures import Temperatures
from training import Run

CPU = torch.device("cpu")


def result_of(cell, path):
    run = Run.open(path, experiment=cell.kind, config={})
    result = cell.run(run, CPU)
    run.finish(result)
    return result


def test_seven_points_refute_the_polygon_for_dhel_and_not_for_infonce(tmp_path):
    """-3.0717 at the heptagon, -3.1012 elsewhere: theory.COUNTEREXAMPLES."""
    few = {"sizes": (7,), "temperatures": (0.1, 0.5), "starts": 4}
    cold, warm = result_of(Polygons(loss="dhel_mean", **few), tmp_path / "dhel")["rows"]
    assert cold["polygon"] == pytest.approx(-3.0717, abs=1e-4)
    assert cold["found"] == pytest.approx(-3.1012, abs=1e-4)
    assert cold["below"] == pytest.approx(cold["below_aligned"], abs=1e-6)
    assert not cold["proved"]
    assert 0 <= warm["below"] < 1e-9
    for row in result_of(Polygons(loss="info_nce", **few), tmp_path / "info_nce")["rows"]:
        assert row["proved"]
        assert (row["n_below"], row["n"]) == (0, 8)


def test_descent_reaches_the_octahedron(tmp_path):
    rows = result_of(Kernels(n_pairs=6, dim=3, starts=2), tmp_path)["rows"]
    assert [f"{row['loss']} {row['kernel']}".strip() for row in rows] == [
        "kcl gaussian",
        "kcl imq",
        "kcl log",
        "info_nce",
        "nt_xent",
    ]
    assert all(row["status"] == "proved" and row["gap_min"] > -1e-10 for row in rows)
    assert all(row["reached"] >= 1 for row in rows[3:])
    assert all(row["gap_min"] > 1e-8 or row["reached"] >= 1 for row in rows)


def test_five_points_in_space_have_a_certified_gap(tmp_path):
    five, six = result_of(Beyond(loss="info_nce", dim=3, most=6, starts=2), tmp_path)["rows"]
    assert not five["attained"]
    assert 0 < five["relative"] < 0.1
    assert six["attained"], "the octahedron"
    assert six["relative"] == pytest.approx(0, abs=1e-9)
    assert six["n"] == 4


def test_the_lost_share_of_the_gradient_is_the_missing_probability(tmp_path):
    """Where every anchor has the same 1 - p, the two gradients are parallel with that ratio."""
    cell = Signals(spread="etf", dim=8, batch_sizes=(8,), temperatures=(0.2, 1.0), alignments=(1.0,), seeds=2)
    for row in result_of(cell, tmp_path)["rows"]:
        assert row["signal"] == pytest.approx(row["missing"], rel=1e-9)
        assert row["effective_negatives"] == pytest.approx(7)
        assert row["error_info_nce_float32"] < 1e-4


def test_cross_entropy_loses_what_the_stable_formula_keeps(tmp_path):
    cell = Signals(spread="random", dim=64, batch_sizes=(4,), temperatures=(0.05,), alignments=(0.99,), seeds=4)
    (row,) = result_of(cell, tmp_path)["rows"]
    assert row["signal"] < 1e-5
    assert row["error_cross_entropy_float32"] > 1e-2 > 1e-4 > row["error_info_nce_float32"]


def test_views_have_the_similarity_asked_for():
    for spread in ("random", "etf"):
        u, v = views(spread, 5, 8, 0.9, seed=3)
        assert (u * v).sum(-1).numpy() == pytest.approx(0.9)
        assert v.norm(dim=-1).numpy() == pytest.approx(1)
    told = diagnostics(u, v, temperature=0.1)
    assert told.positive_probability > 0.99
    assert info_nce(u, v, temperature=0.1) > 0 > dcl_cross(u, v, temperature=0.1)


def test_training_at_temperatures_is_tuned_and_repeatable(tmp_path):
    cell = Temperatures(
        loss="clip", n_pairs=4, dim=4, batch_sizes=(2,), temperatures=(0.5,), updates=64, seeds=3, tuning_seeds=2
    )
    rows = result_of(cell, tmp_path / "a")["rows"]
    assert rows == result_of(cell, tmp_path / "b")["rows"]
    tuned, fixed = ([row["gap"] for row in rows if row["tuned"] is kind] for kind in (True, False))
    assert len(tuned) == len(fixed) == 3
    assert 0 < np.median(tuned) < np.median(fixed)


def test_equal_views_race_against_independent_ones(tmp_path):
    few = {"n_pairs": 4, "dim": 4, "batch_size": 2, "epochs": 32, "seeds": 3, "tuning_seeds": 1}
    for equal in (False, True):
        cell = Initialisation(**few, selection="full", equal_init=equal)
        (needed,) = result_of(cell, tmp_path / str(equal))["needed"]
        assert needed["target"] == 1e-2
        assert 0 < needed["value"] <= 32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polygons(loss="kcl"), "loss must be one of"),
        (lambda: Kernels(n_pairs=7, dim=3), "no universally optimal code of 7 points in 3"),
        (lambda: Beyond(loss="dcl", dim=3), "loss must be info_nce or kcl"),
        (lambda: Beyond(loss="kcl", dim=13), "dim must lie between 2 and most - 2 = 12"),
        (lambda: Signals(spread="etf", dim=8, batch_sizes=(16,)), r"up to dim \+ 1 = 9"),
        (lambda: Signals(spread="random", alignments=(2.0,)), "between 0 and 1"),
        (lambda: Temperatures(loss="clip", batch_sizes=(5,)), "must divide n_pairs = 32"),
        (lambda: Temperatures(loss="clip", dim=8), "at least n_pairs - 1 = 31"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
