"""Read a data set and say what is there, and what is wrong with it: `python -m text.data NAME [options]`.

    python -m text.data msmarco-sample
    python -m text.data beir --data data/beir-scifact --split test
    python -m text.data pairs --data my-pairs.tsv --on-problem skip
    python -m text.data stsbenchmark

Training does the same when it starts. Status 2 means files with problems, or none at all.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import Float32

from batching.cli import cli
from batching.table import aligned
from text.data.datasets import DATASETS, known_dataset, load_texts
from text.data.files import MissingFilesError
from text.data.msmarco import FOLDER, folder_in
from text.data.problems import OnProblem
from text.data.published import compared
from text.data.sts import STS, load_sts
from text.data.texts import Lists, Texts
from text.data.textset import TextSet
from training import run_command

_AT_MOST = 100_000
"""Texts whose words are counted, of a larger number evenly spaced ones."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to read."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """docstrings, msmarco, msmarco-sample, beir, pairs, sentences, stsbenchmark or sick."""
    data: Path | None = None
    """Where it lies: the folder of the data sets (data), or the folder or file itself for beir, pairs, sentences
    and docstrings."""
    split: str | None = None
    """The part to read; all that are there if not given."""
    on_problem: OnProblem = "refuse"
    """Lines that cannot be read, empty texts, unknown ids: refuse the file, or skip and count them."""
    hard_negatives: Path | None = None
    """File of hard negatives of the train part, by id: JSONL or TSV."""

    def __post_init__(self) -> None:
        """Check name, split and hard negatives.

        Raises:
            ValueError: If one is unknown, or does not go with the others.
        """
        if self.name not in STS:
            known_dataset(self.name)
        if self.split is not None and self.split not in self.all_splits:
            raise ValueError(
                f"--split of {self.name} must be one of {', '.join(self.all_splits)}, got {self.split!r}"
            )

        if self.hard_negatives is not None and (self.name in STS or self.split not in (None, "train")):
            part = self.name if self.split is None else f"{self.name} {self.split}"
            raise ValueError(f"--hard-negatives is for queries of a train part, got it for {part}; leave it out")

    @property
    def all_splits(self) -> tuple[str, ...]:
        """Parts that the data set has."""
        return tuple(STS[self.name].files) if self.name in STS else DATASETS[self.name].splits

    @property
    def splits(self) -> tuple[str, ...]:
        """Those to read."""
        return self.all_splits if self.split is None else (self.split,)


def main(options: Options) -> str:
    """Read, count, compare with what is published.

    Returns:
        What is printed.

    Raises:
        ValueError: If nothing is there, or files have problems that are not to be skipped.
    """
    counts: dict[str, dict[str, str]] = {}
    absent: list[MissingFilesError] = []
    for split in options.splits:
        try:
            counts[split] = _scored(options, split) if options.name in STS else _described(options, split)
        except MissingFilesError as error:
            absent.append(error)
    if not counts:
        raise absent[0]
    title, files = _told(options.name)
    names = list(dict.fromkeys(name for of_split in counts.values() for name in of_split))
    rows = [[name, *(of_split.get(name, "-") for of_split in counts.values())] for name in names]
    text = f"{options.name}: {title}\n{files}\n\n{aligned([options.name, *counts], rows)}"
    text += "".join(f"\nnot there: {error}\n" for error in absent) + _checksums(options)
    sys.stdout.write(text)
    return text


def _told(name: str) -> tuple[str, str]:
    if name in STS:
        return STS[name].title, f"--data (data): a folder with {name}/{', '.join(STS[name].files.values())}"
    return DATASETS[name].title, DATASETS[name].files


def _described(options: Options, split: str) -> dict[str, str]:
    """Name and number of everything that can be counted."""
    negatives = options.hard_negatives if split == "train" else None
    texts = load_texts(options.name, options.data, split, on_problem=options.on_problem, hard_negatives=negatives)
    relevant = texts.relevant.above(texts.threshold)
    return {
        "queries": f"{len(texts.queries):,}",
        "passages": f"{len(texts.passages):,}",
        "relevant passages": f"{len(relevant.items):,}",
        **_per_query("relevant", relevant),
        **({} if texts.relevant.grades is None else {"grades": _grades(texts.relevant.grades)}),
        **({} if texts.threshold == 0 else {"relevant is a grade above": f"{texts.threshold:g}"}),
        **({} if texts.candidates is None else _candidates(texts, texts.candidates, relevant)),
        **({} if texts.own is None else {"queries that are passages": f"{(texts.own >= 0).sum():,}"}),
        **({} if texts.negatives is None else _per_query("hard negatives", texts.negatives)),
        "words of a query (median, 90 %)": _words(texts.queries),
        "words of a passage (median, 90 %)": _words(texts.passages),
        **_skipped(texts.skipped),
    }


def _scored(options: Options, split: str) -> dict[str, str]:
    pairs = load_sts(options.name, options.data, split, on_problem=options.on_problem)
    low, mean, high = pairs.scores.min(), pairs.scores.mean(), pairs.scores.max()
    return {
        "pairs": f"{len(pairs.scores):,}",
        "scores (least, mean, most)": f"{low:g}, {mean:.2f}, {high:g}",
        "words of a sentence (median, 90 %)": _words(pairs.first),
        **_skipped(pairs.skipped),
    }


def _skipped(counts: Mapping[str, int]) -> dict[str, str]:
    return {f"left out: {kind}": f"{number:,}" for kind, number in counts.items()}


def _per_query(name: str, lists: Lists) -> dict[str, str]:
    lengths = lists.lengths
    return {f"{name} a query (least, mean, most)": f"{lengths.min():,}, {lengths.mean():.2f}, {lengths.max():,}"}


def _grades(grades: Float32[np.ndarray, " n"]) -> str:
    values, counts = np.unique(grades, return_counts=True)
    return ", ".join(f"{value:g}: {count:,}" for value, count in zip(values, counts, strict=True))


def _candidates(texts: TextSet, candidates: Lists, relevant: Lists) -> dict[str, str]:
    n = max(1, len(texts.passages))
    found = np.isin(candidates.rows * n + candidates.items, relevant.rows * n + relevant.items)
    holding = len(np.unique(candidates.rows[found]))
    return {
        **_per_query("candidates", candidates),
        "queries with a relevant candidate": f"{holding:,}",
        "order of candidates": "of the first retriever" if texts.ranked else "none",
    }


def _words(texts: Texts) -> str:
    index = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), _AT_MOST)).astype(np.int64))
    counts = [len(text.split()) for text in texts.take(index)]
    return f"{np.median(counts):g}, {np.quantile(counts, 0.9):g}"


def _checksums(options: Options) -> str:
    """What is and what is not as it was published."""
    if options.name != "msmarco":
        return ""
    folder = folder_in(options.data or Path("data"), FOLDER)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    rows = [
        [file.name, "as published" if same else "NOT the published file: fetch it again, if you did not change it"]
        for file, same in compared(options.name, [*files, *filter(None, [options.hard_negatives])]).items()
    ]
    return f"\n{aligned(['file', 'md5'], rows, words=2)}" if rows else ""


def parse(argv: Sequence[str]) -> Options:
    """The options that a command line asks for."""
    return cli(Options, argv, prog="python -m text.data", description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
