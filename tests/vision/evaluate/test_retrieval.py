"""Retrieval of one view of an image from the other."""

from dataclasses import replace

import pytest
import torch

from vision.augmentation import Augmentation
from vision.data import Images
from vision.evaluate import retrieve
from vision.model import Encoder
from vision.pairs import ImagePairs

SAME = Augmentation(min_area=1.0, max_aspect=1.0, flip=0.0, jitter=0.0, grey=0.0)


def held_out(n=12, augmentation=SAME, seed=0):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 3, 16, 16), generator=generator).to(torch.uint8)
    images = Images(
        name="noise",
        pixels=pixels,
        labels=torch.arange(n),
        class_names=(),
        mean=torch.full((3,), 0.5),
        std=torch.full((3,), 0.25),
    )
    model = Encoder(stem="imagenet", hidden_dim=8, dim=8, seed=0)
    return ImagePairs(model, images, augmentation=augmentation, size=16, seed=seed)


def test_equal_views_find_each_other():
    found = retrieve(held_out())
    assert found.values() == {"recall_at_1": 1.0, "u_to_v": 1.0, "v_to_u": 1.0}
    settings = found.settings()
    assert {name: settings[name] for name in ("n", "images", "size", "seed")} == {
        "n": 12,
        "images": "noise",
        "size": 16,
        "seed": 0,
    }
    assert settings["augmentation"]["min_area"] == 1.0


def test_equal_images_do_not():
    """All as similar as the partner: nothing is found, rather than everything."""
    pairs = held_out()
    one = pairs.images.pixels[:1].expand_as(pairs.images.pixels)
    pairs.images = replace(pairs.images, pixels=one)
    assert retrieve(pairs).recall_at_1 == 0.0


def test_embeddings_that_are_known_are_taken():
    u = torch.eye(3)
    v = torch.tensor([[0.0, 0, 1], [0, 1, 0], [0, 0.6, 0.8]])  # 1 finds its own; as queries of v, 1 and 2 do
    found = retrieve(held_out(3), (u, v))
    assert (found.u_to_v, found.v_to_u) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_diverged_encoder_is_refused():
    pairs = held_out()
    with torch.no_grad():
        pairs.model.head[0].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"must give finite numbers .* has diverged; take earlier weights"):
        retrieve(pairs)


def test_views_are_the_same_for_every_encoder():
    """The same seed asks about the same views, before and after training."""
    pairs = held_out(augmentation=Augmentation())
    first = pairs.embed(None)
    pairs.model.train()
    pairs.model(torch.randn(4, 3, 16, 16))  # what training does to the running statistics ...
    after = pairs.embed(None)
    assert not torch.equal(first[0], after[0])
    pairs.model.load_state_dict(held_out().model.state_dict())  # ... and undone
    assert torch.equal(pairs.embed(None)[0], first[0])


def test_evaluation_is_a_function_of_the_seed():
    one, other = (held_out(augmentation=Augmentation(), seed=seed).embed(None)[0] for seed in (0, 1))
    assert not torch.equal(one, other)


def test_every_update_sees_new_views():
    pairs = held_out(augmentation=Augmentation())
    pairs.model.eval()
    seen = []
    for update in (0, 1, 0):
        pairs.begin_update(update)
        with torch.no_grad():
            seen.append(pairs.encode(torch.arange(12), purpose="train")[0])
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
