"""The kernel, in Triton's interpreter on a CPU and for real on a GPU, against the operations one by one."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from batching import uniforms
from vision.augmentation import Augmentation, apply_changes, draw_changes
from vision.augmentation.draws import N_DRAWS
from vision.augmentation.fused import fused_render, takes

CASES = [
    (32, 32, Augmentation(hue=0.4, solarize=0.3, jitter=0.9)),
    (12, 20, Augmentation(hue=0.0, grey=0.0)),  # a square that is no power of two
    (7, 7, Augmentation(jitter=0.0)),
    (7, 8, Augmentation(jitter=1.0, hue=0.5, brightness=1.0, contrast=1.0, saturation=1.0)),
]
INTERPRETER = """
import warnings
warnings.simplefilter("ignore")
import torch
from test_fused import CASES, both_ways
for case in CASES:
    found, expected = both_ways(*case, n=6, device="cpu")
    assert (found - expected).abs().max() < 1e-5, (case, (found - expected).abs().max())
rounded, expected = both_ways(*CASES[1], n=2, device="cpu", dtype=torch.bfloat16)
assert (rounded - expected).abs().max() < 2e-2
print("the kernel equals the operations")
"""


def both_ways(side, size, augmentation, *, n, device, dtype=torch.float32):
    """Views of seven images of noise: by the kernel, and by `apply_changes`."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (7, 3, side, side), dtype=torch.uint8, generator=generator).to(device)
    source = torch.randint(0, 7, (n,), generator=generator).to(device)
    drawn = draw_changes(uniforms(torch.arange(n, device=device), "test", 0, N_DRAWS), augmentation, side=side)
    mean, std = torch.tensor([0.5, 0.4, 0.3], device=device), torch.tensor([0.7, 0.8, 1.0], device=device)
    out = torch.full((n, 3, size, size), torch.nan, dtype=dtype, device=device)
    fused_render(out, pixels, source, drawn, mean=mean, std=std)
    views = apply_changes(pixels[source] / 255, drawn, size=size)
    return out.float(), (views - mean.view(3, 1, 1)) / std.view(3, 1, 1)


@pytest.mark.skipif(find_spec("triton") is None, reason="this build of torch has no Triton")
def test_the_kernel_equals_the_operations_in_the_interpreter():
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests/vision/augmentation'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETER], env=environment, capture_output=True, text=True, check=False
    )
    assert "the kernel equals the operations" in done.stdout, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("side", "size", "augmentation"), [*CASES, (64, 64, Augmentation()), (32, 64, Augmentation(solarize=0.5))]
)
def test_the_kernel_equals_the_operations_on_a_gpu(side, size, augmentation):
    found, expected = both_ways(side, size, augmentation, n=500, device="cuda")
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    rounded, _ = both_ways(side, size, augmentation, n=500, device="cuda", dtype=torch.bfloat16)
    torch.testing.assert_close(rounded, expected, rtol=0, atol=2e-2)


def test_the_kernel_is_for_gpus():
    assert not takes(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), Augmentation(), size=8)


@pytest.mark.gpu
def test_the_kernel_is_for_small_views_without_blur():
    pixels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8, device="cuda")
    assert takes(pixels, Augmentation(), size=32) == (find_spec("triton") is not None)
    assert not takes(pixels, Augmentation(), size=16)
    assert not takes(pixels, Augmentation(), size=96)
    assert not takes(pixels, Augmentation(blur=0.5), size=32)
    assert not takes(pixels, Augmentation(policy="randaugment"), size=32)
