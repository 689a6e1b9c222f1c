"""The linear probe: multinomial logistic regression on frozen features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vision.evaluate.accuracy import Accuracy, accuracy_of, class_ranks
from vision.evaluate.logistic import Classifier, fit_logistic
from vision.evaluate.result import Result
from vision.evaluate.splits import held_back, stratified

STRENGTHS = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Tried one after the other; see `fit_logistic` for their scale."""
VALIDATION = 0.1
"""Part of the labelled images that chooses among them."""
_ITERATIONS_TO_CHOOSE = 30
"""Of each strength, from the stronger one before: accuracy then is within 0.2 % of that at the end."""


@dataclass(frozen=True, kw_only=True)
class Probe(Result):
    """Accuracies in [0, 1]."""

    MEASURED: ClassVar[tuple[str, ...]] = ("top1", "top5", "validation_top1")

    top1: float
    """Of the test images."""
    top5: float
    validation_top1: float | None
    """Of the validation images, at the strength chosen; None where there was nothing to choose."""
    strength: float
    """The one chosen, of `strengths`."""
    strengths: tuple[float, ...]
    label_fraction: float
    seed: int
    """Of the choice of labelled images and of validation images."""
    n_train: int
    """Labelled images."""
    n_test: int
    protocol: str = "offline, L-BFGS on frozen unaugmented features, strength chosen on validation images"


def linear_probe(
    train: Float[Tensor, "n_train dim"],
    train_labels: Int64[Tensor, " n_train"],
    test: Float[Tensor, "n_test dim"],
    test_labels: Int64[Tensor, " n_test"],
    *,
    strengths: Sequence[float] = STRENGTHS,
    label_fraction: float = 1.0,
    seed: int = 0,
) -> Probe:
    """How well the classes can be told apart by a linear function of the features.

    1. `label_fraction` of the training images of each class keep their labels (at least one each).
    2. Features are standardised: each column of the labelled images' gets mean 0 and variance 1.
    3. For each strength a multinomial logistic regression is fitted to nine tenths of the labelled images, in 30
       iterations from the fit of the stronger one before; the strength with the most of the other tenth right is
       chosen (the strongest of several).
    4. With it, one is fitted to all of them until it has converged, and the test images are classified, once.

    Nothing here depends on a learning rate, on an order or on luck, and test labels choose nothing. The name
    "linear evaluation" is also given to two other protocols, and numbers of one cannot be compared with another's:

    * online: a classifier is trained beside the encoder, on its augmented views, and read off at the end
      (solo-learn's CIFAR tables; "usually a little higher than offline" by its authors, 6 points on CIFAR-100 in
      one report);
    * stochastic gradient descent on augmented images through the frozen encoder for 90 to 100 epochs (SimCLR,
      LibAUC): crops are more training data than the images alone. dkobak/simclr-cifar10 measured both, 85.6 on
      frozen features and 85.0 with augmentation on CIFAR-10, standard deviations 0.2 and 0.3.

    Args:
        train: Features.
        train_labels: Their classes, from 0.
        test: Likewise.
        test_labels: Likewise.
        strengths: Of regularisation, at least one.
        label_fraction: In (0, 1].
        seed: Of the choices.

    Raises:
        ValueError: If there is nothing to choose a strength by, or a setting is out of its range.

    Cost: for 50,000 x 512 features of 100 classes about a minute of a CPU core, a second of a GPU.

    References:
        Kornblith et al., 2019, Appendix A.4 (logistic regression by L-BFGS, strength by validation), arXiv
        1805.08974; Chen et al., 2020, Appendix B.8, arXiv 2002.05709.
    """
    chosen = check_probe(train_labels, strengths=strengths, label_fraction=label_fraction, seed=seed)
    labels, rest, validation = train_labels[chosen], *_split(train_labels[chosen], strengths, seed)
    n_classes = int(torch.maximum(train_labels.max(), test_labels.max())) + 1
    known, asked = standardised(train[chosen], test)

    strength, validation_top1, start = strengths[0], None, None
    if validation is not None:
        tried = sorted(strengths, reverse=True)
        path = _path(known[rest], labels[rest], tried, n_classes)
        scores = [_accuracy(classifier, known[validation], labels[validation]).top1 for classifier in path]
        best = max(range(len(tried)), key=scores.__getitem__)  # the first, and so the strongest, of the best
        strength, validation_top1, start = tried[best], scores[best], path[best]
    classifier = fit_logistic(known, labels, strength=strength, n_classes=n_classes, start=start)
    found = _accuracy(classifier, asked, test_labels)
    return Probe(
        top1=found.top1,
        top5=found.top5,
        validation_top1=validation_top1,
        strength=strength,
        strengths=tuple(strengths),
        label_fraction=label_fraction,
        seed=seed,
        n_train=len(chosen),
        n_test=len(test),
    )


def check_probe(
    labels: Int64[Tensor, " n"], *, strengths: Sequence[float], label_fraction: float, seed: int
) -> Int64[Tensor, " m"]:
    """The labelled images, if they and the strengths can be used.

    Raises:
        ValueError: See `linear_probe`.
    """
    if not strengths or not all(0 < strength < float("inf") for strength in strengths):
        raise ValueError(f"strengths must be one or more positive numbers, got {tuple(strengths)}; leave them out")
    chosen = stratified(labels, label_fraction, seed=seed)
    _split(labels[chosen], strengths, seed)
    return chosen


def standardised(
    train: Float[Tensor, "n dim"], *others: Float[Tensor, "m dim"]
) -> tuple[Float[Tensor, "k dim"], ...]:
    """All with the training columns shifted to mean 0 and scaled to variance 1; constant ones are only shifted."""
    mean, std = train.mean(0), train.std(0, correction=0)
    std = torch.where(std > torch.finfo(std.dtype).eps * mean.abs(), std, 1.0)
    return tuple((x - mean) / std for x in (train, *others))


def _split(
    labels: Int64[Tensor, " n"], strengths: Sequence[float], seed: int
) -> tuple[Int64[Tensor, " rest"], Int64[Tensor, " validation"] | None]:
    if len(strengths) == 1:
        return torch.arange(len(labels), device=labels.device), None
    return held_back(labels, VALIDATION, seed=seed)


def _path(
    features: Float[Tensor, "n dim"], labels: Int64[Tensor, " n"], strengths: Sequence[float], n_classes: int
) -> list[Classifier]:
    """A classifier for each strength, each found from the one before."""
    path: list[Classifier] = []
    for strength in strengths:
        start = path[-1] if path else None
        path.append(
            fit_logistic(
                *(features, labels),
                strength=strength,
                n_classes=n_classes,
                start=start,
                most_iterations=_ITERATIONS_TO_CHOOSE,
            )
        )
    return path


def _accuracy(classifier: Classifier, features: Float[Tensor, "n dim"], labels: Int64[Tensor, " n"]) -> Accuracy:
    return accuracy_of(class_ranks(classifier(features), labels))
