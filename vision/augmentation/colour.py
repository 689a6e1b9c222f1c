"""Changes of colour, each image's own in strength and order.

Brightness, contrast, saturation and grey are affine maps of a pixel's three channels, x -> M x + t, with a matrix
of 3 x 3 and a shift for each image: one small product does whichever of them is due.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
"""Numbers of the colour operations, torchvision's."""
LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601, rounded as torchvision does)."""


class Cuts(NamedTuple):
    """Where the sorted views of `by_place_of_hue` change in what is due when."""

    first: int
    """Those before it keep their colours."""
    slots: tuple[int, int, int]
    """Those before slots[k] have change number k before the hue, the others after it."""


def jitter_colour(
    images: Float[Tensor, "n 3 height width"],
    *,
    factors: Float[Tensor, "n 3"],
    hue: Float[Tensor, " n"] | None,
    order: Int[Tensor, "n 4"],
    cuts: Cuts | None = None,
) -> Float[Tensor, "n 3 height width"]:
    """Change brightness, contrast, saturation and hue, in an order of its own for each image.

    Hue is the dear one. It is computed once: each image takes its other three changes before or after it. Those
    that are not due have weight 1, which changes nothing; where the images are sorted, they are not computed.

    Args:
        images: Values in [0, 1].
        factors: Of brightness, contrast and saturation; 1 changes nothing.
        hue: Shift of hue in turns, -0.5 to 0.5; None for none at all.
        order: The operations (`BRIGHTNESS`, `CONTRAST`, `SATURATION`, `HUE`) from first to last.
        cuts: Of images in the order of `by_place_of_hue`.
    """
    views = images.clone(memory_format=torch.contiguous_format)
    jitter_colour_(views, colour_maps(factors, hue, order), cuts)
    return views


class ColourMaps(NamedTuple):
    """The changes of `jitter_colour` as maps: three before the turn of the hue, the same three after it."""

    matrices: Float[Tensor, "n 6 3 3"]
    shifts: Float[Tensor, "n 6 3"]
    """The shift is the product with the mean colour."""
    turns: Float[Tensor, "n 1 1"] | None


def colour_maps(
    factors: Float[Tensor, "n 3"], hue: Float[Tensor, " n"] | None, order: Int[Tensor, "n 4"]
) -> ColourMaps:
    """Each map is x -> w x + (1 - w) base, with base black, mean grey or grey, or nothing where it is not due."""
    others = order.gather(1, (order == HUE).byte().argsort(dim=1, stable=True))[:, :3]  # hue moves to the end
    before = torch.arange(3, device=order.device) < place_of_hue(hue, order)[:, None]
    weights = torch.where(torch.cat([before, ~before], dim=1), factors.gather(1, others).repeat(1, 2), 1.0)
    operation, rest, luma = others.repeat(1, 2), 1 - weights, _luma(factors)
    matrices = torch.diag_embed(weights[..., None].expand(-1, -1, 3))
    matrices += (rest * (operation == SATURATION))[..., None, None] * luma
    shifts = (rest * (operation == CONTRAST))[..., None] * luma
    return ColourMaps(matrices, shifts, None if hue is None else hue[:, None, None])


def jitter_colour_(views: Float[Tensor, "n 3 height width"], maps: ColourMaps, cuts: Cuts | None = None) -> None:
    """`jitter_colour` in place."""
    first, slots = (0, (len(views),) * 3) if cuts is None else cuts
    if maps.turns is not None:
        for slot, end in enumerate(slots):
            _map_(views[first:end], maps.matrices[first:end, slot], maps.shifts[first:end, slot])
        _turn_hue_(views[first:], maps.turns[first:])
    for slot, end in enumerate(slots, start=3):
        start = first if cuts is None else end
        _map_(views[start:], maps.matrices[start:, slot], maps.shifts[start:, slot])


def _map_(
    views: Float[Tensor, "n 3 height width"], matrix: Float[Tensor, "n 3 3"], shift: Float[Tensor, "n 3"]
) -> None:
    """One change, x -> clamp(M x + t), in place."""
    if len(views):
        x = views.flatten(2)
        offset = (x.mean(2) * shift).sum(1)[:, None, None]
        torch.clamp(torch.baddbmm(offset, matrix, x), 0, 1, out=x)


def place_of_hue(hue: Float[Tensor, " n"] | None, order: Int[Tensor, "n 4"]) -> Int[Tensor, " n"]:
    """How many of the other changes come before the hue; 0 where there is no hue."""
    found = (order == HUE).byte().argmax(1)
    return torch.zeros_like(found) if hue is None else found


def to_grey(
    images: Float[Tensor, "n 3 height width"], due: Bool[Tensor, " n"] | None = None
) -> Float[Tensor, "n 3 height width"]:
    """Luma in all three channels, 0.2989 R + 0.587 G + 0.114 B.

    Args:
        images: Any values.
        due: The images to make grey; None for all.
    """
    return mix_colours(
        images, grey_matrices(images.new_ones(len(images), dtype=torch.bool) if due is None else due)
    )


def grey_matrices(due: Bool[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    """Of `to_grey`: all rows are `LUMA` where it is due, the identity elsewhere."""
    identity = torch.eye(3, device=due.device)
    return torch.where(due[:, None, None], _luma(identity), identity)


def mix_colours(
    images: Float[Tensor, "n 3 height width"], matrix: Float[Tensor, "n 3 3"]
) -> Float[Tensor, "n 3 height width"]:
    """One product for each pixel."""
    return (matrix @ images.flatten(2)).view_as(images)


def _luma(images: Float[Tensor, "..."]) -> Float[Tensor, " 3"]:
    """`LUMA` on the images' device, made there: a copy would have to wait for a GPU."""
    return torch.stack([images.new_full((), weight) for weight in LUMA])


def shift_hue(
    images: Float[Tensor, "n 3 height width"], turns: Float[Tensor, " n"]
) -> Float[Tensor, "n 3 height width"]:
    """Turn the hue on the colour circle, leaving HSV's saturation and value as they are.

    With the largest channel V, the smallest one v, and the chroma C = V - v, the hue is at the distance

        d = (1 + (G + B - R - v) / C) / 6

    from red, in turns: towards green where G >= B, else towards blue. With the new hue h in [0, 1), red is
    V - 2 C + C clamp(6 |h - 1/2|, 1, 2), and green and blue are v + 2 C - C clamp(6 |h - centre|, 1, 2) with their
    centres 1/3 and 2/3.

    Args:
        images: Values in [0, 1].
        turns: -0.5 to 0.5.

    References:
        Smith, 1978, "Color gamut transform pairs" (the hexcone model, HSV).
    """
    views = images.clone(memory_format=torch.contiguous_format)
    _turn_hue_(views, turns[:, None, None])
    return views


def _turn_hue_(views: Float[Tensor, "n 3 height width"], turns: Float[Tensor, "n 1 1"]) -> None:
    """`shift_hue` in place, with as few passes over memory as can be."""
    red, green, blue = views.unbind(1)
    least = torch.minimum(green, blue).minimum(red)
    chroma = torch.maximum(green, blue).maximum(red).sub_(least).mul_(6)
    hue = (green + blue).sub_(red).sub_(least).div_(chroma.clamp(min=1e-20)).add_(1 / 6)
    hue = hue.copysign_(green - blue).add_(1 + turns).frac_()
    low = torch.add(least, chroma, alpha=-1 / 6)  # v - C, which is V - 2 C
    high = torch.add(least, chroma, alpha=1 / 3)
    for channel, (base, centre, sign) in enumerate([(low, 1 / 2, 1), (high, 1 / 3, -1), (high, 2 / 3, -1)]):
        part = (hue - centre).abs_().clamp_(1 / 6, 1 / 3)
        torch.addcmul(base, chroma, part, value=sign, out=views[:, channel])
