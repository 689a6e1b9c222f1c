"""Carrying the drawn changes out, in portions that fit into a processor's cache."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from vision.augmentation.colour import (
    ColourMaps,
    Cuts,
    colour_maps,
    grey_matrices,
    jitter_colour_,
    mix_colours,
    place_of_hue,
)
from vision.augmentation.draws import Changes, Colour
from vision.augmentation.pixels import (
    Points,
    blur_taps,
    blur_with,
    crop_points,
    on_both_sides,
    solarize,
    weights_around,
)
from vision.augmentation.policies import by_policy
from vision.augmentation.strengths import Policy

CPU_PORTION = 1 << 18
"""Values of the views that are made at once: 1 MiB, for what is made to stay near the processor."""
GPU_PORTION = 1 << 25


class Recipe(NamedTuple):
    """The changes of each view as what their products and sums are made of; None where it happens to no view."""

    rows: Points
    columns: Points
    colour: ColourMaps | None
    grey: Float[Tensor, "n 3 3"] | None
    blur: Float[Tensor, "n taps"] | None
    solarize: Bool[Tensor, " n"] | None
    policy: Int[Tensor, " n"] | None


def make_recipe(changes: Changes, *, side: int, size: int) -> Recipe:
    """The changes of images of side x side, for views of size x size."""
    colour, mirror = changes.colour, changes.mirror
    return Recipe(
        *crop_points(changes.box, n_in=(side, side), n_out=size, mirror=mirror),
        colour=None if colour is None else colour_maps(colour.factors, colour.hue, colour.order),
        grey=None if changes.to_grey is None else grey_matrices(changes.to_grey),
        blur=None if changes.sigma is None else blur_taps(changes.sigma, size),
        solarize=changes.solarize,
        policy=changes.policy,
    )


def follow(
    recipe: Recipe, images: Float[Tensor, "n 3 side side"], cuts: Cuts | None = None
) -> Float[Tensor, "n 3 size size"]:
    """Make the views.

    Args:
        recipe: Of each image; its policy is not looked at.
        images: Values in [0, 1].
        cuts: Of views that are sorted, see `by_place_of_hue`.
    """
    rows, columns = (weights_around(points, images.shape[-1]) for points in (recipe.rows, recipe.columns))
    views = on_both_sides(rows, images, columns)
    if recipe.colour is not None:
        jitter_colour_(views, recipe.colour, cuts)
    if recipe.grey is not None:
        views = mix_colours(views, recipe.grey)
    if recipe.blur is not None:
        views = blur_with(recipe.blur, views)
    if recipe.solarize is not None:
        views = torch.where(recipe.solarize[:, None, None, None], solarize(views), views)
    return views


def apply_changes(
    images: Float[Tensor, "n 3 side side"], changes: Changes, *, size: int
) -> Float[Tensor, "n 3 {size} {size}"]:
    """Carry the changes out, but for the policy, on images with values in [0, 1]."""
    return follow(make_recipe(changes, side=images.shape[-1], size=size), images)


def render(
    out: Float[Tensor, "views 3 size size"],
    pixels: UInt8[Tensor, "n 3 side side"],
    source: Int[Tensor, " views"],
    changes: Changes,
    *,
    policy: Policy,
    mean: Float[Tensor, " 3"],
    std: Float[Tensor, " 3"],
    step: int,
) -> None:
    """Make normalised views of images, portion by portion, and write them to `out`.

    On a CPU the views of a portion are sorted by what is due when, so that nothing is computed that is not due. A
    GPU would have to be waited for; there everything is computed.

    Args:
        out: For the views, in whatever floating point numbers it has.
        pixels: The images.
        source: The row of `pixels` of each view.
        changes: Of each view.
        policy: Which one `changes.policy` are seeds of.
        mean: Of each channel, where 1 is white.
        std: Likewise.
        step: On a CPU, portions end where a multiple of so many views does: what is rounded how then depends on the
            views of one step only.
    """
    on_cpu = pixels.device.type == "cpu"
    mean, std = (x.to(pixels.device).view(3, 1, 1) for x in (mean, std))
    most = max(1, (CPU_PORTION if on_cpu else GPU_PORTION) // out.shape[1:].numel())
    bounds = [*_bounds(len(out), step if on_cpu else len(out), most)]
    recipe = make_recipe(changes, side=pixels.shape[-1], size=out.shape[-1])
    cuts: Sequence[Cuts | None] = [None] * (len(bounds) - 1)
    back = None
    if on_cpu and changes.colour is not None:
        sequence, back, cuts = by_place_of_hue(changes.colour, bounds)
        source, recipe = _pick((source, recipe), sequence)
    for (start, end), cut in zip(pairwise(bounds), cuts, strict=True):
        rows, these = _pick((source, recipe), slice(start, end))
        images = pixels.index_select(0, rows)
        if these.policy is not None:
            images = by_policy(images, these.policy, policy=policy)
        views = follow(these, images.float().div_(255), cut).sub_(mean).div_(std)
        out[start:end] = views if back is None else views.index_select(0, back[start:end])


def by_place_of_hue(colour: Colour, bounds: list[int]) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], list[Cuts]]:
    """Sort the views of each portion: first those that keep their colours, then by falling place of the hue.

    Args:
        colour: Of all views.
        bounds: The portions are bounds[k] .. bounds[k + 1] - 1.

    Returns:
        The views in their new order; the place within its portion of each view; the cuts of each portion.
    """
    rank = torch.where(colour.due, 4 - place_of_hue(colour.hue, colour.order), 0)
    edges = torch.tensor(bounds)
    portion = torch.bucketize(torch.arange(len(rank)), edges[1:], right=True)
    key = portion * 5 + rank
    sequence = key.argsort(stable=True)
    back = sequence.argsort() - edges[portion]
    below = key.bincount(minlength=5 * (len(bounds) - 1)).view(-1, 5).cumsum(1).tolist()
    return sequence, back, [Cuts(first, (three, two, one)) for first, one, two, three, _ in below]


def _bounds(n: int, step: int, most: int) -> Iterator[int]:
    """0 .. n cut at the multiples of `step`, and in between into equal parts of at most `most`."""
    yield 0
    for start in range(0, n, max(1, step)):
        length = min(step, n - start)
        parts = -(-length // most)
        yield from (start + length * part // parts for part in range(1, parts + 1))


def _pick(tree: Any, views: Tensor | slice) -> Any:
    """Some views of all tensors in a tuple of tensors, of None and of such tuples."""
    if isinstance(tree, tuple):
        parts = (_pick(part, views) for part in tree)
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree if tree is None else tree[views] if isinstance(views, slice) else tree.index_select(0, views)
