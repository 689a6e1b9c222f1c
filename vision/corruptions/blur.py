"""Blur: defocus, frosted glass, motion, zoom and Gaussian.

Functions of corruptions take images [n, side, side, 3] of bytes and give values between 0 and 255, not yet bytes.

References:
    Hendrycks and Dietterich, 2019, Section 4.1, arXiv 1903.12261.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, Int64, UInt8
from scipy.ndimage import correlate, gaussian_filter
from scipy.sparse import csr_array, eye_array, kron

from vision.corruptions.draws import Draws
from vision.corruptions.recipes import Defocus, Glass, Motion
from vision.corruptions.sampling import blur_along, zoom_matrix


def gaussian_blur(
    images: UInt8[np.ndarray, "n side side 3"], sigma: float, _draws: Draws | None = None
) -> Float[np.ndarray, "n side side 3"]:
    """Gaussian of this standard deviation in pixels, cut off at 4 of them; edges repeat the last pixel."""
    return 255 * np.clip(_gaussian(images / 255, sigma), 0, 1)


def defocus_blur(
    images: UInt8[np.ndarray, "n side side 3"], constants: Defocus, _draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """Mean over a disk whose edge a 3 x 3 Gaussian softens; beyond the edges is the mirror image.

    Quirk: disks of a radius below 1 hold one pixel, so the first three severities at 32 pixels (one at 64) are
    3 x 3 Gaussian blurs, and the radius does nothing.
    """
    kernel = _disk(constants)
    return 255 * np.clip(correlate(images / 255, kernel[None, :, :, None], mode="mirror"), 0, 1)


def glass_blur(
    images: UInt8[np.ndarray, "n side side 3"], constants: Glass, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """Gaussian blur, pixels shuffled among neighbours, Gaussian blur again.

    A pass visits rows, and in them columns, from side - reach down to reach + 1, and each pixel takes the colour
    that one at -reach .. reach - 1 rows and columns from it has at that moment.

    Quirks: The published loop means to exchange the two colours, but it assigns through views of one array, so the
    second pixel keeps its own: a copy, not an exchange. Offsets lean towards the first row and column, and the
    first reach + 1 rows and columns stay as they are. Blurred colours are cut to bytes before they are shuffled.
    The order of severities is not one of change (1 to 3 and 4 to 5 hardly differ).

    Cost: A few gathers of [n, side^2] for each pass, no loop over pixels.
    """
    n, side = images.shape[:2]
    x = np.uint8(255 * _gaussian(images / 255, constants.sigma)).reshape(n, side * side, 3)
    for number in range(constants.passes):
        u = draws.uniforms(f"pass {number}", side * side, 2)
        offsets = np.floor(u * 2 * constants.reach).astype(np.int64) - constants.reach
        x = np.take_along_axis(x, _copied_from(offsets, side, constants.reach)[:, :, None], axis=1)
    return 255 * np.clip(_gaussian(x.reshape(images.shape) / 255, constants.sigma), 0, 1)


def motion_blur(
    images: UInt8[np.ndarray, "n side side 3"], constants: Motion, draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """ImageMagick's motion blur (`blur_along`) at an angle that is uniform on -45 .. 45 degrees."""
    angles = 90 * draws.uniforms("angle", 1)[:, 0] - 45
    return blur_along(images.astype(float), angles, radius=constants.radius, sigma=constants.sigma)


def zoom_blur(
    images: UInt8[np.ndarray, "n side side 3"], end: float, _draws: Draws
) -> Float[np.ndarray, "n side side 3"]:
    """Mean of the image and its zooms by 1, 1.01, ... up to the end.

    Quirks: The zoom by 1 is the image, which so counts twice. `numpy.arange` steps in floating point, so the ends
    1.06 and 1.11 belong to the zooms, and 1.16, 1.21 and 1.26 do not.

    Cost: One product with a sparse matrix of about 4 entries per pixel and zoom.
    """
    n, side = images.shape[:2]
    flat = images.transpose(1, 2, 0, 3).reshape(side * side, n * 3) / 255
    blurred = (_mean_of_zooms(side, end) @ flat).reshape(side, side, n, 3).transpose(2, 0, 1, 3)
    return 255 * np.clip(blurred, 0, 1)


def _gaussian(x: Float[np.ndarray, "n side side 3"], sigma: float) -> Float[np.ndarray, "n side side 3"]:
    return np.asarray(gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest", truncate=4.0))


def _disk(constants: Defocus) -> Float[np.ndarray, "width width"]:
    """Weights that add up to 1: a disk, times a Gaussian of three taps along rows and along columns."""
    reach = int(constants.radius) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (x**2 + y**2 <= constants.radius**2).astype(float)
    taps = np.exp(-(np.arange(-1, 2) ** 2) / (2 * constants.sigma**2))
    softened = correlate(disk, np.outer(taps, taps), mode="constant")
    return softened / softened.sum()


def _copied_from(offsets: Int64[np.ndarray, "n area 2"], side: int, reach: int) -> Int[np.ndarray, "n area"]:
    """The pixel of the image before the pass that each pixel's colour comes from.

    A pixel copies its source as it is at that moment: as it was before the pass or, where the pass has been there
    (later rows and columns), what it copied in turn. Such chains are followed by doubling: after k rounds, links
    reach 2^k copies far.
    """
    area = side * side
    row, column = np.divmod(np.arange(area), side)
    visited = (row > reach) & (column > reach) & (row <= side - reach) & (column <= side - reach)
    step = offsets @ np.array([side, 1])
    source = np.where(visited, np.arange(area) + step, np.arange(area))
    # Links among 2 * area nodes: a pixel before the pass, an end, and the same pixel after its visit.
    chained = visited[source] & (source > np.arange(area))
    link = np.concatenate([np.broadcast_to(np.arange(area), source.shape), source + area * chained], axis=1)
    while (link[:, area:] >= area).any():
        link = np.take_along_axis(link, link, axis=1)
    return link[:, area:]


@lru_cache(maxsize=16)
def _mean_of_zooms(side: int, end: float) -> csr_array:
    """The linear map from an image to the mean of it and its zooms, on images as columns of side^2 values."""
    zooms = np.arange(1, end, 0.01)
    total = csr_array(eye_array(side * side))
    for factor in zooms:
        matrix = zoom_matrix(side, float(factor))
        total = total + kron(csr_array(matrix), csr_array(matrix), format="csr")
    return csr_array(total / (len(zooms) + 1))
