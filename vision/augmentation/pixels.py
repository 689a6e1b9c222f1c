"""Crops, blur and solarisation: every function takes a batch and parameters of its own for each image.

Torchvision's transforms share one set of parameters among a batch; these do per image what torchvision does to
one image, in a few dozen operations for all of them, and never wait for a GPU.

Crops are products with matrices, A x B^T, and as exact as those are: to 3 digits where TF32 is switched on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


def resized_crop(
    images: Float[Tensor, "n 3 height width"],
    box: Int[Tensor, "n 4"],
    *,
    size: int,
    mirror: Bool[Tensor, " n"],
) -> Float[Tensor, "n 3 {size} {size}"]:
    """Cut a box out of each image, resize it to size x size, and mirror it left to right where asked for.

    Both directions are one product each with interpolation weights, W_rows x W_columns^T.

    Args:
        images: Any values.
        box: Top, left, height and width, in pixels.
        size: Of the result.
        mirror: Whether to mirror.
    """
    rows, columns = crop_points(box, n_in=images.shape[2:], n_out=size, mirror=mirror)
    return on_both_sides(weights_around(rows, images.shape[2]), images, weights_around(columns, images.shape[3]))


class Points(NamedTuple):
    """Where the new points of a resized stretch of a line lie, in pixels from the beginning of the line."""

    middle: Float[Tensor, "n n_out"]
    stretch: Float[Tensor, "n 3"] | None
    """Half width of a new point, first and last end of the stretch; None where the points say it all."""


def crop_points(
    box: Int[Tensor, "n 4"], *, n_in: Sequence[int], n_out: int, mirror: Bool[Tensor, " n"]
) -> tuple[Points, Points]:
    """Points of the rows and of the columns of `resized_crop`, from an image of n_in[0] x n_in[1]."""
    top, left, height, width = box.T
    rows = resize_points(top, height, n_in=n_in[0], n_out=n_out)
    return rows, resize_points(left, width, n_in=n_in[1], n_out=n_out, mirror=mirror)


def resize_points(
    start: Int[Tensor, " n"],
    length: Int[Tensor, " n"],
    *,
    n_in: int,
    n_out: int,
    mirror: Bool[Tensor, " n"] | None = None,
) -> Points:
    """Resize the stretch start .. start + length - 1 of a line to n_out points.

    Args:
        start: First pixel.
        length: Number of pixels.
        n_in: Length of the line; where it is no longer than n_out, every stretch is enlarged.
        n_out: Number of new points.
        mirror: Whether the new points come in reverse order.
    """
    first, long = start[:, None].float(), length[:, None].float()
    place = (torch.arange(n_out, device=start.device) + 0.5) / n_out
    if mirror is not None:
        place = torch.where(mirror[:, None], 1 - place, place)
    from_first = place * long
    if n_in <= n_out:
        return Points(first + from_first.clamp_(min=0.5).minimum(long - 0.5), None)
    return Points(first + from_first, torch.cat([(long / n_out).clamp(min=1), first, first + long], dim=1))


def weights_around(points: Points, n_in: int) -> Float[Tensor, "n n_out {n_in}"]:
    """Weights of a line's pixels in each new point.

    A triangle around the middle of each new point, as wide as one old or one new pixel, whichever is larger
    (bilinear interpolation with antialiasing), cut off at the ends of the stretch: nothing leaks in from outside.
    Where the triangles are as wide as one old pixel, moving the outermost half a pixel inside does the same.
    """
    pixel = torch.arange(n_in, device=points.middle.device) + 0.5
    distance = (pixel - points.middle[..., None]).abs_()
    if points.stretch is None:
        return distance.neg_().add_(1).clamp_(min=0)
    half_width, first, last = points.stretch[..., None].unbind(1)
    inside = (pixel > first) & (pixel < last)
    weights = distance.div_(half_width[..., None]).neg_().add_(1).clamp_(min=0).mul_(inside[:, None])
    return weights.div_(weights.sum(-1, keepdim=True))


def gaussian_blur(
    images: Float[Tensor, "n 3 size size"], sigma: Float[Tensor, " n"]
) -> Float[Tensor, "n 3 size size"]:
    """Convolve each image with a Gaussian of its own width, cut off at `blur_radius`, reflecting at the borders.

    Args:
        images: Any values.
        sigma: Standard deviation in pixels; 0 for none.

    Cost: two additions of whole images for each pixel of the radius, and a few more.
    """
    return blur_with(blur_taps(sigma, images.shape[-1]), images)


def blur_with(
    taps: Float[Tensor, "n taps"], images: Float[Tensor, "n 3 size size"]
) -> Float[Tensor, "n 3 size size"]:
    """`gaussian_blur` with given taps: sums of shifted images, downwards and then across."""
    radius, size = taps.shape[1] // 2, images.shape[-1]
    for dim, border in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        padded = functional.pad(images, border, mode="reflect")
        images = padded.narrow(dim, radius, size) * taps[:, radius, None, None, None]
        for near in range(radius):  # two taps of equal weight
            pair = padded.narrow(dim, near, size) + padded.narrow(dim, 2 * radius - near, size)
            images.addcmul_(pair, taps[:, near, None, None, None])
    return images


def blur_taps(sigma: Float[Tensor, " n"], size: int) -> Float[Tensor, "n taps"]:
    """The Gaussians of `gaussian_blur`; 1 in the middle where sigma is 0."""
    radius = blur_radius(size)
    offset = torch.arange(-radius, radius + 1, device=sigma.device)
    taps = torch.exp(-0.5 * (offset / torch.where(sigma > 0, sigma, 1.0)[:, None]) ** 2)
    taps = torch.where(sigma[:, None] > 0, taps, (offset == 0).float())
    return taps / taps.sum(1, keepdim=True)


def blur_radius(size: int) -> int:
    """Pixels on each side that a blurred pixel sees: a window of about a tenth of the view, at least 3.

    References:
        Chen et al., 2020, Appendix A, arXiv 2002.05709: "We set the kernel size to be 10% of the image height".
    """
    return max(1, size // 20)


def solarize(images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
    """Invert what is at least 1/2, for values in [0, 1]."""
    return torch.minimum(images, 1 - images)


def on_both_sides(
    rows: Float[Tensor, "n new height"],
    images: Float[Tensor, "n 3 height width"],
    columns: Float[Tensor, "n new width"],
) -> Float[Tensor, "n 3 new new"]:
    """Rows x image x columns^T, for each channel."""
    narrow = images.flatten(1, 2) @ columns.mT  # the lines of all channels at once
    return rows[:, None] @ narrow.unflatten(1, images.shape[1:3])
