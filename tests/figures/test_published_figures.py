"""The published figures: what made-up tables say, and tables that come from runs."""

import math
from itertools import product

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from figures import landscape, norm_curves
from figures.registry import FIGURES
from figures.table import collect, read_table
from synthetic.landscape import Landscape
from synthetic.norm_curves import NormCurves
from training import Run

NAMES = ("shuffled", "osgd", "spectral")
PROBLEM = {"batch_size": 2, "loss": "clip_sum", "temperature": 1.0, "learning_rate": 0.5, "n": 16}


def curve_tables():
    """Half of the distance after 100 updates with shuffles, 40 with others; a tenth with the others alone."""
    curves, needed = [], []
    for n, name in product((4, 8), NAMES):
        for dim in (n // 2, 2 * n):
            row = {"n_pairs": n, "dim": dim, "selection": name} | PROBLEM
            for update in (1, 10, 100):
                distance = 2 / update**0.5
                values = {"low": distance / 2, "median": distance, "high": distance * 2}
                curves.append(row | {"update": update} | {f"distance_{key}": x for key, x in values.items()})
            for share in (0.5, 0.1):
                at = (100.0 if name == "shuffled" else 40.0) / share * 0.5
                told = {"updates": at, "low": 0.9 * at, "high": 1.1 * at}
                if name == "shuffled" and share == 0.1:
                    told = {"updates": math.nan, "low": math.nan, "high": math.nan}
                needed.append(row | {"share": share, "start": 2.0, "first": 1, "at_most": 600} | told)
    return {"norm_curves": pd.DataFrame(curves), "norm_needed": pd.DataFrame(needed)}


def changed(**columns):
    tables = curve_tables()
    needed = tables["norm_needed"]
    hard = needed["selection"].ne("shuffled") & needed["share"].eq(0.5)
    return tables | {
        "norm_needed": needed.assign(**{name: needed[name].mask(hard, x) for name, x in columns.items()})
    }


def test_ratios_and_bounds_of_updates_are_told():
    found = norm_curves.evidence(curve_tables())
    assert found.verdict == "confirmed"
    assert "Ordered SGD 8 of 8 as claimed; spectral 8 of 8" in found.text
    header, half, tenth, *rest = found.table
    assert len(rest) == 6
    shown = dict(zip(header, half, strict=True))
    assert shown["shuffled"] == "100 [90, 110]"
    assert shown["spectral"] == "40 [36, 44]"
    assert shown["times fewer: spectral"].startswith("2.5 [2.")
    assert shown["n"] == "16"
    shown = dict(zip(header, tenth, strict=True))
    assert shown["distance"] == "a tenth"
    assert shown["shuffled"] == "> 600"
    assert shown["times fewer: Ordered SGD"].startswith("> 2.7"), "600 / 200, with the latter's interval"


@pytest.mark.parametrize(
    ("columns", "verdict", "word"),
    [
        ({"updates": 400.0, "low": 380.0, "high": 420.0}, "partly", "0.25 ["),
        ({"updates": math.nan, "low": math.nan, "high": math.nan}, "partly", "< 0.183"),
        ({"updates": 100.0, "low": 60.0, "high": 160.0}, "partly", "1 [0."),
        ({"updates": 1.0, "low": 1.0, "high": 1.0}, "confirmed", "> 90"),
    ],
    ids=["later", "never", "alike", "at the first look"],
)
def test_the_verdict_on_curves_follows_the_table(columns, verdict, word):
    found = norm_curves.evidence(changed(**columns))
    assert found.verdict == verdict
    assert found.table[1][-2].startswith(word)
    assert "nan" not in found.text + str(found.table)


def test_where_neither_arrives_nothing_is_said():
    tables = curve_tables()
    never = tables["norm_needed"].assign(updates=math.nan, low=math.nan, high=math.nan)
    assert norm_curves.evidence(tables | {"norm_needed": never}).verdict == "open"


def landscape_table(all_at=0.0, fixed_at=-72.0):
    rows = []
    for family, partner, at in (("full", 0, 0.0), ("all", 0, all_at), ("fixed", 1, fixed_at), ("fixed", 2, 0.0)):
        for degrees in sorted({-180.0, -90.0, 0.0, 90.0, 180.0, at}):
            above = abs(degrees - at) / 500
            row = {"points": "polygon", "loss": "info_nce", "n_pairs": 4, "dim": 2, "batch_size": 2}
            row |= {"temperature": 1.0, "family": family, "partner": partner, "partner_degrees": 90.0 * partner}
            rows.append(row | {"degrees": degrees, "above": above, "lowest": degrees == at})
    return {"landscape": pd.DataFrame(rows)}


@pytest.mark.parametrize(
    ("moved", "verdict"), [({}, "confirmed"), ({"all_at": 3.0}, "refuted"), ({"fixed_at": 0.0}, "partly")]
)
def test_the_verdict_on_minima_follows_the_table(moved, verdict):
    assert landscape.evidence(landscape_table(**moved)).verdict == verdict


def test_minima_and_what_they_gain_are_told():
    _, full, every, fixed, other = landscape.evidence(landscape_table()).table
    assert full[2:] == ["full batch", "0", "0"]
    assert every[2:] == ["all N choose B", "0", "0"]
    assert fixed[2:] == ["fixed partition, partner at 90 degrees", "-72", "0.14"]
    assert other[3:] == ["0", "0"]
    few = landscape_table()["landscape"].query("family != 'all'")
    assert landscape.evidence({"landscape": few}).verdict == "open"


@pytest.mark.parametrize(("name", "make"), [("norm_curves", curve_tables), ("landscape", landscape_table)])
def test_the_figure_is_drawn(name, make):
    ((found, figure),) = FIGURES[name].pictures(make())
    assert found == name
    assert isinstance(figure, Figure)


def test_curves_show_medians_and_goals():
    ((_, figure),) = norm_curves.pictures(curve_tables())
    titles = [axis.get_title(loc="left").removesuffix(", B = 2") for axis in figure.axes]
    assert titles == ["N = 4, d = 2", "N = 8, d = 4", "N = 4, d = 8", "N = 8, d = 16"]
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    assert lines["Ordered SGD"] == pytest.approx([2.0, 2 / 10**0.5, 0.2])
    levels = [line.get_ydata()[0] for line in figure.axes[0].get_lines() if line.get_label().startswith("_")]
    assert levels == pytest.approx([0.2, 1.0])


def test_runs_become_tables_and_figures(tmp_path):
    cells = {
        "curves": NormCurves(n_pairs=4, dim=8, batch_size=2, seeds=4, epochs=20, selections=NAMES),
        "landscape": Landscape(points="polygon", loss="clip", n_pairs=4, step=90.0),
    }
    for name, cell in cells.items():
        settings = {key: getattr(cell, key) for key in cell.__dataclass_fields__}
        run = Run.open(tmp_path / "runs" / name, experiment=cell.kind, config=settings)
        run.finish(cell.run(run, torch.device("cpu")))
    assert collect([tmp_path / "runs"], tmp_path / "data") == (2, [])
    names = ("norm_curves", "norm_needed", "landscape")
    before = {name: (tmp_path / "data" / f"{name}.csv").read_bytes() for name in names}
    collect([tmp_path / "runs"], tmp_path / "data")
    tables = {name: read_table(tmp_path / "data" / f"{name}.csv") for name in names}
    assert before == {name: (tmp_path / "data" / f"{name}.csv").read_bytes() for name in names}
    assert set(tables["norm_curves"]["selection"]) == set(NAMES)
    assert len(tables["norm_needed"]) == 2 * len(NAMES)
    assert tables["landscape"].groupby(["family", "partner"])["lowest"].sum().tolist() == [1, 1, 1, 1]
    for name in ("norm_curves", "landscape"):
        assert "nan" not in FIGURES[name].evidence(tables).text
        assert next(FIGURES[name].pictures(tables))[0] == name
