"""What tells the experiments apart: images and texts have measures, settings and words of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from figures.text_measures import IN_TABLES, MEASURES, among, is_drawn, left_out, measured_elsewhere

Words = Mapping[str, str]
"""Settings of a run as words; those that it has not are left out or empty."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment:
    """How the runs of one experiment are called, compared and shown."""

    name: str
    """As run folders have it; tables and figures begin with it."""
    command: str
    """Makes its committed tables."""
    measures: Mapping[str, str]
    """What an encoder is worth, parts of 1: columns and labels, the one that tells most first."""
    more: Callable[[Sequence[str]], dict[str, str]]
    """Of the columns of numbers, further measures, and their labels."""
    table: tuple[str, ...]
    """The measures that are shown, in the order of the README's table; further ones follow."""
    drawn: Callable[[str], bool] = lambda _: True
    """Whether the figure of losses shows this measure."""
    left_out: Callable[[Words], str] = lambda _: ""
    """The measure of the table that is not shown for runs with these settings, as another one is usual there."""
    among: Callable[[str], tuple[str, str]] = lambda _: ("", "")
    """The column of how many passages a measure searches, and how that is told."""
    unit: str
    """Of the measures, times 100."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """What else was measured on the same data: beginnings of columns, and labels."""
    identity: tuple[str, ...]
    """Settings that tell what is trained on what; columns in front."""
    about: Callable[[Words], tuple[str, str]]
    """What is trained on what: for people, and for the name of a file."""
    places: frozenset[str] = frozenset()
    """Data sets that are known by where they lie and by nothing else."""
    clock: tuple[str, str]
    """What curves are drawn against: column and label."""
    of_batches: Mapping[str, str]
    """What batches are like: columns, and the names under which they are logged."""
    panels: Mapping[str, str]
    """Those of them that a figure shows, and the labels of their axes."""
    told: str
    """The same in sentences."""
    note: str = ""
    """How to read the measures, below the README's tables."""


def _of_images(words: Words) -> tuple[str, str]:
    dataset, stem, size = (words.get(name, "") for name in ("dataset", "stem", "image_size"))
    return f"{dataset}, {stem} stem, {size} pixels", f"{dataset}_{stem}_{size}px"


def _of_texts(words: Words) -> tuple[str, str]:
    texts = (words.get("texts") or words.get("dataset", "")).removesuffix(" train")
    if model := words.get("model"):
        fresh = "fresh " if words.get("fresh") == "True" else ""
        return f"{texts}, {fresh}{Path(model).name}", f"{texts}_{fresh}{Path(model).name}"
    layers, width = words.get("layers", ""), words.get("hidden", "")
    return f"{texts}, {layers} layer{'' if layers == '1' else 's'} of {width}", f"{texts}_{layers}x{width}"


def _under_corruptions(columns: Sequence[str]) -> dict[str, str]:
    every = [name for name in columns if "corrupt" in name and name.endswith("recall_at_1")]
    usual = [name for name in every if "severity" not in name] or every
    return {name: name.removesuffix("recall_at_1").replace("_", " ") + "recall@1" for name in usual}


VISION = Experiment(
    name="vision",
    command="make results-vision",
    measures={"probe_top1": "linear probe", "knn_top1": "nearest neighbours", "recall_at_1": "recall@1"},
    more=_under_corruptions,
    table=("recall_at_1", "knn_top1", "probe_top1"),
    unit="%",
    identity=("stem", "image_size"),
    about=_of_images,
    places=frozenset(("folder",)),
    clock=("epoch_of_data", "epochs"),
    of_batches={name: f"plan_{name}" for name in ("hardness", "hardness_before", "purity", "coverage")},
    panels={"hardness": "in-batch loss of a plan (nats)", "purity": "pairs of one class in a batch"},
    told="Left: their loss when they were planned, and (thin) that of random batches of the same pairs. Right: how "
    "often two members are of one class.",
)

TEXT = Experiment(
    name="text",
    command="make results-text",
    measures=MEASURES,
    more=measured_elsewhere,
    table=IN_TABLES,
    drawn=is_drawn,
    left_out=left_out,
    among=among,
    unit="× 100",
    baselines={
        "tfidf_": "TF-IDF",
        "bm25_": "BM25",
        "first_": "candidates as given",
        "untrained_": "untrained",
    },
    identity=("texts", "model"),
    about=_of_texts,
    clock=("update", "updates"),
    of_batches={name: f"plan_{name}" for name in ("hardness", "hardness_before", "coverage")}
    | {"batch_accuracy": "accuracy"},
    panels={"hardness": "in-batch loss of a plan (nats)", "batch_accuracy": "in-batch accuracy in training"},
    told="Left: their loss when they were planned, and (thin) that of random batches of the same pairs. Right: how "
    "often a query of a batch is nearest to its own passage, when the batch is trained on.",
    note="relevant: found among the passages that answer some test query; full: among all passages; re-ranked: "
    "among the candidates that come with each query.",
)

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in (VISION, TEXT)}

NOT_TRAINED = ("untrained_", "tfidf_", "bm25_", "first_")
"""Beginnings of the columns of what was measured on other than the trained encoder."""
