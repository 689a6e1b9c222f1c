"""The cache: decoded once, mapped and not read, made again when files change, whole or not there."""

import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch

from vision.data import cache, load_images
from vision.data.cache import CACHE, digest


@pytest.fixture
def root(write_folder):
    return write_folder("train/a/x.png", "train/a/y.png", "train/b/z.png", "val/a/x.png")


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded, as a list that grows."""
    files = []
    read = sys.modules["vision.data.pictures"].read_picture

    def counted(path, side, *, fit):
        files.append(path)
        return read(path, side, fit=fit)

    monkeypatch.setattr("vision.data.pictures.read_picture", counted)
    return files


def load(root):
    return load_images("folder", root, "train", side=8)


def test_a_split_is_decoded_once(root, decoded):
    first, second = load(root), load(root)
    assert len(decoded) == 3
    assert torch.equal(first.pixels, second.pixels)
    assert torch.equal(first.labels, second.labels)
    assert (first.class_names, first.digest) == (second.class_names, second.digest)


def test_the_manifest_says_what_it_is(root):
    images = load(root)
    manifest = json.loads((root / CACHE / "folder-train-8/manifest.json").read_text())
    assert {key: manifest[key] for key in ("name", "split", "n", "side", "origin", "class_names")} == {
        "name": "folder",
        "split": "train",
        "n": 3,
        "side": 8,
        "origin": "image folder",
        "class_names": ["a", "b"],
    }
    assert manifest["files"]["count"] == 3
    assert manifest["sha256"] == images.digest == digest(images.pixels, images.labels)
    stored = np.load(root / CACHE / "folder-train-8/pixels.npy")
    assert np.array_equal(stored, images.pixels.numpy())
    assert stored.dtype == np.uint8


def test_writing_to_a_tensor_leaves_the_file_alone(root):
    load(root).pixels.zero_()
    again = load(root)
    assert again.digest == digest(again.pixels, again.labels)
    assert again.pixels.any()


@pytest.mark.parametrize("change", ["write", "touch", "rename", "remove", "add"])
def test_a_change_of_the_files_is_noticed(change, root, decoded, write_picture):
    before = load(root)
    file = root / "train/a/y.png"
    if change == "write":
        write_picture(file, 77)
    elif change == "touch":
        os.utime(file, ns=(0, 1))
    elif change == "rename":
        file.rename(file.with_name("w.png"))
    elif change == "remove":
        file.unlink()
    else:
        write_picture(root / "train/b/new.png", 9)
    decoded.clear()
    after = load(root)
    assert len(decoded) == len(after) == {"remove": 2, "add": 4}.get(change, 3)
    assert (after.digest == before.digest) == (change == "touch")
    decoded.clear()
    load(root)
    assert not decoded
    assert [path.name for path in (root / CACHE).iterdir()] == ["folder-train-8"], "nothing old is left"
    assert before.pixels[:, 0, 0, 0].tolist() == [1, 2, 3], "what was open stays as it was"


def test_held_out_labels_follow_the_classes_of_train(root, write_picture):
    """Though none of the held-out pictures has changed."""
    assert load_images("folder", root, "test", side=8).labels.tolist() == [0]
    write_picture(root / "train/A/x.png")
    again = load_images("folder", root, "test", side=8)
    assert (again.labels.tolist(), again.class_names) == ([1], ("A", "a", "b"))


@pytest.mark.parametrize("damage", ["pixels.npy", "labels.npy", "manifest.json", "version", "shape"])
def test_a_damaged_cache_is_made_again(damage, root, decoded):
    expected = load(root).digest
    folder = root / CACHE / "folder-train-8"
    manifest = folder / "manifest.json"
    if damage == "version":
        manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 0'))
    elif damage == "shape":
        np.save(folder / "pixels.npy", np.zeros((3, 3, 8, 7), np.uint8))
    else:
        content = (folder / damage).read_bytes()
        (folder / damage).write_bytes(content[: len(content) // 2])
    decoded.clear()
    again = load(root)
    assert len(decoded) == 3
    assert again.digest == expected == digest(again.pixels, again.labels)


def test_without_a_writable_cache_all_is_done_in_memory(root, caplog):
    expected = load(root)
    cache_of_another = root / CACHE
    cache_of_another.rename(root / "elsewhere")
    cache_of_another.write_text("a file where the folder would be")
    with caplog.at_level(logging.INFO, "contrabatch"):
        images = load(root)
    assert torch.equal(images.pixels, expected.pixels)
    assert (images.digest, images.class_names) == (expected.digest, expected.class_names)
    assert "cannot be written" in caplog.text
    assert "folder train is decoded in memory" in caplog.text


def test_a_full_disk_leaves_nothing_behind(root, monkeypatch, caplog):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vision.data.cache.os.fsync", full)
    with caplog.at_level(logging.INFO, "contrabatch"):
        assert len(load(root)) == 3
    assert "No space left on device" in caplog.text
    assert not list((root / CACHE).iterdir())


def test_damaged_pictures_leave_nothing_behind(root):
    (root / "train/b/z.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"z\.png must be a picture"):
        load(root)
    assert not list((root / CACHE).iterdir())


def test_another_process_may_be_faster(root, monkeypatch):
    """It finishes while this one decodes: its folder stays, whole, and this one's goes."""
    publish = cache.give_name

    def late(partial, folder, *, is_there):
        monkeypatch.setattr(cache, "give_name", publish)
        load(root)
        (folder / "theirs").touch()
        publish(partial, folder, is_there=is_there)

    monkeypatch.setattr(cache, "give_name", late)
    images = load(root)
    assert images.digest == digest(images.pixels, images.labels)
    assert (root / CACHE / "folder-train-8/theirs").exists()
    assert [path.name for path in (root / CACHE).iterdir()] == ["folder-train-8"]


def test_several_at_once(root, monkeypatch):
    """All have decoded before the first of them gives its folder the name."""
    together, publish = Barrier(4), cache.give_name

    def publish_together(partial, folder, *, is_there):
        together.wait(timeout=60)
        publish(partial, folder, is_there=is_there)

    monkeypatch.setattr(cache, "give_name", publish_together)
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load, [root] * 4))
    monkeypatch.setattr(cache, "give_name", None)
    assert {images.digest for images in loaded} == {load(root).digest}
    assert all(digest(images.pixels, images.labels) == images.digest for images in loaded)
    assert [path.name for path in (root / CACHE).iterdir()] == ["folder-train-8"]


def test_a_link_to_nowhere_is_named(root):
    (root / "train/b/gone.png").symlink_to(root / "nowhere.png")
    with pytest.raises(ValueError, match=r"gone\.png must be a file that can be read .*; replace or remove it"):
        load(root)


@pytest.mark.data
def test_cifar100_is_mapped_and_not_read(real_data):
    """Opening 154 MB takes a few milliseconds and hardly any memory."""
    root = real_data("cifar-100-python")
    load_images("cifar100", root, "train")
    resident = Path("/proc/self/statm")
    before = int(resident.read_text().split()[1]) if resident.exists() else 0
    images = load_images("cifar100", root, "train")
    after = int(resident.read_text().split()[1]) if resident.exists() else 0
    assert len(images) == 50_000
    assert (after - before) * 4096 < 20e6
