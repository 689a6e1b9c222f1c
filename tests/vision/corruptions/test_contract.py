"""What all 19 corruptions have in common."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from vision.corruptions import CORRUPTIONS, RECIPES, corrupt
from vision.corruptions.registry import check_images

DETERMINISTIC = {
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
}
# Steps from one severity to the next at which the published constants change images less, or hardly more.
NO_INCREASE = {
    32: {
        "glass_blur": {1, 2, 4},
        "motion_blur": {3},
        "frost": {2, 3, 4},
        "elastic_transform": {1, 2, 3, 4},
        "saturate": {2},
        "spatter": {3},
    },
    64: {
        "glass_blur": {1, 3},
        "frost": {1, 2, 3, 4},
        "elastic_transform": {1, 2, 3, 4},
        "saturate": {2},
        "spatter": {3},
    },
}


@pytest.fixture(params=CORRUPTIONS)
def name(request):
    if CORRUPTIONS[request.param].needs == "opencv":
        pytest.importorskip("cv2")
    return request.param


def test_the_published_order():
    assert next(iter(CORRUPTIONS)) == "gaussian_noise"
    assert [corruption.standard for corruption in CORRUPTIONS.values()] == [True] * 15 + [False] * 4
    for recipe in RECIPES.values():
        assert all(len(getattr(recipe, name)) == 5 for name in CORRUPTIONS)


@pytest.mark.parametrize("side", [32, 64])
def test_an_image_is_corrupted_as_if_it_were_alone(name, side, pictures, frost):
    images = pictures(7, side)
    before = images.copy()
    for severity in (1, 5):
        together = corrupt(images, name, severity, frost=frost)
        assert together.shape == images.shape
        assert together.dtype == np.uint8
        assert (images == before).all()
        assert (together == corrupt(images, name, severity, frost=frost)).all()
        alone = [
            corrupt(images[i : i + 1], name, severity, index=np.array([i]), frost=frost) for i in range(len(images))
        ]
        assert (together == np.concatenate(alone)).all()


def test_numbers_do_not_depend_on_how_many_are_held_at_once(name, pictures, frost, monkeypatch):
    images = pictures(11)
    whole = corrupt(images, name, 4, frost=frost)
    monkeypatch.setattr("vision.corruptions.registry._AT_ONCE", 4)
    assert (whole == corrupt(images, name, 4, frost=frost)).all()


def test_the_seed_and_the_number_of_an_image_decide_what_is_random(name, pictures, frost):
    image = np.repeat(pictures(1), 2, axis=0)
    first, second = corrupt(image, name, 5, frost=frost)
    assert (first == second).all() == (name in DETERMINISTIC)
    other_seed = corrupt(image[:1], name, 5, seed=1, frost=frost)[0]
    assert (first == other_seed).all() == (name in DETERMINISTIC)


@pytest.mark.parametrize("side", [32, 64])
def test_change_grows_with_severity_as_far_as_the_constants_make_it(name, side, pictures, frost):
    images = pictures(80 if side == 32 else 24, side)
    changes = [
        np.abs(corrupt(images, name, severity, frost=frost).astype(int) - images).mean() for severity in range(1, 6)
    ]
    assert min(changes) > 0.1
    exceptions = NO_INCREASE[side].get(name, set())
    for severity, (change, next_change) in enumerate(pairwise(changes), start=1):
        assert severity in exceptions or next_change > change, changes


def test_no_images_are_no_error(name, frost):
    nothing = np.zeros((0, 32, 32, 3), np.uint8)
    assert corrupt(nothing, name, 1, frost=frost).shape == nothing.shape


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_images_stay_images(name, level, frost):
    """Divisions by the largest value, the saturation and the like."""
    flat = np.full((2, 32, 32, 3), level, np.uint8)
    for severity in range(1, 6):
        corrupt(flat, name, severity, frost=frost)


def test_bad_input_is_refused(pictures, tmp_path):
    images = pictures(2)
    with pytest.raises(ValueError, match="one of gaussian_noise, shot_noise"):
        corrupt(images, "rain", 1)
    with pytest.raises(ValueError, match="severity must be 1, 2, 3, 4 or 5, got 6"):
        corrupt(images, "fog", 6)
    with pytest.raises(ValueError, match="32 and 64 pixels, got 48; resize"):
        corrupt(pictures(1, 48), "fog", 1)
    with pytest.raises(ValueError, match=r"frost1.png.*cannot be found.*hendrycks/robustness"):
        corrupt(images, "frost", 1, frost=tmp_path)
    with pytest.raises(ValueError, match=r"got 64 for images of 32"):
        corrupt(images, "fog", 1, recipe=RECIPES[64])


def test_what_are_no_images_is_refused(pictures):
    images = pictures(2)
    with pytest.raises(ValueError, match=r"uint8 \[n, side, side, 3\], got float64"):
        check_images(images / 255, None)
    with pytest.raises(ValueError, match=r"got uint8 \[2, 3, 32, 32\]; bring the channels to the end"):
        check_images(images.transpose(0, 3, 1, 2), None)
    with pytest.raises(ValueError, match="each of the 2 images"):
        check_images(images, np.arange(3))


def test_without_opencv_spatter_says_what_to_install(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match="pip install opencv-python-headless"):
        corrupt(pictures(1), "spatter", 4)


def test_a_recipe_of_ones_own(name, pictures, frost):
    images = pictures(2, 48)
    recipe = replace(RECIPES[64], side=48)
    assert corrupt(images, name, 3, recipe=recipe, frost=frost).shape == images.shape
