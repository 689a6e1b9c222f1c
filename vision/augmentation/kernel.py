"""The Triton kernel of `vision.augmentation.fused`. A view lives in registers, a block for each channel."""

# Kernels are traced by Triton, which has its own idea of types: parameters in capitals are compile-time constants.
# pyright: basic, reportPossiblyUnboundVariable=false

from typing import no_type_check

import triton
from triton import language as tl


@triton.jit
@no_type_check
def views_kernel(
    out_at,
    pixels_at,
    source_at,
    choices_at,
    amounts_at,
    mean_at,
    std_at,
    side,
    size,
    HAS_COLOUR: tl.constexpr,
    HAS_GREY: tl.constexpr,
    HAS_SOLARIZE: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """One view: crop and mirror, colours in their order, grey, solarisation, normalisation."""
    view = tl.program_id(0).to(tl.int64)
    choices = choices_at + view * 9
    switches = tl.load(choices + 8)
    pixel = tl.arange(0, PIXELS)
    inside = pixel < size * size
    row, column = pixel // size, pixel % size
    column = tl.where(switches % 2 == 1, size - 1 - column, column)
    above, below, down = neighbours(row, tl.load(choices), tl.load(choices + 2), size)
    left, right, along = neighbours(column, tl.load(choices + 1), tl.load(choices + 3), size)
    plane = pixels_at + tl.load(source_at + view).to(tl.int64) * 3 * side * side
    red = sample(plane, above * side, below * side, down, left, right, along, inside)
    plane += side * side
    green = sample(plane, above * side, below * side, down, left, right, along, inside)
    plane += side * side
    blue = sample(plane, above * side, below * side, down, left, right, along, inside)

    if HAS_COLOUR:
        for slot in range(4):
            operation = tl.load(choices + 4 + slot)
            amount = tl.load(amounts_at + view * 4 + operation, mask=operation < 4, other=0.0)
            if operation < 3:
                grey = 0.2989 * red + 0.587 * green + 0.114 * blue
                mean_grey = tl.sum(tl.where(inside, grey, 0.0), 0) / (size * size)
                base = tl.where(operation == 1, mean_grey, tl.where(operation == 2, grey, 0.0))
                red = blend(red, base, amount)
                green = blend(green, base, amount)
                blue = blend(blue, base, amount)
            if operation == 3:
                red, green, blue = turn_hue(red, green, blue, amount)
    if HAS_GREY:
        grey = 0.2989 * red + 0.587 * green + 0.114 * blue
        is_grey = (switches // 2) % 2 == 1
        red = tl.where(is_grey, grey, red)
        green = tl.where(is_grey, grey, green)
        blue = tl.where(is_grey, grey, blue)
    if HAS_SOLARIZE:
        inverted = (switches // 4) % 2 == 1
        red = tl.where(inverted, tl.minimum(red, 1.0 - red), red)
        green = tl.where(inverted, tl.minimum(green, 1.0 - green), green)
        blue = tl.where(inverted, tl.minimum(blue, 1.0 - blue), blue)

    out = out_at + view * 3 * size * size + pixel
    kind = out_at.dtype.element_ty
    red = (red - tl.load(mean_at)) / tl.load(std_at)
    green = (green - tl.load(mean_at + 1)) / tl.load(std_at + 1)
    blue = (blue - tl.load(mean_at + 2)) / tl.load(std_at + 2)
    tl.store(out, red.to(kind), mask=inside)
    tl.store(out + size * size, green.to(kind), mask=inside)
    tl.store(out + 2 * size * size, blue.to(kind), mask=inside)


@triton.jit
@no_type_check
def neighbours(point, start, length, size):
    """The two pixels around each new point of the stretch start .. start + length - 1, and the second's weight."""
    place = (point.to(tl.float32) + 0.5) / size * length
    place = tl.minimum(tl.maximum(place, 0.5), length - 0.5) - 0.5
    one = place.to(tl.int32)
    return start + one, start + tl.minimum(one + 1, length - 1), place - one.to(tl.float32)


@triton.jit
@no_type_check
def sample(plane, above, below, down, left, right, along, inside):
    """One channel between four pixels, in [0, 1]."""
    upper_left = tl.load(plane + above + left, mask=inside, other=0).to(tl.float32)
    upper_right = tl.load(plane + above + right, mask=inside, other=0).to(tl.float32)
    lower_left = tl.load(plane + below + left, mask=inside, other=0).to(tl.float32)
    lower_right = tl.load(plane + below + right, mask=inside, other=0).to(tl.float32)
    upper = upper_left + along * (upper_right - upper_left)
    lower = lower_left + along * (lower_right - lower_left)
    return (upper + down * (lower - upper)) / 255.0


@triton.jit
@no_type_check
def blend(x, base, weight):
    """The mean of x and base with weights w and 1 - w, within [0, 1]."""
    return tl.minimum(tl.maximum(weight * x + (1.0 - weight) * base, 0.0), 1.0)


@triton.jit
@no_type_check
def turn_hue(red, green, blue, turns):
    """See `shift_hue`."""
    least = tl.minimum(tl.minimum(red, green), blue)
    chroma = tl.maximum(tl.maximum(red, green), blue) - least
    distance = (1.0 + (green + blue - red - least) / tl.where(chroma > 0.0, chroma, 1.0)) / 6.0
    hue = tl.where(green >= blue, distance, -distance) + turns
    hue = tl.where(hue < 0.0, hue + 1.0, hue)
    hue = tl.where(hue >= 1.0, hue - 1.0, hue)
    new_red = least + chroma * (bounded(hue, 0.5) - 1.0)
    new_green = least + chroma * (2.0 - bounded(hue, 1.0 / 3.0))
    new_blue = least + chroma * (2.0 - bounded(hue, 2.0 / 3.0))
    return new_red, new_green, new_blue


@triton.jit
@no_type_check
def bounded(hue, centre):
    """The distance from a centre in sixths of a turn, within [1, 2]."""
    return tl.minimum(tl.maximum(6.0 * tl.abs(hue - centre), 1.0), 2.0)
