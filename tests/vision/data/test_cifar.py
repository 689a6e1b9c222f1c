"""CIFAR-10 and CIFAR-100: both layouts hold the same, and nothing but the official bytes is read."""

import hashlib
import pickle

import numpy as np
import pytest
import torch

from vision.data import DATASETS, cifar, load_images

SETS = ("cifar10", "cifar100")
FOLDERS = {
    ("cifar10", "python"): "cifar-10-batches-py",
    ("cifar10", "binary"): "cifar-10-batches-bin",
    ("cifar100", "python"): "cifar-100-python",
    ("cifar100", "binary"): "cifar-100-binary",
}


@pytest.mark.parametrize("layout", ["python", "binary"])
@pytest.mark.parametrize("name", SETS)
def test_rows_are_planes(name, layout, write_cifar):
    root = write_cifar(name, layout)
    images = load_images(name, root, "train")
    assert images.pixels.shape == (20 if name == "cifar10" else 4, 3, 32, 32)
    assert images.pixels.dtype == torch.uint8
    assert images.pixels[2, :, 5, 5].tolist() == [12, 22, 32]
    assert images.pixels[2, 0, 0].tolist()[:3] == [12, 99, 12]
    assert images.pixels[:, 1, 5, 5].tolist() == list(range(20, 20 + len(images))), "the parts keep their order"
    assert images.labels.tolist() == [0, 1, 2, 3] * (len(images) // 4)
    assert images.class_names[images.labels[1]] == {"cifar10": "car", "cifar100": "pear"}[name]
    assert len(load_images(name, root, "test")) == 4


@pytest.mark.parametrize("name", SETS)
def test_both_layouts_are_the_same_data_set(name, write_cifar):
    root = write_cifar(name, "binary")
    from_binary = load_images(name, root, "train")
    write_cifar(name, "python")
    from_python = load_images(name, root, "train")
    assert from_python.digest == from_binary.digest
    assert from_python.source == "official files", "the layout for Python is preferred"
    told = "official files" if name == "cifar100" else "files of the official layout and size"
    assert from_binary.source == told, "no md5 is published of CIFAR-10's binary files"


def test_every_pickle_has_an_md5():
    for name in SETS:
        for file in cifar._LAYOUTS[name][0].files(cifar.Path()):
            assert file.as_posix() in cifar._MD5


@pytest.mark.parametrize("name", SETS)
def test_absent_files_are_named_with_their_address(name, tmp_path):
    with pytest.raises(ValueError, match=r"meta cannot be found") as error:
        load_images(name, tmp_path, "train")
    address = f"https://www.cs.toronto.edu/~kriz/{name.replace('cifar', 'cifar-')}-python.tar.gz"
    for told in (address, "--data", FOLDERS[name, "python"], f"python -m vision.data {name} --download"):
        assert told in str(error.value)


def test_a_layout_that_was_begun_is_told_of(tmp_path, write_cifar):
    write_cifar("cifar100", "binary")
    (tmp_path / "cifar-100-binary/test.bin").unlink()
    with pytest.raises(
        ValueError, match=r"but test\.bin cannot be found there; unpack .*cifar-100-binary\.tar\.gz"
    ):
        load_images("cifar100", tmp_path, "train")


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("name", "file"), [("cifar100", "train"), ("cifar100", "meta"), ("cifar10", "data_batch_3")]
)
def test_damaged_files_are_not_unpickled(name, file, cached, write_cifar, monkeypatch):
    root = write_cifar(name)
    if cached:
        load_images(name, root, "train")
    path = root / FOLDERS[name, "python"] / file
    official = hashlib.md5(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes() + b"x")
    monkeypatch.setattr("vision.data.cifar.pickle.loads", only_of(set(cifar._MD5.values())))
    received = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"md5 {official}, got md5 {received}; .*unpack"):
        load_images(name, root, "train")


def only_of(allowed):
    """`pickle.loads`, which fails the test when it is given bytes that were not published."""
    loads = pickle.loads

    def checked(content, **options):
        assert hashlib.md5(content).hexdigest() in allowed
        return loads(content, **options)

    return checked


@pytest.mark.parametrize("name", SETS)
def test_a_cut_binary_file_is_refused(name, write_cifar):
    root = write_cifar(name, "binary")
    path = next((root / FOLDERS[name, "binary"]).glob("test*.bin"))
    length = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"length {length}, got length {length - 1}; it is damaged"):
        load_images(name, root, "test")


def test_every_label_needs_a_name(write_cifar):
    root = write_cifar("cifar10", "binary")
    (root / "cifar-10-batches-bin/batches.meta.txt").write_text("plane\ncar\n")
    with pytest.raises(ValueError, match="must name every class, but names 2 and there is a label 3"):
        load_images("cifar10", root, "train")


@pytest.mark.data
def test_cifar100_is_read_as_published(real_data):
    test = load_images("cifar100", real_data("cifar-100-python"), "test")
    assert len(test) == DATASETS["cifar100"].n_test
    assert test.pixels.shape == (10_000, 3, 32, 32)
    assert (test.labels.bincount() == 100).all()
    assert (len(test.class_names), test.class_names[0], test.class_names[-1]) == (100, "apple", "worm")
    assert test.source == "official files"


@pytest.mark.data
def test_the_binary_files_can_be_made_from_the_pickles(real_data):
    """Byte for byte: their md5 is that of the published ones."""
    root = real_data("cifar-100-python")
    table = cifar._unpickle(root / "cifar-100-python/test")
    labels = [np.asarray(table[key], np.uint8)[:, None] for key in (b"coarse_labels", b"fine_labels")]
    content = np.concatenate([*labels, table[b"data"]], 1).tobytes()
    assert hashlib.md5(content).hexdigest() == cifar._MD5["cifar-100-binary/test.bin"]
    assert len(content) == cifar._BYTES["cifar-100-binary/test.bin"]
    path = root / "cifar-100-binary/test.bin"
    path.parent.mkdir()
    path.write_bytes(content)
    pixels, fine = cifar._read_records(path, 2)
    expected = load_images("cifar100", root, "test")
    assert np.array_equal(pixels, expected.pixels.numpy())
    assert np.array_equal(fine, expected.labels.numpy())
