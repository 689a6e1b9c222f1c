"""Crops, blur and solarisation of a batch, each image with parameters of its own, are what torchvision's are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torchvision.transforms.v2 import functional as tv

from vision.augmentation.pixels import (
    blur_radius,
    gaussian_blur,
    resize_points,
    resized_crop,
    solarize,
    weights_around,
)


def noise(n, side=32, seed=0):
    """The hardest images to interpolate: neighbouring pixels have nothing to do with each other."""
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def random_boxes(n, side, generator):
    height, width = torch.randint(1, side + 1, (2, n), generator=generator)
    top = (torch.rand(n, generator=generator) * (side - height + 1)).long()
    left = (torch.rand(n, generator=generator) * (side - width + 1)).long()
    return torch.stack([top, left, height, width], 1)


@pytest.mark.parametrize("size", [8, 20, 32, 96], ids=lambda size: f"to-{size}")
def test_resized_crop_equals_torchvision(size):
    """Enlarged or reduced (then with antialiasing), mirrored or not."""
    images = noise(64)
    boxes = random_boxes(64, 32, torch.Generator().manual_seed(1))
    mirror = torch.arange(64) % 2 == 0
    result = resized_crop(images, boxes, size=size, mirror=mirror)
    for image, box, mirrored, ours in zip(images, boxes.tolist(), mirror, result, strict=True):
        theirs = tv.resized_crop(image, *box, size=[size, size], antialias=True)
        torch.testing.assert_close(ours, tv.horizontal_flip(theirs) if mirrored else theirs, rtol=0, atol=1e-5)


def test_nothing_leaks_into_a_crop():
    """A black box within white stays black to its border."""
    images = torch.ones(1, 3, 32, 32)
    images[:, :, 10:20, 5:12] = 0
    black = resized_crop(images, torch.tensor([[10, 5, 10, 7]]), size=32, mirror=torch.tensor([False]))
    assert not black.any()


@settings(max_examples=40, deadline=None)
@given(some.data())
def test_any_box_equals_torchvision(data):
    """Of any image, to any size, down to a single pixel."""
    side, size = data.draw(some.integers(1, 40)), data.draw(some.integers(1, 40))
    height, width = data.draw(some.integers(1, side)), data.draw(some.integers(1, side))
    box = [data.draw(some.integers(0, side - height)), data.draw(some.integers(0, side - width)), height, width]
    image = noise(1, side)
    ours = resized_crop(image, torch.tensor([box]), size=size, mirror=torch.tensor([False]))
    theirs = tv.resized_crop(image, *box, size=[size, size], antialias=True)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("n_out", [6, 5, 9], ids=lambda n: f"to-{n}")
def test_weights_add_up_to_one_and_come_from_the_stretch(n_out):
    start, length = torch.tensor([0, 1, 2]), torch.tensor([6, 5, 1])
    weights = weights_around(resize_points(start, length, n_in=6, n_out=n_out), 6)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, n_out))
    torch.testing.assert_close(weights[2, :, 2], torch.ones(n_out))
    if n_out == 6:
        torch.testing.assert_close(weights[0], torch.eye(6))


@pytest.mark.parametrize("size", [8, 32, 64, 96])
def test_blur_equals_torchvision(size):
    """Each image with its own width, and with none."""
    images, sigma = noise(9, size), torch.linspace(0.1, 2.0, 9)
    sigma[4] = 0
    window = 2 * blur_radius(size) + 1
    for image, width, ours in zip(images, sigma.tolist(), gaussian_blur(images, sigma), strict=True):
        theirs = tv.gaussian_blur(image, [window, window], [width, width]) if width else image
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_the_window_of_the_blur_is_a_tenth_of_the_side_and_odd():
    assert [2 * blur_radius(size) + 1 for size in (8, 32, 64, 96, 224)] == [3, 3, 7, 9, 23]


def test_solarisation_equals_torchvision():
    images = noise(2)
    images[0, 0, 0, :3] = torch.tensor([0.0, 0.5, 1.0])
    torch.testing.assert_close(solarize(images), tv.solarize(images, 0.5))
