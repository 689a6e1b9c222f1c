"""Ordered SGD takes the hardest batches."""

import itertools

import pytest
import torch

from batching import OrderedSGD, osgd
from losses import clip_sum


def embed_all(u, v):
    return lambda index: (u, v) if index is None else (u[index], v[index])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_hardest_of_all_batches(size, unit_pairs):
    u, v = unit_pairs(9, 4)
    losses = {
        batch: clip_sum(u[list(batch)], v[list(batch)], temperature=0.5).item()
        for batch in itertools.combinations(range(9), size)
    }
    hardest = sorted(losses, key=lambda b: -losses[b])[:3]
    plan = OrderedSGD(clip_sum, 0.5, keep=3).plan(9, size, seed=0, epoch=0, embed=embed_all(u, v))
    assert plan.batches.tolist() == [list(b) for b in hardest]


def test_scoring_in_chunks_changes_nothing(unit_pairs, monkeypatch):
    u, v = unit_pairs(10, 4)
    rule = OrderedSGD(clip_sum, 0.5, keep=4)
    at_once = rule.plan(10, 3, seed=0, epoch=0, embed=embed_all(u, v)).batches
    monkeypatch.setattr(osgd, "_ENTRIES_AT_ONCE", 9 * 7)
    assert torch.equal(rule.plan(10, 3, seed=0, epoch=0, embed=embed_all(u, v)).batches, at_once)


@pytest.mark.parametrize("candidates", [4, 10], ids=["one shuffle", "several shuffles"])
def test_the_hardest_of_random_candidates(candidates, unit_pairs):
    u, v = unit_pairs(12, 4)
    embed = embed_all(u, v)
    kept = OrderedSGD(clip_sum, 0.5, candidates=candidates, keep=3)
    every = OrderedSGD(clip_sum, 0.5, candidates=candidates, keep=candidates)
    drawn = every.plan(12, 3, seed=5, epoch=1, embed=embed).batches
    scores = clip_sum(u, v, temperature=0.5, batches=drawn)
    assert (scores.diff() <= 0).all(), "in descending order of loss"
    assert torch.equal(kept.plan(12, 3, seed=5, epoch=1, embed=embed).batches, drawn[:3])
