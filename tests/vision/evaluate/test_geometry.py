"""Alignment, uniformity, rank, and class collisions, against loops."""

from itertools import permutations
from math import exp, log

import pytest
import torch

from vision.augmentation import Augmentation
from vision.evaluate import collisions, geometry
from vision.model import Encoder
from vision.pairs import ImagePairs


@pytest.mark.usefixtures("small_backbone")
def test_of_embeddings(digits, unit_pairs):
    encoder = Encoder(stem="imagenet", hidden_dim=8, dim=4, seed=0)
    pairs = ImagePairs(encoder, digits, augmentation=Augmentation(), size=16, seed=5)
    u, v = unit_pairs(64, 4)
    found = geometry(pairs, (u, v))
    assert found.alignment == pytest.approx(
        sum(float((a - b).square().sum()) for a, b in zip(u, v, strict=True)) / 64
    )
    spreads = [
        log(sum(exp(-2 * float((x[i] - x[j]).square().sum())) for i, j in permutations(range(64), 2)) / (64 * 63))
        for x in (u, v)
    ]
    assert found.uniformity == pytest.approx(sum(spreads) / 2)
    share = torch.linalg.svdvals(u) / torch.linalg.svdvals(u).sum()
    assert found.effective_rank == pytest.approx(float((-(share * share.log()).sum()).exp()))
    assert (found.n, found.images, found.seed, found.size) == (64, "digits", 5, 16)
    assert geometry(pairs) == geometry(pairs, pairs.embed(None))


def test_collisions_are_pairs_of_one_class():
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3])
    batches = torch.tensor([[0, 1, 3], [2, 4, 6]])
    found = collisions(batches, labels)
    equal = [labels[a] == labels[b] for batch in batches for a, b in permutations(batch.tolist(), 2)]
    assert found.rate == pytest.approx(sum(map(float, equal)) / len(equal))
    members = batches.flatten().tolist()
    equal = [labels[a] == labels[b] for a, b in permutations(members, 2)]
    assert found.rate_at_random == pytest.approx(sum(map(float, equal)) / len(equal))
    assert (found.batch_size, found.n_batches, found.n_images) == (3, 2, 6)
