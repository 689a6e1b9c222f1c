"""Weather: snow, frost, fog and brightness.

Functions of corruptions take images [n, side, side, 3] of bytes and give values between 0 and 255, not yet bytes.

References:
    Hendrycks and Dietterich, 2019, Section 4.1, arXiv 1903.12261.
    Fournier, Fussell and Carpenter, 1982, "Computer rendering of stochastic models" (the height map of fog).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from vision.corruptions.draws import Draws
from vision.corruptions.pictures import Picture
from vision.corruptions.recipes import Fog, Frost, Snow
from vision.corruptions.sampling import blur_along, zoom_matrix

_LUMA = np.array([0.299, 0.587, 0.114])
"""Grey of red, green and blue, ITU-R BT.601."""


def snow(
    images: UInt8[np.ndarray, "n side side 3"], constants: Snow, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """A whitened image, and flakes twice: falling, and the same layer turned by 180 degrees.

    Flakes are Gaussian noise, enlarged, cut off below a threshold, made bytes, and blurred downwards along an angle
    that is uniform on -135 .. -45 degrees.
    """
    side = images.shape[1]
    x = images / 255
    noise = constants.mean + constants.std * draws.normals("flakes", side, side)
    matrix = zoom_matrix(side, constants.zoom)
    flakes = matrix @ noise @ matrix.T
    flakes[flakes < constants.threshold] = 0
    angles = 90 * draws.uniforms("angle", 1)[:, 0] - 135
    layer = np.floor(255 * np.clip(flakes, 0, 1))[..., None]
    layer = blur_along(layer, angles, radius=constants.radius, sigma=constants.sigma) / 255
    grey = (x @ _LUMA)[..., None]
    whitened = constants.keep * x + (1 - constants.keep) * np.maximum(x, 1.5 * grey + 0.5)
    return 255 * np.clip(whitened + layer + layer[:, ::-1, ::-1], 0, 1)


def frost(
    images: UInt8[np.ndarray, "n side side 3"], constants: Frost, draws: Draws, *, pictures: tuple[Picture, ...]
) -> Float[np.ndarray, "n side side 3"]:
    """A weighted sum of the image and a random piece of a random picture of frost.

    Quirks: The published code lists six pictures and draws among the first five. A piece never begins at the last
    place that it would fit. Images get darker from severity 3 on, so the mean change falls.
    """
    side = images.shape[1]
    u = draws.uniforms("piece", 3)
    pieces = np.empty_like(images)
    for piece, (which, down, right) in zip(pieces, u, strict=True):
        picture = pictures[int(5 * which)]
        height, width = picture.shape[:2]
        top, left = int(down * (height - side)), int(right * (width - side))
        piece[:] = picture[top : top + side, left : left + side]
    return np.clip(constants.image * images + constants.frost * pieces, 0, 255)


def fog(
    images: UInt8[np.ndarray, "n side side 3"], constants: Fog, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """(x + strength * heights) * m / (m + strength), with m the largest value of the image and a random height map.

    Quirk: The map's side is a power of two, of which a corner of the image's size is taken.
    """
    side = images.shape[1]
    x = images / 255
    largest = x.max(axis=(1, 2, 3), keepdims=True)
    map_side = 1 << (side - 1).bit_length()
    heights = height_map(draws.uniforms("heights", map_side, map_side), constants.decay)[:, :side, :side, None]
    return 255 * np.clip((x + constants.strength * heights) * largest / (largest + constants.strength), 0, 1)


def brightness(
    images: UInt8[np.ndarray, "n side side 3"], shift: float, _draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """The value of the HSV colour, which is its largest channel, plus a shift, at most 1; hue and saturation stay.

    Channels are in proportion to the value where hue and saturation stay; black becomes grey.
    """
    x = images / 255
    value = x.max(axis=3, keepdims=True)
    brighter = np.clip(value + shift, 0, 1)
    return 255 * np.clip(np.where(value > 0, x / np.where(value > 0, value, 1) * brighter, brighter), 0, 1)


def height_map(u: Float[np.ndarray, "n side side"], decay: float) -> Float[np.ndarray, "n side side"]:
    """Heights on 0..1 by the diamond-square algorithm, on a torus.

    Grids of points `step` apart are refined until the step is 1: the middle of each square, and then of each
    diamond, is the mean of its four corners plus a random number. The first corner is 0.

    Quirk: The random numbers are uniform on -w .. w and then multiplied by w again, so w = 100, 100 / decay, ...
    counts squared; only ratios matter, as the heights are scaled to 0..1 in the end.

    Args:
        u: Numbers on [0, 1), one for each point; the first is not used.
        decay: What w is divided by as the step is halved.
    """
    side = u.shape[1]
    heights = np.zeros_like(u)
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners, middles = slice(0, None, step), slice(half, None, step)
        mean = _mean_with(wobble, u)
        grid = heights[:, corners, corners]
        rows = grid + np.roll(grid, -1, axis=1)
        heights[:, middles, middles] = mean(rows + np.roll(rows, -1, axis=2), middles, middles)
        centre = heights[:, middles, middles]
        vertical, horizontal = centre + np.roll(centre, 1, axis=1), grid + np.roll(grid, -1, axis=2)
        heights[:, corners, middles] = mean(vertical + horizontal, corners, middles)
        horizontal, vertical = centre + np.roll(centre, 1, axis=2), grid + np.roll(grid, -1, axis=1)
        heights[:, middles, corners] = mean(horizontal + vertical, middles, corners)
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return heights / heights.max(axis=(1, 2), keepdims=True)


_Mean = Callable[[Float[np.ndarray, "n rows columns"], slice, slice], Float[np.ndarray, "n rows columns"]]


def _mean_with(wobble: float, u: Float[np.ndarray, "n side side"]) -> _Mean:
    """Of sums over four corners, with the random numbers of the points that the means are for."""
    return lambda total, rows, columns: total / 4 + wobble**2 * (2 * u[:, rows, columns] - 1)
