"""Digital corruptions against loops over images and pixels, PIL and OpenCV."""

import colorsys
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from vision.corruptions import RECIPES, corrupt
from vision.corruptions.draws import Draws
from vision.corruptions.recipes import Elastic

SIDES = [32, 64]


def test_contrast(pictures):
    images = pictures(3)
    factor = RECIPES[32].contrast[4]
    expected = []
    for image in images / 255:
        mean = np.array([image[:, :, c].mean() for c in range(3)])
        expected.append(np.uint8(255 * np.clip((image - mean) * factor + mean, 0, 1)))
    assert (corrupt(images, "contrast", 5) == expected).mean() > 0.999


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_saturate_is_the_saturation_of_hsv(severity, side, pictures):
    images = pictures(1, side)
    images[0, 0, :3] = [[0, 0, 0], [90, 90, 90], [255, 255, 255]]
    factor, shift = RECIPES[side].saturate[severity - 1]
    got = corrupt(images, "saturate", severity).reshape(-1, 3)
    for pixel, result in zip(images.reshape(-1, 3) / 255, got, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        expected = colorsys.hsv_to_rgb(hue, min(saturation * factor + shift, 1), value)
        assert np.abs(result + 0.5 - 255 * np.array(expected)).max() < 0.5001 + 1e-6


def test_grey_turns_red_where_saturation_is_added():
    grey = np.full((1, 32, 32, 3), 100, np.uint8)
    assert (corrupt(grey, "saturate", 5)[0, 0, 0] == [100, 80, 80]).all()
    assert (corrupt(grey, "saturate", 3) == grey).all()


@pytest.mark.parametrize("side", SIDES)
def test_pixelate_and_jpeg_are_pils(side, pictures):
    images = pictures(2, side)
    few, quality = int(side * RECIPES[side].pixelate[4]), RECIPES[side].jpeg_compression[4]
    pixelated, compressed = corrupt(images, "pixelate", 5), corrupt(images, "jpeg_compression", 5)
    for i, image in enumerate(images):
        picture = Image.fromarray(image)
        small = picture.resize((few, few), Image.Resampling.BOX)
        assert (pixelated[i] == np.asarray(small.resize((side, side), Image.Resampling.BOX))).all()
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        assert (compressed[i] == np.asarray(Image.open(file))).all()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("severity", [1, 2, 5])
def test_elastic_transform_is_opencvs_affine_map_and_scipys_displacements(severity, side, pictures):
    """OpenCV may read at multiples of 1/32 pixel, so a few levels apart where edges are steep."""
    cv2 = pytest.importorskip("cv2")
    images = pictures(2, side)
    strength, sigma, corner = (side * constant for constant in RECIPES[side].elastic_transform[severity - 1])
    random = Draws.of(0, "elastic_transform", severity, np.arange(2))
    points = np.float32(side // 2) + np.float32([[1, 1], [1, -1], [-1, -1]]) * (side // 3)
    got = corrupt(images, "elastic_transform", severity)
    y, x = np.mgrid[:side, :side]
    for i, image in enumerate(images):
        moved = points + corner * (2 * random.uniforms("points", 3, 2)[i] - 1)
        matrix = cv2.getAffineTransform(points, np.float32(moved))
        turned = cv2.warpAffine(np.float32(image / 255), matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
        right, down = (
            strength * gaussian_filter(2 * random.uniforms(axis, side, side)[i] - 1, sigma, truncate=3)
            for axis in ("right", "down")
        )
        for c in range(3):
            channel = map_coordinates(turned[:, :, c], [y + down, x + right], order=1, mode="reflect")
            difference = np.abs(got[i, :, :, c] + 0.5 - 255 * channel)
            assert difference.mean() < 1
            assert difference.max() < 8


def test_without_an_affine_map_and_displacements_an_image_stays_as_it_is(pictures):
    images = pictures(2)
    still = replace(RECIPES[32], elastic_transform=(Elastic(0.0, 0.0, 0.0),) * 5)
    difference = corrupt(images, "elastic_transform", 1, recipe=still).astype(int) - images
    assert np.abs(difference).max() <= 1, "cut to bytes after sums that may fall short of a whole number"
