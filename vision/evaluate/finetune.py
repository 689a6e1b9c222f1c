"""Fine-tuning: all weights are trained on labels, from a trained encoder or, as the baseline, from fresh ones."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from batching import permutation
from training.progress import Progress
from training.schedule import warmup_cosine
from vision.augmentation import Augmentation, two_views
from vision.data import Images
from vision.evaluate.accuracy import Accuracy, accuracy_of, class_ranks
from vision.evaluate.features import features
from vision.evaluate.result import Result
from vision.evaluate.splits import stratified
from vision.model import FEATURE_DIM, Encoder

Mixing = Literal["none", "mixup", "cutmix"]
Start = Literal["trained", "fresh"]


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How the weights are trained: stochastic gradient descent, warm-up, then half a cosine down to 0."""

    epochs: int = 60
    batch_size: int = 128
    """All labelled images where they are fewer."""
    learning_rate: float = 0.05
    """Its peak."""
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.05
    """Part of the updates, in [0, 1]."""
    mixing: Mixing = "none"
    """Mixtures of the labelled images of a batch, and of their labels."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, low, high in (
            ("epochs", 1, float("inf")),
            ("batch_size", 2, float("inf")),
            ("learning_rate", 0, float("inf")),
            ("momentum", 0, 1),
            ("weight_decay", 0, float("inf")),
            ("warmup", 0, 1),
        ):
            if not low <= getattr(self, name) <= high:
                bounds = f"at least {low}" if high == float("inf") else f"from {low} to {high}"
                raise ValueError(f"{name} of fine-tuning must be {bounds}, got {getattr(self, name)}; leave it out")


@dataclass(frozen=True, kw_only=True)
class FineTuned(Result):
    """Accuracies in [0, 1] of the test images."""

    MEASURED: ClassVar[tuple[str, ...]] = ("top1", "top5")

    top1: float
    top5: float
    start: Start
    label_fraction: float
    seed: int
    tuning: FineTuning
    augmentation: Augmentation
    size: int
    n_train: int
    """Labelled images."""
    n_test: int
    updates: int


def fine_tune(
    encoder: Encoder,
    train: Images,
    test: Images,
    *,
    size: int,
    augmentation: Augmentation,
    tuning: FineTuning,
    label_fraction: float = 1.0,
    seed: int = 0,
    start: Start = "trained",
) -> FineTuned:
    """Train a copy of the backbone and a linear classifier on labels; the test images are asked once, at the end.

    The classifier begins at zero. With fresh weights, the same is the supervised baseline.

    Args:
        encoder: Left as it is.
        train: On any device.
        test: Likewise.
        size: Of the views, in pixels.
        augmentation: Of the views; `crop_and_flip` is usual.
        tuning: How the weights are trained.
        label_fraction: Of the training images of each class, at least one image; in (0, 1].
        seed: Of the labelled images, the batches and the views.
        start: What the encoder's weights are, for the record.

    Raises:
        ValueError: If the setting cannot work, or training diverges.

    Cost: epochs x labelled images forward and backward.

    References:
        Chen et al., 2020, Section 4.3 and Appendix B.8 (fine-tuning, with crops and flips alone), arXiv 2002.05709.
    """
    chosen = stratified(train.labels.cpu(), label_fraction, seed=seed)
    n_classes = 1 + max(int(train.labels.max()), int(test.labels.max()))
    if len(chosen) < 2:
        raise ValueError(
            f"fine-tuning needs at least two labelled images, got {len(chosen)}; raise the label fraction"
        )
    network = deepcopy(encoder)
    device = next(network.parameters()).device
    classifier = _Classifier(FEATURE_DIM, n_classes, device=device)

    batch_size = min(tuning.batch_size, len(chosen))
    updates = tuning.epochs * (len(chosen) // batch_size)
    views = {"size": size, "augmentation": augmentation, "seed": seed}
    draw = _draws(train, chosen, n_classes, device=device, mixing=tuning.mixing, **views)
    order = _order(len(chosen), batch_size, seed)
    _descend(network, classifier, draw, order, updates, tuning, name=f"labels, {start} weights")
    found = _tested(network, classifier, test, size)
    return FineTuned(
        top1=found.top1,
        top5=found.top5,
        start=start,
        label_fraction=label_fraction,
        seed=seed,
        tuning=tuning,
        augmentation=augmentation,
        size=size,
        n_train=len(chosen),
        n_test=len(test),
        updates=updates,
    )


def crop_and_flip(augmentation: Augmentation) -> Augmentation:
    """The crops and flips of these views, and no other changes."""
    return Augmentation(
        min_area=augmentation.min_area,
        max_aspect=augmentation.max_aspect,
        flip=augmentation.flip,
        jitter=0.0,
        grey=0.0,
    )


class _Classifier(nn.Linear):
    """Begins at zero, and draws no random numbers."""

    @override
    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


_Batch = tuple[Float[Tensor, "batch 3 size size"], Tensor]
"""Views, and their classes or the probabilities of these."""


def _draws(
    train: Images,
    chosen: Int64[Tensor, " n"],
    n_classes: int,
    *,
    size: int,
    augmentation: Augmentation,
    seed: int,
    mixing: Mixing,
    device: torch.device,
) -> Callable[[Int64[Tensor, " batch"], int], _Batch]:
    """What makes the views of these of the chosen images at an update."""
    mean, std = train.mean.to(device), train.std.to(device)
    place, labels = chosen.to(train.pixels.device), train.labels[chosen.to(train.labels.device)].to(device)

    def draw(index: Int64[Tensor, " batch"], update: int) -> _Batch:
        rows = place[index.to(place.device)]
        pixels = train.pixels[rows].to(device, non_blocking=True)
        views, _ = two_views(
            *(pixels, rows.to(device)),
            augmentation=augmentation,
            size=size,
            mean=mean,
            std=std,
            seed=seed,
            purpose="finetune",
            counter=update,
        )
        classes = labels[index.to(device)]
        if mixing == "none":
            return views, classes
        from vision.augmentation.policies import mixed

        return mixed(views, classes, n_classes, kind=mixing, seed=seed, counter=update)

    return draw


def _order(n: int, batch_size: int, seed: int) -> Iterator[Int64[Tensor, " batch"]]:
    """Batches without end, epoch by epoch; what is left of an epoch after its full batches is left out of it."""
    for epoch in count():
        yield from permutation(seed, "finetune", epoch, n)[: n - n % batch_size].split(batch_size)


def _descend(
    network: Encoder,
    classifier: nn.Linear,
    draw: Callable[[Int64[Tensor, " batch"], int], _Batch],
    batches: Iterator[Int64[Tensor, " batch"]],
    updates: int,
    tuning: FineTuning,
    *,
    name: str,
) -> None:
    """The steps."""
    parameters = [*network.backbone.parameters(), *classifier.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.0, momentum=tuning.momentum, weight_decay=tuning.weight_decay)
    rate = warmup_cosine(tuning.learning_rate, updates, warmup=round(tuning.warmup * updates))
    network.train()
    with Progress(name, updates) as progress:
        for update, batch in zip(range(updates), batches, strict=False):
            views, wanted = draw(batch, update)
            loss = functional.cross_entropy(classifier(network.features(views)), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = rate(update)
            optimizer.step()
            if progress.due():
                progress.show(update + 1, loss.item())


@torch.no_grad()
def _tested(network: Encoder, classifier: nn.Linear, test: Images, size: int) -> Accuracy:
    scores = classifier(features(network, test, size=size))
    return accuracy_of(class_ranks(scores, test.labels.to(scores.device)))
