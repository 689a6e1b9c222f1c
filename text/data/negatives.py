"""Hard negatives from files that name queries and passages by id, in either published form.

    {"qid": 867436, "pos": [5238393], "neg": {"bm25": [...], "msmarco-MiniLM": [...]}}     JSONL, a query a line
    {"qid": 867436, "pos": [5238393], "neg": [...]}
    867436    5238393    7133152                                                           TSV, a triple a line

Either may be gzipped. Triples of texts instead of ids are pairs with negatives: the data set "pairs" reads them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from text.data.ids import Named, distinct
from text.data.problems import MALFORMED, UNKNOWN, Problem, Problems, shown
from text.data.reading import Layout, Table, joined, line_blocks, tables, texts_of
from text.data.records import json_lines, text_in
from text.data.texts import Lists

_TRIPLES = Layout(columns={0: "query id", 1: "positive id", 2: "negative id"}, n_columns=range(3, 4))
_AT_ONCE = 500_000
"""Couples of JSONL that are looked up together."""


@dataclass(frozen=True, eq=False)
class _Couples:
    """Query ids and passage ids of some lines, and whether the passage is a positive of the query."""

    table: Table
    positive: Bool[np.ndarray, " rows"]


def read_negatives(file: Path, queries: Named, passages: Named, relevant: Lists, problems: Problems) -> Lists:
    """The hard negatives of every query, the hardest first.

    Lists of several systems are interleaved by rank: the first of each system, the second of each, and so on. What
    is relevant to a query, by the judgements or by this file, is not among its negatives; nothing is there twice.

    Args:
        file: JSONL or TSV, see above.
        queries: All that there are, with or without relevant passages.
        passages: All that there are.
        relevant: Rows of passages for each query.
        problems: Takes lines that cannot be read and ids that there are not: of a line with an unknown query that
            query only, else every unknown passage.

    Raises:
        ValueError: If the file cannot be read, or holds triples of texts.

    Cost: 2 to 4 microseconds for each negative, and some 50 bytes of memory.
    """
    n = len(passages.ids)
    found = [np.empty((2, 0), np.int64)]
    positives = [np.stack([relevant.rows, relevant.items])]
    couples = _from_json(file, problems) if ".jsonl" in file.suffixes else _from_triples(file, problems)
    for some in couples:
        rows, items = queries.find.rows(some.table.columns[0]), passages.find.rows(some.table.columns[1])
        _tell_unknown(some.table, rows, items, problems)
        known = (rows >= 0) & (items >= 0)
        for kind, parts in ((some.positive, positives), (~some.positive, found)):
            of_kind = rows[known & kind], items[known & kind]
            parts.append(np.stack([part[distinct(*of_kind, n)] for part in of_kind]))
    rows, items = np.concatenate(found, axis=1)
    key = np.stack([n, 1]) @ np.concatenate(positives, axis=1)
    once = distinct(rows, items, n)
    kept = once[~np.isin(rows[once] * n + items[once], key)]
    return Lists.grouped(rows[kept], items[kept], len(queries.ids))


def interleaved(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each, the second of each, ...; nothing twice."""
    by_rank = chain.from_iterable(zip_longest(*lists))
    return [name for name in dict.fromkeys(by_rank) if name is not None]


def _from_json(file: Path, problems: Problems) -> Iterator[_Couples]:
    queries: list[bytes] = []
    names: list[bytes] = []
    lines: list[int] = []
    positive: list[bool] = []

    def taken() -> _Couples:
        table = Table(file, (texts_of(queries), texts_of(names)), np.array(lines, np.int64))
        return _Couples(table, np.array(positive, bool))

    for line, record in json_lines(file, problems):
        try:
            query = text_in(record, "qid").encode()
            good, bad = _names(record.get("pos", []), "pos"), _negatives_in(record)
        except Problem as problem:
            problems.add(problem.kind, file, line, str(problem))
            continue
        queries += [query] * (len(good) + len(bad))
        names += [name.encode(errors="replace") for name in good + bad]
        lines += [line] * (len(good) + len(bad))
        positive += [True] * len(good) + [False] * len(bad)
        if len(names) > _AT_ONCE:
            yield taken()
            queries, names, lines, positive = [], [], [], []
    yield taken()


def _negatives_in(record: dict[str, Any]) -> list[str]:
    if "neg" not in record:
        raise Problem(MALFORMED, f"needs the key 'neg', got {shown(list(record))}")
    lists = record["neg"]
    if isinstance(lists, dict):
        return interleaved([_names(part, f"neg of {system}") for system, part in lists.items()])
    return interleaved([_names(lists, "neg")])


def _names(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(type(name) in (int, str) for name in value):
        raise Problem(MALFORMED, f"needs a list of ids as {what}, got {shown(value)}")
    return list(map(str, value))


def _from_triples(file: Path, problems: Problems) -> Iterator[_Couples]:
    _refuse_texts(file)
    for table in tables(file, _TRIPLES, problems):
        queries, good, bad = table.columns
        couples = (joined([queries, queries]), joined([good, bad]))
        lines = np.concatenate([table.lines, table.lines])
        yield _Couples(Table(file, couples, lines), np.repeat([True, False], len(table.lines)))


def _refuse_texts(file: Path) -> None:
    first = next((block.split(b"\n", 1)[0] for _, block in line_blocks(file)), b"")
    if any(b" " in column.strip() for column in first.split(b"\t")):
        raise ValueError(
            f"{file} must hold ids of queries and passages, got the texts {shown(first)}; triples of texts are "
            f"read as a data set of their own: pairs --data {file}"
        )


def _tell_unknown(
    table: Table, rows: Int64[np.ndarray, " n"], items: Int64[np.ndarray, " n"], problems: Problems
) -> None:
    """Each query id that there is not once a line, and each passage id of the others."""
    strange = np.flatnonzero(rows < 0)
    strange = strange[np.unique(table.lines[strange], return_index=True)[1]]
    unknown = np.flatnonzero((rows >= 0) & (items < 0))
    for column, index, name in ((0, strange, "query"), (1, unknown, "passage")):
        ids = table.columns[column].take(index)
        text = f"needs the id of a {name} that there is, got {{}}"
        problems.add_all(
            UNKNOWN, table.file, table.lines[index], lambda i, text=text, ids=ids: text.format(shown(ids[i]))
        )
