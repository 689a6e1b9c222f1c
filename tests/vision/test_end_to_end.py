"""As a user would: train, be interrupted, go on, evaluate, export; alone and under torchrun."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

ROOT = Path(__file__).parents[2]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


def command(module, *arguments):
    words = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, env=ONE_THREAD, capture_output=True, text=True, check=False)


def test_train_end_resume_evaluate_export(tmp_path):
    out = tmp_path / "run"
    options = [
        "smoke",
        "--selection",
        "graph",
        "--updates",
        "150",
        "--log-every",
        "1",
        "--device",
        "cpu",
        "--out",
        out,
    ]
    options += ["--checkpoint-every", "1000"]  # never: the signal makes it
    words = [sys.executable, "-m", "vision.train", *map(str, options)]
    with subprocess.Popen(words, cwd=ROOT, env=ONE_THREAD, stderr=subprocess.PIPE, text=True) as process:
        log, deadline = out / "metrics.jsonl", time.monotonic() + 120
        while not log.exists() or log.read_text().count("\n") < 3:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 143, told
    assert (out / "checkpoint.pt").exists()
    assert not (out / "result.json").exists()

    done = command("vision.train", *options)
    assert done.returncode == 0, done.stderr
    assert "recall at 1" in done.stdout
    lines = [json.loads(line)["update"] for line in log.read_text().splitlines()]
    assert lines == list(range(1, 151)), "every update once"

    done = command("vision.evaluate", out, "--measures", "knn", "probe", "--device", "cpu", "--knn-k", "5")
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "evaluation.json").read_text())
    assert any("knn" in name for name in found), found.keys()

    done = command("vision.export", out, tmp_path / "backbone.pt")
    assert done.returncode == 0, done.stderr
    answer = resnet18().load_state_dict(torch.load(tmp_path / "backbone.pt", weights_only=True), strict=False)
    assert set(answer.missing_keys) == {"fc.weight", "fc.bias"}
    assert not answer.unexpected_keys


@pytest.mark.slow
@pytest.mark.parametrize("selection", ["shuffled", "osgd", "balanced"])
def test_torchrun_trains_on_parts_of_each_batch(selection, tmp_path):
    out = tmp_path / "run"
    options = ["smoke", "--selection", selection, "--device", "cpu", "--out", str(out), "--views", "separately"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "-m", "vision.train", *options],
        cwd=ROOT,
        env=ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("recall at 1 u to v") == 1, "the first process alone tells"
    config = json.loads((out / "config.json").read_text())["config"]
    assert config["processes"] == 2
    assert json.loads((out / "result.json").read_text())["pairs_seen"] == 6 * 8
