"""Tables of studies: rows of words, from the results of their cells."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from synthetic.rows import Row
from synthetic.study import Results, Table

Columns = Mapping[str, str | Callable[[Row], str]]
"""What each column says of a row: as in '{gap:.1e} of {n}', by the row's names, or a function of the row."""


def rows_of(results: Results, part: str = "rows") -> list[Row]:
    """The rows of all cells, each with the name of its `cell`.

    Args:
        results: Of a study.
        part: The name under which results have their rows.
    """
    return [{"cell": name} | row for name, result in results.items() for row in result[part]]


def grouped(results: Results, *names: str) -> list[tuple[Row, list[Row]]]:
    """The rows of all cells by the values of some columns: these values by name, and the rows that have them."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows_of(results):
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return [(dict(zip(names, key, strict=True)), rows) for key, rows in found.items()]


def ends(rows: Iterable[Row], name: str, form: str) -> str:
    """The least and the largest value of a column, as in '1.0e-16 .. 2.0e-15'."""
    values = [row[name] for row in rows]
    return f"{min(values):{form}} .. {max(values):{form}}"


def table_of(columns: Columns, rows: Callable[[Results], Iterable[Row]] = rows_of) -> Callable[[Results], Table]:
    """What makes a study's table: the headers of the columns, and what they say of every row.

    Args:
        columns: By header.
        rows: What to show of the results.
    """

    def table(results: Results) -> Table:
        told = [
            [column.format(**row) if isinstance(column, str) else column(row) for column in columns.values()]
            for row in rows(results)
        ]
        return list(columns), told

    return table
