"""Training runs as rows: every setting tells them apart, every number is the run's own."""

import json

import numpy as np
import pytest

from figures.experiments import VISION
from figures.folders import Folder, read_runs
from figures.guards import HEEDED, KNOBS, PRESET_KNOBS, guards_word
from figures.table import collect, read_table
from figures.trained import thinned, trained_curves, trained_results
from figures.trained_summary import trained_table


def test_a_setting_is_a_column_whatever_it_is(write_run, tmp_path):
    write_run(tmp_path / "run", loss_settings=["gamma=0.9"], dataset="folder", skip_nearest=2)
    (row,) = trained_results(read_runs([tmp_path])[0]).to_dict("records")
    assert row["loss"] == "nt_xent"
    assert row["train_loss"] == 1.0, "the result's loss is not the setting"
    assert row["updates"] is None
    assert row["updates_taken"] == 20
    assert row["n_pairs"] == 320, "None is as many as there are"
    assert row["n_test"] == 100
    assert row["augmentation_flip"] == 0.5
    assert row["measures"] == "retrieval knn"
    assert row["loss_settings"] == "gamma=0.9"
    assert row["guards"] == "skip_nearest=2"
    assert row["data"] == "somewhere"
    assert row["commit"] == "0123456789ab"


def test_columns_are_settings_then_measures_then_provenance(vision_tables):
    columns = list(vision_tables[0])
    assert columns[:6] == ["dataset", "selection", "guards", "loss", "temperature", "batch_size"]
    seed, measure, commit = (columns.index(name) for name in ("seed", "recall_at_1", "commit"))
    assert {"learning_rate", "augmentation_blur", "log_every"} <= set(columns[:seed])
    assert seed < measure < commit
    assert columns[commit:] == ["commit", "device", "torch", "date", "run"]
    assert "data" not in columns, "where a known data set lies is nobody's business"


@pytest.mark.parametrize(
    "changed",
    [{"learning_rate": 0.1}, {"keep": 15}, {"augmentation": {"flip": 0.5, "blur": 0.5}}, {"device": "gpu"}],
)
def test_runs_that_differ_in_any_setting_are_two_rows(write_run, tmp_path, changed):
    device = changed.pop("device", "cpu")
    write_run(tmp_path / "one")
    collect([tmp_path / "one"], tmp_path / "data")
    write_run(tmp_path / "two", device=device, **changed)
    collect([tmp_path / "two"], tmp_path / "data")
    assert len(read_table(tmp_path / "data" / "vision_results.csv")) == 2
    assert read_table(tmp_path / "data" / "vision_curves.csv")["run"].nunique() == 2


def test_a_run_made_again_replaces_the_first(write_run, tmp_path):
    write_run(tmp_path / "one", accuracy=0.3)
    write_run(tmp_path / "other", seed=1)
    collect([tmp_path], tmp_path / "data")
    write_run(tmp_path / "again", accuracy=0.4, new_setting=None)
    collect([tmp_path / "again"], tmp_path / "data")
    table = read_table(tmp_path / "data" / "vision_results.csv")
    assert dict(zip(table["seed"], table["recall_at_1"], strict=True)) == {0: 0.4, 1: 0.5}
    curves = read_table(tmp_path / "data" / "vision_curves.csv")
    assert curves.groupby("run").size().tolist() == [5, 5]
    before = [(tmp_path / "data" / f"vision_{name}.csv").read_bytes() for name in ("results", "curves")]
    collect([tmp_path / "again"], tmp_path / "data")
    assert before == [(tmp_path / "data" / f"vision_{name}.csv").read_bytes() for name in ("results", "curves")]


def test_of_equal_runs_the_latest_counts(write_run, tmp_path):
    write_run(tmp_path / "a", accuracy=0.4)
    earlier = write_run(tmp_path / "b", accuracy=0.3)
    stamp = json.loads((earlier / "config.json").read_text())
    (earlier / "config.json").write_text(json.dumps(stamp | {"started": "2025-01-01T00:00:00+00:00"}))
    collect([tmp_path], tmp_path / "data")
    assert read_table(tmp_path / "data" / "vision_results.csv")["recall_at_1"].tolist() == [0.4]
    assert len(read_table(tmp_path / "data" / "vision_curves.csv")) == 5


def test_a_setting_that_is_new_gets_its_place_among_the_settings(write_run, tmp_path):
    write_run(tmp_path / "one")
    collect([tmp_path / "one"], tmp_path / "data")
    write_run(tmp_path / "two", new_setting=3)
    collect([tmp_path / "two"], tmp_path / "data")
    columns = list(read_table(tmp_path / "data" / "vision_results.csv"))
    assert columns.index("new_setting") < columns.index("seed")


def test_a_table_without_runs_is_refused(write_run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "vision_results.csv").write_text("dataset,seed\ncifar100,0\n")
    write_run(tmp_path / "one")
    with pytest.raises(
        ValueError, match=r"must have the column run, .*; remove the file and collect its runs again"
    ):
        collect([tmp_path / "one"], tmp_path / "data")


def test_later_evaluations_join_the_row(write_run, tmp_path):
    """evaluation.json as `training.evaluations` writes it; what the run measured itself stands."""
    from training.evaluations import flat_names

    record = {"final": True, "unusual": {}, "values": {"recall_at_1": 0.7, "by_corruption": {"fog": 0.6}}}
    records = [record | {"measure": "across_corruption"}, record | {"measure": "knn", "values": {"top1": 0.9}}]
    records += [record | {"measure": "across_corruption", "unusual": {"severity": 3}}]
    write_run(tmp_path / "run", evaluation={**flat_names(records), "records": records})
    collect([tmp_path], tmp_path / "data")
    table = read_table(tmp_path / "data" / "vision_results.csv")
    assert table["across_corruption_recall_at_1"].tolist() == [0.7]
    assert table["across_corruption_severity_3_recall_at_1"].tolist() == [0.7]
    assert table["knn_top1"].tolist() == [0.25]
    assert not [name for name in table if "fog" in name or "records" in name]
    text = trained_table(table, VISION)
    assert "| across corruption recall@1 (%) |" in text
    assert "severity" not in text, "the usual one is enough for the README"


def test_curves_have_plans_and_measurements(vision_tables):
    results, curves = vision_tables
    spectral = curves.query("selection == 'spectral' and guards == '' and loss == 'dcl' and seed == 1")
    assert spectral["update"].tolist() == [0, 5, 10, 15, 20]
    assert spectral["epoch_of_data"].tolist() == [0, 0.5, 1, 1.5, 2]
    np.testing.assert_allclose(spectral["hardness"], [np.nan, 2.75, 2.5, 2.25, 2.0])
    np.testing.assert_allclose(spectral["train_loss"], [3, 2.5, 2, 1.5, 1])
    end = results.loc[results["run"] == spectral["run"].iloc[0], "recall_at_1"].iloc[0]
    np.testing.assert_allclose(spectral["recall_at_1"], [0.1, np.nan, end / 2, np.nan, end], rtol=1e-5)
    assert curves.query("selection == 'shuffled'")["hardness"].isna().all()


def test_long_runs_are_thinned_and_keep_their_measurements(write_run, tmp_path):
    path = write_run(tmp_path / "run")
    lines = [{"update": i, "seconds": float(i), "plan_purity": 0.1} for i in range(1, 1001)]
    for i in range(100, 1001, 100):
        lines[i - 1]["knn_top1"] = i / 1000
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = json.loads((path / "result.json").read_text()) | {"updates": 1000}
    (path / "result.json").write_text(json.dumps(result))
    curves = trained_curves(read_runs([tmp_path])[0])
    assert len(curves) == 200
    assert curves["update"].is_monotonic_increasing
    assert curves.dropna(subset=["knn_top1"])["update"].tolist() == list(range(0, 1001, 100))
    assert max(np.diff(curves["update"])) <= 10
    measured = [{"knn_top1": i} for i in range(1000)]
    few = thinned(measured, 10, ["knn_top1"])
    assert len(few) == 10
    assert (few[0], few[-1]) == (measured[0], measured[-1])


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, ""),
        ({"apart_labels": True}, "apart_labels"),
        ({"max_similarity": 0.95}, "max_similarity=0.95"),
        ({"communities": 4, "refresh": 2}, "communities=4 refresh=2"),
        ({"teacher": "models/clip.npz", "teacher_sha256": "ab"}, "teacher=clip"),
        ({"neighbours": 32}, "neighbours=32"),
        ({"selection": "shuffled", "neighbours": 32}, ""),
    ],
)
def test_guards_are_the_knobs_that_were_turned(changed, word):
    assert guards_word({"selection": "graph"} | KNOBS | changed) == word


def test_knobs_are_those_of_selections():
    from batching import METHODS
    from training.config import TrainingConfig

    for name, default in KNOBS.items():  # apart_labels is a setting of images, apart_ids of texts
        assert getattr(TrainingConfig, name, False) == default, name
    for knob in (*KNOBS, *PRESET_KNOBS):
        heeding = {name for name, method in METHODS.items() if knob in method.heeds}
        if knob in HEEDED:
            assert HEEDED[knob] == heeding, knob
    assert {name for method in METHODS.values() for name in method.heeds} <= {
        *HEEDED,
        *("teacher", "reference", "loss", "temperature", "group"),
    }


def test_folders_know_what_was_logged(tmp_path):
    assert Folder(tmp_path, {"experiment": "vision"}, {}, {}).metrics() == []
