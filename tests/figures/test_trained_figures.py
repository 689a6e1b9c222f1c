"""Figures and the README's blocks of trainings on images and texts: they show what the tables hold."""

import re

import numpy as np
import pandas as pd
import pytest

from figures import trained_accuracy, trained_batches, trained_losses
from figures.drawing import save
from figures.experiments import VISION
from figures.studies import in_studies
from figures.style import SELECTION_LOOKS, by_arm, use_style
from figures.trained_summary import trained_table


def studied(tables, experiment=VISION):
    """The first study's results and curves."""
    table = in_studies(tables[0], experiment)
    table = table[table["study"] == min(table["study"])]
    added = table[["run", "study", "title", "guards", "loss"]]
    return table, tables[1].drop(columns=["guards", "loss"]).merge(added, on="run")


def test_variants_have_the_colour_and_another_dash(vision_tables):
    looks = {kind.label: kind for kind, _ in by_arm(studied(vision_tables)[0])}
    assert list(looks) == ["shuffled", "spectral", "spectral, communities=4"]
    assert looks["spectral"] == SELECTION_LOOKS["spectral"]
    assert looks["spectral, communities=4"].colour == looks["spectral"].colour
    assert looks["spectral, communities=4"].dash not in {kind.dash for kind in SELECTION_LOOKS.values()}


def test_accuracy_is_drawn_against_epochs_and_seconds(vision_tables, bars_of):
    use_style()
    _, curves = studied(vision_tables)
    figure = trained_accuracy.draw(curves, VISION)
    assert len(figure.axes) == 4, "two losses"
    for axis, x in zip(figure.axes, ("epoch_of_data", "seconds"), strict=False):
        bars = bars_of(axis)
        assert set(bars) == {"shuffled", "spectral", "spectral, communities=4"}
        rows = curves.query("selection == 'shuffled' and loss == 'dcl'").dropna(subset=["knn_top1"])
        means = rows.groupby("update")[[x, "knn_top1"]].mean()
        across, up = bars["shuffled"]
        np.testing.assert_allclose(across, means[x], atol=0 if x == "seconds" else 0.02, err_msg="side by side")
        np.testing.assert_allclose(up, means["knn_top1"])
    assert "Nearest neighbours (%) in training; cifar100, " in trained_accuracy.caption(curves, VISION)
    assert "95 % interval (Student's t) over n = 3 seeds." in trained_accuracy.caption(curves, VISION)


def test_batches_show_what_selections_have(vision_tables):
    use_style()
    figure = trained_batches.draw(studied(vision_tables)[1], VISION)
    hardness, purity = figure.axes[:2]
    assert len(hardness.get_lines()) == 4, "two arms, each with random batches of the same pairs"
    assert len(purity.get_lines()) == 3
    assert purity.get_ylim()[0] >= -0.05
    assert "n = 3 seeds" in trained_batches.caption(studied(vision_tables)[1], VISION)


def test_losses_show_means_and_spreads(vision_tables):
    use_style()
    results, _ = studied(vision_tables)
    figure = trained_losses.draw(results, VISION)
    labels = [" ".join(axis.get_xlabel().split()) for axis in figure.axes]  # long ones have several lines
    assert labels == ["nearest neighbours (%)", "recall@1 (%)", *["against shuffled (points)"] * 2]
    assert [len(axis.containers) for axis in figure.axes] == [6, 6, 4, 4]
    caption = trained_losses.caption(results, VISION)
    assert "dcl spectral +1.1 [0.9, 1.3] (n = 3)" in caption
    assert "n = 3 seeds" in caption


def test_many_differences_are_counted(vision_tables):
    results, _ = studied(vision_tables)
    more = [results.assign(loss=loss) for loss in ("a", "b")]
    caption = trained_losses.caption(pd.concat([*more, results]), VISION)
    assert "8 differences, 8 with an interval above 0, 0 below 0" in caption


def test_every_study_has_its_figures_and_the_same_bytes(vision_tables, pictures_of, tmp_path):
    use_style()
    for folder in ("one", "two"):
        for name, figure in pictures_of("vision", *vision_tables):
            if name.endswith("t0.1_2-epochs"):
                save(figure, tmp_path / folder, name)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_curves_without_results_are_refused(vision_tables, pictures_of):
    results, curves = vision_tables
    with pytest.raises(ValueError, match=r"every run of vision_curves\.csv must be in vision_results\.csv"):
        list(pictures_of("vision", results.iloc[1:], curves))


def test_readme_block_has_the_numbers_of_the_runs(vision_tables):
    text = trained_table(vision_tables[0], VISION)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    header = lines[0]
    assert header[:5] == ["loss", "selection", "n", "recall@1 (%)", "nearest neighbours (%)"]
    assert header[5:] == ["nearest neighbours against shuffled", "seconds"]
    assert lines[2] == ["`dcl`", "`shuffled`", "3", "51.0 ± 1.0", "25.5 ± 0.5", "–", "25 ± 0"]
    assert lines[4][:2] == ["`dcl`", "`spectral` communities=4"]
    assert lines[3][5] == "+1.1 [0.9, 1.3] (n = 3)"
    assert "cpu, torch 2.12, 2026-01-01 to 2026-01-03; commit 0123456789ab." in text
    assert len(re.findall(r"^cifar100, ", text, flags=re.MULTILINE)) == 2
