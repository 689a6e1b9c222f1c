"""Torchvision's automatic augmentations, and its mixtures of labelled images, made reproducible.

They draw from PyTorch's global generator. Here each call gets a seed of its own, and the generator is put back
afterwards.

References:
    Cubuk et al., 2019, "AutoAugment", arXiv 1805.09501; 2020, "RandAugment", arXiv 1909.13719.
    Müller and Hutter, 2021, "TrivialAugment", arXiv 2103.10158.
    Zhang et al., 2018, "mixup", arXiv 1710.09412. Yun et al., 2019, "CutMix", arXiv 1905.04899.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from batching import derived_seed
from vision.augmentation.strengths import Policy

_SMALL = 32
"""Sides up to which AutoAugment's policy is the one found on CIFAR-10; that of ImageNet beyond."""


def by_policy(
    images: UInt8[Tensor, "n 3 height width"], seeds: Int[Tensor, " n"], *, policy: Policy
) -> UInt8[Tensor, "n 3 height width"]:
    """Change each image by its own draw of a policy.

    One after the other and on the CPU, whatever the device: a GPU is waited for.

    Args:
        images: Any device.
        seeds: Of each image.
        policy: autoaugment (CIFAR-10's policy up to 32 pixels, ImageNet's beyond), randaugment, trivialaugment.

    Cost: about 0.1 ms an image of 32 pixels.
    """
    transform = _transform(policy, images.shape[-1])
    with _seeded() as generator:
        changed = []
        for image, seed in zip(images.cpu(), seeds.tolist(), strict=True):
            generator.manual_seed(seed)
            changed.append(transform(image))
    return torch.stack(changed).to(images.device)


def mixed(
    images: Float[Tensor, "n 3 height width"],
    labels: Int[Tensor, " n"],
    n_classes: int,
    *,
    kind: Literal["mixup", "cutmix"],
    seed: int,
    counter: int,
) -> tuple[Float[Tensor, "n 3 height width"], Float[Tensor, "n {n_classes}"]]:
    """Mix each image and its label with its neighbour in the batch, for supervised training.

    mixup adds them up with weights l and 1 - l; cutmix replaces a box of 1 - l of the area. One l, uniform on
    [0, 1], for the whole batch.

    Args:
        images: A batch in random order; at least two.
        labels: Their classes.
        n_classes: How many there are.
        kind: "mixup" or "cutmix".
        seed: Of the run.
        counter: Different counters are independent; the number of the update.

    Returns:
        The mixtures, and a probability for each class.

    Raises:
        ValueError: If there is no such kind, or fewer than two images.
    """
    from torchvision.transforms import v2

    kinds = {"mixup": v2.MixUp, "cutmix": v2.CutMix}
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, got {kind!r}")
    if len(images) < 2:
        raise ValueError(f"images must be at least 2 to be mixed, got {len(images)}; pass a batch")
    with _seeded() as generator:
        generator.manual_seed(derived_seed(seed, kind, counter))
        return kinds[kind](num_classes=n_classes)(images, labels)


@contextmanager
def _seeded() -> Iterator[torch.Generator]:
    """The CPU's global generator, to be seeded at will; left as it was. GPUs' generators are not touched."""
    with torch.random.fork_rng(devices=[]):
        yield torch.default_generator


def _transform(policy: Policy, side: int) -> nn.Module:
    from torchvision.transforms import v2

    if policy == "autoaugment":
        which = v2.AutoAugmentPolicy.CIFAR10 if side <= _SMALL else v2.AutoAugmentPolicy.IMAGENET
        return v2.AutoAugment(which)
    return v2.RandAugment() if policy == "randaugment" else v2.TrivialAugmentWide()
