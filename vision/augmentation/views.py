"""Two random views of each image, as SimCLR makes them, for a whole batch at once and on its device.

Every number drawn is a function of (seed, purpose, counter, number of the image): the views of an image depend
neither on the batch that it is in, nor on the device, nor on what was drawn before.

References:
    Chen et al., 2020, Section 3 and Appendix A, arXiv 2002.05709.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from batching import derived_seed, uniforms
from vision.augmentation.apply import render
from vision.augmentation.draws import N_DRAWS, N_FIRST_DRAWS, N_LAST_DRAWS, draw_changes
from vision.augmentation.fused import fused_render, takes
from vision.augmentation.strengths import Augmentation


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
    dtype: torch.dtype = torch.float32,
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
        dtype: Of the views; what is computed is float32.

    Cost: see `views_of_steps`.
    """
    rows = torch.arange(len(pixels), device=pixels.device)
    views = _views(
        *(pixels, rows[None], index[None], counter, augmentation, size, mean, std, seed, purpose, dtype),
    )
    return views[0, 0], views[0, 1]


def views_of_steps(
    pixels: UInt8[Tensor, "n 3 side side"],
    index: Int[Tensor, "steps batch"],
    *,
    counters: Int[Tensor, " counters"],
    augmentation: Augmentation,
    size: int,
    mean: Float[Tensor, " 3"],
    std: Float[Tensor, " 3"],
    seed: int,
    purpose: str,
    dtype: torch.dtype = torch.float32,
) -> tuple[Float[Tensor, "steps batch 3 {size} {size}"], Float[Tensor, "steps batch 3 {size} {size}"]]:
    """The views of many steps at once: what `two_views` makes of pixels[index[k]] with counters[k], for all k.

    On a GPU a step of 32 pairs does not fill the device, and this takes little longer than one step does. On a CPU
    the results are the same to the last bit.

    Args:
        pixels: All images of the data set.
        index: The images of each step.
        counters: Of each step, see `two_views`.
        augmentation: Strengths.
        size: Side of the views, in pixels.
        mean: Of each channel, where 1 is white.
        std: Likewise.
        seed: Of the run.
        purpose: Different purposes are independent.
        dtype: Of the views; what is computed is float32.

    Raises:
        ValueError: If there is not one counter for each step.
        IndexError: If an image does not exist (on a GPU: a device-side assertion).

    Cost: about 30 microseconds a view of 32 pixels, a millisecond at 224, on one core of a CPU; memory for the
    views and little more.
    """
    if counters.shape != index.shape[:1]:
        raise ValueError(
            f"counters must hold one number for each of the {index.shape[0]} steps of index, got the shape "
            f"{[*counters.shape]}; pass the numbers of the updates"
        )
    rows = torch.arange(len(pixels), device=pixels.device)[index.to(pixels.device)]
    views = _views(
        *(pixels, rows, index, counters, augmentation, size, mean, std, seed, purpose, dtype),
    )
    return views[:, 0], views[:, 1]


def _views(
    pixels: UInt8[Tensor, "n 3 side side"],
    rows: Int[Tensor, "steps batch"],
    index: Int[Tensor, "steps batch"],
    counter: int | Int[Tensor, " steps"],
    augmentation: Augmentation,
    size: int,
    mean: Float[Tensor, " 3"],
    std: Float[Tensor, " 3"],
    seed: int,
    purpose: str,
    dtype: torch.dtype,
) -> Float[Tensor, "steps 2 batch 3 {size} {size}"]:
    """Both views of the images `rows` of each step, which have the numbers `index` in the data set."""
    _check(size, dtype)
    steps, batch = index.shape
    # One stream of numbers per image, the first view's and then the second's.
    streams = derived_seed(seed, "augmentation") ^ index.to(pixels.device).flatten()
    if isinstance(counter, Tensor):
        counter = counter.to(pixels.device)[:, None].expand(-1, batch).flatten()
    draws = uniforms(streams, purpose, counter, 2 * N_DRAWS)
    first, last = draws.split([2 * N_FIRST_DRAWS, 2 * N_LAST_DRAWS], dim=1)
    parts = [first.reshape(steps, batch, 2, N_FIRST_DRAWS), last.reshape(steps, batch, 2, N_LAST_DRAWS)]
    draws = torch.cat(parts, dim=3).transpose(1, 2).reshape(2 * steps * batch, N_DRAWS)
    changes = draw_changes(draws, augmentation, side=pixels.shape[-1])
    source = rows[:, None].expand(-1, 2, -1).flatten()
    views = pixels.new_empty(2 * steps * batch, 3, size, size, dtype=dtype)
    if takes(pixels, augmentation, size=size):
        fused_render(views, pixels, source, changes, mean=mean, std=std)
    else:
        render(views, pixels, source, changes, policy=augmentation.policy, mean=mean, std=std, step=2 * batch)
    return views.view(steps, 2, batch, 3, size, size)


def _check(size: int, dtype: torch.dtype) -> None:
    if size < 2:
        raise ValueError(f"size must be at least 2 pixels, got {size}; 32 and 224 are usual")
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be one of floating point numbers, got {dtype}; pass torch.float32")
