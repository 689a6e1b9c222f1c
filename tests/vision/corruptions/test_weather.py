"""Weather against loops over images and points, from the definitions."""

import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from vision.corruptions import RECIPES, corrupt
from vision.corruptions.draws import Draws
from vision.corruptions.pictures import load_pictures
from vision.corruptions.weather import height_map


def draws(name, severity, n):
    return Draws.of(0, name, severity, np.arange(n))


@pytest.mark.parametrize("decay", [3.0, 1.75])
def test_height_map_is_diamond_square_on_a_torus(decay):
    u = np.random.default_rng(0).random((2, 16, 16))
    for heights, draw in zip(height_map(u, decay), u, strict=True):
        at, step, wobble = np.zeros((16, 16)), 16, 100.0

        def middle(corners, row, column):
            mean = sum(at[y % 16, x % 16] for y, x in corners) / 4  # noqa: B023
            at[row, column] = mean + wobble * (2 * wobble * draw[row, column] - wobble)  # noqa: B023

        while step >= 2:
            h = step // 2
            places = [(y, x) for y in range(0, 16, step) for x in range(0, 16, step)]
            for y, x in places:
                middle([(y, x), (y + step, x), (y, x + step), (y + step, x + step)], y + h, x + h)
            for y, x in places:
                middle([(y, x), (y, x + step), (y + h, x + h), (y - h, x + h)], y, x + h)
            for y, x in places:
                middle([(y, x), (y + step, x), (y + h, x + h), (y + h, x - h)], y + h, x)
            step, wobble = h, wobble / decay
        expected = (at - at.min()) / (at.max() - at.min())
        np.testing.assert_allclose(heights, expected, atol=1e-12)


def test_fog(pictures):
    images = pictures(2)
    strength, decay = RECIPES[32].fog[2]
    heights = height_map(draws("fog", 3, 2).uniforms("heights", 32, 32), decay)
    expected = []
    for image, height in zip(images / 255, heights, strict=True):
        fogged = (image + strength * height[:, :, None]) * image.max() / (image.max() + strength)
        expected.append(np.uint8(255 * np.clip(fogged, 0, 1)))
    assert (corrupt(images, "fog", 3) == expected).all()


@pytest.mark.parametrize("severity", range(1, 6))
def test_snow(severity, pictures):
    """Flakes fall downwards, and the layer turned by 180 degrees is added, too."""
    images, side = pictures(2), 32
    mean, std, factor, threshold, radius, sigma, keep = RECIPES[32].snow[severity - 1]
    random = draws("snow", severity, 2)
    noise, angles = mean + std * random.normals("flakes", side, side), 90 * random.uniforms("angle", 1) - 135
    got = corrupt(images, "snow", severity)
    crop = int(np.ceil(side / factor))
    begin = (side - crop) // 2
    for i, image in enumerate(images / 255):
        large = zoom(noise[i, begin : begin + crop, begin : begin + crop], factor, order=1)
        trim = (len(large) - side) // 2
        flakes = large[trim : trim + side, trim : trim + side]
        flakes = np.uint8(255 * np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)).astype(float)
        layer, weights = np.zeros((side, side)), 0.0
        for step in range(2 * int(radius) + 1):
            weight = np.exp(-(step**2) / (2 * sigma**2))
            down, right = (np.ceil(step * f(np.deg2rad(angles[i, 0])) - 0.5) for f in (np.sin, np.cos))
            rows, columns = (np.clip(np.arange(side) + int(by), 0, side - 1) for by in (down, right))
            assert down <= 0, "a pixel gets its white from above"
            layer += weight * flakes[np.ix_(rows, columns)]
            weights += weight
        layer = np.floor(layer / weights + 0.5)[:, :, None] / 255
        grey = (0.299 * image[:, :, 0] + 0.587 * image[:, :, 1] + 0.114 * image[:, :, 2])[:, :, None]
        white = keep * image + (1 - keep) * np.maximum(image, 1.5 * grey + 0.5)
        expected = 255 * np.clip(white + layer + np.rot90(layer, 2), 0, 1)
        assert np.abs(got[i] + 0.5 - expected).max() < 1.6
        assert np.abs(got[i].astype(int) - np.uint8(expected)).mean() < 0.05


@pytest.mark.parametrize(("side", "scale"), [(32, 0.2), (64, 0.3)])
def test_frost_adds_a_piece_of_one_of_five_pictures(side, scale, pictures, frost):
    images = pictures(40, side)
    weight_image, weight_frost = RECIPES[side].frost[0]
    small = load_pictures(frost, scale)
    used = set()
    u = draws("frost", 1, 40).uniforms("piece", 3)
    for image, got, (which, down, right) in zip(images, corrupt(images, "frost", 1, frost=frost), u, strict=True):
        picture = small[int(which * 5)]
        top, left = int(down * (len(picture) - side)), int(right * (picture.shape[1] - side))
        piece = picture[top : top + side, left : left + side]
        expected = np.uint8(np.clip(weight_image * image + weight_frost * piece, 0, 255))
        assert (got == expected).all()
        used.add(int(which * 5))
    assert used == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("scale", [0.2, 0.3])
def test_pictures_of_frost_get_smaller_as_opencv_makes_them(scale, frost):
    cv2 = pytest.importorskip("cv2")
    for name, small in zip(sorted(path.name for path in frost.iterdir()), load_pictures(frost, scale), strict=True):
        picture = np.asarray(Image.open(frost / name).convert("RGB"))
        expected = cv2.resize(picture, (0, 0), fx=scale, fy=scale)
        assert small.shape == expected.shape
        assert np.abs(small.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("side", [32, 64])
def test_brightness_is_the_value_of_hsv(side, pictures):
    images = pictures(1, side)
    images[0, 0, 0] = 0
    shift = RECIPES[side].brightness[2]
    got = corrupt(images, "brightness", 3).reshape(-1, 3)
    for pixel, result in zip(images.reshape(-1, 3) / 255, got, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + shift, 1))
        assert np.abs(result + 0.5 - 255 * np.array(expected)).max() < 0.5001 + 1e-6


@pytest.mark.parametrize("severity", [1, 3])
def test_water_is_added_and_mud_covers(severity, pictures):
    pytest.importorskip("cv2")
    images = pictures(50)
    wet, muddy = corrupt(images, "spatter", severity).astype(int), corrupt(images, "spatter", 5).astype(int)
    assert (wet >= images).all()
    strongest = (wet - images).max(axis=(1, 2))
    most = 255 * RECIPES[32].spatter[severity - 1].amount * np.array([175, 238, 238]) / 255
    assert (strongest <= most + 1).all()
    covered = (muddy != images).any(axis=3)
    assert 0.02 < covered.mean() < 0.3
    browns = muddy[covered] - 0.2 * images[covered]
    assert (browns <= np.array([63, 42, 20]) + 1).all(), "mud covers four fifths or more"


def test_mud_is_where_blurred_noise_is_above_the_threshold(pictures):
    pytest.importorskip("cv2")
    images = pictures(2)
    mean, std, sigma, threshold, edge, _ = RECIPES[32].spatter[3]
    noise = mean + std * draws("spatter", 4, 2).normals("liquid", 32, 32)
    for i, got in enumerate(corrupt(images, "spatter", 4)):
        liquid = gaussian_filter(noise[i], sigma, mode="nearest")
        mask = gaussian_filter((liquid > threshold).astype(float), edge, mode="nearest")[:, :, None]
        mask = np.where(mask < 0.8, 0, mask)
        expected = images[i] * (1 - mask) + mask * np.array([63, 42, 20])
        assert np.abs(got + 0.5 - expected).max() < 0.51
