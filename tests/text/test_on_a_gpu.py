"""Runs on a pretended GPU: the CPU's losses, and no step that waits."""

from itertools import pairwise

import pytest
import torch
from pretend_cuda import pretend_cuda

from text.train import main

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which need not be pretended")


def of_each_text(q, k, v, starts, starts_of_keys, longest, longest_key):
    """`varlen_attn` by a loop; with what it asks of its arguments."""
    assert q.dtype == torch.bfloat16
    assert starts.dtype == torch.int32
    assert starts.is_cuda
    assert starts is starts_of_keys
    ends = starts.held.tolist()
    assert max(b - a for a, b in pairwise(ends)) == longest == longest_key
    seen = []
    for a, b in pairwise(ends):
        weights = (torch.einsum("qhd,khd->hqk", q[a:b], k[a:b]) * q.shape[-1] ** -0.5).softmax(-1)
        seen.append(torch.einsum("hqk,khd->qhd", weights, v[a:b]))
    return torch.cat(seen)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("attention", ["packed", "padded"])
def test_a_run_is_that_of_the_cpu(attention, precision, tiny, monkeypatch):
    """Attention to packed sequences is replaced: it has no kernel for a CPU. Nothing is saved at the end."""
    monkeypatch.setattr("losses.fused._HAS_TRITON", False)
    monkeypatch.setattr("batching.algorithms.assignment._HAS_TRITON", False)
    monkeypatch.setattr("text.train.save_model", lambda *_, **__: None)  # which asks where tensors lie
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", of_each_text)
    settings = {"attention": attention, "precision": precision, "dropout": 0.0, "updates": 4}
    expected = main(tiny(**settings))
    with pretend_cuda() as traffic:
        found = main(tiny(**settings, device="cuda"))
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-3 if precision == "float32" else 2e-2)
    steps = ("text/tokens", "text/packed", "text/model", "text/pairs", "losses/contrast", "training/optimizers")
    waits = [wait for wait in (*traffic.reads, *traffic.sends) if wait.startswith(steps)]
    # Transformers asks whether there is any padding.
    assert {wait.split(":")[0] for wait in waits} == (set() if attention == "packed" else {"text/model.py"})
