"""What is drawn for each view: uniform numbers on [0, 1) become parameters of the changes.

References:
    Parameters are distributed as torchvision's RandomResizedCrop, ColorJitter, RandomGrayscale, GaussianBlur and
    RandomSolarize draw them.
"""

from math import log
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from vision.augmentation.strengths import Augmentation

_CROP_TRIALS = 10
N_FIRST_DRAWS = 2 * _CROP_TRIALS + 13
"""Numbers for crop, flip, colours and grey."""
N_LAST_DRAWS = 4
"""Numbers for blur, solarisation and policy."""
N_DRAWS = N_FIRST_DRAWS + N_LAST_DRAWS
"""Uniform numbers that go into one view."""


class Colour(NamedTuple):
    """Change of colour of each view, see `jitter_colour`."""

    factors: Float[Tensor, "n 3"]
    hue: Float[Tensor, " n"] | None
    order: Int[Tensor, "n 4"]
    due: Bool[Tensor, " n"]
    """The others have factors 1 and the shift 0."""


class Changes(NamedTuple):
    """What is done to each view; None where it happens to no view."""

    box: Int[Tensor, "n 4"]
    """Top, left, height, width of the crop."""
    mirror: Bool[Tensor, " n"]
    colour: Colour | None
    to_grey: Bool[Tensor, " n"] | None
    sigma: Float[Tensor, " n"] | None
    """Standard deviation of the blur, in pixels; 0 for none."""
    solarize: Bool[Tensor, " n"] | None
    policy: Int[Tensor, " n"] | None
    """Seed of the policy, which comes first."""


def draw_changes(draws: Float64[Tensor, "n n_draws"], augmentation: Augmentation, *, side: int) -> Changes:
    """Turn uniform numbers on [0, 1) into what is done to each view.

    Args:
        draws: `N_DRAWS` numbers for each view.
        augmentation: Strengths.
        side: Of the images, in pixels.
    """
    areas, aspects, rest, last = draws.split([_CROP_TRIALS, _CROP_TRIALS, 13, N_LAST_DRAWS], dim=1)
    position, (mirror, jitter, grey, hue), factors, order = rest[:, :2], rest[:, 2:6].T, rest[:, 6:9], rest[:, 9:]
    blur, sigma, solarize, policy = last.T
    colours = augmentation.policy == "none"
    return Changes(
        box=_draw_boxes(areas, aspects, position, augmentation, side),
        mirror=mirror < augmentation.flip,
        colour=_draw_colour(jitter, factors, hue, order, augmentation)
        if colours and augmentation.jitter > 0
        else None,
        to_grey=grey < augmentation.grey if colours and augmentation.grey > 0 else None,
        sigma=_draw_sigma(blur, sigma, augmentation) if augmentation.blur > 0 else None,
        solarize=solarize < augmentation.solarize if augmentation.solarize > 0 else None,
        policy=None if colours else (policy * 2.0**53).long(),
    )


def _draw_boxes(
    areas: Float64[Tensor, "n trials"],
    aspects: Float64[Tensor, "n trials"],
    position: Float64[Tensor, "n 2"],
    augmentation: Augmentation,
    side: int,
) -> Int[Tensor, "n 4"]:
    """The first trial that fits into the image, or the whole image; its place is uniform."""
    area = side**2 * (augmentation.min_area + (1 - augmentation.min_area) * areas)
    aspect = torch.exp(log(augmentation.max_aspect) * (2 * aspects - 1))
    width, height = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (torch.minimum(width, height) > 0) & (torch.maximum(width, height) <= side)
    first = fits.byte().argmax(1, keepdim=True)
    sides = torch.cat([height.gather(1, first), width.gather(1, first)], dim=1)
    sides = torch.where(fits.any(1, keepdim=True), sides, side)
    corner = (position * (side - sides + 1)).floor()
    return torch.cat([corner, sides], dim=1).long()


def _draw_colour(
    jitter: Float64[Tensor, " n"],
    factors: Float64[Tensor, "n 3"],
    hue: Float64[Tensor, " n"],
    order: Float64[Tensor, "n 4"],
    augmentation: Augmentation,
) -> Colour:
    """Factors and shift of each view; one that keeps its colours gets the factor 1 and the shift 0."""
    due = jitter < augmentation.jitter
    centred = torch.where(due[:, None], 2 * factors - 1, 0.0).float()
    strengths = (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    by_kind = [1 + strength * column for strength, column in zip(strengths, centred.T, strict=True)]
    return Colour(
        factors=torch.stack(by_kind, dim=1),
        hue=torch.where(due, augmentation.hue * (2 * hue - 1), 0.0).float() if augmentation.hue > 0 else None,
        order=order.argsort(dim=1, stable=True),
        due=due,
    )


def _draw_sigma(
    blur: Float64[Tensor, " n"], sigma: Float64[Tensor, " n"], augmentation: Augmentation
) -> Float[Tensor, " n"]:
    least, greatest = augmentation.blur_sigma_min, augmentation.blur_sigma_max
    return torch.where(blur < augmentation.blur, least + (greatest - least) * sigma, 0.0).float()
