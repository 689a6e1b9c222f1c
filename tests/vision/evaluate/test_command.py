"""`python -m vision.evaluate` on small finished runs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from training import run_command
from vision.config import VisionConfig
from vision.data import load_images
from vision.evaluate.__main__ import main, parse
from vision.evaluate.load import fresh_encoder, load_encoder, read_config
from vision.evaluate.record import flat_names

pytestmark = pytest.mark.usefixtures("small_backbone")
CONFIG = VisionConfig(
    dataset="digits",
    n_pairs=64,
    n_test=32,
    image_size=16,
    stem="imagenet",
    hidden_dim=16,
    dim=8,
    batch_size=8,
    candidates=8,
    keep=4,
    batches_per_pool=4,
    updates=6,
    device="cpu",
)


@pytest.fixture
def run(tmp_path):
    """The folder of a run that has kept weights on the way."""
    folder = tmp_path / "run"
    (folder / "weights").mkdir(parents=True)
    stamp = {"experiment": "vision", "config": replace(CONFIG, data=tmp_path).record()}
    (folder / "config.json").write_text(json.dumps(stamp))
    for seed, name in ((5, "model.pt"), (6, "weights/update-00000003.pt")):
        torch.save(fresh_encoder(replace(CONFIG, seed=seed)).state_dict(), folder / name)
    return folder


def evaluated(run, *arguments):
    main(parse([str(run), "--device", "cpu", *arguments]))
    return json.loads((run / "evaluation.json").read_text())


def test_measures_are_shown_and_written(run, capsys):
    found = evaluated(
        run, "--measures", "retrieval", "geometry", "knn", "probe", "collisions", "--knn-k", "20", "64"
    )
    table = capsys.readouterr().out
    for told in ("split test, seed 0", "k 64, temperature 0.1", "label fraction 1.0, seed 0", "effective rank"):
        assert told in table
    assert [record["measure"] for record in found["records"]] == [
        *("retrieval", "geometry", "knn", "knn", "probe", "collisions")
    ]
    knn = found["records"][2]
    assert knn["weights"] == "model.pt"
    assert knn["settings"] == {
        "k": 20,
        "temperature": 0.1,
        "n_train": 64,
        "n_test": 32,
        "features": "backbone, unaugmented, unit length",
    }
    assert found["knn_k_20_top1"] == knn["values"]["top1"]
    assert found["retrieval_recall_at_1"] == found["records"][0]["values"]["recall_at_1"]
    assert {name for name in found if name != "records"} == flat_names(found["records"]).keys()


def test_what_is_there_is_kept_and_not_measured_again(run, capsys, monkeypatch):
    first = evaluated(run, "--measures", "knn", "--knn-k", "5")
    evaluated(run, "--measures", "knn", "--knn-k", "7", "--knn-temperature", "0.2")
    monkeypatch.setattr("vision.evaluate.suite.features", None)  # cannot be called
    both = evaluated(run, "--measures", "knn", "--knn-k", "5")
    assert "before" in capsys.readouterr().out
    assert both["knn_k_5_top1"] == first["knn_k_5_top1"]
    assert "knn_k_7_temperature_0.2_top1" in both
    with pytest.raises(TypeError):
        evaluated(run, "--measures", "knn", "--knn-k", "5", "--overwrite")


def test_other_weights_are_told_apart(run):
    evaluated(run, "--measures", "knn", "--knn-k", "5")
    found = evaluated(run, "--measures", "knn", "--knn-k", "5", "--weights", "update-00000003.pt")
    assert [record["weights"] for record in found["records"]] == ["model.pt", "update-00000003.pt"]
    assert found["records"][0]["values"] != found["records"][1]["values"]
    assert found["knn_k_5_top1"] == found["records"][0]["values"]["top1"]
    path = str(run / "weights/update-00000003.pt")
    assert evaluated(run, "--measures", "knn", "--knn-k", "5", "--weights", path) == found


def test_results_of_weights_that_are_no_more_are_dropped(run):
    evaluated(run, "--measures", "knn", "--knn-k", "5", "6")
    (run / "weights/update-00000003.pt").replace(run / "model.pt")  # the run was made anew
    found = evaluated(run, "--measures", "knn", "--knn-k", "5")
    assert [record["setting"]["k"] for record in found["records"]] == [5]


def test_retrieval_among_training_images_and_another_seed(run):
    found = evaluated(run, "--measures", "retrieval", "--split", "train", "--seed", "3")
    assert found["records"][0]["settings"]["n"] == 64
    assert "retrieval_split_train_seed_3_recall_at_1" in found


def test_fine_tuning_and_its_baseline(run, capsys):
    options = ("--tuning.epochs", "2", "--label-fraction", "0.25", "1.0")
    found = evaluated(run, "--measures", "finetune", "supervised", *options)
    measured = [(r["measure"], r["settings"]["start"], r["settings"]["n_train"]) for r in found["records"]]
    assert measured[0] == ("finetune", "trained", measured[0][2])
    assert [(name, start) for name, start, _ in measured] == [("finetune", "trained")] * 2 + [
        ("supervised", "fresh")
    ] * 2
    assert measured[0][2] < measured[1][2] == 64
    assert "finetune_epochs_2_top1" in found
    assert "label fraction 0.25, epochs 2" in capsys.readouterr().out


def test_corruptions_are_those_of_the_images_that_the_run_was_tested_on(run, tmp_path):
    folder = tmp_path / "digits-C"
    folder.mkdir()
    clean = load_images("digits", tmp_path, "test").pixels.permute(0, 2, 3, 1).numpy()
    for name, severities in (("darker", [clean // s for s in range(1, 6)]), ("same", [clean] * 5)):
        np.save(folder / f"{name}.npy", np.concatenate(severities))
    found = evaluated(run, "--measures", "corrupted", "--severity", "1", "2")
    kinds = [(record["measure"], record["setting"]["severity"]) for record in found["records"]]
    both = ("among_corruptions", "across_corruption")
    assert kinds == [(measure, severity) for severity in (1, 2) for measure in both]
    assert {record["settings"]["n_images"] for record in found["records"]} == {32}
    across = found["records"][3]
    assert across["values"]["by_corruption"].keys() == {"darker", "same"}
    assert across["values"]["by_corruption"]["same"] > 0.8
    assert not across["settings"]["recomputed"]
    assert found["among_corruptions_severity_2_recall_at_1"] == found["records"][2]["values"]["recall_at_1"]


def refused(capsys, *arguments):
    """What the command says on standard error when it ends with status 2."""
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, [*map(str, arguments), "--device", "cpu"])
    assert exit_.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_a_folder_that_is_no_run_is_refused(run, capsys, tmp_path):
    assert "RUN must be the folder of a run, with a config.json" in refused(capsys, tmp_path)
    (run / "config.json").write_text(json.dumps({"experiment": "text", "config": {}}))
    assert "must be a run on images" in refused(capsys, run)
    (run / "config.json").write_text("{")
    assert "cannot be read" in refused(capsys, run)


def test_an_unfinished_run_is_refused_unless_it_has_kept_weights(run, capsys):
    (run / "model.pt").unlink()
    told = refused(capsys, run)
    assert "it has not ended yet; finish it by its own command, or take weights kept on the way: --weights" in told
    assert "update-00000003.pt" in told
    (run / "weights/update-00000003.pt").unlink()
    assert "it has kept no others" in refused(capsys, run)
    assert "--weights must be a file, but no.pt is none" in refused(capsys, run, "--weights", "no.pt")


@pytest.mark.parametrize("content", [b"half a file", None])
def test_weights_of_another_network_are_refused(run, capsys, content):
    if content is None:
        torch.save({"something": torch.zeros(2)}, run / "model.pt")
    else:
        (run / "model.pt").write_bytes(content)
    assert "must hold the weights of the encoder that" in refused(capsys, run)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--measures", "retrieval", "knn"], "k must lie between 1 and the number of training images, 64, got 200"),
        (["--measures", "probe", "--label-fraction", "2"], "must lie in (0, 1], got 2.0"),
        (["--measures", "probe", "--label-fraction", "0.01"], "needs a class with two labelled images"),
        (["--measures", "corrupted"], "corruptions of digits are needed in"),
        (["--measures", "finetune", "--label-fraction", "0"], "must lie in (0, 1], got 0.0"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_bad_input_is_refused_before_anything_is_measured(run, capsys, arguments, told):
    assert told in refused(capsys, run, *arguments)
    assert not (run / "evaluation.json").exists()


def test_a_damaged_record_is_not_overwritten(run, capsys):
    (run / "evaluation.json").write_text("[]")
    assert "must be as this command writes it" in refused(capsys, run, "--measures", "geometry")
    assert (run / "evaluation.json").read_text() == "[]"


def test_an_encoder_is_loaded_as_it_was_saved(run):
    config, encoder = load_encoder(run)
    assert config == read_config(run)
    assert not encoder.training
    wanted = fresh_encoder(replace(CONFIG, seed=5)).state_dict()
    assert all(torch.equal(wanted[name], value) for name, value in encoder.state_dict().items())
