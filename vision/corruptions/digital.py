"""Digital: contrast, elastic transform, pixelation, JPEG and saturation.

Functions of corruptions take images [n, side, side, 3] of bytes and give values between 0 and 255, not yet bytes.

References:
    Hendrycks and Dietterich, 2019, Section 4.1, arXiv 1903.12261.
    Simard, Steinkraus and Platt, 2003, "Best practices for convolutional neural networks", Section 2 (elastic).
"""

from io import BytesIO

import numpy as np
from jaxtyping import Float, Float64, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

from vision.corruptions.draws import Draws
from vision.corruptions.recipes import Elastic, Saturate
from vision.corruptions.sampling import between_pixels


def contrast(
    images: UInt8[np.ndarray, "n side side 3"], factor: float, _draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """Factor * (x - mean) + mean, with the mean of each image and channel."""
    x = images / 255
    # Sums of bytes are exact: an image alone and the same in a batch have the same mean.
    mean = images.sum(axis=(1, 2), keepdims=True, dtype=np.int64) / (255 * images.shape[1] ** 2)
    return 255 * np.clip(factor * (x - mean) + mean, 0, 1)


def saturate(
    images: UInt8[np.ndarray, "n side side 3"], constants: Saturate, _draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """The saturation of the HSV colour becomes factor * saturation + shift, within 0..1; hue and value stay.

    A channel's distance from the largest is in proportion to the saturation.

    Quirks: Severities 1 and 2 take colour away and 3 to 5 add it, so their order is no order of strength. Grey has
    hue 0, which is red: where the shift is not 0 (severities 4 and 5) grey turns reddish.
    """
    x = images / 255
    value, least = x.max(axis=3, keepdims=True), x.min(axis=3, keepdims=True)
    saturation = np.where(value > 0, (value - least) / np.where(value > 0, value, 1), 0)
    changed = np.clip(constants.factor * saturation + constants.shift, 0, 1)
    has_hue = saturation > 0
    coloured = value - (value - x) * changed / np.where(has_hue, saturation, 1)
    red = value * np.concatenate([np.ones_like(changed), 1 - changed, 1 - changed], axis=3)
    return 255 * np.clip(np.where(has_hue, coloured, red), 0, 1)


def elastic_transform(
    images: UInt8[np.ndarray, "n side side 3"], constants: Elastic, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """A random affine map, then displacements: uniform noise on -1 .. 1, Gaussian-blurred, times a strength.

    Both read between pixels; beyond the edges is the mirror image. The affine map takes three points around the
    centre, side // 3 away from it along each axis, to places that are uniform within `corner` of them.

    Quirks: From severity to severity displacements grow and get rougher while the affine map gets weaker, so the
    mean change falls; severity 1 has no displacements at all. OpenCV's classical affine maps read at multiples of
    1/32 pixel, this reads at the exact place.
    """
    side = images.shape[1]
    here = np.arange(side, dtype=float)
    back = _affine_back(side, constants.corner * side, draws)
    y, x = np.meshgrid(here, here, indexing="ij")
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ back[:, None]
    moved = between_pixels(images / 255, places[..., 1], places[..., 0], border="edge once")
    right, down = (_displacements(draws.uniforms(axis, side, side), constants) for axis in ("right", "down"))
    return 255 * np.clip(between_pixels(moved, y + down, x + right, border="edge twice"), 0, 1)


def pixelate(
    images: UInt8[np.ndarray, "n side side 3"], factor: float, _draws: Draws
) -> UInt8[np.ndarray, "n side side 3"]:
    """Means over boxes, int(factor * side) along each axis, enlarged again by boxes."""
    side = images.shape[1]
    few = int(side * factor)
    resized = np.empty_like(images)
    for result, image in zip(resized, images, strict=True):
        small = Image.fromarray(image).resize((few, few), Image.Resampling.BOX)
        result[:] = small.resize((side, side), Image.Resampling.BOX)
    return resized


def jpeg_compression(
    images: UInt8[np.ndarray, "n side side 3"], quality: int, _draws: Draws
) -> UInt8[np.ndarray, "n side side 3"]:
    """Written as JPEG of this quality and read back; colours at half the resolution, which is PIL's default."""
    decoded = np.empty_like(images)
    for result, image in zip(decoded, images, strict=True):
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        result[:] = Image.open(file)
    return decoded


def _affine_back(side: int, most: float, draws: Draws) -> Float64[np.ndarray, "n 3 2"]:
    """Matrices with [x, y, 1] @ matrix the place in the image that is shown at (x, y)."""
    middle, away = side // 2, side // 3
    points = middle + away * np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    moved = points + most * (2 * draws.uniforms("points", 3, 2) - 1)
    ones = np.ones_like(moved[..., :1])
    return np.linalg.solve(np.concatenate([moved, ones], axis=2), np.broadcast_to(points, moved.shape))


def _displacements(u: Float64[np.ndarray, "n side side"], constants: Elastic) -> Float64[np.ndarray, "n side side"]:
    """In pixels."""
    side, sigma = u.shape[1], constants.sigma * u.shape[1]
    blurred = gaussian_filter(2 * u - 1, (0, sigma, sigma), mode="reflect", truncate=3.0)
    return side * constants.strength * np.asarray(blurred)
