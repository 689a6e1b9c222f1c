"""A configuration put together: what is chosen for the device, and what the parts know of each other."""

from dataclasses import replace

import pytest
import torch

from training.steps import Steps
from vision.assembly import assemble, kernels
from vision.presets import PRESETS

SMOKE = PRESETS["smoke"]
pytestmark = pytest.mark.usefixtures("small_backbone")


@pytest.mark.parametrize("deterministic", [False, True])
def test_kernels_on_a_gpu_are_the_fastest_or_always_the_same(deterministic):
    cudnn = torch.backends.cudnn
    before = cudnn.enabled, cudnn.benchmark, cudnn.deterministic
    with kernels(replace(SMOKE, deterministic=deterministic), torch.device("cuda")):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, not deterministic, deterministic)
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == before
    with kernels(replace(SMOKE, deterministic=deterministic), torch.device("cpu")):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == before


def test_parts_fit_each_other(digits):
    parts = assemble(replace(SMOKE, optimizer="lars", learning_rate=0.5, rate_scaling="none", warmup=0.5), digits)
    assert parts.encoder is parts.pairs.model
    assert [id(p) for p in parts.optimizer.param_groups[0]["params"]] == [id(p) for p in parts.encoder.parameters()]
    assert parts.updates == 6
    assert [parts.learning_rate(update) for update in (2, 3)] == [pytest.approx(0.5)] * 2
    assert parts.make_steps is Steps, "nothing is recorded on a CPU"


def test_what_does_not_fit_is_refused_before_there_is_a_folder(digits):
    with pytest.raises(ValueError, match="trust belongs to lars"):
        assemble(replace(SMOKE, trust=0.1), digits)
    with pytest.raises(ValueError, match="batch_size must lie between 1 and the number of pairs, 64"):
        assemble(replace(SMOKE, dataset="cifar100", n_pairs=None, batch_size=80, batches_per_pool=1), digits)
