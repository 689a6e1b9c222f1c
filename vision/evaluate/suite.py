"""Several measures of one encoder, with one pass over the images for those that need the same."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Protocol, get_args, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from vision.augmentation import Augmentation
from vision.data import Images
from vision.evaluate.features import features
from vision.evaluate.geometry import Geometry, geometry
from vision.evaluate.knn import Neighbours, nearest_neighbours
from vision.evaluate.probe import Probe, linear_probe
from vision.evaluate.retrieval import Retrieval, retrieve
from vision.model import Encoder
from vision.pairs import ImagePairs

QuickMeasure = Literal["retrieval", "geometry", "knn", "probe"]
_NEIGHBOURS = 200


@runtime_checkable
class Settings(Protocol):
    """What is asked of a configuration; `VisionConfig` has it."""

    @property
    def image_size(self) -> int:
        """Side of what the encoder sees, in pixels."""
        ...

    @property
    def augmentation(self) -> Augmentation:
        """Of the views."""
        ...

    @property
    def seed(self) -> int:
        """Of the views."""
        ...


class Passes:
    """An encoder's features and embeddings of two splits, computed once, when they are first asked for.

    Args:
        encoder: Not changed meanwhile.
        train: On any device.
        test: Likewise.
        size: Of what the encoder sees, in pixels.
        augmentation: Of the views.
        seed: Of the views.
    """

    def __init__(
        self, encoder: Encoder, train: Images, test: Images, *, size: int, augmentation: Augmentation, seed: int
    ) -> None:
        """See the class."""
        self.encoder, self.train, self.test = encoder, train, test
        self.size, self.augmentation, self.seed = size, augmentation, seed
        self.device = next(encoder.parameters()).device

    @cached_property
    def classified(
        self,
    ) -> tuple[
        Float[Tensor, "n_train 512"],
        Int64[Tensor, " n_train"],
        Float[Tensor, "n_test 512"],
        Int64[Tensor, " n_test"],
    ]:
        """Features and labels of both splits: what a classifier is trained and tested on."""
        first, second = (features(self.encoder, split, size=self.size) for split in (self.train, self.test))
        return first, self.train.labels.to(self.device), second, self.test.labels.to(self.device)

    def pairs(self, images: Images) -> ImagePairs:
        """Two views of each of these images."""
        return ImagePairs(self.encoder, images, augmentation=self.augmentation, size=self.size, seed=self.seed)

    @cached_property
    def embedded(self) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        """The two views of each test image."""
        training = self.encoder.training
        try:
            return self.pairs(self.test).embed(None)
        finally:
            self.encoder.train(training)

    def retrieval(self, images: Images | None = None) -> Retrieval:
        """See `retrieve`; among test images unless others are given."""
        return retrieve(self.pairs(self.test), self.embedded) if images is None else retrieve(self.pairs(images))

    def geometry(self) -> Geometry:
        """See `geometry`."""
        return geometry(self.pairs(self.test), self.embedded)

    def knn(self, k: int, temperature: float) -> Neighbours:
        """See `nearest_neighbours`."""
        return nearest_neighbours(*self.classified, k=k, temperature=temperature)

    def probe(self, label_fraction: float, seed: int) -> Probe:
        """See `linear_probe`."""
        return linear_probe(*self.classified, label_fraction=label_fraction, seed=seed)


def usual_neighbours(n_train: int) -> int:
    """How many vote unless something else is asked for: 200, or all where there are fewer."""
    return min(_NEIGHBOURS, n_train)


def evaluate(
    encoder: Encoder, train: Images, test: Images, config: Settings, measures: Sequence[str]
) -> dict[str, float]:
    """Numbers of an encoder by flat names, ready for a log; for the end of a run and on the way.

    retrieval   recall_at_1, recall_at_1_u_to_v, recall_at_1_v_to_u
    geometry    alignment, uniformity, effective_rank
    knn         knn_top1, knn_top5: k = 200 (all training images where they are fewer), T = 0.1
    probe       probe_top1, probe_top5: all labels of the training images, the same validation images for every run

    Args:
        encoder: On its device; left as it is.
        train: On any device.
        test: On the encoder's device or the CPU.
        config: Of the run.
        measures: Some of the above.

    Raises:
        ValueError: If there is no such measure, or the encoder gives numbers that are not finite.
    """
    if unknown := set(measures) - set(get_args(QuickMeasure)):
        raise ValueError(
            f"measures must be of {', '.join(get_args(QuickMeasure))}, got {', '.join(sorted(unknown))}; "
            "`python -m vision.evaluate` has more"
        )
    if not measures:
        return {}
    passes = Passes(
        *(encoder, train, test), size=config.image_size, augmentation=config.augmentation, seed=config.seed
    )
    found: dict[str, float] = {}
    if "retrieval" in measures:
        retrieval = passes.retrieval()
        found |= {"recall_at_1": retrieval.recall_at_1}
        found |= {"recall_at_1_u_to_v": retrieval.u_to_v, "recall_at_1_v_to_u": retrieval.v_to_u}
    if "geometry" in measures:
        found |= passes.geometry().values()
    if "knn" in measures:
        knn = passes.knn(usual_neighbours(len(train)), 0.1)
        found |= {"knn_top1": knn.top1, "knn_top5": knn.top5}
    if "probe" in measures:
        probe = passes.probe(1.0, 0)
        found |= {"probe_top1": probe.top1, "probe_top5": probe.top5}
    return found
