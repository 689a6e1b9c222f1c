"""CIFAR-10 and CIFAR-100 from their official files: the version for Python, or else the binary one.

Both hold the same images in the same order. In either, an image is 3072 bytes: the red, green and blue plane of
32 x 32, row by row.

References:
    Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images;
    https://www.cs.toronto.edu/~kriz/cifar.html
"""

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from vision.data.source import Decoded, Source, Split

_SIDE = 32
_PIXEL_BYTES = 3 * _SIDE * _SIDE

_Images = tuple[UInt8[np.ndarray, "n 3 32 32"], Int64[np.ndarray, " n"]]


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """One published version of a data set."""

    folder: str
    address: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    """The file with the names of the classes."""
    read: Callable[[Path], _Images]
    read_names: Callable[[Path], tuple[str, ...]]

    def files(self, root: Path) -> list[Path]:
        """All of them."""
        return [root / self.folder / name for name in (*self.train, *self.test, self.names)]


def find_cifar(name: str, root: Path, split: Split) -> Source:
    """The files of a split, in the first layout that is complete.

    Raises:
        ValueError: If neither is.
    """
    layout = next((one for one in _LAYOUTS[name] if all(file.is_file() for file in one.files(root))), None)
    if layout is None:
        raise ValueError(_absence(name, root))
    folder = root / layout.folder
    parts = [folder / part for part in (layout.train if split == "train" else layout.test)]
    known = all(f"{layout.folder}/{part.name}" in _MD5 for part in parts)

    def decode() -> Decoded:
        images = [layout.read(part) for part in parts]
        class_names = layout.read_names(folder / layout.names)
        labels = np.concatenate([labels for _, labels in images])
        if labels.max() >= len(class_names):
            raise ValueError(
                f"{folder / layout.names} must name every class, but names {len(class_names)} and there is a label "
                f"{labels.max()}; delete {folder} and unpack {layout.address} into {root}"
            )
        return Decoded(labels=labels, class_names=class_names, side=_SIDE, blocks=[pixels for pixels, _ in images])

    return Source(
        files=(*parts, folder / layout.names),
        origin="official files" if known else "files of the official layout and size",
        decode=decode,
    )


def _absence(name: str, root: Path) -> str:
    first, second = _LAYOUTS[name]
    # Of a layout that somebody has begun to unpack, say what is missing.
    told = second if (root / second.folder).is_dir() and not (root / first.folder).is_dir() else first
    names = [file.name for file in told.files(root)]
    absent = [file.name for file in told.files(root) if not file.is_file()]
    return (
        f"{name} needs the files {', '.join(names[:-1])} and {names[-1]} in {root / told.folder}, but "
        f"{', '.join(absent)} cannot be found there; unpack {told.address} into {root}, or run `python -m "
        f"vision.data {name} --download --data {root}`, or pass --data FOLDER with FOLDER/{told.folder} in it"
    )


def _read_pickle(path: Path, label_key: bytes) -> _Images:
    """A dictionary with a row of bytes for each image."""
    table = _unpickle(path)
    return table[b"data"].reshape(-1, 3, _SIDE, _SIDE), np.asarray(table[label_key], np.int64)


def _unpickle(path: Path) -> dict[bytes, Any]:
    """A pickle can run any code, so only the published bytes are opened."""
    content = _official(path)
    return pickle.loads(content, encoding="bytes")  # written by Python 2; as text it would take ten times as long


def _read_records(path: Path, label_bytes: int) -> _Images:
    """Records of one or two labels, the finer last, and the pixels."""
    content = np.frombuffer(_official(path), np.uint8)
    records = content.reshape(-1, label_bytes + _PIXEL_BYTES)
    pixels = records[:, label_bytes:].reshape(-1, 3, _SIDE, _SIDE)
    return pixels, records[:, label_bytes - 1].astype(np.int64)


def _read_lines(path: Path) -> tuple[str, ...]:
    return tuple(line.strip() for line in path.read_text().splitlines() if line.strip())


def _official(path: Path) -> bytes:
    """The content of a file, if it is as long as the published one and has its md5, where that is known."""
    key = f"{path.parent.name}/{path.name}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} must be a file that can be read ({error}); see to its permissions") from error
    for what, expected, received in (
        ("length", _BYTES.get(key), len(content)),
        ("md5", _MD5.get(key), hashlib.md5(content).hexdigest()),
    ):
        if expected is not None and received != expected:
            address = next(
                one.address for two in _LAYOUTS.values() for one in two if one.folder == path.parent.name
            )
            raise ValueError(
                f"{path} must be the official file with {what} {expected}, got {what} {received}; it is damaged or "
                f"another file: delete it and unpack {address} again"
            )
    return content


_ADDRESS = "https://www.cs.toronto.edu/~kriz/"
_LAYOUTS: dict[str, tuple[_Layout, _Layout]] = {
    "cifar10": (
        _Layout(
            folder="cifar-10-batches-py",
            address=f"{_ADDRESS}cifar-10-python.tar.gz",
            train=tuple(f"data_batch_{part}" for part in range(1, 6)),
            test=("test_batch",),
            names="batches.meta",
            read=lambda path: _read_pickle(path, b"labels"),
            read_names=lambda path: tuple(name.decode() for name in _unpickle(path)[b"label_names"]),
        ),
        _Layout(
            folder="cifar-10-batches-bin",
            address=f"{_ADDRESS}cifar-10-binary.tar.gz",
            train=tuple(f"data_batch_{part}.bin" for part in range(1, 6)),
            test=("test_batch.bin",),
            names="batches.meta.txt",
            read=lambda path: _read_records(path, 1),
            read_names=_read_lines,
        ),
    ),
    "cifar100": (
        _Layout(
            folder="cifar-100-python",
            address=f"{_ADDRESS}cifar-100-python.tar.gz",
            train=("train",),
            test=("test",),
            names="meta",
            read=lambda path: _read_pickle(path, b"fine_labels"),
            read_names=lambda path: tuple(name.decode() for name in _unpickle(path)[b"fine_label_names"]),
        ),
        _Layout(
            folder="cifar-100-binary",
            address=f"{_ADDRESS}cifar-100-binary.tar.gz",
            train=("train.bin",),
            test=("test.bin",),
            names="fine_label_names.txt",
            read=lambda path: _read_records(path, 2),
            read_names=_read_lines,
        ),
    ),
}
_MD5 = {
    "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
    "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
    "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
    "cifar-100-binary/train.bin": "6172c7755cfe09b2fe270c85cebc1b15",
    "cifar-100-binary/test.bin": "4499cfba6c016c1be1438163640a0898",
}
_BYTES = {
    **{f"cifar-10-batches-bin/data_batch_{part}.bin": 30_730_000 for part in range(1, 6)},
    "cifar-10-batches-bin/test_batch.bin": 30_730_000,
    "cifar-100-binary/train.bin": 153_700_000,
    "cifar-100-binary/test.bin": 30_740_000,
}
