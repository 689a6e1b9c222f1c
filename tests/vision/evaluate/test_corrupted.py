"""Retrieval with corrupted images, against loops over a small made-up set."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from vision.augmentation import Augmentation, two_views
from vision.data import Corruptions
from vision.evaluate import across_corruption, among_corruptions, embeddings
from vision.model import Encoder

pytestmark = pytest.mark.usefixtures("small_backbone")
NAMES = ("darker", "noise", "shifted")
CROPS = Augmentation(jitter=0.0, grey=0.0)


@dataclass(frozen=True, kw_only=True)
class MadeUp(Corruptions):
    """Corruptions of pixels in memory."""

    pixels: torch.Tensor

    def load(self, name, severity):
        seeded = torch.Generator().manual_seed(severity)
        noise = torch.randint(-20, 20, self.pixels.shape, generator=seeded)
        changed = {
            "darker": self.pixels / (1 + severity),
            "noise": self.pixels + noise,
            "shifted": self.pixels.roll(5, 3),
        }
        return changed[name].clamp(0, 255).to(torch.uint8)


@pytest.fixture
def corrupted(digits):
    return MadeUp(
        dataset="digits",
        folder=Path("nowhere"),
        names=NAMES,
        severities=(1, 3),
        recomputed=True,
        aligned=True,
        n=64,
        side=32,
        pixels=digits.pixels,
    )


@pytest.fixture
def encoder():
    return Encoder(stem="imagenet", hidden_dim=16, dim=8, seed=0)


def top1(queries, documents):
    """Share of queries i whose most similar document is i, and no other is as similar."""
    right = 0
    for i, query in enumerate(queries):
        others = [float(query @ document) for j, document in enumerate(documents) if j != i]
        right += float(query @ documents[i]) > max(others)
    return right / len(queries)


def test_among_corruptions_is_top1_among_the_versions_of_each_image(encoder, corrupted, digits):
    settings = {"augmentation": CROPS, "size": 16, "seed": 3}
    rows = torch.tensor([2, 3, 30, 63])
    found = among_corruptions(encoder, corrupted, digits, severity=3, rows=rows, **settings)

    encoder.eval()
    versions = [corrupted.load(name, 3) for name in NAMES]
    directions = []
    for row in rows.tolist():
        pixels = torch.stack([version[row] for version in versions])
        index = row * 3 + torch.arange(3)
        views = two_views(
            pixels, index, mean=digits.mean, std=digits.std, purpose="corrupted", counter=0, **settings
        )
        with torch.no_grad():
            u, v = (encoder(view) for view in views)
        directions.append((top1(u, v), top1(v, u)))
    wanted = torch.tensor(directions, dtype=torch.double).mean(0).tolist()
    assert [found.u_to_v, found.v_to_u] == pytest.approx(wanted)
    assert found.recall_at_1 == pytest.approx(sum(wanted) / 2)
    assert found.recomputed
    assert (found.n_images, found.severity, found.corruptions, found.n_corruptions) == (4, 3, NAMES, 3)
    settings = found.settings()
    assert (settings["recomputed"], settings["corruptions"], settings["n_corruptions"]) == (True, NAMES, 3)


def test_images_do_not_depend_on_each_other(encoder, corrupted, digits, monkeypatch):
    settings = {"severity": 1, "augmentation": CROPS, "size": 16, "seed": 0}
    whole = among_corruptions(encoder, corrupted, digits, **settings)
    monkeypatch.setattr("vision.evaluate.corrupted._VIEWS_AT_ONCE", 7)  # two images at a time
    assert among_corruptions(encoder, corrupted, digits, **settings) == whole
    assert 1 / 3 < whole.recall_at_1 < 1  # better than by chance even without training: the corruptions differ


def test_a_collapsed_encoder_finds_nothing(encoder, corrupted, digits):
    with torch.no_grad():
        encoder.backbone.conv1.weight.zero_()
    found = among_corruptions(encoder, corrupted, digits, severity=1, augmentation=CROPS, size=16, seed=0)
    assert found.recall_at_1 == 0
    assert across_corruption(encoder, corrupted, digits, severity=1, size=16).recall_at_1 == 0


def test_across_corruption_asks_with_the_clean_image(encoder, corrupted, digits):
    rows = torch.arange(0, 64, 3)
    found = across_corruption(encoder, corrupted, digits, severity=1, size=32, rows=rows)
    clean = embeddings(encoder, digits, size=32)[rows]
    recalls = []
    for name in NAMES:
        points = embeddings(encoder, digits, size=32, pixels=corrupted.load(name, 1))[rows]
        recalls.append((top1(clean, points), top1(points, clean)))
        assert found.by_corruption[name] == pytest.approx(sum(recalls[-1]) / 2)
    assert found.to_corrupted == pytest.approx(sum(to for to, _ in recalls) / 3)
    assert found.from_corrupted == pytest.approx(sum(back for _, back in recalls) / 3)
    assert found.asked == "clean and corrupted"
    assert (found.n_images, found.recomputed, found.corruptions) == (22, True, NAMES)


def test_the_first_images_of_a_split_may_be_corrupted(encoder, corrupted, digits):
    few = replace(corrupted, n=20, pixels=digits.pixels[:20])
    found = across_corruption(encoder, few, digits, severity=1, size=32)
    first = replace(digits, pixels=digits.pixels[:20], labels=digits.labels[:20])
    assert found.n_images == 20
    assert found == across_corruption(encoder, few, first, severity=1, size=32)


def test_without_clean_images_corruptions_ask_each_other(encoder, corrupted, digits):
    unaligned = replace(corrupted, aligned=False)
    found = across_corruption(encoder, unaligned, digits, severity=1, size=32)
    points = [embeddings(encoder, digits, size=32, pixels=corrupted.load(name, 1)) for name in NAMES]
    recalls = {(a, b): top1(points[a], points[b]) for a in range(3) for b in range(3) if a != b}
    for a, name in enumerate(NAMES):
        mine = [recall for pair, recall in recalls.items() if a in pair]
        assert found.by_corruption[name] == pytest.approx(sum(mine) / 4)
    assert found.recall_at_1 == pytest.approx(sum(recalls.values()) / 6)
    assert found.asked.startswith("one corruption and another")


def test_what_cannot_be_measured_is_refused(encoder, corrupted, digits):
    settings = {"augmentation": CROPS, "size": 16, "seed": 0}
    with pytest.raises(ValueError, match="severity must be one of 1, 3 for digits, got 2"):
        among_corruptions(encoder, corrupted, digits, severity=2, **settings)
    with pytest.raises(ValueError, match="at least two of them, got noise"):
        among_corruptions(encoder, replace(corrupted, names=("noise",)), digits, severity=1, **settings)
    with pytest.raises(
        ValueError, match=r"clean images must be the 64 of the test split .* got 10 of digits at 32"
    ):
        across_corruption(encoder, corrupted, digits.subset(10), severity=1, size=16)
    with pytest.raises(ValueError, match=r"of digits at 64 pixels, got 64 of digits at 32"):
        across_corruption(encoder, replace(corrupted, side=64), digits, severity=1, size=16)
