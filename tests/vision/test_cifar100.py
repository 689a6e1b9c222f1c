"""Real CIFAR-100, killed in the middle and resumed, with every selection: the published settings at small size."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vision.data import load_images

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("CONTRABATCH_DATA", ROOT / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "cifar-100-python/train").exists(),
    reason="needs CIFAR-100 under data/ (or in the folder that CONTRABATCH_DATA names)",
)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(("split", "n"), [("train", 50_000), ("test", 10_000)])
def test_the_official_files_are_read(split, n):
    images = load_images("cifar100", DATA, split)
    assert images.pixels.shape == (n, 3, 32, 32)
    assert images.labels.bincount().tolist() == [n // 100] * 100
    assert images.class_names[0] == "apple"
    mean = images.pixels.double().mean((0, 2, 3)) / 255
    assert (mean - images.mean).abs().max() < 0.01


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.slow
@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    "selection",
    ["shuffled", "fixed", "osgd --candidates 1500 --keep 150", "spectral", "spectral --replan pool"],
)
def test_a_killed_run_equals_an_uninterrupted_one(selection, tmp_path):
    """200 updates of batch 32, ImageNet stem at 32 pixels; minutes each, most of them embedding 50,000 images."""
    options = "cifar100-cpu --batch-size 32 --updates 200 --n-test 500 --device cpu --measures retrieval"
    options += f" --log-every 10 --checkpoint-every 40 --data {DATA} --selection {selection}"
    command = [sys.executable, "-m", "vision.train", *options.split(), "--out"]
    subprocess.run([*command, tmp_path / "whole"], cwd=ROOT, check=True)

    killed = tmp_path / "killed"
    with subprocess.Popen([*command, killed], cwd=ROOT) as process:
        while not (killed / "metrics.jsonl").exists() or len(metrics(killed)) < 11:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
    assert not (killed / "result.json").exists()
    subprocess.run([*command, killed], cwd=ROOT, check=True)

    assert metrics(killed) == metrics(tmp_path / "whole")
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "killed")]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]
