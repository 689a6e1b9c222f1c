"""Small data sets in the official layouts, and where the real ones may lie."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.data import cifar

ROOT = Path(__file__).parents[3]
NAMES = {"cifar10": ("plane", "car", "bird", "cat"), "cifar100": ("apple", "pear", "plum", "quince")}


@pytest.fixture
def real_data(tmp_path):
    """real_data(folder) -> a root of its own, cache and all, in which the real data set can be read."""

    def link(folder):
        there = Path(os.environ.get("CONTRABATCH_DATA", ROOT / "data")) / folder
        if not there.is_dir():
            pytest.skip(f"needs data/{folder}")
        (tmp_path / folder).symlink_to(there)
        return tmp_path

    return link


@pytest.fixture
def write_cifar(tmp_path, monkeypatch):
    """write_cifar(name, layout) -> the root of four images for each file, taken for the official ones.

    The channel planes of image i of the data set have the values 10 + i, 20 + i and 30 + i, except for a 99 in the
    first row, second column of red; its label is i modulo 4.
    """

    def write(name, layout="python"):
        train = [f"data_batch_{part}" for part in range(1, 6)] if name == "cifar10" else ["train"]
        test = "test_batch" if name == "cifar10" else "test"
        if layout == "python":
            folder = tmp_path / ("cifar-10-batches-py" if name == "cifar10" else "cifar-100-python")
            names_file = "batches.meta" if name == "cifar10" else "meta"
        else:
            folder = tmp_path / ("cifar-10-batches-bin" if name == "cifar10" else "cifar-100-binary")
            names_file = "batches.meta.txt" if name == "cifar10" else "fine_label_names.txt"
        folder.mkdir(parents=True)
        for part, file in enumerate([*train, test]):
            pixels, labels = planes(4 * (part % len(train)), 4), np.arange(4)
            path = folder / (file if layout == "python" else f"{file}.bin")
            path.write_bytes(encoded(name, layout, pixels, labels))
        (folder / names_file).write_bytes(encoded_names(name, layout))
        for path in folder.iterdir():
            key = f"{folder.name}/{path.name}"
            if key in cifar._MD5:
                monkeypatch.setitem(cifar._MD5, key, hashlib.md5(path.read_bytes()).hexdigest())
            if key in cifar._BYTES:
                monkeypatch.setitem(cifar._BYTES, key, path.stat().st_size)
        return tmp_path

    return write


def planes(first, n):
    pixels = np.stack([np.repeat(np.array([10, 20, 30], np.uint8), 1024) + i for i in range(first, first + n)])
    pixels[:, 1] = 99
    return pixels.astype(np.uint8)


def encoded(name, layout, pixels, labels):
    if layout == "python":
        key = b"labels" if name == "cifar10" else b"fine_labels"
        return pickle.dumps({b"data": pixels, key: labels.tolist()}, protocol=2)
    columns = [labels[:, None]] if name == "cifar10" else [7 * np.ones((len(labels), 1)), labels[:, None]]
    return np.concatenate([*columns, pixels], 1).astype(np.uint8).tobytes()


def encoded_names(name, layout):
    if layout == "python":
        key = b"label_names" if name == "cifar10" else b"fine_label_names"
        return pickle.dumps({key: [one.encode() for one in NAMES[name]]}, protocol=2)
    return ("\n".join(NAMES[name]) + "\n\n").encode()


@pytest.fixture
def write_picture():
    """write_picture(path, value=..., size=...): a picture of one colour; folders are made, the suffix decides."""

    def write(path, value=100, size=(8, 8), mode="RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = value if mode == "L" else (value, 50, 200)
        Image.new(mode, size, colour).save(path)
        return path

    return write


@pytest.fixture
def write_folder(tmp_path, write_picture):
    """write_folder("train/cat/a.png", ...) -> the root of these pictures; the n-th has red n + 1."""

    def write(*paths):
        for value, path in enumerate(paths, 1):
            write_picture(tmp_path / path, value)
        return tmp_path

    return write


@pytest.fixture
def write_tiny(tmp_path, write_picture):
    """write_tiny() -> the root of Tiny ImageNet with two pictures of each of three classes, and three held out."""

    def write():
        folder = tmp_path / "tiny-imagenet-200"
        for value, wnid in enumerate(("n03", "n01", "n02")):
            for k in range(2):
                write_picture(folder / f"train/{wnid}/images/{wnid}_{k}.JPEG", 80 * value, (64, 64))
            (folder / f"train/{wnid}/{wnid}_boxes.txt").write_text("not a picture")
        for k, mode in enumerate(("RGB", "L", "RGB")):
            write_picture(folder / f"val/images/val_{k}.JPEG", 80 * k, (64, 64), mode)
        lines = [f"val_{k}.JPEG\t{wnid}\t0\t0\t63\t63\n" for k, wnid in enumerate(("n02", "n01", "n03", "n01"))]
        (folder / "val/val_annotations.txt").write_text("".join(lines))
        (folder / "wnids.txt").write_text("n03\nn01\nn02\n")
        (folder / "words.txt").write_text("n01\tgoldfish, Carassius\nn02\tfrog\nn03\tboa\nn04\tgecko\n")
        return tmp_path

    return write
