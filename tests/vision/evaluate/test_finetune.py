"""Training all weights on labels."""

from functools import partial

import pytest
import torch

from vision.augmentation import Augmentation
from vision.data import load_images
from vision.evaluate import FineTuning, crop_and_flip, fine_tune
from vision.model import Encoder

pytestmark = pytest.mark.usefixtures("small_backbone")
CROPS = Augmentation(min_area=0.6, flip=0.0, jitter=0.0, grey=0.0)
QUICK = FineTuning(epochs=2, batch_size=32)


@pytest.fixture
def encoder():
    return Encoder(stem="imagenet", hidden_dim=8, dim=4, seed=0)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("none")
    return tuple(load_images("digits", folder, split).subset(200) for split in ("train", "test"))


@pytest.fixture
def tune(encoder, splits):
    return partial(fine_tune, encoder, *splits, size=16, augmentation=CROPS)


def test_labels_are_learnt(tune):
    untrained = tune(tuning=FineTuning(epochs=1, learning_rate=0.0))
    trained = tune(tuning=FineTuning(epochs=30, batch_size=32))
    assert untrained.top1 == 0  # the classifier begins at zero: it says nothing
    assert trained.top1 > 0.4
    assert trained.top5 > 0.8
    assert (trained.n_train, trained.n_test, trained.updates) == (200, 200, 180)


def test_it_repeats_itself_and_leaves_the_encoder_alone(tune, encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    state = torch.get_rng_state()
    assert tune(tuning=QUICK) == tune(tuning=QUICK)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_few_labels(tune):
    found = tune(tuning=QUICK, label_fraction=0.05, start="fresh")
    assert (found.n_train, found.updates, found.start) == (10, 2, "fresh")
    assert found.settings()["tuning"]["epochs"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"tuning": FineTuning(epochs=2, batch_size=32, mixing="mixup")},
        {"tuning": FineTuning(epochs=2, batch_size=32, mixing="cutmix")},
        {"tuning": FineTuning(epochs=2, batch_size=50)},
        {"tuning": FineTuning(epochs=2, batch_size=32, learning_rate=0.2)},
        {"tuning": FineTuning(epochs=2, batch_size=32, momentum=0.0)},
        {"tuning": FineTuning(epochs=2, batch_size=32, weight_decay=0.5)},
        {"tuning": FineTuning(epochs=2, batch_size=32, warmup=1.0)},
        {"tuning": QUICK, "seed": 1},
        {"tuning": QUICK, "augmentation": Augmentation()},
    ],
)
def test_every_setting_changes_what_is_learnt(tune, changes, monkeypatch):
    tune = partial(tune, label_fraction=0.4)
    scores = []
    monkeypatch.setattr(
        "vision.evaluate.finetune.class_ranks",
        lambda given, _: (scores.append(given), torch.ones(200, dtype=int))[1],
    )
    tune(tuning=QUICK)
    tune(**changes)
    assert not torch.equal(*scores)


def test_crops_and_flips_are_what_is_left_of_the_views():
    kept = crop_and_flip(Augmentation(min_area=0.3, max_aspect=1.5, flip=0.2))
    assert kept == Augmentation(min_area=0.3, max_aspect=1.5, flip=0.2, jitter=0.0, grey=0.0)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"epochs": 0}, "epochs of fine-tuning must be at least 1, got 0"),
        ({"batch_size": 1}, "batch_size of fine-tuning must be at least 2"),
        ({"momentum": 1.5}, "momentum of fine-tuning must be from 0 to 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(setting, told):
    with pytest.raises(ValueError, match=told):
        FineTuning(**setting)


def test_one_label_is_too_few(encoder, splits):
    train, test = splits
    with pytest.raises(ValueError, match="at least two labelled images, got 1"):
        fine_tune(encoder, train.subset(1), test, size=16, augmentation=CROPS, tuning=QUICK)
