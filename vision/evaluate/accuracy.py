"""Top-1 and top-5 accuracy."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Accuracy(NamedTuple):
    """Fractions in [0, 1]."""

    top1: float
    top5: float


def accuracy_of(ranks: Int[Tensor, " n"]) -> Accuracy:
    """Fractions of the ranks that are 1, and at most 5."""
    top1, top5 = torch.stack([(ranks <= k).double().mean() for k in (1, 5)]).tolist()
    return Accuracy(top1, top5)


def class_ranks(scores: Float[Tensor, "n n_classes"], labels: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """The rank (1 is best) of each image's own class.

    It is the number of classes that do not score less: ties, and scores that are not numbers, count against the
    image, so that a classifier that says nothing scores 0 where there are more than five classes.
    """
    own = scores.gather(1, labels[:, None])
    return scores.shape[1] - (scores < own).sum(1)
