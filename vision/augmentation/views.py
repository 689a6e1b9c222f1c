"""Two random views of each image, as SimCLR makes them, for a whole batch at once and on its device.

Every number drawn is a function of (seed, purpose, counter, number of the image): the views of an image depend
neither on the batch that it is in, nor on the device, nor on what was drawn before.

References:
    Chen et al., 2020, Section 3 and Appendix A, arXiv 2002.05709; parameters are drawn as torchvision draws them
    (RandomResizedCrop, ColorJitter, RandomGrayscale).
"""

from dataclasses import dataclass, fields
from math import log
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int, UInt8
from torch import Tensor

from batching import derived_seed, uniforms
from vision.augmentation.pixels import jitter_colour, resized_crop, to_grey


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strong the random changes are; all zero but `min_area` 1 shows the image as it is.

    The defaults are those of Cho et al. (2024, arXiv 2307.05906) except for the blur, which recipes for images of
    32 pixels leave out.
    """

    min_area: float = 0.08
    """Smallest part of the image's area that a crop may show, in (0, 1]."""
    max_aspect: float = 4 / 3
    """Largest ratio of a crop's sides before it is made square again, at least 1."""
    flip: float = 0.5
    """Probability of mirroring left to right."""
    jitter: float = 0.8
    """Probability that colours change."""
    brightness: float = 0.4
    """Colours change by a factor within 1 - brightness .. 1 + brightness, in [0, 1]."""
    contrast: float = 0.4
    """The same for the distance from the mean grey, in [0, 1]."""
    saturation: float = 0.2
    """The same for the distance from grey, in [0, 1]."""
    hue: float = 0.1
    """Largest turn of the hue either way; 0.5 is half the colour circle."""
    grey: float = 0.2
    """Probability of taking all colour away."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.min_area <= 1:
            raise ValueError(f"min_area must lie in (0, 1], got {self.min_area}; SimCLR takes 0.08")
        if not self.max_aspect >= 1:
            raise ValueError(f"max_aspect must be at least 1, got {self.max_aspect}; SimCLR takes 4/3")
        for field in fields(self)[2:]:
            largest = 0.5 if field.name == "hue" else 1
            value = getattr(self, field.name)
            if not 0 <= value <= largest:
                raise ValueError(f"{field.name} must lie between 0 and {largest}, got {value}; 0 switches it off")


class Colour(NamedTuple):
    """Change of colour of each view, see `jitter_colour`."""

    factors: Float[Tensor, "n 3"]
    hue: Float[Tensor, " n"] | None
    order: Int[Tensor, "n 4"]


class Changes(NamedTuple):
    """What is done to each view, in this order."""

    box: Int[Tensor, "n 4"]
    """Top, left, height, width of the crop."""
    mirror: Bool[Tensor, " n"]
    colour: Colour | None
    to_grey: Bool[Tensor, " n"]


def two_views(
    pixels: UInt8[Tensor, "n 3 side side"],
    index: Int[Tensor, " n"],
    *,
    augmentation: Augmentation,
    size: int,
    mean: Float[Tensor, " 3"],
    std: Float[Tensor, " 3"],
    seed: int,
    purpose: str,
    counter: int,
) -> tuple[Float[Tensor, "n 3 {size} {size}"], Float[Tensor, "n 3 {size} {size}"]]:
    """Two augmented and normalised views of each image.

    Args:
        pixels: The images.
        index: Their numbers in the data set: what their randomness depends on.
        augmentation: Strengths.
        size: Side of the views, in pixels.
        mean: Of each channel, where 1 is white.
        std: Likewise.
        seed: Of the run.
        purpose: Different purposes are independent.
        counter: Different counters are independent; the number of the update.
    """
    # One stream of numbers per image, the first view's and then the second's.
    streams = derived_seed(seed, "augmentation") ^ index.to(pixels.device)
    draws = uniforms(streams, purpose, counter, 2 * N_DRAWS)
    changes = draw_changes(torch.cat(draws.chunk(2, dim=1)), augmentation, side=pixels.shape[-1])
    views = apply_changes((pixels / 255).repeat(2, 1, 1, 1), changes, size=size)
    first, second = ((views - mean.view(3, 1, 1)) / std.view(3, 1, 1)).chunk(2)
    return first, second


_CROP_TRIALS = 10
N_DRAWS = 2 * _CROP_TRIALS + 13
"""Uniform numbers that go into one view."""


def draw_changes(draws: Float64[Tensor, "n n_draws"], augmentation: Augmentation, *, side: int) -> Changes:
    """Turn uniform numbers on [0, 1) into what is done to each view.

    Args:
        draws: `N_DRAWS` numbers for each view.
        augmentation: Strengths.
        side: Of the images, in pixels.
    """
    areas, aspects, rest = draws.split([_CROP_TRIALS, _CROP_TRIALS, 13], dim=1)
    position, (mirror, jitter, grey, hue), factors, order = rest[:, :2], rest[:, 2:6].T, rest[:, 6:9], rest[:, 9:]
    return Changes(
        box=_draw_boxes(areas, aspects, position, augmentation, side),
        mirror=mirror < augmentation.flip,
        colour=_draw_colour(jitter, factors, hue, order, augmentation) if augmentation.jitter > 0 else None,
        to_grey=grey < augmentation.grey,
    )


def apply_changes(
    images: Float[Tensor, "n 3 height width"], changes: Changes, *, size: int
) -> Float[Tensor, "n 3 {size} {size}"]:
    """Carry the changes out on images with values in [0, 1]."""
    views = resized_crop(images, changes.box, size=size, mirror=changes.mirror)
    if changes.colour is not None:
        factors, hue, order = changes.colour
        views = jitter_colour(views, factors=factors, hue=hue, order=order)
    return torch.where(changes.to_grey[:, None, None, None], to_grey(views), views)


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
    width, height = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = fits.long().argmax(1, keepdim=True)
    sides = torch.cat([height.gather(1, first), width.gather(1, first)], dim=1)
    sides = torch.where(fits.any(1, keepdim=True), sides, side)
    corner = (position * (side - sides + 1)).long()
    return torch.cat([corner, sides], dim=1)


def _draw_colour(
    jitter: Float64[Tensor, " n"],
    factors: Float64[Tensor, "n 3"],
    hue: Float64[Tensor, " n"],
    order: Float64[Tensor, "n 4"],
    augmentation: Augmentation,
) -> Colour:
    """Factors and shift of each view; one that keeps its colours gets the factor 1 and the shift 0."""
    changed = jitter < augmentation.jitter
    centred = torch.where(changed[:, None], 2 * factors - 1, 0.0).float()
    strengths = (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    by_kind = [1 + strength * column for strength, column in zip(strengths, centred.T, strict=True)]
    return Colour(
        factors=torch.stack(by_kind, dim=1),
        hue=torch.where(changed, augmentation.hue * (2 * hue - 1), 0.0).float() if augmentation.hue > 0 else None,
        order=order.argsort(dim=1, stable=True),
    )
