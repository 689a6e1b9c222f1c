"""The data sets of texts, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from text.data import beir, docstrings, msmarco, pairs
from text.data.files import CACHE
from text.data.problems import OnProblem
from text.data.textset import TextSet


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What can be known before any file is read."""

    title: str
    splits: tuple[str, ...]
    files: str
    """Where they must lie."""
    load: Callable[[Path | None, str, OnProblem, Path | None], TextSet]
    """Of data, split, on_problem and hard_negatives."""
    needs_data: bool = False
    """Whether the files are the user's own, so that there is no usual place for them."""
    takes_negatives: bool = False
    """Whether queries and passages have ids that a file of hard negatives can name."""


def _in_data(
    load: Callable[[Path, str, OnProblem, Path | None], TextSet],
) -> Callable[[Path | None, str, OnProblem, Path | None], TextSet]:
    return lambda data, split, on_problem, negatives: load(data or Path("data"), split, on_problem, negatives)


def _alone(
    load: Callable[[Path, str, OnProblem], TextSet],
) -> Callable[[Path | None, str, OnProblem, Path | None], TextSet]:
    return lambda data, split, on_problem, _: load(data or Path(), split, on_problem)


DATASETS: dict[str, Dataset] = {
    "docstrings": Dataset(
        title="docstrings of Python files: the first sentence asks, the rest answers",
        splits=("train", "validation", "test"),
        files="--data: a folder of Python files; without it the standard library of this Python, nothing to fetch",
        load=lambda data, split, on_problem, _: docstrings.load_docstrings(data, split, on_problem),
    ),
    "msmarco": Dataset(
        title="MS MARCO passage ranking, 8.8 million passages",
        splits=tuple(msmarco.SPLITS),
        files=(
            f"--data (data): a folder with {msmarco.FOLDER}/collection.tsv, queries.train.tsv, qrels.train.tsv, "
            f"queries.dev.small.tsv (or queries.dev.tsv), qrels.dev.small.tsv, for dev queries.dev.tsv and "
            f"qrels.dev.tsv, for top1000 top1000.dev, for dl19 msmarco-test2019-queries.tsv, for dl20 "
            f"msmarco-test2020-queries.tsv, from {msmarco.BASE}; 2019qrels-pass.txt and 2020qrels-pass.txt from "
            f"{msmarco.TREC}; for run run.dev.small.tsv (or .trec, .txt), of a first retriever; for non-commercial "
            "research only"
        ),
        load=_in_data(msmarco.load_msmarco),
        takes_negatives=True,
    ),
    "msmarco-sample": Dataset(
        title="a sample of MS MARCO, 31,405 passages",
        splits=tuple(msmarco.SAMPLE_SPLITS),
        files=(
            f"--data (data): a folder with {msmarco.SAMPLE_FOLDER}/collection.tsv, queries.train.sample.tsv, "
            f"qrels.train.sample.tsv, queries.dev.small.tsv, qrels.dev.small.with-text.tsv, dev600.candidates.tsv; "
            "not for download: where it is missing, its presets of text.train take --dataset msmarco"
        ),
        load=_in_data(msmarco.load_sample),
        takes_negatives=True,
    ),
    "beir": Dataset(
        title="a data set in the format of BEIR",
        splits=beir.SPLITS,
        files="--data: a folder with corpus.jsonl, queries.jsonl and qrels/train.tsv, dev.tsv or test.tsv",
        load=lambda data, split, on_problem, negatives: beir.load_beir(
            data or Path(), split, on_problem, negatives
        ),
        needs_data=True,
        takes_negatives=True,
    ),
    "pairs": Dataset(
        title="queries and passages of your own",
        splits=pairs.SPLITS,
        files=(
            "--data: a TSV (query, passage, perhaps hard negative), JSONL or Parquet (query, passage, perhaps "
            "negative or negatives; or anchor, positive; or question, answer, ...) file, a tenth of whose queries "
            "is the test part; or a folder with train.* and test.*"
        ),
        load=_alone(pairs.load_pairs),
        needs_data=True,
    ),
    "sentences": Dataset(
        title="sentences of your own, each its own positive",
        splits=pairs.SPLITS,
        files=(
            "--data: a .txt file with a sentence in each line, a tenth of which is the test part; or a folder with "
            "train.txt and test.txt"
        ),
        load=_alone(pairs.load_sentences),
        needs_data=True,
    ),
}


def load_texts(
    dataset: str,
    data: Path | None,
    split: str,
    *,
    on_problem: OnProblem = "refuse",
    hard_negatives: Path | None = None,
) -> TextSet:
    """A part of a data set.

    Args:
        dataset: One of `DATASETS`.
        data: Where its files lie, see there; None for the usual place.
        split: One of the parts that it has.
        on_problem: Refuse files with lines that cannot be read, texts that are empty and ids that nothing has; or
            leave these out, count them in `TextSet.skipped` and log them under "contrabatch".
        hard_negatives: File that names hard negatives of training queries by id, see `text.data.negatives`.

    Raises:
        ValueError: If there is no such data set, part or file, or files have problems that are not to be skipped.
    """
    known = known_dataset(dataset)
    if split not in known.splits:
        raise ValueError(f"split of {dataset} must be one of {', '.join(known.splits)}, got {split!r}")
    if data is None and known.needs_data:
        raise ValueError(f"{dataset} needs --data, got none; {known.files.removeprefix('--data: ')}")
    if hard_negatives is not None:
        _check_negatives(dataset, split, hard_negatives)
    return known.load(data, split, on_problem, hard_negatives)


def cache_folder(dataset: str, data: Path | None) -> Path:
    """Where what was made of a data set is kept: beside its files, never among the user's own."""
    if data is None:
        return Path("data") / CACHE
    itself = DATASETS[dataset].needs_data or dataset == "docstrings" or (data / "collection.tsv").is_file()
    return (data.resolve().parent if itself else data) / CACHE


def known_dataset(name: str) -> Dataset:
    """The data set of this name.

    Raises:
        ValueError: If there is none.
    """
    if name not in DATASETS:
        raise ValueError(f"data set must be one of {', '.join(DATASETS)}, got {name!r}")
    return DATASETS[name]


def _check_negatives(dataset: str, split: str, file: Path) -> None:
    if not DATASETS[dataset].takes_negatives:
        takers = ", ".join(name for name, known in DATASETS.items() if known.takes_negatives)
        raise ValueError(
            f"--hard-negatives names texts by their ids, which {takers} have, got it for {dataset}; leave it out "
            f"(pairs may have negatives in their own file)"
        )
    if split != "train":
        raise ValueError(f"hard negatives are for the train part, got the {split} part; leave them out")
    if not file.is_file():
        raise ValueError(f"--hard-negatives must be a JSONL or TSV file, plain or gzipped, got {file}, no file")
