"""Choices of labelled images, and accuracies."""

from itertools import pairwise

import pytest
import torch

from vision.evaluate.accuracy import accuracy_of, class_ranks
from vision.evaluate.splits import held_back, stratified

LABELS = torch.tensor([0] * 40 + [1] * 10 + [2] * 3 + [4])[
    torch.randperm(54, generator=torch.Generator().manual_seed(0))
]
"""Of unequal classes, one of them empty."""


@pytest.mark.parametrize(
    ("fraction", "counts"), [(0.1, [4, 1, 1, 0, 1]), (0.5, [20, 5, 2, 0, 1]), (1.0, [40, 10, 3, 0, 1])]
)
def test_each_class_gives_its_share_and_at_least_one(fraction, counts):
    chosen = stratified(LABELS, fraction, seed=0)
    assert LABELS[chosen].bincount(minlength=5).tolist() == counts
    assert chosen.equal(chosen.unique())


def test_few_labels_are_part_of_more():
    chosen = [set(stratified(LABELS, fraction, seed=3).tolist()) for fraction in (0.1, 0.3, 0.7, 1.0)]
    assert all(few < more for few, more in pairwise(chosen))


def test_another_seed_chooses_others():
    assert not stratified(LABELS, 0.5, seed=0).equal(stratified(LABELS, 0.5, seed=1))


@pytest.mark.parametrize("fraction", [0.0, 1.5, -0.1])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\], got"):
        stratified(LABELS, fraction, seed=0)


def test_validation_images_are_held_back_from_every_class_that_has_two():
    rest, validation = held_back(LABELS, 0.1, seed=0)
    assert torch.cat([rest, validation]).sort().values.equal(torch.arange(54))
    assert LABELS[validation].bincount(minlength=5).tolist() == [4, 1, 1, 0, 0]


def test_single_images_cannot_be_held_back():
    with pytest.raises(ValueError, match="needs a class with two labelled images"):
        held_back(torch.arange(7), 0.1, seed=0)


def test_ranks_count_what_does_not_score_less():
    scores = torch.tensor([[3.0, 2, 1], [3, 2, 1], [2, 2, 1], [torch.nan, torch.nan, torch.nan]])
    assert class_ranks(scores, torch.tensor([0, 2, 0, 1])).tolist() == [1, 3, 2, 3]


def test_accuracies_are_shares_of_ranks():
    assert accuracy_of(torch.tensor([1, 1, 3, 5, 6, 9, 1, 2])) == (3 / 8, 6 / 8)
