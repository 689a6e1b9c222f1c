"""Choices of labelled images, of each class its share."""

import torch
from jaxtyping import Int64
from torch import Tensor

from batching import uniforms


def stratified(
    labels: Int64[Tensor, " n"], fraction: float, *, seed: int, purpose: str = "labels"
) -> Int64[Tensor, " m"]:
    """A random choice of about `fraction` of each class, at least one image of every class, in ascending order.

    Images have random places in the queue of their class, and of a class of n the first round(fraction n) are
    taken. So for one seed a smaller fraction's choice is part of a larger one's.

    Args:
        labels: Of all images.
        fraction: In (0, 1].
        seed: Of the choice.
        purpose: Different purposes are independent.

    Raises:
        ValueError: If the fraction is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a fraction of the labels must lie in (0, 1], got {fraction}; 0.01, 0.1 and 1 are usual")
    places, sizes = queue_places(labels, seed=seed, purpose=purpose)
    wanted = (fraction * sizes.double() + 0.5).floor().clamp(min=1)
    return (places < wanted[labels]).nonzero()[:, 0]


def queue_places(
    labels: Int64[Tensor, " n"], *, seed: int, purpose: str
) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n_classes"]]:
    """Each image's place, from 0, in a random order of its class, and the sizes of the classes."""
    keys = uniforms(seed, purpose, 0, len(labels), device=labels.device)
    order = keys.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]  # by class, in random order within a class
    sizes = labels.bincount()
    starts = sizes.cumsum(0) - sizes
    places = torch.empty_like(labels)
    places[order] = torch.arange(len(labels), device=labels.device) - starts[labels[order]]
    return places, sizes


def held_back(
    labels: Int64[Tensor, " n"], fraction: float, *, seed: int
) -> tuple[Int64[Tensor, " rest"], Int64[Tensor, " validation"]]:
    """Split into a rest and a validation part of about `fraction` of each class.

    A class of two or more images gives at least one and keeps at least one; a class of one keeps it.

    Raises:
        ValueError: If no class has two images.
    """
    places, sizes = queue_places(labels, seed=seed, purpose="validation")
    if not (sizes > 1).any():
        raise ValueError(
            "choosing the strength of regularisation needs a class with two labelled images, one of them for "
            f"validation, got {len(labels)} images of {int((sizes > 0).sum())} classes; raise the label fraction, "
            "or give one strength"
        )
    wanted = torch.minimum((fraction * sizes.double() + 0.5).floor().clamp(min=1), sizes - 1.0)
    is_validation = places < wanted[labels]
    return (~is_validation).nonzero()[:, 0], is_validation.nonzero()[:, 0]
