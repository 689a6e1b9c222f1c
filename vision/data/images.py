"""The images of a split as one tensor of bytes, and what is known of each data set before it is read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from batching import permutation
from vision.data.cache import load_cached
from vision.data.cifar import find_cifar
from vision.data.digits import find_digits
from vision.data.folders import DEFAULT_SIDE, find_folder, find_tiny_imagenet
from vision.data.source import IMAGENET_MEAN, IMAGENET_STD, Source, Split


@dataclass(frozen=True, kw_only=True)
class Images:
    """A split of a data set, decoded and ready to lie on a GPU."""

    name: str
    pixels: UInt8[Tensor, "n 3 side side"]
    labels: Int64[Tensor, " n"]
    class_names: tuple[str, ...]
    mean: Float[Tensor, " 3"]
    """What views are normalised with, where 1 is white: usually of each channel of the training split."""
    std: Float[Tensor, " 3"]
    digest: str = ""
    """The sha256 of the pixels and labels of the whole split as it was loaded."""
    source: str = "given tensors"
    """Where the images come from, in one phrase."""

    def __len__(self) -> int:
        """The number of images."""
        return len(self.pixels)

    def to(self, device: torch.device) -> "Images":
        """The same on another device."""
        tensors = {name: getattr(self, name).to(device) for name in ("pixels", "labels", "mean", "std")}
        return replace(self, **tensors)

    def subset(self, n: int | None) -> "Images":
        """A fixed random choice of n of them, the same for every seed; None leaves all."""
        if n is None:
            return self
        chosen = subset_rows(len(self), n)
        return replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen])


def subset_rows(n: int, n_chosen: int) -> Int64[Tensor, " n_chosen"]:
    """The rows that `Images.subset` chooses of n, all where there are no more; in increasing order."""
    return permutation(0, "subset", 0, n)[:n_chosen].sort().values


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What is known of a data set before it is read."""

    n_train: int | None
    """None: only the files tell."""
    n_test: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    find: Callable[[Path, Split, int | None], Source]
    """The files of a split, given the root, the split, and the side to resize to."""
    default_side: int | None = None
    """Where images have no common size of their own."""


def load_images(name: str, root: Path, split: Split, side: int | None = None) -> Images:
    """Map a split into memory; the first time, it is decoded into ROOT/.contrabatch-cache.

    Args:
        name: One of `DATASETS`.
        root: Folder of the data sets; `digits` needs none.
        split: "train" or "test".
        side: Height and width of the images of `folder`, 224 for None. All others keep their own size.

    Raises:
        ValueError: If the name is unknown, or files are absent, damaged or not the official ones.
    """
    dataset = known_dataset(name)
    if side is not None and side < 1:
        raise ValueError(f"side must be at least 1 pixel, got {side}; leave it out for 224")
    side = None if dataset.default_side is None else side or dataset.default_side
    source = dataset.find(root, split, side)
    stored = load_cached(source, root, name=name, split=split, side=side)
    return Images(
        name=name,
        pixels=stored.pixels,
        labels=stored.labels,
        class_names=stored.class_names,
        mean=torch.tensor(dataset.mean),
        std=torch.tensor(dataset.std),
        digest=stored.digest,
        source=source.origin,
    )


def known_dataset(name: str) -> Dataset:
    """What is known of the data set of this name.

    Raises:
        ValueError: If there is none.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {name!r}")
    return DATASETS[name]


DATASETS: dict[str, Dataset] = {
    "cifar10": Dataset(
        n_train=50_000,
        n_test=10_000,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        find=lambda root, split, _side: find_cifar("cifar10", root, split),
    ),
    "cifar100": Dataset(
        n_train=50_000,
        n_test=10_000,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
        find=lambda root, split, _side: find_cifar("cifar100", root, split),
    ),
    "tiny-imagenet": Dataset(
        n_train=None,  # part of the official files will do
        n_test=None,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        find=find_tiny_imagenet,
    ),
    "folder": Dataset(
        n_train=None,
        n_test=None,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        find=find_folder,
        default_side=DEFAULT_SIDE,
    ),
    "digits": Dataset(
        n_train=1_437,
        n_test=360,
        mean=(0.3059, 0.3059, 0.3059),
        std=(0.3240, 0.3240, 0.3240),
        find=find_digits,
    ),
}
