"""Features of images as they are."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from vision.evaluate import embeddings, features
from vision.model import Encoder

pytestmark = pytest.mark.usefixtures("small_backbone")


@pytest.fixture
def encoder():
    return Encoder(stem="imagenet", hidden_dim=8, dim=4, seed=0)


def test_features_are_those_of_normalised_images_one_by_one(encoder, digits):
    found = features(encoder, digits, size=32, batch_size=10)
    encoder.eval()
    for image, row in zip(digits.pixels[:5], found, strict=False):
        values = (image / 255 - digits.mean[:, None, None]) / digits.std[:, None, None]
        with torch.no_grad():
            assert torch.allclose(encoder.features(values[None])[0], row, atol=1e-5)


def test_embeddings_are_unit_rows_of_the_head(encoder, digits):
    found = embeddings(encoder, digits, size=32)
    assert found.shape == (64, 4)
    assert torch.allclose(found.norm(dim=1), torch.ones(64))
    some = embeddings(encoder, digits, size=32, pixels=digits.pixels[3:5])
    assert torch.allclose(some, found[3:5], atol=1e-5)


def test_images_are_resized(encoder, digits):
    small = functional.interpolate(digits.pixels.float(), size=(16, 16), mode="bilinear", antialias=True)
    there = replace(digits, pixels=small.round().to(torch.uint8))
    assert torch.allclose(features(encoder, digits, size=16), features(encoder, there, size=16), atol=0.02)


def test_the_encoder_is_left_as_it_was(encoder, digits):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    for training in (True, False):
        encoder.train(training)
        assert not features(encoder, digits, size=32).requires_grad
        assert encoder.training == training
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_a_diverged_encoder_is_refused(encoder, digits):
    with torch.no_grad():
        encoder.backbone.conv1.weight.fill_(torch.inf)
    with pytest.raises(ValueError, match=r"must give finite numbers .* has diverged"):
        features(encoder, digits, size=32)
