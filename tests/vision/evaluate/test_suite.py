"""Several measures at once."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from vision.augmentation import Augmentation
from vision.data import load_images
from vision.evaluate import evaluate, features, geometry, linear_probe, nearest_neighbours, retrieve
from vision.model import Encoder
from vision.pairs import ImagePairs

pytestmark = pytest.mark.usefixtures("small_backbone")


@dataclass(frozen=True)
class Settings:
    image_size: int = 16
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 2


@pytest.fixture
def encoder():
    return Encoder(stem="imagenet", hidden_dim=8, dim=4, seed=0)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("none")
    return tuple(load_images("digits", folder, split).subset(n) for split, n in (("train", 150), ("test", 50)))


def test_each_number_is_that_of_its_function(encoder, splits):
    train, test = splits
    found = evaluate(encoder, train, test, Settings(), ["retrieval", "geometry", "knn", "probe"])

    pairs = ImagePairs(encoder, test, augmentation=Augmentation(), size=16, seed=2)
    retrieval = retrieve(pairs)
    classified = [x for split in splits for x in (features(encoder, split, size=16), split.labels)]
    knn, probe = nearest_neighbours(*classified, k=150), linear_probe(*classified)
    assert found == {
        "recall_at_1": retrieval.recall_at_1,
        "recall_at_1_u_to_v": retrieval.u_to_v,
        "recall_at_1_v_to_u": retrieval.v_to_u,
        **geometry(pairs).values(),
        "knn_top1": knn.top1,
        "knn_top5": knn.top5,
        "probe_top1": probe.top1,
        "probe_top5": probe.top5,
    }


def test_images_go_through_the_encoder_once_for_all_measures_of_features(encoder, splits, monkeypatch):
    seen = []
    forward = Encoder.features
    monkeypatch.setattr(
        Encoder, "features", lambda self, images: (seen.append(len(images)), forward(self, images))[1]
    )
    evaluate(encoder, *splits, Settings(), ["knn", "probe"])
    assert sum(seen) == 200
    evaluate(encoder, *splits, Settings(), ["retrieval", "geometry"])
    assert sum(seen) == 200 + 2 * 50


def test_the_encoder_goes_on_training(encoder, splits):
    for training in (True, False):
        encoder.train(training)
        evaluate(encoder, *splits, Settings(), ["retrieval", "knn"])
        assert encoder.training == training


def test_an_unknown_measure_is_refused(encoder, splits):
    assert evaluate(encoder, *splits, Settings(), []) == {}
    with pytest.raises(ValueError, match="measures must be of retrieval, geometry, knn, probe, got beauty"):
        evaluate(encoder, *splits, Settings(), ["knn", "beauty"])


MEASURES = ["retrieval", "geometry", "knn", "probe"]


@pytest.mark.gpu
def test_a_gpu_measures_what_a_cpu_does(encoder, splits):
    """With the images there, and with the images here."""
    train, test = splits
    wanted = evaluate(encoder, train, test, Settings(), MEASURES)
    device = torch.device("cuda")
    for given in ((train, test), (train.to(device), test.to(device))):
        found = evaluate(encoder.to(device), *given, Settings(), MEASURES)
        assert found == pytest.approx(wanted, abs=0.05)


DATA = Path(os.environ.get("CONTRABATCH_DATA", Path(__file__).parents[3] / "data"))


@pytest.mark.data
@pytest.mark.skipif(
    not (DATA / "cifar-100-python/train").exists(),
    reason="needs CIFAR-100 under data/ (or in the folder that CONTRABATCH_DATA names)",
)
def test_an_untrained_network_knows_more_than_chance(monkeypatch):
    """One in a hundred would be chance."""
    monkeypatch.setattr("torchvision.models.resnet18", resnet18)
    encoder = Encoder(stem="imagenet", seed=0)
    splits = [load_images("cifar100", DATA, split).subset(n) for split, n in (("train", 1000), ("test", 300))]
    found = evaluate(encoder, *splits, Settings(image_size=32), ["knn", "probe"])
    assert found["knn_top1"] > 0.03
    assert found["probe_top1"] > 0.03
    assert found["probe_top5"] > found["probe_top1"]
