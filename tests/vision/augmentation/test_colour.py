"""Changes of colour of a batch, each image with parameters of its own, are what torchvision does to one image."""

import itertools

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from vision.augmentation.apply import by_place_of_hue
from vision.augmentation.colour import jitter_colour, shift_hue, to_grey
from vision.augmentation.draws import Colour

TORCHVISION = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


def noise(n, side=32, seed=0):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


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


def test_sorted_images_are_changed_as_unsorted_ones():
    """Sorting saves what is not due, and nothing else."""
    n, generator = 40, torch.Generator().manual_seed(3)
    due = torch.rand(n, generator=generator) < 0.7
    factors = torch.where(due[:, None], 0.5 + torch.rand(n, 3, generator=generator), 1.0)
    shift = torch.where(due, torch.rand(n, generator=generator) - 0.5, 0.0)
    order = torch.rand(n, 4, generator=generator).argsort(1)
    for hue in (shift, None):
        expected = jitter_colour(noise(n), factors=factors, hue=hue, order=order)
        sequence, back, cuts = by_place_of_hue(Colour(factors, hue, order, due), [0, 25, 40])
        for (start, end), cut in zip([(0, 25), (25, 40)], cuts, strict=True):
            these = sequence[start:end]
            found = jitter_colour(
                noise(n)[these],
                factors=factors[these],
                hue=None if hue is None else hue[these],
                order=order[these],
                cuts=cut,
            )[back[start:end]]
            torch.testing.assert_close(found, expected[start:end], rtol=0, atol=2e-6)


def test_grey_equals_torchvision():
    images = noise(4)
    torch.testing.assert_close(
        to_grey(images), tv.rgb_to_grayscale(images, num_output_channels=3), rtol=0, atol=1e-6
    )
