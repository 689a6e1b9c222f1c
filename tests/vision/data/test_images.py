"""Reading images: shapes, splits, and what is said when files are absent or damaged."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from vision.data import DATASETS, load_images

ROOT_DATA = Path(__file__).parents[3] / "data"


def test_digits_have_a_fixed_stratified_split(tmp_path):
    train, test = (load_images("digits", tmp_path, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (DATASETS["digits"].n_train, DATASETS["digits"].n_test) == (1437, 360)
    assert train.pixels.shape[1:] == (3, 32, 32)
    everything = train.labels.bincount() + test.labels.bincount()
    assert (test.labels.bincount() - everything / 5).abs().max() < 1
    again = load_images("digits", tmp_path, "train")
    assert torch.equal(again.pixels, train.pixels)


def test_digits_are_shared_out_without_loss(tmp_path):
    """Train and test together have the mean grey of each of scikit-learn's digits once."""
    pixels = torch.cat([load_images("digits", tmp_path, split).pixels for split in ("train", "test")])
    ours = sorted(pixels.double().mean((1, 2, 3)).tolist())
    theirs = sorted((load_digits().images.mean((1, 2)) * 255 / 16).tolist())
    assert len(ours) == len(theirs) == 1797
    np.testing.assert_allclose(ours, theirs, atol=0.5)


@pytest.mark.parametrize("name", ["digits", pytest.param("cifar100", marks=pytest.mark.data)])
def test_statistics_are_those_of_the_training_split(name, tmp_path):
    if name == "cifar100" and not (ROOT_DATA / "cifar-100-python").is_dir():
        pytest.skip("needs data/cifar-100-python")
    train = load_images(name, ROOT_DATA if name == "cifar100" else tmp_path, "train")
    assert len(train) == DATASETS[name].n_train
    grey = torch.arange(256).double() / 255
    for channel in range(3):
        share = train.pixels[:, channel].flatten().bincount(minlength=256) / train.pixels[:, channel].numel()
        mean = (share * grey).sum()
        assert mean.item() == pytest.approx(train.mean[channel].item(), abs=1e-4)
        assert (share * (grey - mean) ** 2).sum().sqrt().item() == pytest.approx(
            train.std[channel].item(), abs=1e-4
        )


@pytest.mark.data
def test_cifar100_is_read_as_published():
    if not (ROOT_DATA / "cifar-100-python").is_dir():
        pytest.skip("needs data/cifar-100-python")
    test = load_images("cifar100", ROOT_DATA, "test")
    assert len(test) == DATASETS["cifar100"].n_test
    assert test.pixels.shape == (10_000, 3, 32, 32)
    assert (test.labels.bincount() == 100).all()
    assert (len(test.class_names), test.class_names[0], test.class_names[-1]) == (100, "apple", "worm")


def write_cifar100(folder, n=4):
    """Small files of the official layout; each channel plane has a value of its own."""
    folder.mkdir(parents=True)
    planes = np.repeat(np.array([10, 20, 30], np.uint8), 1024)
    pixels = np.stack([planes + i for i in range(n)]).astype(np.uint8)
    pixels[:, 1] = 99  # first row, second column of the red plane
    table = {b"data": pixels, b"fine_labels": list(range(n))}
    contents = {
        "train": pickle.dumps(table, protocol=2),
        "test": pickle.dumps(table, protocol=2),
        "meta": pickle.dumps({b"fine_label_names": [b"apple", b"pear", b"plum", b"quince"]}, protocol=2),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}


def test_cifar100_rows_are_planes(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_CIFAR100_MD5", write_cifar100(tmp_path / "cifar-100-python"))
    images = load_images("cifar100", tmp_path, "train")
    assert images.pixels.dtype == torch.uint8
    assert images.pixels[2, :, 5, 5].tolist() == [12, 22, 32]
    assert images.pixels[2, 0, 0].tolist()[:3] == [12, 99, 12]
    assert images.class_names[images.labels[1]] == "pear"


def test_absent_files_are_named_with_their_address(tmp_path):
    with pytest.raises(ValueError, match="train, test, meta cannot be found") as error:
        load_images("cifar100", tmp_path, "train")
    for told in ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "--data", "cifar-100-python"):
        assert told in str(error.value)


@pytest.mark.parametrize("name", ["train", "meta"])
def test_damaged_files_are_not_unpickled(name, tmp_path, monkeypatch):
    official = write_cifar100(tmp_path / "cifar-100-python")
    monkeypatch.setattr(images, "_CIFAR100_MD5", official)
    path = tmp_path / "cifar-100-python" / name
    path.write_bytes(path.read_bytes() + b"x")
    monkeypatch.setattr("vision.data.images.pickle.loads", only_of({official["train"], official["meta"]}))
    received = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"md5 {official[name]}, got md5 {received}; .*unpack"):
        load_images("cifar100", tmp_path, "train")


def only_of(allowed):
    """`pickle.loads`, which fails the test when it is given bytes that were not published."""
    loads = pickle.loads

    def checked(content, **options):
        assert hashlib.md5(content).hexdigest() in allowed
        return loads(content, **options)

    return checked


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dataset must be one of cifar100, digits, got 'cifar'"):
        load_images("cifar", tmp_path, "train")


def test_a_subset_is_a_fixed_choice(tmp_path):
    images = load_images("digits", tmp_path, "test")
    assert images.subset(None) is images
    few = images.subset(50)
    assert len(few) == len(few.labels) == 50
    assert torch.equal(few.pixels, images.subset(50).pixels)
    assert not torch.equal(few.pixels, images.pixels[:50])
