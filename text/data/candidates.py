r"""Passages to re-rank, in the forms in which first retrievers leave them: qid \t pid \t rank, and others."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text.data.ids import Named, distinct, known
from text.data.problems import Problems
from text.data.reading import Layout, line_blocks, numbers, read_table
from text.data.texts import Lists

_ANY = (-np.inf, np.inf)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a line of a file of candidates holds."""

    layout: Layout
    """Query id, passage id, and what they are ordered by, if they are."""
    order: str | None
    """What messages call that; None for a file that is in no order."""
    largest_first: bool = False


MSMARCO_RUN = Form(
    layout=Layout(columns={0: "query id", 1: "passage id", 2: "rank"}, n_columns=range(3, 4)), order="rank"
)
"""What MS MARCO's own evaluation reads: query, passage, rank."""
TREC_RUN = Form(
    layout=Layout(columns={0: "query id", 2: "passage id", 4: "score"}, n_columns=range(6, 7), separator=b" "),
    order="score",
    largest_first=True,
)
"""What trec_eval reads: query, Q0, passage, rank, score, name; the score tells the order, as it does there."""
TREC_RUN_WITH_TABS = Form(
    layout=Layout(columns=TREC_RUN.layout.columns, n_columns=range(6, 7)), order="score", largest_first=True
)
SAMPLE = Form(
    layout=Layout(columns={0: "query id", 1: "passage id", 2: "rank"}, n_columns=range(5, 6)), order="rank"
)
"""Query, passage, rank, and two columns more."""
TOP1000 = Form(layout=Layout(columns={0: "query id", 1: "passage id"}, n_columns=range(4, 5)), order=None)
"""Query, passage, and the texts of both, which are not read; in no order."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The passages to re-rank for each query."""

    lists: Lists
    """By the order of their retriever, or by their rows where that is not known."""
    ranked: bool


def read_candidates(
    file: Path, forms: tuple[Form, ...], queries: Named, passages: Named, problems: Problems
) -> Candidates:
    """The candidates of each query; a passage that is there twice is there once, at its better place.

    Args:
        file: In one of the forms, which its first line tells.
        forms: If none fits, messages speak of the first.
        queries: All that there are.
        passages: All that there are.
        problems: Takes lines that cannot be read and ids that there are not.

    Raises:
        ValueError: If the file cannot be read.

    Cost: 2.5 seconds of one core for a million lines of 300 bytes.
    """
    form = _form_of(file, forms)
    table = read_table(file, form.layout, problems)
    by = np.zeros(len(table.lines))
    if form.order is not None:
        table, by = numbers(table, 2, form.order, _ANY, problems)
    _, rows, items, there = known(table, queries, passages, problems)
    by = -by[there] if form.largest_first else by[there]
    order = np.lexsort((items, rows)) if form.order is None else np.lexsort((by, rows))
    order = order[distinct(rows[order], items[order], len(passages.ids))]
    return Candidates(Lists.grouped(rows[order], items[order], len(queries.ids)), form.order is not None)


def _form_of(file: Path, forms: tuple[Form, ...]) -> Form:
    first = next((block.split(b"\n", 1)[0] for _, block in line_blocks(file)), b"")
    fits = (form for form in forms if first.count(form.layout.separator or b"\n") + 1 in form.layout.n_columns)
    return next(fits, forms[0])
