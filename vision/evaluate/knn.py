"""Classification by the nearest neighbours: nothing is trained."""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor
from torch.nn import functional

from vision.evaluate.accuracy import accuracy_of, class_ranks
from vision.evaluate.result import Result


@dataclass(frozen=True, kw_only=True)
class Neighbours(Result):
    """Accuracies in [0, 1] on the test images, which are classified by the training images."""

    MEASURED: ClassVar[tuple[str, ...]] = ("top1", "top5")

    top1: float
    top5: float
    k: int
    temperature: float
    n_train: int
    n_test: int
    features: str = "backbone, unaugmented, unit length"


def nearest_neighbours(
    train: Float[Tensor, "n_train dim"],
    train_labels: Int64[Tensor, " n_train"],
    test: Float[Tensor, "n_test dim"],
    test_labels: Int64[Tensor, " n_test"],
    *,
    k: int = 200,
    temperature: float = 0.1,
    chunk_size: int = 1024,
) -> Neighbours:
    """Weighted k-nearest-neighbour classification, all test images by exact search.

        score of class c = sum over the k most similar training images i of class c of e^{s_i / T},

    s_i the cosine. Equal scores count against the image, and a class without neighbours is no answer. Results at
    different k or T cannot be compared, nor can the best of several epochs, which picks on test data.

    Args:
        train: Features of any length.
        train_labels: Their classes.
        test: Likewise.
        test_labels: Likewise.
        k: Neighbours that vote.
        temperature: T of their weights.
        chunk_size: Test images at a time; memory is chunk_size x n_train.

    Raises:
        ValueError: If k is larger than the training set, or the temperature is not positive.

    Cost: n_train n_test dim multiplications.

    References:
        Wu et al., 2018, Section 3.4 (k = 200, T = 0.07 there), arXiv 1805.01978.
    """
    check_neighbours(len(train), k=k, temperature=temperature)
    train, test = functional.normalize(train), functional.normalize(test)
    n_classes = int(torch.maximum(train_labels.max(), test_labels.max())) + 1
    ranks = []
    for rows, labels in zip(test.split(chunk_size), test_labels.split(chunk_size), strict=True):
        similarity, nearest = (rows @ train.mT).topk(k, dim=1, sorted=False)
        votes = _votes(similarity, train_labels[nearest], temperature, n_classes)
        ranks.append(class_ranks(votes, labels))
    found = accuracy_of(torch.cat(ranks))
    return Neighbours(
        top1=found.top1, top5=found.top5, k=k, temperature=temperature, n_train=len(train), n_test=len(test)
    )


def check_neighbours(n_train: int, *, k: int, temperature: float) -> None:
    """Refuse settings that cannot work.

    Raises:
        ValueError: See `nearest_neighbours`.
    """
    if not 1 <= k <= n_train:
        raise ValueError(f"k must lie between 1 and the number of training images, {n_train}, got {k}; lower it")
    if not (temperature > 0 and exp(-2 / temperature) > 0):
        raise ValueError(
            f"temperature of the neighbours' weights must be positive, and not so small that they vanish, got "
            f"{temperature}; 0.07 and 0.1 are usual"
        )


def _votes(
    similarity: Float[Tensor, "n k"], labels: Int[Tensor, "n k"], temperature: float, n_classes: int
) -> Float[Tensor, "n n_classes"]:
    """Sums of e^{(s - 1)/T} by class, in float64: the factor e^{-1/T} changes no order and no number overflows."""
    weights = ((similarity.double() - 1) / temperature).exp()
    return weights.new_zeros(len(labels), n_classes).scatter_add_(1, labels, weights)
