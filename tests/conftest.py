"""What all tests share: unit pairs, and the rule that real data may be absent."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).parent.parent


@pytest.fixture
def unit_pairs() -> Callable[..., tuple[Tensor, Tensor]]:
    """unit_pairs(*shape, seed=0, dtype=float64) -> two independent tensors of unit rows."""

    def make(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        raw = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        u, v = torch.nn.functional.normalize(raw, dim=-1).to(dtype)
        return u, v

    return make


@pytest.fixture
def pair_file(tmp_path: Path, unit_pairs: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[int], Path]:
    """pair_file(n) -> a file of another model's embeddings of n pairs."""

    def write(n: int) -> Path:
        u, v = unit_pairs(n, 8, seed=1)
        np.savez(tmp_path / f"pairs{n}.npz", u=u.numpy(), v=v.numpy())
        return tmp_path / f"pairs{n}.npz"

    return write


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked gpu need a GPU."""
    skip_gpu = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(skip_gpu)
