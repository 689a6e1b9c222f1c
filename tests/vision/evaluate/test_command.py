"""`python -m vision.evaluate` on small finished runs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from training import run_command
from training.evaluations import flat_names
from training.run import weights_name
from vision.assembly import image_pairs
from vision.config import VisionConfig
from vision.corruptions.command import main as corrupt_digits
from vision.corruptions.command import parse as parse_corruptions
from vision.data import load_images
from vision.evaluate import collisions
from vision.evaluate.__main__ import main, parse
from vision.evaluate.load import fresh_encoder, load_encoder, read_config

pytestmark = pytest.mark.usefixtures("small_backbone")
KEPT = weights_name(3)
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
    for seed, name in ((5, "model.pt"), (6, f"weights/{KEPT}")):
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
    found = evaluated(run, "--measures", "knn", "--knn-k", "5", "--weights", KEPT)
    assert [record["weights"] for record in found["records"]] == ["model.pt", KEPT]
    assert found["records"][0]["values"] != found["records"][1]["values"]
    assert found["knn_k_5_top1"] == found["records"][0]["values"]["top1"]
    path = str(run / f"weights/{KEPT}")
    assert evaluated(run, "--measures", "knn", "--knn-k", "5", "--weights", path) == found


def test_results_on_images_that_are_no_more_are_measured_anew(run, monkeypatch, capsys):
    first = evaluated(run, "--measures", "knn", "geometry")
    evaluated(run, "--measures", "knn", "geometry", "--data", str(run))
    assert "now" not in capsys.readouterr().out.rsplit("measured", 1)[1], "the same images at another place"
    darker = {split: load_images("digits", run, split) for split in ("train", "test")}
    darker["test"] = replace(darker["test"], pixels=darker["test"].pixels // 2, digest="of darker images")
    monkeypatch.setattr("vision.evaluate.tasks.load_images", lambda *given: darker[given[2]])
    second = evaluated(run, "--measures", "geometry")
    assert first["geometry_alignment"] != second["geometry_alignment"]
    assert [record["images_sha256"]["test"] for record in second["records"]] == [
        first["records"][0]["images_sha256"]["test"],
        "of darker images",
    ]


def test_results_of_weights_that_are_no_more_are_dropped(run):
    evaluated(run, "--measures", "knn", "--knn-k", "5", "6")
    (run / f"weights/{KEPT}").replace(run / "model.pt")  # the run was made anew
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
    (folder / "manifest.json").write_text(json.dumps({"dataset": "digits", "asked": ["darker", "same"]}))
    found = evaluated(run, "--measures", "corrupted", "--severity", "1", "2")
    kinds = [(record["measure"], record["setting"]["severity"]) for record in found["records"]]
    both = ("among_corruptions", "across_corruption")
    assert kinds == [(measure, severity) for severity in (1, 2) for measure in both]
    assert {record["settings"]["n_images"] for record in found["records"]} == {32}
    across = found["records"][3]
    assert across["values"]["by_corruption"].keys() == {"darker", "same"}
    assert across["values"]["by_corruption"]["same"] > 0.8
    assert not across["settings"]["recomputed"]
    name = "among_corruptions_n_corruptions_2_severity_2_recall_at_1"
    assert found[name] == found["records"][2]["values"]["recall_at_1"]


def test_recomputed_corruptions_are_called_so(run, tmp_path, capsys):
    words = ["digits", "--data", str(tmp_path), "--severities", "1", "--workers", "1"]
    corrupt_digits(parse_corruptions([*words, "--n", "20", "--names", "fog", "contrast"]))
    found = evaluated(run, "--measures", "corrupted")
    name = "among_corruptions_recomputed_n_corruptions_2_n_images_20_recall_at_1"
    assert found[name] == found["records"][0]["values"]["recall_at_1"]
    assert "across_corruption_recomputed_n_corruptions_2_n_images_20_recall_at_1" in found
    assert all("recomputed" in name for name in found if "recall_at_1" in name)
    assert "recomputed, n corruptions 2, n images 20, severity 1, seed 0" in capsys.readouterr().out
    assert found["records"][0]["settings"]["corruptions"] == ["fog", "contrast"]

    assert evaluated(run, "--measures", "corrupted") == found
    assert "before" in capsys.readouterr().out
    corrupt_digits(
        parse_corruptions([*words, "--n", "20", "--seed", "1", "--overwrite", "--names", "fog", "contrast"])
    )
    others = evaluated(run, "--measures", "corrupted")
    assert "before" not in capsys.readouterr().out, "another set of the same shape"
    assert len(others["records"]) == 2
    assert others["records"][0]["images_sha256"] != found["records"][0]["images_sha256"]


def test_corruptions_of_a_folder_have_the_side_that_they_were_made_at(run, tmp_path):
    for i in range(4):
        for split in ("train", "val"):
            path = tmp_path / "pictures" / split / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), (60 * i, 255 - 60 * i, 30)).save(path)
    config = replace(CONFIG, dataset="folder", data=tmp_path / "pictures", n_pairs=None, n_test=None)
    (run / "config.json").write_text(json.dumps({"experiment": "vision", "config": config.record()}))
    words = ["folder", "--data", str(config.data), "--side", "32", "--severities", "1", "--workers", "1"]
    corrupt_digits(parse_corruptions([*words, "--names", "brightness", "contrast"]))
    found = evaluated(run, "--measures", "corrupted")
    assert [record["settings"]["n_images"] for record in found["records"]] == [4, 4]
    assert {record["settings"]["size"] for record in found["records"]} == {16}


def test_collisions_are_those_of_the_plan_that_the_run_makes(run, tmp_path):
    """With batch normalisation as in its training, which an evaluation must not move."""
    config = replace(CONFIG, data=tmp_path, selection="spectral", feature_mode="train", embed_batch_size=16)
    (run / "config.json").write_text(json.dumps({"experiment": "vision", "config": config.record()}))
    found = evaluated(run, "--measures", "knn", "collisions", "--seed", "4", "--knn-k", "5")["records"]
    train = load_images("digits", tmp_path, "train").subset(64)
    plans = {}
    for mode in ("train", "eval"):
        like = replace(config, seed=4, feature_mode=mode)
        pairs = image_pairs(load_encoder(run)[1], train, like)
        plans[mode] = like.rule().plan(64, 8, seed=4, epoch=0, embed=pairs.embed).batches
    assert not torch.equal(plans["train"], plans["eval"])
    assert found[1]["values"] == collisions(plans["train"], train.labels).values()
    after = evaluated(run, "--measures", "collisions", "knn", "--seed", "4", "--knn-k", "5", "--overwrite")[
        "records"
    ]
    assert {record["measure"]: record["values"] for record in after} == {
        record["measure"]: record["values"] for record in found
    }


def test_all_vote_where_there_are_fewer_than_200(run):
    found = evaluated(run, "--measures", "knn")
    assert found["records"][0]["setting"] == {"k": 64, "temperature": 0.1}
    assert found["knn_top1"] == found["records"][0]["values"]["top1"], "as the run itself calls it"


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
    assert KEPT in told
    (run / f"weights/{KEPT}").unlink()
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
        (
            ["--measures", "knn", "--knn-k", "200"],
            "k must lie between 1 and the number of training images, 64, got 200",
        ),
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
