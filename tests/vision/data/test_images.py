"""Loading a split: shapes, statistics, subsets, and the digits that come with scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from vision.data import DATASETS, load_images


def test_digits_have_a_fixed_stratified_split(tmp_path):
    train, test = (load_images("digits", tmp_path, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (DATASETS["digits"].n_train, DATASETS["digits"].n_test) == (1437, 360)
    assert train.pixels.shape[1:] == (3, 32, 32)
    everything = train.labels.bincount() + test.labels.bincount()
    assert (test.labels.bincount() - everything / 5).abs().max() < 1
    again = load_images("digits", tmp_path, "train")
    assert torch.equal(again.pixels, train.pixels)
    assert (again.digest, again.source) == (train.digest, "part of scikit-learn")
    assert not list(tmp_path.iterdir()), "digits are not cached"


def test_digits_are_shared_out_without_loss(tmp_path):
    """Train and test together have the mean grey of each of scikit-learn's digits once."""
    pixels = torch.cat([load_images("digits", tmp_path, split).pixels for split in ("train", "test")])
    ours = sorted(pixels.double().mean((1, 2, 3)).tolist())
    theirs = sorted((load_digits().images.mean((1, 2)) * 255 / 16).tolist())
    assert len(ours) == len(theirs) == 1797
    np.testing.assert_allclose(ours, theirs, atol=0.5)


@pytest.mark.parametrize("name", ["digits", pytest.param("cifar100", marks=pytest.mark.data)])
def test_statistics_are_those_of_the_training_split(name, tmp_path, real_data):
    train = load_images(name, real_data("cifar-100-python") if name == "cifar100" else tmp_path, "train")
    assert len(train) == DATASETS[name].n_train
    grey = torch.arange(256).double() / 255
    for channel in range(3):
        share = train.pixels[:, channel].flatten().bincount(minlength=256) / train.pixels[:, channel].numel()
        mean = (share * grey).sum()
        assert mean.item() == pytest.approx(train.mean[channel].item(), abs=1e-4)
        std = (share * (grey - mean) ** 2).sum().sqrt().item()
        assert std == pytest.approx(train.std[channel].item(), abs=1e-4)


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"dataset must be one of cifar10, cifar100, .*, digits, got 'cifar'"):
        load_images("cifar", tmp_path, "train")


def test_a_subset_is_a_fixed_choice(tmp_path):
    images = load_images("digits", tmp_path, "test")
    assert images.subset(None) is images
    few = images.subset(50)
    assert len(few) == len(few.labels) == 50
    assert torch.equal(few.pixels, images.subset(50).pixels)
    assert not torch.equal(few.pixels, images.pixels[:50])
    assert few.digest == images.digest, "of the split that it was taken from"


def test_a_side_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="side must be at least 1 pixel, got 0"):
        load_images("folder", tmp_path, "train", side=0)
