"""Runs from end to end, on a few digits of 16 pixels: each selection, each option, interruption, bad input."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from batching import SELECTIONS, derived_seed
from losses import PAIR_LOSSES
from training import Run, run_command
from vision.config import VisionConfig
from vision.data import Images
from vision.model import Encoder
from vision.pairs import ImagePairs
from vision.presets import PRESETS
from vision.train import main, parse

ROOT = Path(__file__).parents[2]
SMOKE = replace(PRESETS["smoke"], device="cpu")
TINY = replace(
    SMOKE,
    n_pairs=32,
    n_test=16,
    batch_size=4,
    updates=3,
    candidates=4,
    keep=2,
    batches_per_pool=4,
    checkpoint_every=0,
)


pytestmark = pytest.mark.usefixtures("small_backbone")


def metrics(folder):
    """metrics.jsonl without what differs between two equal runs."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def outcome(folder):
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"]
    return result


def run(folder, config=TINY, **changes):
    result = main(replace(config, out=folder, **changes))
    return metrics(folder), outcome(folder), result


@pytest.mark.parametrize("selection", ["shuffled", "fixed", "osgd", "spectral", "full"])
def test_a_run_leaves_a_complete_folder(selection, tmp_path, capsys):
    lines, result, returned = run(tmp_path, selection=selection)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "result.json",
        "model.pt",
    }
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["experiment"] == "vision"
    assert config["config"]["selection"] == selection
    assert [line["update"] for line in lines] == [1, 2, 3]
    assert lines[-1]["loss"] == result["loss"] > 0
    assert lines[-1]["pairs_seen"] == result["pairs_seen"] == 3 * (32 if selection == "full" else 4)
    assert result["recall_at_1"] == (result["recall_at_1_u_to_v"] + result["recall_at_1_v_to_u"]) / 2
    assert 0 <= result["untrained_recall_at_1"] <= 1
    assert result["n_test"] == 16
    assert returned["recall_at_1"] == result["recall_at_1"]
    table = capsys.readouterr().out
    assert all(told in table for told in ("recall at 1 u to v", "untrained", selection, str(tmp_path)))

    model = Encoder(stem="imagenet", hidden_dim=32, dim=16, seed=0)
    model.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))


@pytest.mark.parametrize("selection", [name for name in SELECTIONS if name != "all"])
@pytest.mark.filterwarnings("ignore:the engine failed")  # so small a graph
def test_every_selection_trains(selection, tmp_path, pair_file):
    lines, result, _ = run(
        tmp_path / "run",
        selection=selection,
        batch_size=2 if selection == "matching" else 4,
        reference=pair_file(TINY.n_pairs) if selection == "rho" else None,
        epochs=1,
        updates=2,
    )
    assert [line["update"] for line in lines] == [1, 2]
    assert math.isfinite(result["loss"])
    assert all(0 < line["plan_coverage"] <= 1 for line in lines)
    if selection in ("balanced", "graph", "kmeans"):
        assert all(line["plan_hardness"] > line["plan_hardness_before"] for line in lines)


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_every_loss_trains(loss, tmp_path):
    lines, result, _ = run(tmp_path, loss=loss, updates=2)
    assert [line["update"] for line in lines] == [1, 2]
    assert math.isfinite(result["loss"])
    assert json.loads((tmp_path / "config.json").read_text())["config"]["loss"] == loss


def test_a_run_repeats_itself(tmp_path):
    assert run(tmp_path / "once")[:2] == run(tmp_path / "twice")[:2]


CHANGES = [
    ("n_pairs", 28, {}),
    ("n_test", 24, {}),
    ("image_size", 24, {}),
    ("augmentation", replace(TINY.augmentation, blur=1.0), {}),
    ("augmentation", replace(TINY.augmentation, solarize=1.0), {}),
    ("augmentation", replace(TINY.augmentation, policy="trivialaugment"), {}),
    ("augmentation", replace(TINY.augmentation, min_area=0.5), {}),
    ("augmentation", replace(TINY.augmentation, max_aspect=2.0), {}),
    ("augmentation", replace(TINY.augmentation, flip=0.0), {}),
    ("augmentation", replace(TINY.augmentation, jitter=0.0), {}),
    ("augmentation", replace(TINY.augmentation, brightness=0.1), {}),
    ("augmentation", replace(TINY.augmentation, contrast=0.1), {}),
    ("stem", "cifar", {}),
    ("hidden_dim", 48, {}),
    ("dim", 8, {}),
    ("head_layers", 3, {}),
    ("head_norm", "all", {}),
    ("zero_init_residual", True, {}),
    ("momentum_encoder", 0.5, {}),
    ("queue_size", 4, {"loss": "moco", "momentum_encoder": 0.5, "updates": 4}),
    ("feature_mode", "train", {"selection": "balanced"}),
    ("embed_batch_size", 8, {"selection": "balanced", "feature_mode": "train"}),
    ("views", "separately", {}),
    ("precision", "bfloat16", {}),
    ("selection", "fixed", {"updates": 9}),  # its first epoch is the same partition
    ("candidates", 8, {"selection": "osgd"}),
    ("keep", 1, {"selection": "osgd"}),
    ("batches_per_pool", 8, {"selection": "spectral"}),
    ("replan", "pool", {"selection": "spectral", "updates": 5}),  # its first pool is the same
    ("pool_factor", 1.5, {"selection": "ordered"}),
    ("walk_candidates", 20, {"selection": "walk"}),
    ("neighbours", 3, {"selection": "bandwidth"}),
    ("window_start", 4, {"selection": "graph"}),
    ("teacher", "a file", {"selection": "balanced"}),
    ("reference", "a file", {"selection": "jest"}),
    ("communities", 2, {"selection": "balanced"}),
    ("random_fraction", 0.5, {"selection": "balanced"}),
    ("refresh", 2, {"updates": 9}),  # its first epoch is in another order
    ("max_similarity", 0.9, {"selection": "balanced"}),
    ("skip_nearest", 1, {"selection": "balanced"}),
    ("apart_labels", True, {"n_pairs": 24}),
    ("loss", "info_nce", {}),
    ("loss_settings", ("sigma=0.1",), {"loss": "dclw"}),
    ("temperature", 0.5, {}),
    ("batch_size", 8, {}),
    ("encode_batch_size", 2, {}),
    ("epochs", 2, {"updates": None, "epochs": 1}),
    ("updates", 4, {}),
    ("learning_rate", 0.1, {}),
    ("rate_scaling", "sqrt", {}),
    ("optimizer", "lars", {}),
    ("trust", 0.1, {"optimizer": "lars"}),
    ("measures", ("knn",), {}),
    ("evaluate_every", 1, {"n_pairs": 16, "updates": 9}),
    ("warmup", 0.5, {}),
    ("momentum", 0.5, {}),
    ("weight_decay", 0.1, {}),
    ("seed", 1, {}),
    ("log_every", 2, {}),
]
ELSEWHERE = {
    "dataset",
    "deterministic",
    "data",
    "device",
    "checkpoint_every",
    "out",
    "overwrite",
    "resident",
    "steps_at_once",
} | {*("keep_every", "tensorboard", "capture", "compile")}


def test_every_option_is_tested():
    assert {name for name, _, _ in CHANGES} | ELSEWHERE == {field.name for field in fields(VisionConfig)}


@pytest.mark.filterwarnings("ignore:.*pairs that must not meet")  # untrained embeddings are all alike
@pytest.mark.parametrize(
    ("name", "value", "given"), CHANGES, ids=[f"{name}-{n}" for n, (name, _, _) in enumerate(CHANGES)]
)
def test_every_option_changes_something(name, value, given, tmp_path, pair_file):
    value = pair_file(TINY.n_pairs) if value == "a file" else value
    before = run(tmp_path / "before", **given)[:2]
    after = run(tmp_path / "after", **(given | {name: value}))[:2]
    seen = 1 if name in ("n_test", "measures") else 0  # those in the result, every other one in the metrics
    assert after[seen] != before[seen]


@pytest.mark.parametrize("selection", ["osgd", "spectral"])
def test_batches_are_chosen_at_the_temperature_of_the_loss(selection):
    for temperature in (0.1, 2.0):
        rule = replace(TINY, selection=selection, temperature=temperature).rule()
        used = rule.loss.keywords["temperature"] if selection == "osgd" else rule.engine.temperature
        assert used == temperature


@pytest.mark.parametrize(("name", "value"), [("saturation", 0.5), ("hue", 0.3), ("grey", 1.0)])
def test_options_of_colour_change_the_views_of_colour_pictures(name, value):
    """The digits are grey, so these three are looked at on noise."""
    pixels = torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images = Images(
        name="noise",
        pixels=pixels,
        labels=torch.arange(4),
        class_names=(),
        mean=torch.full((3,), 0.5),
        std=torch.full((3,), 0.25),
    )
    model = Encoder(stem="imagenet", hidden_dim=8, dim=4, seed=0)
    embeddings = [
        ImagePairs(model, images, augmentation=augmentation, size=16, seed=0).embed(None)[0]
        for augmentation in (TINY.augmentation, replace(TINY.augmentation, **{name: value}))
    ]
    assert not torch.equal(*embeddings)


def test_the_first_weights_depend_on_the_seed(tmp_path):
    for seed in (0, 1):
        run(tmp_path / str(seed), seed=seed, learning_rate=0.0)  # the weights stay what they were
    one, other = (torch.load(tmp_path / seed / "model.pt", weights_only=True) for seed in "01")
    assert not torch.equal(one["backbone.conv1.weight"], other["backbone.conv1.weight"])


def test_weights_are_kept_along_the_way(tmp_path):
    run(tmp_path, updates=20, keep_every=1)  # an epoch has 8 updates
    assert [path.name for path in sorted((tmp_path / "weights").iterdir())] == [
        "update-000008.pt",
        "update-000016.pt",
    ]
    weights = torch.load(tmp_path / "weights" / "update-000016.pt", weights_only=True)
    assert weights.keys() == torch.load(tmp_path / "model.pt", weights_only=True).keys()


def test_measures_are_taken_when_an_epoch_is_full(tmp_path):
    """An epoch has 8 updates, lines come every 7."""
    lines, result, _ = run(
        tmp_path, updates=20, evaluate_every=1, log_every=7, momentum=0.0, learning_rate=0.0, measures=("knn",)
    )
    measured = {line["update"]: line["knn_top1"] for line in lines if "knn_top1" in line}
    assert measured.keys() == {0, 8, 16}
    assert measured[0] == result["untrained_knn_top1"]
    assert math.isfinite(result["knn_top1"])


def test_every_measure_is_told(tmp_path, capsys):
    measures = ("retrieval", "knn", "probe", "geometry")
    _, result, _ = run(tmp_path, measures=measures)
    names = ("recall_at_1", "knn_top1", "probe_top1", "probe_top5", "alignment", "uniformity")
    assert all(math.isfinite(result[name]) for name in names)
    assert all(math.isfinite(result[f"untrained_{name}"]) for name in names if not name.startswith("probe"))
    table = capsys.readouterr().out
    assert all(name.replace("_", " ") in table for name in names)


def test_where_the_images_lie_changes_nothing(tmp_path):
    assert run(tmp_path / "device")[:2] == run(tmp_path / "host", resident=False)[:2]


def test_tensorboard_gets_the_metrics(tmp_path):
    run(tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").iterdir())


@pytest.mark.slow
def test_a_compiled_backbone_trains_alike(tmp_path):
    plain, compiled = run(tmp_path / "plain"), run(tmp_path / "compiled", compile=True)
    assert compiled[1]["loss"] == pytest.approx(plain[1]["loss"], rel=1e-3)
    assert_same_names(tmp_path / "plain", tmp_path / "compiled")


def assert_same_names(*folders):
    one, other = (torch.load(folder / "model.pt", weights_only=True) for folder in folders)
    assert one.keys() == other.keys()


def test_checkpoints_are_written_as_often_as_asked(tmp_path, monkeypatch):
    written = []
    checkpoint = Run.checkpoint
    monkeypatch.setattr(
        Run, "checkpoint", lambda self, state: (written.append(state["counters"][0]), checkpoint(self, state))
    )
    run(tmp_path, updates=5, checkpoint_every=2)
    assert written == [2, 4, 5]
    assert not (tmp_path / "checkpoint.pt").exists()


INTERRUPTED = {
    "shuffled": {},
    "osgd": {"selection": "osgd"},  # a new plan right after the checkpoint
    "spectral": {"selection": "spectral", "replan": "pool", "batches_per_pool": 4},  # likewise
    "views made ahead": {"steps_at_once": 3},
    "a loss with a state": {"loss": "sogclr", "n_pairs": 16},  # every pair is seen before the checkpoint
    "a queue and a follower": {"loss": "moco", "momentum_encoder": 0.9, "queue_size": 20},
    "statistics that planning moves": {"selection": "graph", "feature_mode": "train", "n_pairs": 32},
    "a rate for each layer": {"optimizer": "lars"},
    "two moments": {"optimizer": "adamw"},
}


@pytest.mark.parametrize("change", INTERRUPTED.values(), ids=INTERRUPTED)
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(change, tmp_path, monkeypatch):
    config = replace(SMOKE, updates=7, checkpoint_every=4, **change)
    whole = run(tmp_path / "whole", config)

    begin_update = ImagePairs.begin_update

    def fail_at_6(self, update):
        if update == 6:
            raise RuntimeError("power cut")
        begin_update(self, update)

    with monkeypatch.context() as patch:
        patch.setattr(ImagePairs, "begin_update", fail_at_6)
        with pytest.raises(RuntimeError, match="power cut"):
            run(tmp_path / "cut", config)
    assert len(metrics(tmp_path / "cut")) == 6
    assert not (tmp_path / "cut" / "result.json").exists()

    resumed = run(tmp_path / "cut", config)
    assert resumed[:2] == whole[:2]
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_run_interrupted_after_its_last_update_still_tells_its_loss(tmp_path, monkeypatch):
    config = replace(SMOKE, updates=2)
    whole = run(tmp_path / "whole", config)

    def fail(_path, _value):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("vision.train.save_atomically", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            run(tmp_path / "cut", config)
    assert run(tmp_path / "cut", config)[:2] == whole[:2]


def assert_same_weights(*folders):
    one, other = (torch.load(folder / "model.pt", weights_only=True) for folder in folders)
    assert all(torch.equal(one[name], other[name]) for name in one)


def command(*arguments):
    return [sys.executable, "-m", "vision.train", *arguments]


def test_a_killed_process_goes_on_when_it_is_started_again(tmp_path, monkeypatch):
    """With the real ResNet-18, as a user would run it."""
    monkeypatch.setattr("torchvision.models.resnet18", resnet18)
    options = ["--selection", "osgd", "--updates", "12", "--checkpoint-every", "4", "--device", "cpu"]
    arguments = command("smoke", *options, "--out", str(tmp_path / "killed"))
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    log = tmp_path / "killed" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not log.exists() or log.read_text().count("\n") < 6:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    assert not (tmp_path / "killed" / "result.json").exists()

    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "recall at 1" in done.stdout
    whole = run(tmp_path / "whole", parse(["smoke", *options]))
    assert metrics(tmp_path / "killed") == whole[0]
    assert outcome(tmp_path / "killed") == whole[1]
    assert_same_weights(tmp_path / "killed", tmp_path / "whole")


def refused(capsys, *arguments):
    """What the command says on standard error when it ends with status 2."""
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, arguments)
    assert exit_.value.code == 2
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["imagenet"], "Available subcommands: digits, cifar100, "),
        (
            ["smoke", "--capture", "on", "--device", "cpu"],
            "recording steps needs a CUDA device; set capture to auto",
        ),
        (["smoke", "--selection", "hardest"], "selection must be one of fixed, shuffled, random"),
        (["smoke", "--loss", "perfect"], f"loss must be one of {', '.join(PAIR_LOSSES)}, got 'perfect'"),
        (["smoke", "--stem", "mnist"], "Expected one of ('cifar', 'imagenet')"),
        (["smoke", "--batch-size", "100"], "batch_size must lie between 1 and the number of pairs, 64, got 100"),
        (["smoke", "--temperature", "0"], "temperature must be positive, got 0.0"),
        (["smoke", "--device", "tpu"], "--device must be auto, cpu or cuda"),
    ],
    ids=lambda x: " ".join(x[:2]) if isinstance(x, list) else "",
)
def test_bad_input_is_refused_with_status_2(arguments, told, capsys, tmp_path):
    assert told in refused(capsys, *arguments, *(["--out", str(tmp_path / "run")] if arguments[1:] else []))
    assert not (tmp_path / "run").exists()


def test_absent_data_is_refused_before_a_folder_is_made(capsys, tmp_path):
    told = refused(capsys, "cifar100", "--data", str(tmp_path), "--out", str(tmp_path / "run"))
    assert told.startswith("error: cifar100 needs the files train, test and meta")
    assert not (tmp_path / "run").exists()


def test_damaged_data_is_refused(capsys, tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"half a download")
    told = refused(capsys, "cifar100", "--data", str(tmp_path), "--out", str(tmp_path / "run"))
    assert "must be the official file with md5 16019d7e3df5f24257cddd939b257f8d, got md5" in told


def test_a_finished_run_is_kept_unless_told_otherwise(capsys, tmp_path):
    arguments = ["smoke", "--updates", "1", "--n-pairs", "16", "--out", str(tmp_path)]
    run_command(main, parse, arguments)
    told = refused(capsys, *arguments)
    assert "must not hold a finished run" in told
    assert "--overwrite" in told
    run_command(main, parse, [*arguments, "--overwrite", "--seed", "1"])
    assert json.loads((tmp_path / "config.json").read_text())["config"]["seed"] == 1


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("loss", ["nt_xent", "sogclr"])
@pytest.mark.parametrize("optimizer", ["sgd", "lars", "lars-clipped", "adamw"])
def test_a_recorded_run_on_a_gpu_is_the_run(precision, loss, optimizer, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.models.resnet18", resnet18)
    options = {"device": "cuda", "precision": precision, "loss": loss, "updates": 12, "deterministic": True}
    eager = run(tmp_path / "eager", capture="off", optimizer=optimizer, **options)
    recorded = run(tmp_path / "recorded", capture="on", optimizer=optimizer, **options)
    tolerance = 1e-2 if precision == "float32" else 0.1
    for one, other in zip(eager[0], recorded[0], strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=tolerance)
    before = Encoder(stem="imagenet", hidden_dim=32, dim=16, seed=derived_seed(0, "weights")).state_dict()
    one, other = (torch.load(tmp_path / name / "model.pt", weights_only=True) for name in ("eager", "recorded"))
    for name in ("backbone.conv1.weight", "head.0.weight"):
        moved = (one[name].cpu() - before[name]).norm()
        assert moved > 0
        assert (one[name] - other[name]).norm() < (0.05 if precision == "float32" else 0.3) * moved
