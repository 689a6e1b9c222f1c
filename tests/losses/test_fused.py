"""The Triton kernels, in Triton's interpreter on a CPU and for real on a GPU, against the walk by blocks."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from losses.fused import fused_log_sums, takes
from losses.logsumexp import log_sums
from losses.walk import Exclusion

INTERPRETER = """
import warnings
warnings.simplefilter("ignore")  # of numpy, which the interpreter computes with: log of 0, padding rows
import torch
from test_fused import both_ways, equal, exclusions
for operands, rtol in ((torch.float32, 1e-5), (torch.float16, 2e-3)):
    for n, m, dim in ((70, 70, 12), (130, 200, 40)):
        for case in exclusions(n, m, "cpu"):
            assert equal(*both_ways(n, m, dim, operands, *case, device="cpu"), rtol), (operands, n, m, case)
print("fused equals the walk")
"""


def exclusions(n, m, device):
    """(exclusion, columns too, x is y)."""
    generator = torch.Generator().manual_seed(1)
    ids, key_ids = (torch.randint(0, 30, (k,), generator=generator).to(device) for k in (n, m))
    yield Exclusion(), True, False
    yield Exclusion(3 if m > n else 0, anchor_ids=ids, key_ids=key_ids), False, False
    yield Exclusion(0, anchor_ids=ids, key_ids=ids), False, True
    yield Exclusion(None), False, False


def both_ways(n, m, dim, operands, exclusion, columns, symmetric, *, device):
    """Sums and slopes of a random function of them: by the kernels, and by the walk."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(k, dim, generator=generator).to(device) for k in (n, m))
    x, y = (torch.nn.functional.normalize(z, dim=-1).to(operands).float().requires_grad_() for z in (x, y))
    scale = torch.tensor(8.0, device=device, requires_grad=True)
    weights = torch.randn(2, max(n, m), generator=generator).to(device)
    results = []
    for function, more in ((fused_log_sums, {"operands": operands}), (log_sums, {})):
        rows, sums, *_ = function(
            x, x if symmetric else y, scale=scale, exclusion=exclusion, columns=columns, **more
        )
        total = (rows * weights[0, :n]).sum() + (0 if sums is None else (sums * weights[1, :m]).sum())
        slopes = torch.autograd.grad(total, (x, scale) if symmetric else (x, y, scale))
        results.append([rows.detach(), *([] if sums is None else [sums.detach()]), *slopes])
    return results


def equal(found, expected, rtol):
    """Whether all agree. The slope by the scale, last, sums terms that may cancel: measured by theirs."""
    *_, slopes, _ = expected
    sizes = [other.norm() for other in expected[:-1]] + [slopes.norm()]
    return all(
        (mine - other).norm() <= rtol * size for mine, other, size in zip(found, expected, sizes, strict=True)
    )


@pytest.mark.skipif(find_spec("triton") is None, reason="this build of torch has no Triton")
def test_kernels_equal_the_walk_in_the_interpreter():
    root = Path(__file__).parents[2]
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests/losses'}"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETER], env=environment, capture_output=True, text=True, check=False
    )
    assert "fused equals the walk" in done.stdout, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("operands", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("n", "m", "dim"), [(70, 70, 12), (130, 200, 40), (1000, 1000, 256)])
def test_kernels_equal_the_walk_on_a_gpu(operands, n, m, dim):
    for case in exclusions(n, m, "cuda"):
        assert equal(*both_ways(n, m, dim, operands, *case, device="cuda"), 2e-2)


def test_kernels_are_for_half_precision_on_a_gpu():
    x = torch.ones(2, 4)
    assert not takes(x, Exclusion(), torch.bfloat16)
    assert not takes(x.to("meta"), Exclusion(), torch.float32)
