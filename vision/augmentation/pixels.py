"""What augmentation does to pixels: every function takes a batch and parameters of its own for each image.

Torchvision's transforms share one set of parameters among a batch; these do per image what torchvision does to
one image, in a few dozen operations for all of them, and never wait for a GPU.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
"""Numbers of the colour operations, torchvision's."""


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
    top, left, height, width = box.unbind(1)
    rows = resize_weights(top, height, n_in=images.shape[2], n_out=size)
    columns = resize_weights(left, width, n_in=images.shape[3], n_out=size)
    columns = torch.where(mirror[:, None, None], columns.flip(1), columns)
    narrow = images.flatten(1, 2) @ columns.mT  # the lines of all channels at once
    return rows[:, None] @ narrow.unflatten(1, images.shape[1:3])


def resize_weights(
    start: Int[Tensor, " n"], length: Int[Tensor, " n"], *, n_in: int, n_out: int
) -> Float[Tensor, "n {n_out} {n_in}"]:
    """Weights that resize the stretch start .. start + length - 1 of a line to n_out points.

    A triangle around the middle of each new point, as wide as one old or one new pixel, whichever is larger
    (bilinear interpolation with antialiasing), cut off at the ends of the stretch: nothing leaks in from outside.
    """
    pixel = torch.arange(n_in, device=start.device) + 0.5
    scale = length[:, None] / n_out
    middle = start[:, None] + (torch.arange(n_out, device=start.device) + 0.5) * scale
    weights = (1 - (pixel - middle[..., None]).abs() / scale.clamp(min=1)[..., None]).clamp(min=0)
    inside = (pixel > start[:, None]) & (pixel < (start + length)[:, None])
    weights = weights * inside[:, None, :]
    return weights / weights.sum(-1, keepdim=True)


def jitter_colour(
    images: Float[Tensor, "n 3 height width"],
    *,
    factors: Float[Tensor, "n 3"],
    hue: Float[Tensor, " n"] | None,
    order: Int[Tensor, "n 4"],
) -> Float[Tensor, "n 3 height width"]:
    """Change brightness, contrast, saturation and hue, in an order of its own for each image.

    Hue is the dear one. It is computed once: each image takes its other changes before or after it, and the
    ones that are not due are blends with weight 1, which change nothing.

    Args:
        images: Values in [0, 1].
        factors: Of brightness, contrast and saturation; 1 changes nothing.
        hue: Shift of hue in turns, -0.5 to 0.5; None for none at all.
        order: The operations (`BRIGHTNESS`, `CONTRAST`, `SATURATION`, `HUE`) from first to last.
    """
    is_hue = order == HUE
    others = order.gather(1, is_hue.long().argsort(dim=1, stable=True))[:, :3]  # hue moves to the end
    if hue is None:
        return _blends(images, factors, others, due=torch.ones_like(others, dtype=torch.bool))
    before = torch.arange(3, device=order.device) < is_hue.long().argmax(1, keepdim=True)
    images = _blends(images, factors, others, due=before)
    images = shift_hue(images, hue)
    return _blends(images, factors, others, due=~before)


def _blends(
    images: Float[Tensor, "n 3 height width"],
    factors: Float[Tensor, "n 3"],
    operations: Int[Tensor, "n 3"],
    *,
    due: Bool[Tensor, "n 3"],
) -> Float[Tensor, "n 3 height width"]:
    """Three changes one after the other, x -> f x + (1 - f) base, base: black, mean grey or grey."""
    weights = torch.where(due, factors.gather(1, operations), 1.0)
    for operation, weight in zip(operations.T, weights.T, strict=True):
        grey = to_grey(images)
        mean = grey.mean((2, 3), keepdim=True)
        base = _per_image(operation == SATURATION) * grey + _per_image(operation == CONTRAST) * mean
        images = base.lerp(images, _per_image(weight)).clamp_(0, 1)
    return images


def to_grey(images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 1 height width"]:
    """Luma, 0.2989 R + 0.587 G + 0.114 B (ITU-R BT.601, rounded as torchvision does)."""
    red, green, blue = images.split(1, dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def shift_hue(
    images: Float[Tensor, "n 3 height width"], turns: Float[Tensor, " n"]
) -> Float[Tensor, "n 3 height width"]:
    """Turn the hue on the colour circle, leaving HSV's saturation and value as they are.

    With the largest channel V, the chroma C = V - smallest channel and the hue h in sixths of a turn, channel
    number m = 0, 1, 2 is V - C clamp(min(k, 4 - k), 0, 1), k = (h + 5 - 2 m) mod 6.

    References:
        Smith, 1978, "Color gamut transform pairs" (the hexcone model, HSV).
    """
    red, green, blue = images.split(1, dim=1)
    value, largest = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    offset = torch.where(
        largest == 0, green - blue, torch.where(largest == 1, blue - red, red - green)
    ) / torch.where(chroma == 0, 1.0, chroma)
    hue = offset + 2 * largest + 6 * _per_image(turns)
    k = (hue + torch.arange(5, 0, -2, device=images.device).view(3, 1, 1)) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)


def _per_image(x: Tensor) -> Tensor:
    return x[:, None, None, None]
