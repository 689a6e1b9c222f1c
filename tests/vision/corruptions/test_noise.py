"""Noise has the published moments, and its values are independent."""

import numpy as np
import pytest
import torch
from scipy import stats

from vision.corruptions import RECIPES, corrupt
from vision.corruptions.draws import Draws
from vision.corruptions.noise import shot_noise

GREY = 100


class Given(Draws):
    """In place of random numbers: these."""

    def uniforms(self, _purpose, *shape):
        return np.random.default_rng(1).random((1, *shape)).clip(0.01, 1 - 2**-53)


@pytest.fixture
def grey():
    return np.full((60, 32, 32, 3), GREY, np.uint8)


def moments(name, images, severity):
    """Mean and standard deviation where white is 1; half a grey level makes up for the cut to bytes."""
    values = (corrupt(images, name, severity).astype(float) + 0.5) / 255
    flat = values.reshape(len(values), -1)
    neighbours = np.corrcoef(flat[:, :-1].ravel(), flat[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.02
    return values.mean(), values.std()


@pytest.mark.parametrize("severity", [1, 5])
def test_gaussian_speckle_and_shot_noise_have_the_published_deviation(severity, grey):
    x, recipe = GREY / 255, RECIPES[32]
    expected = {
        "gaussian_noise": recipe.gaussian_noise[severity - 1],
        "speckle_noise": x * recipe.speckle_noise[severity - 1],
        "shot_noise": (x / recipe.shot_noise[severity - 1]) ** 0.5,
    }
    for name, deviation in expected.items():
        mean, std = moments(name, grey, severity)
        assert mean == pytest.approx(x, abs=0.002), name
        assert std == pytest.approx(deviation, rel=0.02), name


def test_gaussian_noise_is_normal(grey):
    values = corrupt(grey, "gaussian_noise", 5).astype(float).ravel() + 0.5 - GREY
    assert stats.kurtosis(values) == pytest.approx(0, abs=0.05)
    assert stats.skew(values) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("severity", [1, 5])
def test_impulses_are_black_and_white_and_as_many_as_published(severity, grey):
    values = corrupt(grey, "impulse_noise", severity)
    amount = RECIPES[32].impulse_noise[severity - 1]
    for level, part in ((0, amount / 2), (255, amount / 2), (GREY, 1 - amount)):
        assert (values == level).mean() == pytest.approx(part, abs=0.002)
    assert not np.isin((values != GREY).sum(axis=3), (0, 3)).all(), "channels are hit apart"


@pytest.mark.parametrize("photons", [500.0, 15.0])
def test_shot_noise_is_the_inverse_of_poissons_distribution_function(photons):
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    given = Given(torch.zeros(1, dtype=torch.int64))
    counts = stats.poisson.ppf(given.uniforms("noise", 32, 32, 3), photons * x / 255)
    expected = 255 * np.clip(counts / photons, 0, 1)
    np.testing.assert_allclose(shot_noise(x, photons, given), expected, atol=1e-9)


def test_black_sends_no_photons():
    black = np.zeros((50, 32, 32, 3), np.uint8)
    assert not corrupt(black, "shot_noise", 1).any()
