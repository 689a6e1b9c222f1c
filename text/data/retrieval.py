"""Data sets for retrieval: passages, queries, and judgements that name both by their ids."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from text.data.files import READER
from text.data.ids import Ids, Named, distinct, named
from text.data.negatives import read_negatives
from text.data.problems import CONFLICT, MALFORMED, UNKNOWN, OnProblem, Problem, Problems, shown
from text.data.reading import Layout, Table, numbers, read_table
from text.data.records import json_lines, text_in
from text.data.store import cached
from text.data.texts import Lists, Texts
from text.data.textset import TextSet

_LOG = logging.getLogger("contrabatch")
_ANY = (-np.inf, np.inf)
_CANDIDATES = Layout(columns={0: "query id", 1: "passage id", 2: "rank"}, n_columns=range(5, 6))


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files of one part of a data set."""

    dataset: str
    split: str
    passages: Path
    queries: Path
    judgements: Path
    layout: Layout
    """Of the judgements: query id, passage id, relevance."""
    candidates: Path | None = None
    """(query id, passage id, rank, ...): the part is the queries in there."""
    negatives: Path | None = None

    @property
    def name(self) -> str:
        """Data set and part."""
        return f"{self.dataset} {self.split}"

    @property
    def files(self) -> list[Path]:
        """All of them."""
        paths = (self.passages, self.queries, self.judgements, self.candidates, self.negatives)
        return [path for path in paths if path is not None]


def load_source(source: Source, cache: Path | None, on_problem: OnProblem) -> TextSet:
    """Read a part, or map what was read before.

    Passages are all that there are, in the order of their file. Queries are those with a relevant passage
    (relevance above 0), in the order of theirs: nothing can be learned from the others, or measured on them.
    Judgements of 0 and below are left out; grades are kept unless all are 1.

    The passages are stored once for all parts, so they must be good before anything else is read.

    Raises:
        ValueError: If files have problems that are not to be skipped, or nothing is left.
    """
    settings = {"on_problem": on_problem, "reader": READER}
    all_passages = cached(
        cache,
        f"{source.dataset} passages",
        [source.passages],
        settings,
        lambda: _read_passages(source, Problems(on_problem)),
    )
    part = cached(
        cache, source.name, source.files, settings, lambda: _read_part(source, all_passages, Problems(on_problem))
    )
    skipped = dict(Counter(all_passages.skipped) + Counter(part.skipped))
    return replace(part, passages=all_passages.passages, passage_ids=all_passages.passage_ids, skipped=skipped)


def read_texts(file: Path, name: str, problems: Problems) -> Table:
    """Ids and texts: TSV as MS MARCO has it, JSONL with `_id`, `text` and perhaps `title` as BEIR has it."""
    if ".jsonl" not in file.suffixes:
        return read_table(file, Layout(columns={0: f"{name} id", 1: name}, n_columns=range(2, 3)), problems)
    ids, texts, lines = [], [], []
    for line, record in json_lines(file, problems):
        try:
            row = text_in(record, "_id"), _with_title(record)
        except Problem as problem:
            problems.add(problem.kind, file, line, str(problem))
        else:
            ids.append(row[0])
            texts.append(row[1])
            lines.append(line)
    return Table(file, (Texts.of(ids), Texts.of(texts)), np.array(lines, np.int64))


def _with_title(record: dict[str, Any]) -> str:
    """Title, space, text: many passages have no title, some nothing but a title."""
    title, text = record.get("title") or "", record.get("text")
    if not isinstance(title, str):
        raise Problem(MALFORMED, f"needs a text as title, got {shown(title)}")
    return text_in(record | {"text": f"{title} {text}".strip()} if isinstance(text, str) else record, "text")


def _read_passages(source: Source, problems: Problems) -> TextSet:
    passages = named(read_texts(source.passages, "passage", problems), problems)
    skipped = problems.settle(source.name)
    if not len(passages.ids):
        raise ValueError(f"{source.passages} must hold at least one passage, got none; give it its passages")
    nothing = Texts.of([])
    return TextSet(
        name=f"{source.dataset} passages",
        queries=nothing,
        query_ids=nothing,
        passages=passages.texts,
        passage_ids=passages.ids,
        relevant=Lists.of([]),
        skipped=skipped,
    )


def _read_part(source: Source, collection: TextSet, problems: Problems) -> TextSet:
    """The part without its passages."""
    passages = Named(collection.passage_ids, collection.passages, Ids(collection.passage_ids))
    queries = named(read_texts(source.queries, "query", problems), problems)
    relevant = _read_judgements(source, queries, passages, problems)
    candidates = None
    if source.candidates is not None:
        candidates = _read_candidates(source, source.candidates, queries, passages, problems)
    negatives = None
    if source.negatives is not None:
        negatives = read_negatives(source.negatives, queries, passages, relevant, problems)
    skipped = problems.settle(source.name)
    kept = np.flatnonzero((relevant.lengths > 0) & (True if candidates is None else candidates.lengths > 0))
    if not len(kept):
        raise ValueError(
            f"{source.judgements} must name a relevant passage for at least one query of {source.queries}, got "
            f"none; take files that belong together"
        )
    if len(kept) < len(queries.ids):
        _LOG.info("%s: %d of %d queries belong to it", source.name, len(kept), len(queries.ids))
    nothing = Texts.of([])
    read = TextSet(
        name=source.name,
        queries=queries.texts,
        query_ids=queries.ids,
        passages=nothing,
        passage_ids=nothing,
        relevant=relevant,
        negatives=negatives,
        candidates=candidates,
        skipped=skipped,
    )
    return read.of_queries(kept)


def _read_judgements(source: Source, queries: Named, passages: Named, problems: Problems) -> Lists:
    """The relevant passages of each query."""
    table = read_table(source.judgements, source.layout, problems)
    table, grades = numbers(table, 2, "relevance", _ANY, problems)
    table, rows, items, known = _known(table, source, queries, passages, problems)
    grades = grades[known]
    _, first, inverse = np.unique(rows * len(passages.ids) + items, return_index=True, return_inverse=True)
    before = first[inverse]
    differs = np.flatnonzero(grades != grades[before])
    problems.add_all(
        CONFLICT,
        table.file,
        table.lines[differs],
        lambda i: (
            f"needs the relevance of line {table.lines[before[differs[i]]]} for the same query and passage, "
            f"{grades[before[differs[i]]]:g}, got {grades[differs[i]]:g}"
        ),
    )
    once = before == np.arange(len(before))
    if (again := len(before) - once.sum() - len(differs)) > 0:
        _LOG.info("%s: %d lines are there twice, and were read once", table.file, again)
    kept = once & (grades > 0)
    if (left := (once & (grades <= 0)).sum()) > 0:
        _LOG.info("%s: %d passages are judged not relevant, and were left out", table.file, left)
    ones = bool((grades[kept] == 1).all())
    return Lists.grouped(
        rows[kept], items[kept], len(queries.ids), None if ones else grades[kept].astype(np.float32)
    )


def _read_candidates(source: Source, file: Path, queries: Named, passages: Named, problems: Problems) -> Lists:
    """The candidates of each query, by rank."""
    table, ranks = numbers(read_table(file, _CANDIDATES, problems), 2, "rank", _ANY, problems)
    _, rows, items, known = _known(table, source, queries, passages, problems)
    order = np.lexsort((ranks[known], rows))
    order = order[distinct(rows[order], items[order], len(passages.ids))]
    return Lists.grouped(rows[order], items[order], len(queries.ids))


def _known(
    table: Table, source: Source, queries: Named, passages: Named, problems: Problems
) -> tuple[Table, Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"]]:
    """The lines whose two ids there are, what rows these are, and which lines of the table they were."""
    rows, items = queries.find.rows(table.columns[0]), passages.find.rows(table.columns[1])
    for column, found, file in ((0, rows, source.queries), (1, items, source.passages)):
        unknown = np.flatnonzero(found < 0)
        names = table.columns[column].take(unknown)
        text = f"needs an id of {file}, got {{}}"
        problems.add_all(
            UNKNOWN,
            table.file,
            table.lines[unknown],
            lambda i, text=text, names=names: text.format(shown(names[i])),
        )
    known = np.flatnonzero((rows >= 0) & (items >= 0))
    return table.take(known), rows[known], items[known], known
