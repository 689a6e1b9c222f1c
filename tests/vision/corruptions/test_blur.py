"""Blurs against loops over images and pixels, from the definitions."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from vision.corruptions import RECIPES, corrupt
from vision.corruptions.draws import Draws

SIDES = [32, 64]


def constants(name, side, severity):
    return getattr(RECIPES[side], name)[severity - 1]


def draws(name, severity, n):
    return Draws.of(0, name, severity, np.arange(n))


def assert_near(got, expected):
    """Sums in another order may fall on the other side of a whole number before they are cut."""
    difference = np.abs(got.astype(int) - np.stack(expected).astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 0.1


def blurred(image, sigma):
    channels = [gaussian_filter(image[:, :, c], sigma, mode="nearest", truncate=4) for c in range(3)]
    return np.stack(channels, axis=2)


@pytest.mark.parametrize("severity", [1, 5])
def test_gaussian_blur(severity, pictures):
    images = pictures(3)
    sigma = constants("gaussian_blur", 32, severity)
    expected = [np.uint8(255 * blurred(image / 255, sigma)) for image in images]
    assert (corrupt(images, "gaussian_blur", severity) == expected).all()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("severity", range(1, 6))
def test_defocus_blur_is_opencvs_filter_with_a_softened_disk(severity, side, pictures):
    cv2 = pytest.importorskip("cv2")
    images = pictures(3, side)
    radius, sigma = constants("defocus_blur", side, severity)
    y, x = np.mgrid[-8:9, -8:9]
    disk = (x**2 + y**2 <= radius**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disk / disk.sum(), ksize=(3, 3), sigmaX=sigma)
    assert_near(
        corrupt(images, "defocus_blur", severity),
        [np.uint8(255 * np.clip(cv2.filter2D(image / 255, -1, kernel), 0, 1)) for image in images],
    )


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("severity", [1, 3, 4, 5])
def test_glass_blur_copies_pixels_one_after_another(severity, side, pictures):
    """Position by position; at 64 pixels and reach 2 a pixel may copy one that has copied already."""
    images = pictures(3, side)
    sigma, reach, passes = constants("glass_blur", side, severity)
    random = draws("glass_blur", severity, 3)
    expected = []
    for i, image in enumerate(images):
        x = np.uint8(255 * blurred(image / 255, sigma))
        for number in range(passes):
            u = random.uniforms(f"pass {number}", side * side, 2)[i].reshape(side, side, 2)
            for row in range(side - reach, reach, -1):
                for column in range(side - reach, reach, -1):
                    down, right = np.floor(u[row, column] * 2 * reach).astype(int) - reach
                    there = row + down, column + right
                    # As published: views of one array, so that the second assignment changes nothing.
                    x[row, column], x[there] = x[there], x[row, column]
        expected.append(np.uint8(255 * np.clip(blurred(x / 255, sigma), 0, 1)))
    assert (corrupt(images, "glass_blur", severity) == expected).all()


def moved_along(image, angle, radius, sigma):
    side, width = len(image), 2 * int(np.ceil(radius)) + 1
    weights = [np.exp(-(i**2) / (2 * sigma**2)) for i in range(width)]
    result = np.zeros(image.shape)
    for row in range(side):
        for column in range(side):
            for i, weight in enumerate(weights):
                y = row + int(np.ceil(i * np.sin(np.deg2rad(angle)) - 0.5))
                x = column + int(np.ceil(i * np.cos(np.deg2rad(angle)) - 0.5))
                result[row, column] += weight * image[min(max(y, 0), side - 1), min(max(x, 0), side - 1)]
    return np.uint8(result / sum(weights) + 0.5)


@pytest.mark.parametrize("severity", [1, 5])
def test_motion_blur_is_imagemagicks_formula(severity, pictures):
    images = pictures(2)
    radius, sigma = constants("motion_blur", 32, severity)
    angles = 90 * draws("motion_blur", severity, 2).uniforms("angle", 1)[:, 0] - 45
    assert (np.abs(angles) <= 45).all()
    expected = [moved_along(image, angle, radius, sigma) for image, angle in zip(images, angles, strict=True)]
    assert (corrupt(images, "motion_blur", severity) == expected).mean() > 0.9999


def enlarged(image, factor):
    side = len(image)
    crop = int(np.ceil(side / factor))
    begin = (side - crop) // 2
    large = zoom(image[begin : begin + crop, begin : begin + crop], (factor, factor, 1), order=1)
    trim = (len(large) - side) // 2
    return large[trim : trim + side, trim : trim + side]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("severity", [1, 2, 5])
def test_zoom_blur_is_the_mean_over_scipys_zooms(severity, side, pictures):
    images = pictures(2, side)
    zooms = np.arange(1, constants("zoom_blur", side, severity), 0.01)
    assert len(zooms) == {1: 7, 2: 12, 5: 26}[severity]
    expected = []
    for image in images / 255:
        total = image + sum(enlarged(image, factor) for factor in zooms)
        expected.append(np.uint8(255 * total / (len(zooms) + 1)))
    assert_near(corrupt(images, "zoom_blur", severity), expected)
