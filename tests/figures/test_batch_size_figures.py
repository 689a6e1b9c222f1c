"""Figures of sweeps over batch sizes, on free embeddings and in training, from made-up tables."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figures import batch_sizes, trained_batch_sizes
from figures.experiments import TEXT, VISION
from figures.registry import FIGURES
from figures.studies import in_studies
from figures.table import collect, read_table
from figures.trained_studies import curves_in_studies, results_in_studies
from figures.trained_summary import trained_table

SWEEP = "cifar100_cifar_32px_N320_t0.1_2-epochs"
_LOST = {("nt_xent", "shuffled"): 0.04, ("dcl", "shuffled"): 0.01, ("nt_xent", "graph"): 0.0}
"""What an arm of the sweep loses for each halving of the batch."""


def free_table(power=1.0):
    """Gaps of shuffled batches are as B ** -power, those those of designs half as large."""
    times = {"fixed": 2.0, "shuffled": 1.0, "design": 0.5, "osgd": 0.4, "spectral": 0.3, "balanced": 0.2}
    cases = [(size, name, factor) for size, (name, factor) in product((2, 4), times.items())] + [(8, "full", 0.1)]
    rows = [
        {"loss": "clip_sum", "temperature": t, "n_pairs": 8, "dim": 8, "batch_size": size, "selection": name}
        | {"epochs": 14, "updates": 14 * 8 // size, "rate": 1.0, "seed": seed}
        | {
            "gap": factor * (1 + seed / 100 / size) * size**-power,
            "variance": factor * (1 + seed / size) * size**-power,
        }
        for t, (size, name, factor), seed in product((1.0, 0.2), cases, range(4))
    ]
    return {"batch_sizes": pd.DataFrame(rows)}


def test_the_claim_about_free_embeddings_follows_the_table():
    found = batch_sizes.evidence(free_table())
    assert found.verdict == "confirmed", found.text
    assert "Of 24 ratios that the claim says are above 1, 24 are, 0 are below 1" in found.text
    header, *lines = found.table
    assert header[2:] == ["B = 2", "B = 4"]
    assert len(lines) == 2 * (2 + 4)
    assert "Nearest at temperature 0.2: full batch, B = 8 (median gap 0.013)." in found.text
    assert lines[1][:2] == ["1", "gap: shuffled against design"]
    assert lines[1][2] == "+0.30 [0.30, 0.30]", "log10 of 2"
    assert "nan" not in str(found)
    assert batch_sizes.evidence(free_table(power=-3.0)).verdict == "partly"
    alone = free_table()["batch_sizes"].query("selection == 'design'")
    assert batch_sizes.evidence({"batch_sizes": alone}).verdict == "open"


def test_free_embeddings_are_drawn():
    ((name, figure),) = batch_sizes.pictures(free_table())
    assert name == "batch_sizes"
    figure.canvas.draw()
    gaps = figure.axes[0]
    lines = {line.get_label(): np.asarray(line.get_xydata()) for line in gaps.lines}
    assert lines["shuffled"][:, 0].tolist() == [2, 4, 8], "all end at the full batch"
    assert lines["shuffled"][-1].tolist() == lines["design"][-1].tolist()
    assert "n = 4 seeds" in figure.get_supxlabel()


def test_the_range_of_a_fixed_partition_is_attained():
    """Two orthogonal pairs of antipodes in the plane spanned by each, and twice the same: N = 4, B = 2."""
    rows = free_table()["batch_sizes"].assign(n_pairs=4, dim=4)
    for angle, end in ((np.pi / 2, 0), (0.0, 1)):
        points = np.array([[1, 0], [-1, 0], [np.cos(angle), np.sin(angle)], [-np.cos(angle), -np.sin(angle)]])
        negatives = (points @ points.T)[~np.eye(4, dtype=bool)]
        assert batch_sizes.fixed_ends(rows, "variance")[2][end] == pytest.approx(negatives.var())
    assert batch_sizes.fixed_ends(rows.assign(dim=1), "gap") == {}, "too few dimensions for the least"
    assert set(batch_sizes.fixed_ends(rows, "gap")) == {2}, "neither N nor what does not divide it"


@pytest.fixture(scope="module")
def tables(tmp_path_factory, write_run):
    """A sweep of three batch sizes with three arms, and two sizes at another temperature, which are no sweep."""
    root = tmp_path_factory.mktemp("sweep")
    for (loss, selection), halvings, seed in product(_LOST, range(3), range(3)):
        accuracy = 0.6 + 0.01 * seed - _LOST[loss, selection] * halvings * (1 + seed / 50)
        arm = {"loss": loss, "selection": selection, "batch_size": 64 >> halvings, "seed": seed}
        write_run(root / f"{loss}-{selection}-{halvings}-{seed}", accuracy, **arm)
    for size in (32, 64):
        write_run(root / f"warm-{size}", temperature=0.5, batch_size=size)
    collect([root], root / "data")
    names = ("vision_results", "vision_curves")
    return {name: read_table(root / "data" / f"{name}.csv") for name in names}


def test_studies_that_differ_in_batch_size_alone_are_a_sweep(tables):
    table = in_studies(tables["vision_results"], VISION)
    assert sorted(set(table["sweep"])) == ["", SWEEP]
    swept = table.loc[table["sweep"] != ""]
    assert swept["temperature"].unique().tolist() == [0.1]
    title = "cifar100, cifar stem, 32 pixels, N = 320, temperature 0.1, 2 epochs"
    assert swept["sweep_title"].unique().tolist() == [title]
    assert len(swept["study"].unique()) == 3


def test_a_sweep_has_one_picture_and_none_for_each_batch_size(tables):
    names = [
        name for entry in FIGURES if entry.startswith("vision_") for name, _ in FIGURES[entry].pictures(tables)
    ]
    assert [name for name in names if "t0.1" in name] == [f"vision_batch_sizes_{SWEEP}"]
    assert set(results_in_studies(tables, VISION)["temperature"]) == {0.5}
    assert len(curves_in_studies(tables, VISION)["run"].unique()) == 2
    assert "B = 16" not in trained_table(tables["vision_results"], VISION)


def test_the_claim_about_training_follows_the_table(tables):
    found = trained_batch_sizes.evidence(tables, VISION)
    assert found.verdict == "confirmed", found.text
    assert "Of 3 differences, 3 lie on the side of the claim" in found.text
    header, plain, *others = [line for line in found.table if line[0] in ("measure", "nearest neighbours")]
    assert len(found.table) == 1 + 2 * 3, "the other measure is told, too"
    assert plain[1] == "nt_xent shuffled"
    assert plain[-1] == "", "it is what the others are compared with"
    assert {line[1] for line in others} == {"dcl shuffled", "nt_xent graph"}
    dcl = next(line for line in others if "dcl" in line[1])
    low, high = (float(word.split(" ± ")[0]) for word in (dcl[3], dcl[2]))
    assert float(dcl[4].split()[0]) == pytest.approx(low - high, abs=0.11)
    assert dict(zip(header, dcl, strict=True))["less InfoNCE's"].startswith("+3.1 [")
    turned = tables["vision_results"].assign(batch_size=lambda rows: 1024 // rows["batch_size"])
    assert trained_batch_sizes.evidence({**tables, "vision_results": turned}, VISION).verdict == "refuted"


def test_without_a_sweep_nothing_is_decided(tables, text_tables):
    warm = tables["vision_results"].query("temperature == 0.5")
    assert trained_batch_sizes.evidence({**tables, "vision_results": warm}, VISION).verdict == "open"
    results, curves = text_tables
    assert not list(trained_batch_sizes.pictures({"text_results": results, "text_curves": curves}, TEXT))


def test_training_is_drawn_with_a_line_for_each_arm(tables):
    ((_, figure),) = trained_batch_sizes.pictures(tables, VISION)
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    (legend,) = figure.legends
    told = {text.get_text() for text in legend.get_texts()}
    assert told == {"nt_xent, shuffled", "dcl, shuffled", "nt_xent, graph partition + swaps"}
    caption = figure.get_supxlabel().replace("\n", " ")
    assert "20 updates at B = 16 and 20 at B = 64. Mean and standard deviation over n = 3 seeds" in caption
