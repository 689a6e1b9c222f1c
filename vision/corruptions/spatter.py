"""Spatter: drops of water or of mud on the lens.

References:
    Hendrycks and Dietterich, 2019, Appendix B (extra corruptions), arXiv 1903.12261.
"""

import importlib
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, UInt8
from scipy.ndimage import gaussian_filter

from vision.corruptions.draws import Draws
from vision.corruptions.recipes import Spatter

_PALE_TURQUOISE = np.array([175, 238, 238]) / 255
_MUD_BROWN = np.array([63, 42, 20]) / 255
_LIGHT_FROM_ABOVE = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
_IMPORTING = Lock()


def opencv() -> Any:
    """The module cv2.

    Raises:
        ValueError: If it is not installed, saying how to.
    """
    # While it is imported, cv2 replaces itself in sys.modules; another thread must not see that.
    with _IMPORTING:
        try:
            return importlib.import_module("cv2")
        except ImportError as error:
            raise ValueError(
                "spatter needs OpenCV; pip install opencv-python-headless, or leave spatter out"
            ) from error


def spatter(
    images: UInt8[np.ndarray, "n side side 3"], constants: Spatter, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """There is liquid where blurred Gaussian noise is above a threshold: mud covers the image, water is added.

    Mud: the mask is blurred, cut to 0 below 0.8, and mixes the image with brown. Water: pale turquoise, as strong
    as the liquid times a relief of the distance from its edges, see `_relief`.

    Quirks: Water's height is cut to a byte, and wraps around above 1: at severity 3 in one of six images
    of 32 pixels and in three of ten of 64. Severities 1 to 3 are water and 4 and 5 mud, so their order is no order
    of change. Where no drop had a relief the published code would divide 0 by 0 and write what a NaN becomes as a
    byte; here such an image, of which none was seen in 4,000, stays as it is.
    """
    x = images / 255
    noise = constants.mean + constants.std * draws.normals("liquid", *images.shape[1:3])
    liquid = _gaussian(noise, constants.sigma)
    liquid[liquid < constants.threshold] = 0
    if constants.mud:
        mask = _gaussian((liquid > constants.threshold).astype(float), constants.amount)[..., None]
        mask[mask < 0.8] = 0
        return 255 * np.clip(x * (1 - mask) + mask * _MUD_BROWN, 0, 1)
    water = (255 * liquid).astype(np.int64).astype(np.uint8)
    strength = water * _reliefs(water)
    largest = strength.max(axis=(1, 2), keepdims=True)
    mask = constants.amount * (strength / np.where(largest > 0, largest, 1))[..., None]
    return 255 * np.clip(x + mask * _PALE_TURQUOISE, 0, 1)


def _gaussian(x: Float64[np.ndarray, "n side side"], sigma: float) -> Float64[np.ndarray, "n side side"]:
    return np.asarray(gaussian_filter(x, (0, sigma, sigma), mode="nearest", truncate=4.0))


def _reliefs(water: UInt8[np.ndarray, "n side side"]) -> Float64[np.ndarray, "n side side"]:
    """The relief of each image, by OpenCV."""
    cv2 = opencv()
    return np.stack([_relief(cv2, image) for image in water]) if len(water) else np.zeros(water.shape)


def _relief(cv2: Any, water: UInt8[np.ndarray, "side side"]) -> Float64[np.ndarray, "side side"]:
    """Distance from the drops' edges, at most 20 pixels, equalised and lit from one side, twice softened."""
    distance = cv2.distanceTransform(255 - cv2.Canny(water, 50, 150), cv2.DIST_L2, 5)
    softened = cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8)
    lit = cv2.filter2D(cv2.equalizeHist(softened), cv2.CV_8U, _LIGHT_FROM_ABOVE)
    return cv2.blur(lit, (3, 3)).astype(float)
