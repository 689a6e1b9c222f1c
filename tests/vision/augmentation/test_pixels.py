"""What is done to a batch, each image with parameters of its own, is what torchvision does to one image."""

import itertools

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from vision.augmentation.pixels import jitter_colour, resize_weights, resized_crop, shift_hue, to_grey

TORCHVISION = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


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


def test_weights_of_a_whole_line_are_the_identity():
    weights = resize_weights(torch.tensor([0]), torch.tensor([6]), n_in=6, n_out=6)
    torch.testing.assert_close(weights[0], torch.eye(6))


@pytest.mark.parametrize("operation", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_one_change_of_colour_equals_torchvision(operation):
    images = noise(32)
    amounts = torch.linspace(-0.5, 0.5, 32) if operation == 3 else torch.linspace(0, 2, 32)
    factors = torch.ones(32, 3)
    if operation < 3:
        factors[:, operation] = amounts
    result = jitter_colour(
        images,
        factors=factors,
        hue=amounts if operation == 3 else None,
        order=torch.arange(4).expand(32, 4),
    )
    for image, amount, ours in zip(images, amounts.tolist(), result, strict=True):
        torch.testing.assert_close(ours, TORCHVISION[operation](image, amount), rtol=0, atol=1e-5)


def test_changes_of_colour_come_in_each_image_s_own_order():
    """One image for each of the 24 orders."""
    order = torch.tensor(list(itertools.permutations(range(4))))
    images = noise(1).expand(24, -1, -1, -1)
    generator = torch.Generator().manual_seed(2)
    factors = 0.4 + 1.2 * torch.rand(24, 3, generator=generator)
    hue = torch.rand(24, generator=generator) - 0.5
    result = jitter_colour(images, factors=factors, hue=hue, order=order)
    for n in range(24):
        theirs = images[n]
        for operation in order[n].tolist():
            amount = hue[n] if operation == 3 else factors[n, operation]
            theirs = TORCHVISION[operation](theirs, amount.item())
        torch.testing.assert_close(result[n], theirs, rtol=0, atol=1e-5)


def test_hue_leaves_grey_black_and_white_alone():
    grey = torch.linspace(0, 1, 16).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    torch.testing.assert_close(shift_hue(grey, torch.tensor([0.3])), grey)


def test_a_third_of_a_turn_makes_red_green():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    green = shift_hue(red, torch.tensor([1 / 3]))
    torch.testing.assert_close(green.flatten(), torch.tensor([0.0, 1.0, 0.0]), rtol=0, atol=1e-6)


def test_grey_equals_torchvision():
    images = noise(4)
    torch.testing.assert_close(to_grey(images), tv.rgb_to_grayscale(images), rtol=0, atol=1e-6)
