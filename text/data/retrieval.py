"""Data sets for retrieval: passages, queries, and judgements that name both by their ids."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from text.data.candidates import Form, read_candidates
from text.data.files import READER
from text.data.ids import Ids, Named, known, named
from text.data.negatives import read_negatives
from text.data.problems import CONFLICT, MALFORMED, OnProblem, Problem, Problems, shown
from text.data.reading import Layout, Table, numbers, read_table
from text.data.records import json_lines, text_in
from text.data.store import cached
from text.data.texts import Lists, Texts
from text.data.textset import TextSet

_LOG = logging.getLogger("contrabatch")
_ANY = (-np.inf, np.inf)


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
    """Passages to re-rank."""
    forms: tuple[Form, ...] = ()
    """That the file of candidates may have."""
    only_with_candidates: bool = False
    """Whether the part is the queries that have some; the others score 0 if they belong to it."""
    negatives: Path | None = None
    threshold: float = 0.0
    """What a grade must exceed to be relevant."""
    own: bool = False
    """Whether a passage that has the name of a query is the query itself, and not to be found for it."""

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
    of_part = settings | {"threshold": source.threshold, "own": source.own}
    all_passages = cached(
        cache,
        f"{source.dataset} passages",
        [source.passages],
        settings,
        lambda: _read_passages(source, Problems(on_problem)),
    )
    part = cached(
        cache, source.name, source.files, of_part, lambda: _read_part(source, all_passages, Problems(on_problem))
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
    ids = collection.passage_ids
    passages = Named(ids, collection.passages, Ids(ids), source.passages)
    queries = named(read_texts(source.queries, "query", problems), problems)
    relevant = _read_judgements(source, queries, passages, problems)
    candidates = None
    if source.candidates is not None:
        candidates = read_candidates(source.candidates, source.forms, queries, passages, problems)
    negatives = None
    if source.negatives is not None:
        negatives = read_negatives(source.negatives, queries, passages, relevant, problems)
    skipped = problems.settle(source.name)
    if candidates is not None and not len(candidates.lists.items):
        raise ValueError(
            f"{source.candidates} must name passages of {source.passages} to re-rank for queries of "
            f"{source.queries}, got none; take files that belong together"
        )
    part = relevant.lengths > 0
    if candidates is not None and source.only_with_candidates:
        part &= candidates.lists.lengths > 0
    kept = np.flatnonzero(part)
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
        threshold=source.threshold,
        candidates=None if candidates is None else candidates.lists,
        ranked=candidates is None or candidates.ranked,
        own=_own(queries, passages) if source.own else None,
        skipped=skipped,
    )
    return read.of_queries(kept)


def _own(queries: Named, passages: Named) -> Int64[np.ndarray, " n"] | None:
    """The passage of each query's name; None if no query has one."""
    rows = passages.find.rows(queries.ids)
    return rows if (rows >= 0).any() else None


def _read_judgements(source: Source, queries: Named, passages: Named, problems: Problems) -> Lists:
    """The relevant passages of each query."""
    table = read_table(source.judgements, source.layout, problems)
    table, grades = numbers(table, 2, "relevance", _ANY, problems)
    table, rows, items, there = known(table, queries, passages, problems)
    grades = grades[there]
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
