"""Pairs and sentences from one's own files: a query and a passage that answers it in each line.

    TSV          query, passage and perhaps a hard negative; or in the order that a first line of names gives
    JSONL        {"query": ..., "passage": ..., "negative": ...}, or "negatives": [...]; Parquet likewise
    sentences    a text file; every line is a query whose one passage is itself, as in SimCSE

Names may also be question and answer, anchor and positive, ..., see `text.data.columns`.
"""

import logging
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from text.data.columns import PASSAGE, QUERY, ROLES, columns_of, is_header
from text.data.files import CACHE, READER
from text.data.ids import distinct
from text.data.problems import MALFORMED, OnProblem, Problem, Problems, shown
from text.data.reading import Layout, line_blocks, tables
from text.data.records import checked_text, json_lines, parquet_rows, text_in
from text.data.store import cached
from text.data.texts import Lists, Texts
from text.data.textset import TextSet

SPLITS = ("train", "test")
SUFFIXES = (".tsv", ".txt", ".jsonl", ".parquet")
_LOG = logging.getLogger("contrabatch")


class Row(NamedTuple):
    """A query, a passage that answers it, and passages that do not, from one line."""

    line: int
    query: str
    passage: str
    negatives: tuple[str, ...] = ()


Reader = Callable[[Path, Problems], Iterator[Row]]


def load_pairs(data: Path, split: str, on_problem: OnProblem) -> TextSet:
    """Pairs of a file or a folder.

    Lines with the same query are one query with several passages; identical passages are one passage. The passages
    of a part are those that its lines name. Ids are the lines where a text was first: "17" for the query and the
    passage of line 17, "17-1" for its first negative.

    Args:
        data: A file, of which `is_held_out` decides what is test; or a folder with train.* and test.*.
        split: train or test.
        on_problem: What becomes of problems.

    Raises:
        ValueError: If there is no such file, or it has problems that are not to be skipped.

    Cost: about 10 microseconds a line, the first time; the texts are held in memory then.
    """
    return _load(data, split, on_problem, "pairs", SUFFIXES, pair_rows)


def load_sentences(data: Path, split: str, on_problem: OnProblem) -> TextSet:
    """Sentences, one in each line: the queries are the passages. A sentence that comes again is taken once.

    A file that was cut anywhere ends with a part of a sentence; it is kept, as no one can know.
    Finding a sentence among the test sentences is no measure of an encoder: those of STS are.

    Args: See `load_pairs`.

    Raises:
        ValueError: See `load_pairs`.
    """
    read = _load(data, split, on_problem, "sentences", (".txt",), sentence_rows)
    return replace(read, passages=read.queries, passage_ids=read.query_ids)


def is_held_out(query: str) -> bool:
    """Whether a query is in the test part, a tenth of all: its hash decides, whatever else is in the file."""
    return int.from_bytes(sha256(query.encode()).digest()[:8]) % 10 == 0


def pair_rows(file: Path, problems: Problems) -> Iterator[Row]:
    """The pairs of a TSV, JSONL or Parquet file."""
    if ".jsonl" in file.suffixes:
        return _from_records(file, json_lines(file, problems), problems)
    if ".parquet" in file.suffixes:
        return _from_records(file, parquet_rows(file, problems), problems)
    return _from_columns(file, problems)


def sentence_rows(file: Path, problems: Problems) -> Iterator[Row]:
    """Every line, as a query and as its passage."""
    layout = Layout(columns={0: "sentence"}, n_columns=range(1, 2), separator=None)
    for table in tables(file, layout, problems):
        for line, text in zip(table.lines.tolist(), table.columns[0], strict=True):
            yield Row(line, text, text)


def _load(
    data: Path, split: str, on_problem: OnProblem, dataset: str, suffixes: tuple[str, ...], read: Reader
) -> TextSet:
    file, held_out = _part(data, split, dataset, suffixes)

    def build() -> TextSet:
        problems = Problems(on_problem)
        rows = read(file, problems)
        if held_out is not None:
            rows = (row for row in rows if is_held_out(row.query) == held_out)
        found = _grouped(file, rows)
        skipped = problems.settle(name)
        if not len(found.queries):
            raise ValueError(
                f"the {split} part of {file} must have at least one line, got none; take a longer file"
            )
        return replace(found, name=name, skipped=skipped)

    name = f"{data.resolve().name.split('.')[0]} {split}"
    settings = {"on_problem": on_problem, "held_out": held_out, "read": dataset, "reader": READER}
    return cached(data.resolve().parent / CACHE, name, [file], settings, build)


def _part(data: Path, split: str, dataset: str, suffixes: tuple[str, ...]) -> tuple[Path, bool | None]:
    """The file that a part is in, and whether the held-out lines are meant; None for all."""
    endings = [f"{suffix}{end}" for suffix in suffixes for end in ("", ".gz") if suffix != ".parquet" or not end]
    if data.is_file():
        if not data.name.endswith(tuple(endings)):
            raise ValueError(f"{data} must end with one of {', '.join(endings)}, got {data.name!r}; rename it")
        return data, split == "test"
    files = {
        part: [data / f"{part}{end}" for end in endings if (data / f"{part}{end}").is_file()] for part in SPLITS
    }
    if any(len(found) != 1 for found in files.values()):
        names = ", ".join(path.name for found in files.values() for path in found) or "neither"
        raise ValueError(
            f"--data must be a file of {dataset}, or a folder with one train and one test file that end with "
            f"{', '.join(endings)}, got {data}{f' with {names}' if data.is_dir() else ', which is not there'}; "
            f"name one that is"
        )
    return files[split][0], None


def _from_columns(file: Path, problems: Problems) -> Iterator[Row]:
    first = next((block for _, block in line_blocks(file)), b"").split(b"\n")
    head = first[0].decode(errors="replace").split("\t")
    if is_header(head):
        taken = columns_of(tuple(head))
        taken.check(file)
        layout = Layout(
            columns=taken.places(head), n_columns=range(len(head), len(head) + 1), headers=(tuple(head),)
        )
        _LOG.info("%s: %s", file, taken.told)
    else:
        # The first line that has 2 or 3 columns decides; lines of another number are problems.
        n = next((n for line in first if (n := line.count(b"\t") + 1) in (2, 3)), 2)
        layout = Layout(columns=dict(enumerate(ROLES[:n])), n_columns=range(n, n + 1))
    for table in tables(file, layout, problems):
        for line, query, passage, *negatives in zip(table.lines.tolist(), *table.columns, strict=True):
            yield Row(line, query, passage, tuple(negatives))


def _from_records(file: Path, records: Iterator[tuple[int, dict[str, Any]]], problems: Problems) -> Iterator[Row]:
    told: set[str] = set()
    for line, record in records:
        keys = columns_of(tuple(record))
        try:
            row = Row(
                line,
                text_in(record, *keys.query or QUERY),
                text_in(record, *keys.passage or PASSAGE),
                _negatives(record, keys.negative),
            )
        except Problem as problem:
            problems.add(problem.kind, file, line, str(problem))
            continue
        if keys.told not in told:
            told.add(keys.told)
            _LOG.info("%s: %s", file, keys.told)
        yield row


def _negatives(record: dict[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Of one line; none where the key is absent or null."""
    value = next((record[key] for key in keys if record.get(key) is not None), [])
    if not isinstance(value, list):
        value = [value]
    if any(isinstance(text, list | dict) for text in value):
        raise Problem(MALFORMED, f"needs a text or a list of texts as negatives, got {shown(value)}")
    return tuple(checked_text(text, "negative") for text in value)


class _Numbers:
    """Texts in the order in which they come first, and the names that they got then."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self.names: list[str] = []

    def number(self, text: str, name: str) -> int:
        """The number of a text."""
        number = self.of.setdefault(text, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number


def _grouped(file: Path, rows: Iterator[Row]) -> TextSet:
    """Queries and passages, each once."""
    queries, passages = _Numbers(), _Numbers()
    positives, negatives = array("q"), array("q")
    for row in rows:
        query = queries.number(row.query, str(row.line))
        positives.extend((query, passages.number(row.passage, str(row.line))))
        for rank, text in enumerate(row.negatives, 1):
            negatives.extend((query, passages.number(text, f"{row.line}-{rank}")))
    n, n_passages = len(queries.names), len(passages.names)
    query, passage = _once(positives, n_passages)
    if again := len(positives) // 2 - len(query):
        _LOG.info("%s: %d lines have a pair that an earlier one has, which was taken once", file, again)
    relevant = Lists.grouped(query, passage, n)
    hard = None
    if negatives:
        query_of, negative = _once(negatives, n_passages)
        wrong = ~np.isin(query_of * n_passages + negative, query * n_passages + passage)
        hard = Lists.grouped(query_of[wrong], negative[wrong], n)
    return TextSet(
        name=str(file),
        queries=Texts.of(queries.of),
        passages=Texts.of(passages.of),
        query_ids=Texts.of(queries.names),
        passage_ids=Texts.of(passages.names),
        relevant=relevant,
        negatives=hard,
    )


def _once(couples: array, n_items: int) -> tuple[Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"]]:
    """Flat couples, each where it comes first."""
    rows, items = np.frombuffer(couples, np.int64).reshape(-1, 2).T if couples else np.empty((2, 0), np.int64)
    index = distinct(rows, items, n_items)
    return rows[index], items[index]
