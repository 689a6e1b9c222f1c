"""The 1,797 digits that scikit-learn brings along."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from batching import uniforms
from vision.data.source import Decoded, Source, Split


def find_digits(_root: Path, split: Split, _side: int | None) -> Source:
    """Needs no files."""
    return Source(files=(), origin="part of scikit-learn", decode=lambda: _decode(split))


def _decode(split: Split) -> Decoded:
    """1,797 digits of 8 x 8 pixels and 17 grey levels, enlarged to 32 x 32; every fifth of each class is a test."""
    from sklearn.datasets import load_digits  # a second that other data sets need not wait for

    # load_digits() returns a Bunch here; its annotation also allows the (data, target) pair.
    digits: Any = load_digits()
    labels = torch.from_numpy(np.asarray(digits.target)).long()
    # By class, in random order within a class: whole numbers plus fractions.
    order = (labels + uniforms(0, "digits", 0, len(labels))).argsort()
    is_test = torch.arange(len(labels)) % 5 == 0
    chosen = order[is_test if split == "test" else ~is_test].sort().values
    small = torch.from_numpy(digits.images[chosen.numpy()]).float()[:, None] * (255 / 16)
    large = functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    pixels = large.round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    return Decoded(
        labels=labels[chosen].numpy(),
        class_names=tuple(str(digit) for digit in range(10)),
        side=32,
        blocks=[pixels.numpy()],
    )
