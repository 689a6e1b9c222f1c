"""Pictures to corrupt, and pictures of frost to corrupt them with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter


@pytest.fixture(scope="session")
def pictures() -> Callable[[int, int], np.ndarray]:
    """pictures(n, side) -> bytes with shapes and colours, some of them pure black or white."""

    def make(n: int, side: int = 32) -> np.ndarray:
        noise = np.random.default_rng(0).standard_normal((n, side, side, 3))
        smooth = gaussian_filter(noise, (0, 3, 3, 0))
        return np.uint8(np.clip(128 + 75 * smooth / smooth.std() + 12 * noise, 0, 255))

    return make


@pytest.fixture(scope="session")
def frost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with five pictures of frost: sizes differ, one has transparency."""
    folder = tmp_path_factory.mktemp("data") / "imagenet-c-frost"
    folder.mkdir()
    generator = np.random.default_rng(1)
    names = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
    for i, name in enumerate(names):
        channels = 4 if i == 0 else 3
        coarse = generator.integers(0, 256, (30 + i, 40, channels), dtype=np.uint8)
        Image.fromarray(coarse).resize((400, 300 + 10 * i)).save(folder / name)
    return folder
