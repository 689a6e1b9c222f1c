"""A split as it lies on a disk: which files it is made of, and what they become when they are decoded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int64, UInt8

Split = Literal["train", "test"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of the channels of ImageNet's training images, where 1 is white."""
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Labels and names at once, pixels block by block: a split need not fit into memory."""

    labels: Int64[np.ndarray, " n"]
    class_names: tuple[str, ...]
    side: int
    """Height and width of the images."""
    blocks: Iterable[UInt8[np.ndarray, "block 3 side side"]]
    """The images in order, in blocks of any length."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Files that have been found, and not been read yet."""

    files: tuple[Path, ...]
    """All that are read; none where a library brings the images along."""
    origin: str
    """What these files are, in one phrase."""
    depends_on: tuple[str, ...] = ()
    """What else the result depends on, such as the classes that labels count."""
    decode: Callable[[], Decoded]
    """Raises a ValueError where a file is damaged or not the official one."""
