"""Images as one tensor per split: CIFAR-100 from its official files, the digits that scikit-learn brings along."""

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from batching import permutation, uniforms

Split = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class Images:
    """A split of a data set, decoded and ready to lie on a GPU."""

    name: str
    pixels: UInt8[Tensor, "n 3 side side"]
    labels: Int64[Tensor, " n"]
    class_names: tuple[str, ...]
    mean: Float[Tensor, " 3"]
    """Of each channel of the training split, where 1 is white."""
    std: Float[Tensor, " 3"]

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
        chosen = permutation(0, "subset", 0, len(self))[:n].sort().values
        return replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen])


_Arrays = tuple[UInt8[Tensor, "n 3 side side"], Int64[Tensor, " n"], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What is known of a data set before it is read."""

    n_train: int
    n_test: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    read: Callable[[Path, Split], _Arrays]


def load_images(name: str, root: Path, split: Split) -> Images:
    """Read a split into memory.

    Args:
        name: One of `DATASETS`.
        root: Folder of the data sets; `digits` needs none.
        split: "train" or "test".

    Raises:
        ValueError: If the name is unknown, or files are absent or not the official ones.
    """
    dataset = known_dataset(name)
    pixels, labels, class_names = dataset.read(root, split)
    return Images(
        name=name,
        pixels=pixels,
        labels=labels,
        class_names=class_names,
        mean=torch.tensor(dataset.mean),
        std=torch.tensor(dataset.std),
    )


def known_dataset(name: str) -> Dataset:
    """What is known of the data set of this name.

    Raises:
        ValueError: If there is none.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {name!r}")
    return DATASETS[name]


_CIFAR100_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_CIFAR100_MD5 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}


def _read_cifar100(root: Path, split: Split) -> _Arrays:
    """Rows of 3072 bytes: the red, green and blue plane of 32 x 32, row by row."""
    folder = root / "cifar-100-python"
    absent = [name for name in _CIFAR100_MD5 if not (folder / name).is_file()]
    if absent:
        raise ValueError(
            f"cifar100 needs the files train, test and meta in {folder}, but {', '.join(absent)} cannot be found "
            f"there; unpack {_CIFAR100_ADDRESS} into {root}, or pass --data FOLDER with FOLDER/cifar-100-python "
            "in it"
        )
    table = _unpickle_official(folder / split)
    names = _unpickle_official(folder / "meta")[b"fine_label_names"]
    pixels = torch.from_numpy(table[b"data"]).view(-1, 3, 32, 32)
    return pixels, torch.tensor(table[b"fine_labels"]), tuple(name.decode() for name in names)


def _unpickle_official(path: Path) -> dict[bytes, Any]:
    """A pickle can run any code, so only the published bytes are opened."""
    content = path.read_bytes()
    expected, received = _CIFAR100_MD5[path.name], hashlib.md5(content).hexdigest()
    if received != expected:
        raise ValueError(
            f"{path} must be the official file with md5 {expected}, got md5 {received}; it is damaged or another "
            f"file: delete it and unpack {_CIFAR100_ADDRESS} again"
        )
    return pickle.loads(content, encoding="bytes")  # written by Python 2; as text it would take ten times as long


def _read_digits(_root: Path, split: Split) -> _Arrays:
    """1,797 digits of 8 x 8 pixels and 17 grey levels, enlarged to 32 x 32; every fifth of each class is a test."""
    # load_digits() returns a Bunch here; its annotation also allows the (data, target) pair.
    digits: Any = load_digits()
    labels = torch.from_numpy(np.asarray(digits.target)).long()
    # By class, in random order within a class: whole numbers plus fractions.
    order = (labels + uniforms(0, "digits", 0, len(labels))).argsort()
    is_test = torch.arange(len(labels)) % 5 == 0
    chosen = order[is_test if split == "test" else ~is_test].sort().values
    small = torch.from_numpy(digits.images[chosen.numpy()]).float()[:, None] * (255 / 16)
    large = functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    pixels = large.round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    return pixels, labels[chosen], tuple(str(digit) for digit in range(10))


DATASETS: dict[str, Dataset] = {
    "cifar100": Dataset(
        n_train=50_000,
        n_test=10_000,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
        read=_read_cifar100,
    ),
    "digits": Dataset(
        n_train=1_437,
        n_test=360,
        mean=(0.3059, 0.3059, 0.3059),
        std=(0.3240, 0.3240, 0.3240),
        read=_read_digits,
    ),
}
