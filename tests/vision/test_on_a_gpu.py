"""Runs on a pretended GPU, their steps recorded and replayed: the CPU's losses, and no step that waits."""

from dataclasses import replace

import pytest
import torch
from pretend_cuda import pretend_cuda

from vision.augmentation import Augmentation
from vision.presets import PRESETS
from vision.train import main

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which need not be pretended")
CHANGES = {
    "plain": {},
    "taken as they come": {"capture": "off", "optimizer": "lars"},
    "state of a loss, fused Adam": {"loss": "sogclr", "optimizer": "adamw", "learning_rate": 0.001},
    "momentum encoder": {"momentum_encoder": 0.9, "optimizer": "lars-clipped"},
    "queue": {"loss": "moco", "momentum_encoder": 0.9, "queue_size": 16},
    "in chunks, images on the host": {"encode_batch_size": 4, "resident": False},
    "chosen batches": {"selection": "balanced", "random_fraction": 0.3},
    "blurred and large": {"augmentation": Augmentation(blur=0.5, solarize=0.2), "image_size": 72, "updates": 2},
}


@pytest.fixture(autouse=True)
def _no_triton(monkeypatch):
    monkeypatch.setattr("losses.fused._HAS_TRITON", False)
    monkeypatch.setattr("batching.algorithms.assignment._HAS_TRITON", False)
    monkeypatch.setattr("vision.augmentation.fused._HAS_TRITON", False)


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("change", CHANGES)
def test_a_run_is_that_of_the_cpu(change, tmp_path):
    config = replace(PRESETS["smoke"], **CHANGES[change])
    expected = main(replace(config, device="cpu", out=tmp_path / "cpu"))
    with pretend_cuda() as traffic:
        found = main(replace(config, device="cuda", out=tmp_path / "cuda"))
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-3)
    steps = ("vision/augmentation", "vision/model", "vision/momentum", "losses/contrast", "training/optimizers")
    waits = [wait for wait in traffic.reads if wait.startswith(steps)]
    assert waits == []
