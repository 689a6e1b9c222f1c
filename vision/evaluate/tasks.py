"""What `python -m vision.evaluate` can measure: each measure at each setting is one task."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from torch import Tensor

from vision.assembly import image_pairs
from vision.config import VisionConfig
from vision.data import Corruptions, Images, Split, find_corruptions, load_images
from vision.data.corrupted import published_corruptions
from vision.data.images import subset_rows
from vision.evaluate.corrupted import across_corruption, among_corruptions, check_corrupted
from vision.evaluate.finetune import FineTuning, Start, crop_and_flip, fine_tune
from vision.evaluate.geometry import Collisions, collisions
from vision.evaluate.knn import check_neighbours
from vision.evaluate.load import fresh_encoder
from vision.evaluate.probe import STRENGTHS, check_probe
from vision.evaluate.result import Result
from vision.evaluate.splits import stratified
from vision.evaluate.suite import Passes, usual_neighbours
from vision.model import Encoder

Measure = Literal["retrieval", "geometry", "knn", "probe", "corrupted", "collisions", "finetune", "supervised"]


_MANY = 6
"""So many settings are too many for a table: it shows the unusual ones."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Measure what a trained encoder is worth; results go to RUN/evaluation.json."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    measures: tuple[Measure, ...] = ("retrieval", "geometry", "knn", "probe")
    """retrieval of one view by the other; geometry: alignment, uniformity, rank; knn: nearest neighbours; probe:
    logistic regression; corrupted: retrieval among and across corruptions; collisions: negatives of the anchor's
    class in a plan by these embeddings; finetune: all weights on labels; supervised: likewise, from fresh ones."""
    weights: Path | None = None
    """Measure other weights than RUN/model.pt: those kept on the way, RUN/weights/update-*.pt."""
    data: Path | None = None
    """Folder of the data sets; the run's own if left out."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    split: Split = "test"
    """For retrieval: among test images, or among training images as the code of Cho et al. does."""
    label_fraction: tuple[float, ...] = (1.0,)
    """For probe, finetune and supervised: parts of the labels, 0.01 0.1 1.0 for instance."""
    knn_k: tuple[int, ...] | None = None
    """For knn: neighbours that vote; None for 200, or all training images where there are fewer."""
    knn_temperature: float = 0.1
    """For knn: of their weights."""
    severity: tuple[int, ...] = (1,)
    """For corrupted: 1 to 5."""
    tuning: FineTuning = field(default_factory=FineTuning)
    """For finetune and supervised."""
    seed: int = 0
    """Of the views, of the choices of labels, and of fine-tuning; the same for all runs that are compared."""
    overwrite: bool = False
    """Measure anew what is in evaluation.json already."""


@dataclass(frozen=True)
class Task:
    """One measurement."""

    measure: str
    setting: dict[str, Any]
    """What tells it from others of its measure."""
    images: dict[str, str]
    """The sha256 of all that is measured on."""
    run: Callable[[], Result]
    usual: dict[str, Any] = field(default_factory=dict)
    """The setting where nothing special is asked for."""

    def described(self) -> str:
        """The setting in words; of many only the unusual ones."""
        told = {n: v for n, v in self.setting.items() if len(self.setting) < _MANY or self.usual[n] != v}
        return ", ".join(_in_words(name.replace("_", " "), value) for name, value in told.items()) or "-"


def _in_words(name: str, value: object) -> str:
    return f"{'' if value else 'not '}{name}" if isinstance(value, bool) else f"{name} {value}"


class Tasks:
    """The tasks of a configuration; nothing is computed until one is run, but bad input is refused here.

    Args:
        asked: What to measure.
        config: Of the run.
        encoder: On the device.

    Raises:
        ValueError: If data are absent, or a setting does not fit them.
    """

    def __init__(self, asked: EvaluationConfig, config: VisionConfig, encoder: Encoder) -> None:
        """See the class."""
        self.asked, self.config, self.encoder = asked, config, encoder
        self.device = next(encoder.parameters()).device
        self.data = asked.data or config.data
        side = config.stored_side
        splits = {name: load_images(config.dataset, self.data, name, side) for name in ("train", "test")}
        self.images = {name: split.digest for name, split in splits.items()}
        self.train = splits["train"].subset(config.n_pairs)
        self.test = splits["test"].subset(config.n_test)
        self.knn_k = asked.knn_k or (usual_neighbours(len(self.train)),)
        self.passes = Passes(
            *(encoder, self.train, self.test),
            size=config.image_size,
            augmentation=config.augmentation,
            seed=asked.seed,
        )
        self._check()

    def __iter__(self) -> Iterator[Task]:
        """All of them, in the order in which their measures were given."""
        for measure in dict.fromkeys(self.asked.measures):
            yield from getattr(self, f"_{measure}")()

    def _check(self) -> None:
        asked = self.asked
        if "knn" in asked.measures:
            for k in self.knn_k:
                check_neighbours(len(self.train), k=k, temperature=asked.knn_temperature)
        for fraction in asked.label_fraction if "probe" in asked.measures else ():
            check_probe(self.train.labels, strengths=STRENGTHS, label_fraction=fraction, seed=asked.seed)
        for fraction in asked.label_fraction if {"finetune", "supervised"} & set(asked.measures) else ():
            stratified(self.train.labels, fraction, seed=asked.seed)
        if "collisions" in asked.measures and self.config.selection == "all":
            raise ValueError(
                "collisions need a plan that lists its batches, and 'all' has too many; leave them out"
            )
        for severity in asked.severity if "corrupted" in asked.measures else ():
            check_corrupted(self.corrupted, severity=severity, clean=self.clean)

    @cached_property
    def corrupted(self) -> Corruptions:
        """The corrupted test split."""
        return find_corruptions(self.config.dataset, self.data, self.config.stored_side)

    @cached_property
    def clean(self) -> Images:
        """The whole test split; where images have no size of their own, of that of the corrupted ones."""
        side = None if self.config.stored_side is None else self.corrupted.side
        return load_images(self.config.dataset, self.data, "test", side)

    def _task(
        self, measure: str, setting: dict[str, Any], run: Callable[[], Result], usual: dict[str, Any]
    ) -> Task:
        """One that is measured on the images that the run was trained and tested on."""
        return Task(measure, setting, self.images, run, usual)

    def _retrieval(self) -> Iterator[Task]:
        setting = {"split": self.asked.split, "seed": self.asked.seed}
        images = self.train if self.asked.split == "train" else None
        yield self._task("retrieval", setting, partial(self.passes.retrieval, images), {"split": "test", "seed": 0})

    def _geometry(self) -> Iterator[Task]:
        yield self._task("geometry", {"seed": self.asked.seed}, self.passes.geometry, {"seed": 0})

    def _knn(self) -> Iterator[Task]:
        usual = {"k": usual_neighbours(len(self.train)), "temperature": 0.1}
        for k in self.knn_k:
            setting = {"k": k, "temperature": self.asked.knn_temperature}
            yield self._task("knn", setting, partial(self.passes.knn, **setting), usual)

    def _probe(self) -> Iterator[Task]:
        for fraction in self.asked.label_fraction:
            setting = {"label_fraction": fraction, "seed": self.asked.seed}
            usual = {"label_fraction": 1.0, "seed": 0}
            yield self._task("probe", setting, partial(self.passes.probe, **setting), usual)

    def _corrupted(self) -> Iterator[Task]:
        config, asked, corrupted = self.config, self.asked, self.corrupted
        # Those that the run was tested on where the whole split is corrupted, else as many of what there is.
        n_images = min(config.n_test or corrupted.n, corrupted.n)
        given = (self.encoder, corrupted, self.clean)
        shared = {"size": config.image_size, "rows": subset_rows(corrupted.n, n_images)}
        told = {
            "recomputed": corrupted.recomputed,
            "n_corruptions": len(corrupted.names),
            "n_images": n_images,
        }
        usual = {
            "severity": 1,
            "seed": 0,
            "recomputed": False,
            "n_corruptions": len(published_corruptions(config.dataset)),
            "n_images": len(self.test),
        }
        for severity in asked.severity:
            images = {"corrupted": corrupted.digest(severity), "clean": self.clean.digest}
            views = {"augmentation": config.augmentation, "seed": asked.seed}
            run = partial(among_corruptions, *given, severity=severity, **views, **shared)
            setting = {**told, "severity": severity, "seed": asked.seed}
            yield Task("among_corruptions", setting, images, run, usual)
            run = partial(across_corruption, *given, severity=severity, **shared)
            yield Task("across_corruption", {**told, "severity": severity}, images, run, usual)

    def _collisions(self) -> Iterator[Task]:
        setting = {"selection": self.config.selection, "seed": self.asked.seed}
        yield self._task("collisions", setting, self._collide, {"selection": self.config.selection, "seed": 0})

    def _collide(self) -> Collisions:
        """In a plan as the run makes them, but of the seed that is asked for."""
        config = replace(self.config, seed=self.asked.seed)
        rule = config.rule(config.chosen_apart(self.train.labels))
        # A copy, as embedding with the statistics of batches moves the running ones.
        pairs = image_pairs(deepcopy(self.encoder), self.train.to(self.device), config)
        plan = rule.plan(len(self.train), config.batch_size, seed=config.seed, epoch=0, embed=pairs.embed)
        assert isinstance(plan.batches, Tensor)  # `_check` has refused the one that has not
        return collisions(plan.batches, self.train.labels)

    def _finetune(self) -> Iterator[Task]:
        yield from self._tuned("finetune", self.encoder, "trained")

    def _supervised(self) -> Iterator[Task]:
        yield from self._tuned("supervised", fresh_encoder(self.config).to(self.device), "fresh")

    def _tuned(self, measure: str, encoder: Encoder, start: Start) -> Iterator[Task]:
        usual = {"label_fraction": 1.0, **asdict(FineTuning()), "seed": 0}
        for fraction in self.asked.label_fraction:
            run = partial(
                fine_tune,
                *(encoder, self.train, self.test),
                size=self.config.image_size,
                augmentation=crop_and_flip(self.config.augmentation),
                tuning=self.asked.tuning,
                label_fraction=fraction,
                seed=self.asked.seed,
                start=start,
            )
            setting = {"label_fraction": fraction, **asdict(self.asked.tuning), "seed": self.asked.seed}
            yield self._task(measure, setting, run, usual)
