"""Views on a GPU: cropped, changed in colour and normalised by one Triton kernel, one program for each view.

Operation by operation, the 12 kB of a view of 32 pixels travel to memory and back a hundred times. Here its bytes
are read once, all changes happen in registers, and the view is written once. The kernel itself is in
`vision.augmentation.kernel`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float, Int, Int32, UInt8
from torch import Tensor

from vision.augmentation.colour import HUE
from vision.augmentation.draws import Changes
from vision.augmentation.strengths import Augmentation

_HAS_TRITON = find_spec("triton") is not None  # not every build of torch brings it
LARGEST_SIDE = 64
"""Of a view that fits into the registers of a program."""
_MIRROR, _GREY, _SOLARIZE = 1, 2, 4
"""Bits of a view's switches."""
_NOTHING = 4
"""The colour operation that is none."""


def takes(pixels: UInt8[Tensor, "n 3 side side"], augmentation: Augmentation, *, size: int) -> bool:
    """Whether the kernel is for this: small views on a GPU that are no smaller than the images, and not blurred."""
    return (
        _HAS_TRITON
        and pixels.is_cuda
        and pixels.shape[-1] <= size <= LARGEST_SIDE
        and augmentation.blur == 0
        and augmentation.policy == "none"
    )


def fused_render(
    out: Float[Tensor, "views 3 size size"],
    pixels: UInt8[Tensor, "n 3 side side"],
    source: Int[Tensor, " views"],
    changes: Changes,
    *,
    mean: Float[Tensor, " 3"],
    std: Float[Tensor, " 3"],
) -> None:
    """What `render` does, where `takes` allows it.

    Args:
        out: For the views, in whatever floating point numbers it has; contiguous.
        pixels: The images.
        source: The row of `pixels` of each view.
        changes: Of each view.
        mean: Of each channel, where 1 is white.
        std: Likewise.
    """
    kernel: Any = import_module("vision.augmentation.kernel").views_kernel

    choices, amounts = _packed(changes)
    n_pixels = out.shape[2] * out.shape[3]
    block = max(16, 1 << (n_pixels - 1).bit_length())
    with torch.cuda.device_of(out):
        kernel[(len(out),)](
            *(out, pixels.contiguous(), source.contiguous(), choices, amounts),
            *(mean.to(out.device).float(), std.to(out.device).float()),
            *(pixels.shape[-1], out.shape[-1]),
            HAS_COLOUR=changes.colour is not None,
            HAS_GREY=changes.to_grey is not None,
            HAS_SOLARIZE=changes.solarize is not None,
            PIXELS=block,
            num_warps=4 if block <= 1024 else 16,
        )


def _packed(changes: Changes) -> tuple[Int32[Tensor, "n 9"], Float[Tensor, "n 4"]]:
    """Box, order of the colour operations and switches; amounts of the colour operations."""
    n, device = len(changes.box), changes.box.device
    switches = changes.mirror * _MIRROR
    if changes.to_grey is not None:
        switches = switches + changes.to_grey * _GREY
    if changes.solarize is not None:
        switches = switches + changes.solarize * _SOLARIZE
    order = torch.full((n, 4), _NOTHING, device=device)
    amounts = torch.zeros(n, 4, device=device)
    if changes.colour is not None:
        factors, hue, drawn, due = changes.colour
        due = due[:, None] if hue is not None else due[:, None] & (drawn != HUE)
        order = torch.where(due, drawn, order)
        amounts = torch.cat([factors, amounts[:, :1] if hue is None else hue[:, None]], dim=1)
    return torch.cat([changes.box, order, switches[:, None]], dim=1).int(), amounts
