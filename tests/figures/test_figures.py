"""Tables from runs, figures from tables: pure, complete, byte for byte the same."""

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from figures import gap_curves, heatmaps, registry, selection_cost
from figures.__main__ import main as main_of_figures
from figures.drawing import draw_all, save
from figures.registry import FIGURES, path_of
from figures.style import SELECTION_LOOKS, WIDTH, use_style
from figures.table import collect, synthetic_grams, synthetic_results, update_table
from synthetic.cli import main
from synthetic.config import PUBLISHED, SyntheticConfig

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished study, an unfinished one, and a folder that is none."""
    root = tmp_path_factory.mktemp("runs")
    config = SyntheticConfig(n_steps=4, log_every=2, seeds=5, device="cpu", figures=False, out=str(root / "a"))
    main(config)
    shutil.copytree(root / "a", root / "b")
    (root / "b" / "result.json").unlink()
    (root / "other").mkdir()
    (root / "other" / "config.json").write_text("{}")
    return root


def test_only_finished_runs_enter_the_tables(runs, tmp_path):
    count, unfinished = collect([runs], tmp_path)
    assert count == 1
    assert unfinished == [runs / "b"]
    table = pd.read_csv(tmp_path / "synthetic_results.csv")
    result = json.loads((runs / "a/result.json").read_text())
    assert list(table["selection"]) == sorted(result["selections"])
    row = table.set_index("selection").loc["osgd"]
    assert row["gap_mean"] == pytest.approx(result["selections"]["osgd"]["gap"]["mean"])
    assert row["n_seeds"] == 5


def test_curves_hold_quantiles_over_seeds(runs, tmp_path):
    collect([runs], tmp_path)
    table = pd.read_csv(tmp_path / "synthetic_curves.csv").query("selection == 'shuffled'")
    arrays = np.load(runs / "a/arrays.npz")
    optimum = json.loads((runs / "a/result.json").read_text())["optimum"]["value"]
    gap = arrays["full_loss_shuffled"] - optimum
    np.testing.assert_allclose(table["gap_median"], np.median(gap, axis=1), rtol=1e-5)
    np.testing.assert_allclose(table["gap_low"], np.quantile(gap, 0.1, axis=1), rtol=1e-5)
    assert list(table["update"]) == [0, 8, 16]
    assert list(table["pairs_seen"]) == [0, 16, 32]


def test_collecting_again_replaces_and_does_not_repeat(runs, tmp_path):
    collect([runs], tmp_path)
    before = (tmp_path / "synthetic_curves.csv").read_bytes()
    collect([runs], tmp_path)
    assert (tmp_path / "synthetic_curves.csv").read_bytes() == before


def test_rows_of_other_studies_stay(tmp_path):
    path = tmp_path / "table.csv"
    update_table(path, pd.DataFrame({"n": [1, 2], "value": [0.1, 0.2]}), ["n"])
    update_table(path, pd.DataFrame({"n": [2, 3], "value": [0.5, 0.6]}), ["n"])
    assert pd.read_csv(path).to_dict("list") == {"n": [1, 2, 3], "value": [0.1, 0.5, 0.6]}


def test_training_runs_become_rows(tmp_path):
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    stamp = {
        "experiment": "vision",
        "config": {"dataset": "digits", "selection": "osgd", "seed": 1, "augmentation": {"flip": 0.5}},
    }
    stamp |= {"git": None, "device": "cpu", "versions": {"torch": "2"}, "started": "2026-01-02T03:04:05+00:00"}
    (folder / "config.json").write_text(json.dumps(stamp))
    (folder / "result.json").write_text(json.dumps({"status": "done", "recall_at_1": 0.5, "tfidf": {"mrr": 0.1}}))
    collect([tmp_path / "runs"], tmp_path / "data")
    (row,) = pd.read_csv(tmp_path / "data" / "vision_results.csv").to_dict("records")
    assert row["selection"] == "osgd"
    assert row["augmentation_flip"] == 0.5
    assert row["recall_at_1"] == 0.5
    assert row["tfidf_mrr"] == 0.1
    assert row["date"] == "2026-01-02"


def test_the_same_table_gives_the_same_bytes(runs, tmp_path):
    collect([runs], tmp_path / "data")
    use_style()
    curves = pd.read_csv(tmp_path / "data" / "synthetic_curves.csv").assign(optimum=2.346416)
    grams = pd.read_csv(tmp_path / "data" / "synthetic_grams.csv")
    for folder in ("one", "two"):
        save(gap_curves.draw(curves), tmp_path / folder, "curves")
        save(heatmaps.draw(grams), tmp_path / folder, "maps")
    for name in ("curves.pdf", "curves.png", "maps.pdf", "maps.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_curves_show_every_selection_of_the_table(runs, tmp_path):
    collect([runs], tmp_path)
    use_style()
    curves = pd.read_csv(tmp_path / "synthetic_curves.csv").assign(optimum=2.346416)
    figure = gap_curves.draw(curves)
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert sorted(labels) == sorted(SELECTION_LOOKS[name].label for name in PUBLISHED)
    shuffled = next(line for line in figure.axes[1].get_lines() if line.get_label() == "shuffled")
    rows = curves.query("selection == 'shuffled' and update > 0")
    np.testing.assert_allclose(shuffled.get_xdata(), rows["pairs_seen"])
    np.testing.assert_allclose(shuffled.get_ydata(), rows["gap_median"])


def test_heat_maps_show_the_optimum_first(runs):
    use_style()
    from figures.table import read_runs

    finished, _ = read_runs([runs])
    figure = heatmaps.draw(synthetic_grams(finished))
    titles = [" ".join(axis.get_title().split()) for axis in figure.axes[:7]]
    assert titles[0] == "optimum: simplex ETF"
    assert len(titles) == 7
    shown = figure.axes[0].get_images()[0].get_array()
    np.testing.assert_allclose(np.diag(shown), 1)
    np.testing.assert_allclose(shown[0, 1], -1 / 7)
    grams = synthetic_grams(finished).query("selection == 'osgd'")
    (place,) = [i for i, title in enumerate(titles) if title == "Ordered SGD"]
    shown = figure.axes[place].get_images()[0].get_array()
    np.testing.assert_allclose(shown[grams["i"], grams["j"]], grams["value"])
    assert figure.get_figwidth() == WIDTH
    assert set(synthetic_results(finished)["selection"]) == set(PUBLISHED)


def test_a_missing_table_is_named_with_its_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(registry, "DATA", tmp_path)
    assert draw_all(tmp_path, ["heatmaps"]) == {}
    told = capsys.readouterr().out
    assert (
        told == "no figure heatmaps without synthetic_grams.csv, synthetic_results.csv; `make results` makes it\n"
    )
    with pytest.raises(SystemExit):
        main_of_figures(["heatmaps", "--out", str(tmp_path)])


@pytest.mark.slow
def test_everything_is_drawn_in_a_minute(tmp_path):
    """`make figures`: every figure of the registry, in 60 seconds of two cores even where one does all of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "figures", "--out", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "no figure" not in done.stdout
    assert len(list(tmp_path.glob("*.pdf"))) == len(list(tmp_path.glob("*.png"))) >= len(FIGURES)
    assert after.ru_utime - before.ru_utime < 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "figures", "nothing"], "FIGURE must be one of gap_curves, "),
        (["-m", "figures", "--run", "nowhere"], "--run needs a finished synthetic run, but nowhere holds none"),
        (["-m", "figures.table", "nowhere"], "run folders must exist, but these do not: nowhere"),
    ],
)
def test_bad_folders_are_refused(arguments, message):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_studies_settings_tell_tables_apart(runs, tmp_path):
    config = SyntheticConfig(n_steps=4, log_every=2, seeds=5, device="cpu", figures=False)
    main(replace(config, temperature=0.5, out=str(tmp_path / "runs" / "c")))
    collect([runs, tmp_path / "runs"], tmp_path)
    assert len(pd.read_csv(tmp_path / "synthetic_results.csv")) == 12


def test_hardness_against_cost_shows_every_method_of_the_table():
    results = pd.read_csv(path_of(selection_cost.TABLES[0]))
    use_style()
    figure = selection_cost.draw(results)
    panels = [axis for axis in figure.axes if axis.get_visible()]
    measured = results.query("threads == 1")
    assert len(panels) == len(measured[measured["method"] == "published"])
    points = {
        (round(x, 9), round(y, 9))
        for axis in panels
        for dots in axis.collections
        for x, y in dots.get_offsets().tolist()
    }
    shown = measured.groupby(["n", "data"]).filter(lambda rows: "published" in set(rows["method"]))
    for row in shown.to_dict("records"):
        assert (round(row["cpu_seconds"], 9), round(row["hardness_0.1"], 9)) in points
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"shuffled", "spectral", "published procedure", "balanced bisection + swaps"} <= names


def test_rows_with_an_empty_key_are_replaced_too(tmp_path):
    rows = pd.DataFrame(
        {"loss": ["kcl", "info_nce"], "kernel": ["gaussian", None], "n": [1, 2], "value": [1.0, 2.0]}
    )
    for _ in range(2):
        update_table(tmp_path / "table.csv", rows, ["loss", "kernel", "n"])
    assert len(pd.read_csv(tmp_path / "table.csv")) == 2
