"""Reading images at other places: zooms as matrices, blur along a line, bilinear values between pixels."""

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import zoom

_LEAST_WEIGHT = 1e-9
"""A byte times this is far from half a byte."""


@lru_cache(maxsize=256)
def zoom_matrix(side: int, factor: float) -> Float[np.ndarray, "{side} {side}"]:
    """A with A x A^T the middle of the image x, enlarged by the factor to the same side.

    The middle ceil(side / factor) pixels are interpolated linearly, first to first and last to last, to the rounded
    factor times as many; what is more than the side is cut off, the odd pixel at the end.
    """
    crop = int(np.ceil(side / factor))
    begin = (side - crop) // 2
    enlarged = np.asarray(zoom(np.eye(crop), (factor, 1.0), order=1))
    trim = (len(enlarged) - side) // 2
    matrix = np.zeros((side, side))
    matrix[:, begin : begin + crop] = enlarged[trim : trim + side]
    return matrix


def blur_along(
    images: Float[np.ndarray, "n side side channels"],
    angles: Float[np.ndarray, " n"],
    *,
    radius: float,
    sigma: float,
) -> Float[np.ndarray, "n side side channels"]:
    """ImageMagick's motion blur: each pixel is a mean over those that follow it along a line.

    With i = 0..2 ceil(radius), weights w_i ~ exp(-i^2 / (2 sigma^2)) that add up to 1, and offsets
    (ceil(i sin(angle) - 1/2), ceil(i cos(angle) - 1/2)) in (rows down, columns right). Pixels beyond an edge repeat
    it. ImageMagick rounds to the nearest byte, and so does this.

    Args:
        images: Values between 0 and 255.
        angles: In degrees.
        radius: In pixels.
        sigma: In pixels.
    """
    n, side = images.shape[:2]
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    number, here = np.arange(n)[:, None, None], np.arange(side)
    sine, cosine = np.sin(np.deg2rad(angles)), np.cos(np.deg2rad(angles))
    blurred = np.zeros_like(images)
    for step, weight in zip(steps, weights, strict=True):
        if weight > _LEAST_WEIGHT:
            down, right = (np.ceil(step * slope - 0.5).astype(int)[:, None] for slope in (sine, cosine))
            rows, columns = (np.clip(here + offset, 0, side - 1) for offset in (down, right))
            blurred += weight * images[number, rows[:, :, None], columns[:, None, :]]
    return np.floor(blurred + 0.5)


def between_pixels(
    images: Float[np.ndarray, "n side side 3"],
    rows: Float[np.ndarray, "n side side"],
    columns: Float[np.ndarray, "n side side"],
    *,
    border: Literal["edge once", "edge twice"],
) -> Float[np.ndarray, "n side side 3"]:
    """Bilinear values at these places; beyond an edge is the mirror image, with the edge pixel once or twice.

    Args:
        images: Any values.
        rows: Place that each value is read at, in pixels down.
        columns: In pixels to the right.
        border: Twice is scipy's "reflect", once its "mirror" (OpenCV's BORDER_REFLECT_101).
    """
    side = images.shape[1]
    number = np.arange(len(images))[:, None, None]
    top, left = np.floor(rows), np.floor(columns)
    values = np.zeros_like(images)
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - (rows - top)) * np.abs(1 - right - (columns - left))
            at = (_folded(at.astype(int), side, border) for at in (top + down, left + right))
            values += weight[..., None] * images[number, *at]
    return values


def _folded(at: Int[np.ndarray, "*shape"], side: int, border: str) -> Int[np.ndarray, "*shape"]:
    """Whole places beyond the edges, reflected into 0 .. side - 1."""
    extra = 1 if border == "edge twice" else 0
    period = 2 * (side - 1 + extra)
    at = at % period
    return np.minimum(at, period - extra - at)
