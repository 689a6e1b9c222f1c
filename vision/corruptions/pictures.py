"""The pictures of frost that `frost` lays over images."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

FOLDER = "imagenet-c-frost"
"""Below the folder of data sets."""
_NAMES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""Of the six published pictures those that the published code draws from."""
_ADDRESS = "https://github.com/hendrycks/robustness/tree/master/ImageNet-C/create_c"

Picture = UInt8[np.ndarray, "_ _ 3"]


def check_pictures(folder: Path) -> None:
    """Refuse a folder that lacks a picture.

    Raises:
        ValueError: Saying which, and where they are published.
    """
    absent = [name for name in _NAMES if not (folder / name).is_file()]
    if absent:
        raise ValueError(
            f"frost needs the pictures {', '.join(_NAMES)} in {folder}, but {', '.join(absent)} cannot be found "
            f"there; take them from {_ADDRESS}, or leave frost out"
        )


@lru_cache(maxsize=4)
def load_pictures(folder: Path, scale: float) -> tuple[Picture, ...]:
    """The pictures that are drawn from, in their order, made smaller.

    Raises:
        ValueError: If one is absent.
    """
    check_pictures(folder)
    return tuple(_smaller(np.asarray(Image.open(folder / name).convert("RGB")), scale) for name in _NAMES)


def _smaller(picture: Picture, scale: float) -> Picture:
    """Bilinear between the four nearest pixels alone, as OpenCV's resize is: no mean over what is left out."""
    above, down = _between(picture.shape[0], scale)
    left, right = _between(picture.shape[1], scale)
    rows = picture[above] * (1 - down[:, None, None]) + picture[above + 1] * down[:, None, None]
    smaller = rows[:, left] * (1 - right[:, None]) + rows[:, left + 1] * right[:, None]
    return np.floor(smaller + 0.5).astype(np.uint8)


def _between(length: int, scale: float) -> tuple[Int[np.ndarray, " smaller"], Float[np.ndarray, " smaller"]]:
    """For each place of the smaller side: the pixel before it, and the weight of the next one."""
    places = (np.arange(round(length * scale)) + 0.5) / scale - 0.5
    before = np.clip(np.floor(places).astype(int), 0, length - 2)
    return before, np.clip(places - before, 0, 1)
