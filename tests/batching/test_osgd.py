"""Ordered SGD takes the hardest batches."""

import itertools

import pytest
import torch

from batching import OrderedSGD, make_selection
from batching.rules import osgd
from losses import make_loss

LOSS = make_loss("clip_sum", temperature=0.5)


def embed_all(u, v):
    return lambda index: (u, v) if index is None else (u[index], v[index])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_hardest_of_all_batches(size, unit_pairs):
    u, v = unit_pairs(9, 4)
    losses = {
        batch: LOSS(u[list(batch)], v[list(batch)]).item() for batch in itertools.combinations(range(9), size)
    }
    hardest = sorted(losses, key=lambda b: -losses[b])[:3]
    plan = OrderedSGD(LOSS, keep=3).plan(9, size, seed=0, epoch=0, embed=embed_all(u, v))
    assert plan.batches.tolist() == [list(b) for b in hardest]


def test_scoring_in_chunks_changes_nothing(unit_pairs, monkeypatch):
    u, v = unit_pairs(10, 4)
    rule = OrderedSGD(LOSS, keep=4)
    at_once = rule.plan(10, 3, seed=0, epoch=0, embed=embed_all(u, v)).batches
    monkeypatch.setattr(osgd, "_ENTRIES_AT_ONCE", 9 * 7)
    assert torch.equal(rule.plan(10, 3, seed=0, epoch=0, embed=embed_all(u, v)).batches, at_once)


@pytest.mark.parametrize("candidates", [4, 10], ids=["one shuffle", "several shuffles"])
def test_the_hardest_of_random_candidates(candidates, unit_pairs):
    u, v = unit_pairs(12, 4)
    embed = embed_all(u, v)
    kept = OrderedSGD(LOSS, candidates=candidates, keep=3)
    every = OrderedSGD(LOSS, candidates=candidates, keep=candidates)
    drawn = every.plan(12, 3, seed=5, epoch=1, embed=embed).batches
    scores = LOSS(u, v, batches=drawn)
    assert (scores.diff() <= 0).all(), "in descending order of loss"
    assert torch.equal(kept.plan(12, 3, seed=5, epoch=1, embed=embed).batches, drawn[:3])


class Stateful(torch.nn.Module):
    takes_index = True

    def forward(self, u, v, *, index, reduction="mean"):
        raise NotImplementedError


def test_a_loss_with_a_state_is_refused():
    """Scoring candidates would change the state, or read what the pairs had long ago."""
    with pytest.raises(ValueError, match=r"osgd .* a loss without a state, got Stateful.*choose another loss, or"):
        make_selection("osgd", loss=Stateful(), temperature=0.5)
    make_selection("spectral", loss=Stateful(), temperature=0.5)
