"""Texts with names, and rows found by name."""

import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt64

from text.data.problems import CONFLICT, UNKNOWN, Problems, shown
from text.data.reading import Table
from text.data.texts import Texts

_LOG = logging.getLogger("contrabatch")
_PACKED = 8
"""Bytes of a name that fit into one number."""


class Ids:
    """Finds the row of a name; of several with the same name, the first.

    Names of at most 8 bytes are numbers of 64 bits, sorted once and found by bisection; longer ones are keys of a
    dictionary.

    Args:
        ids: The names; row i has name i.

    Cost: a second and 16 bytes each for the 8.8 million passages of MS MARCO; ten times that for long names.
    """

    def __init__(self, ids: Texts) -> None:
        """Sort them."""
        self._rows: dict[bytes, int] | None = None
        if len(ids) and np.diff(ids.offsets).max() > _PACKED:
            self._rows = dict(zip(reversed(_parts(ids)), reversed(range(len(ids))), strict=True))
            return
        keys = _packed(ids)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def rows(self, wanted: Texts) -> Int64[np.ndarray, " n"]:
        """The row of each name; -1 for those that there are not."""
        if self._rows is not None:
            return np.fromiter((self._rows.get(name, -1) for name in _parts(wanted)), np.int64, len(wanted))
        if not len(self._keys):
            return np.full(len(wanted), -1, np.int64)
        keys = _packed(wanted)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found = (self._keys[place] == keys) & (np.diff(wanted.offsets) <= _PACKED)
        return np.where(found, self._order[place], -1)


@dataclass(frozen=True, eq=False)
class Named:
    """Texts, each with a name of its own."""

    ids: Texts
    texts: Texts
    find: Ids
    file: Path | None = None
    """Where they were read, for messages."""


def named(table: Table, problems: Problems) -> Named:
    """The rows (name, text) of a file; a name that comes again must come with the same text, and is taken once."""
    ids, texts = table.columns
    find = Ids(ids)
    first = find.rows(ids)
    again = np.flatnonzero(first != np.arange(len(ids)))
    if not len(again):
        return Named(ids, texts, find, table.file)
    differs = again[[texts[row] != texts[first[row]] for row in again]]
    problems.add_all(
        CONFLICT,
        table.file,
        table.lines[differs],
        lambda i: (
            f"needs the text of line {table.lines[first[differs[i]]]} for the same id {shown(ids[differs[i]])}, "
            f"got {shown(texts[differs[i]])}"
        ),
    )
    if len(again) > len(differs):
        _LOG.info("%s: %d lines are there twice, and were read once", table.file, len(again) - len(differs))
    kept = np.flatnonzero(first == np.arange(len(ids)))
    return Named(ids.take(kept), texts.take(kept), Ids(ids.take(kept)), table.file)


def known(
    table: Table, queries: Named, passages: Named, problems: Problems
) -> tuple[Table, Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"]]:
    """The lines (query id, passage id, ...) whose ids there are, what rows these are, and which lines they were."""
    rows, items = queries.find.rows(table.columns[0]), passages.find.rows(table.columns[1])
    for column, found, file in ((0, rows, queries.file), (1, items, passages.file)):
        unknown = np.flatnonzero(found < 0)
        names = table.columns[column].take(unknown)
        text = f"needs an id of {file}, got {{}}"
        problems.add_all(
            UNKNOWN,
            table.file,
            table.lines[unknown],
            lambda i, text=text, names=names: text.format(shown(names[i])),
        )
    there = np.flatnonzero((rows >= 0) & (items >= 0))
    return table.take(there), rows[there], items[there], there


def distinct(
    rows: Int64[np.ndarray, " total"], items: Int64[np.ndarray, " total"], n_items: int
) -> Int64[np.ndarray, " kept"]:
    """Where each couple (row, item) occurs first, in ascending order."""
    return np.sort(np.unique(rows * max(1, n_items) + items, return_index=True)[1])


def _packed(texts: Texts) -> UInt64[np.ndarray, " n"]:
    """The first 8 bytes of each, as a number, filled up with zeros."""
    starts, lengths = texts.offsets[:-1], np.diff(texts.offsets)
    keys = np.zeros(len(texts), np.uint64)
    content = np.append(texts.content, np.uint8(0)) if len(texts.content) < _PACKED else texts.content
    for i in range(_PACKED):
        byte = content[np.minimum(starts + i, len(content) - 1)]
        keys = (keys << np.uint64(8)) | np.where(i < lengths, byte, 0).astype(np.uint64)
    return keys


def _parts(texts: Texts) -> list[bytes]:
    content, ends = texts.content.tobytes(), texts.offsets.tolist()
    return [content[a:b] for a, b in pairwise(ends)]
