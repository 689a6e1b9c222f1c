"""Which runs are compared, and how: intervals over seeds, differences of the same seed."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest

from figures.effects import along, effects, interval
from figures.experiments import TEXT, VISION
from figures.folders import read_runs
from figures.studies import in_studies
from figures.trained import trained_results


def test_studies_differ_in_what_is_not_selected(vision_tables):
    table = in_studies(vision_tables[0], VISION)
    assert sorted(set(table["study"])) == [
        "cifar100_cifar_32px_N320_B32_t0.1_2-epochs",
        "cifar100_cifar_32px_N320_B32_t0.5_2-epochs",
    ]
    assert table["title"].iloc[0].startswith("cifar100, cifar stem, 32 pixels, N = 320, B = 32, temperature 0.")


def test_studies_of_one_name_are_told_apart_by_what_differs(write_run, tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", learning_rate=0.1)
    write_run(tmp_path / "c", log_every=10, seed=1)
    table = in_studies(trained_results(read_runs([tmp_path])[0]), VISION)
    base = "cifar100_cifar_32px_N320_B32_t0.1_2-epochs_learning_rate-"
    assert table["study"].tolist() == [f"{base}0.3", f"{base}0.1", f"{base}0.3"]
    assert table["title"].iloc[1].endswith("2 epochs, learning_rate 0.1")


def test_studies_on_texts_are_named_by_texts_and_encoder(write_text_run, tmp_path):
    write_text_run(tmp_path / "a")
    write_text_run(tmp_path / "b", layers=6, hidden=384, baselines=[], data="elsewhere", seed=1)
    one, other = ({"layers": 6, "model_sha256": digits * 32} for digits in ("ab", "cd"))
    write_text_run(tmp_path / "c", model="models/minilm", **one)
    write_text_run(tmp_path / "d", model="models/minilm", fresh=True, **one)
    write_text_run(tmp_path / "e", texts_sha256="ffff567890abcdef", seed=2)
    write_text_run(tmp_path / "f", model="elsewhere/minilm", seed=1, **one)
    write_text_run(tmp_path / "g", model="elsewhere/minilm", **other)
    table = in_studies(trained_results(read_runs([tmp_path])[0]), TEXT)
    rest = "N320_B64_t0.05_2-epochs"
    assert table["study"].tolist() == [
        f"nuts_1x256_{rest}_texts_sha256-12e4567890",
        f"nuts_6x384_{rest}",
        f"nuts_minilm_{rest}_model_sha256-ababababab",
        f"nuts_fresh-minilm_{rest}",
        f"nuts_1x256_{rest}_texts_sha256-ffff567890",
        f"nuts_minilm_{rest}_model_sha256-ababababab",
        f"nuts_minilm_{rest}_model_sha256-cdcdcdcdcd",
    ]
    assert table["title"].iloc[2].endswith("2 epochs, model_sha256 ababababab")
    assert table["title"].iloc[1] == "nuts, 6 layers of 384, N = 320, B = 64, temperature 0.05, 2 epochs"
    assert "data" not in table, "texts are told by their digest, wherever they lie"


def test_knobs_of_presets_are_told_where_they_differ(write_run, tmp_path):
    write_run(tmp_path / "a", selection="osgd", keep=150)
    write_run(tmp_path / "b", selection="osgd", keep=15)
    write_run(tmp_path / "c", selection="shuffled", keep=15)
    write_run(tmp_path / "d", selection="shuffled", keep=150, seed=1)
    table = in_studies(trained_results(read_runs([tmp_path])[0]), VISION)
    assert table["guards"].tolist() == ["keep=150", "keep=15", "", ""]
    assert table["study"].nunique() == 1


def test_interval_is_students():
    """Student's t at n = 3: t_{0.975, 2} = 4.302653."""
    found = interval([1.0, 2.0, np.nan, 3.0])
    assert (found.mean, found.std, found.n) == (2.0, 1.0, 3)
    assert found.high - 2.0 == pytest.approx(4.302653 / sqrt(3), rel=1e-6)
    assert found.low == pytest.approx(4.0 - found.high)
    assert np.isnan(interval([1.0]).low)
    assert interval([]).n == 0


def test_interval_holds_the_truth_in_95_of_100():
    rng = np.random.default_rng(0)
    held = [(found := interval(rng.normal(7, 2, 4))).low < 7 < found.high for _ in range(2000)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_effects_are_paired_by_seed(vision_tables):
    results = in_studies(vision_tables[0], VISION)
    found = effects(results).query("measure == 'recall_at_1' and loss == 'dcl'").set_index("guards")
    assert set(found.index) == {"", "communities=4"}
    expected = interval([0.02, 0.022, 0.024])
    row = found.loc[""]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((expected.mean, expected.low, expected.high))
    assert row["n"] == 3
    assert (row["low"], row["high"]) > (0, 0), "seeds differ by more than that; pairs of a seed do not"
    assert set(effects(results)["measure"]) == {"recall_at_1", "knn_top1", "seconds", "train_loss"}


def test_effects_need_the_same_seeds(vision_tables):
    results = in_studies(vision_tables[0], VISION)
    lonely = results.query("not (selection == 'shuffled' and seed > 0)")
    found = effects(lonely).query("measure == 'knn_top1'")
    assert set(found["n"]) == {1}
    assert found["low"].isna().all()
    assert effects(results.query("selection != 'shuffled'")).empty
    assert effects(results.query("selection == 'shuffled' and seed == 1")).empty


def test_a_seed_counts_once():
    rows = {"seed": [0, 0, 1], "epoch_of_data": 1.0, "seconds": 2.0, "update": 5, "knn_top1": [0.2, 0.4, 0.5]}
    (point,) = along(pd.DataFrame(rows), "knn_top1").to_dict("records")
    assert (point["mean"], point["n"]) == (pytest.approx(0.4), 2)
