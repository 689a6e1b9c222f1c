"""Noise: Gaussian, shot, impulse and speckle. Each value of an image gets its own.

Functions of corruptions take images [n, side, side, 3] of bytes and give values between 0 and 255, not yet bytes.

References:
    Hendrycks and Dietterich, 2019, Section 4.1, arXiv 1903.12261.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from scipy.stats import poisson

from vision.corruptions.draws import Draws


def gaussian_noise(
    images: UInt8[np.ndarray, "n side side 3"], scale: float, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """X + scale * N(0, 1), where 1 is white."""
    x = images / 255
    return 255 * np.clip(x + scale * draws.normals("noise", *x.shape[1:]), 0, 1)


def speckle_noise(
    images: UInt8[np.ndarray, "n side side 3"], scale: float, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """X + x * scale * N(0, 1): noise in proportion to brightness."""
    x = images / 255
    return 255 * np.clip(x * (1 + scale * draws.normals("noise", *x.shape[1:])), 0, 1)


def impulse_noise(
    images: UInt8[np.ndarray, "n side side 3"], amount: float, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """Salt and pepper: this part of the values becomes white or black, with equal probability; channels apart."""
    u = draws.uniforms("noise", *images.shape[1:])
    salted = np.where(u < amount, 255.0, images)
    return np.where(u < amount / 2, 0.0, salted)


def shot_noise(
    images: UInt8[np.ndarray, "n side side 3"], photons: float, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """Poisson(photons * x) / photons, where 1 is white, by the inverse of the distribution function.

    A byte has 256 values, so one sorted table holds every distribution function that occurs: value v's is shifted
    up by v, and u + v is searched in it.
    """
    table, most = _poisson_table(photons)
    u = draws.uniforms("noise", *images.shape[1:])
    position = np.searchsorted(table, u + images, side="right")
    # u + 255 may round up to 256, past the row's end.
    counts = np.minimum(position - images.astype(np.int64) * (most + 1), most)
    return 255 * np.clip(counts / photons, 0, 1)


@lru_cache(maxsize=16)
def _poisson_table(photons: float) -> tuple[Float[np.ndarray, " entries"], int]:
    """P(count <= k | value v) + v for v = 0..255 and k = 0..most, and the most (white's + 10 deviations)."""
    most = int(photons + 10 * photons**0.5 + 10)
    values = np.arange(256)[:, None]
    table = poisson.cdf(np.arange(most + 1), photons * values / 255)
    table[:, -1] = 1
    return (table + values).ravel(), most
