"""Picture files: which of a folder's files are pictures, and how they are decoded."""

import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Of the files that are taken for pictures; upper case counts, too."""
_BLOCK = 512
_MORE_THAN_8_BITS = ("I", "F")


def list_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted by path; what begins with a dot is left out."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            f"{parent}{os.sep}{name}"
            for name in files
            if not name.startswith(".") and name.lower().endswith(SUFFIXES)
        ]
    return [Path(path) for path in sorted(found)]  # text is sorted many times faster than paths


def list_folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; what begins with a dot is left out."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def decode_pictures(
    files: Sequence[Path], side: int, *, fit: bool
) -> Iterator[UInt8[np.ndarray, "block 3 side side"]]:
    """Decode files in order, several at once (decoding leaves Python's lock alone).

    Args:
        files: Pictures.
        side: Height and width of what comes out.
        fit: Resize and crop; otherwise a picture of another size is refused.

    Raises:
        ValueError: If one cannot be decoded.
    """
    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        for first in range(0, len(files), _BLOCK):
            block = pool.map(lambda path: read_picture(path, side, fit=fit), files[first : first + _BLOCK])
            yield np.stack(list(block))


def read_picture(path: Path, side: int, *, fit: bool) -> UInt8[np.ndarray, "3 side side"]:
    """Red, green and blue of a picture; grey ones get three equal planes, transparency is dropped.

    With `fit`, the shorter side is resized to `side` (bilinear, antialiased) and the middle is cut out, pixel for
    pixel what torchvision's `resize` and `center_crop` do to a PIL image.

    Raises:
        ValueError: If it cannot be decoded, has more than 8 bits a channel, or, without `fit`, another size.
    """
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            # By way of RGBA, a palette with transparent entries gives the same colours, and no warning.
            rgb = picture.convert("RGBA").convert("RGB") if mode == "P" else picture.convert("RGB")
    except (OSError, ValueError, EOFError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} must be a picture, but cannot be decoded ({error}); replace or remove it"
        ) from error
    if mode.startswith(_MORE_THAN_8_BITS):
        raise ValueError(f"{path} must have 8 bits a channel, got mode {mode}; convert or remove it")
    if fit:
        rgb = _fit(rgb, side)
    if rgb.size != (side, side):
        width, height = rgb.size
        raise ValueError(f"{path} must be {side} x {side} pixels, got {width} x {height}; replace or remove it")
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))


def _fit(picture: Image.Image, side: int) -> Image.Image:
    width, height = picture.size
    shorter = min(width, height)
    if shorter != side:
        width, height = (side if length == shorter else int(side * length / shorter) for length in (width, height))
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (round((length - side) / 2) for length in (width, height))
    return picture.crop((left, top, left + side, top + side))


def picture_side(path: Path) -> int:
    """The width of a picture, without decoding it."""
    try:
        with Image.open(path) as picture:
            return picture.width
    except OSError as error:
        raise ValueError(f"{path} must be a picture, but cannot be read ({error}); replace or remove it") from error
