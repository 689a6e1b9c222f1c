"""Strings by the million, lists of numbers by the million: flat arrays that may be mapped from files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import SupportsIndex, overload

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from typing_extensions import override


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """Strings, as UTF-8 bytes one after the other; text i is `content[offsets[i] : offsets[i + 1]]`."""

    content: UInt8[np.ndarray, " bytes"]
    offsets: Int64[np.ndarray, " texts_plus_one"]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """These strings."""
        parts = [text.encode() for text in texts]
        content = np.frombuffer(b"".join(parts), np.uint8)
        return cls(content, np.fromiter(accumulate(map(len, parts), initial=0), np.int64, len(parts) + 1))

    @override
    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Texts": ...
    @override
    def __getitem__(self, index: SupportsIndex | slice) -> "str | Texts":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        i = range(len(self))[index]  # raises IndexError, takes negative numbers
        return self.content[self.offsets[i] : self.offsets[i + 1]].tobytes().decode()

    @override
    def __iter__(self) -> Iterator[str]:
        ends = self.offsets.tolist()
        return (self.content[a:b].tobytes().decode() for a, b in pairwise(ends))

    def take(self, index: Int64[np.ndarray, " n"]) -> "Texts":
        """Those of these numbers, in this order."""
        return Texts(*_taken(self.content, self.offsets, index))

    def digest(self) -> str:
        """The sha256 of the lengths and the bytes."""
        state = sha256(self.offsets.astype("<i8").data)
        state.update(np.ascontiguousarray(self.content).data)
        return state.hexdigest()


@dataclass(frozen=True, eq=False)
class Lists:
    """A list of numbers for each query: `items[offsets[i] : offsets[i + 1]]`, with grades where there are any.

    The numbers are rows of passages, the grades their relevance (positive means relevant).
    """

    items: Int64[np.ndarray, " total"]
    offsets: Int64[np.ndarray, " lists_plus_one"]
    grades: Float32[np.ndarray, " total"] | None = None

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]], grades: Iterable[Sequence[float]] | None = None) -> "Lists":
        """These lists."""
        found = [np.asarray(part, np.int64) for part in lists]
        offsets = np.fromiter(accumulate(map(len, found), initial=0), np.int64, len(found) + 1)
        items = np.concatenate([*found, np.empty(0, np.int64)])
        if grades is None:
            return cls(items, offsets)
        return cls(items, offsets, np.concatenate([*map(np.float32, map(np.atleast_1d, grades))], dtype=np.float32))

    @classmethod
    def grouped(
        cls,
        rows: Int64[np.ndarray, " total"],
        items: Int64[np.ndarray, " total"],
        n: int,
        grades: Float32[np.ndarray, " total"] | None = None,
    ) -> "Lists":
        """So many lists from (row, item) couples in any order; the items of a row keep theirs."""
        order = np.argsort(rows, kind="stable")
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=n))])
        return cls(items[order], offsets.astype(np.int64), None if grades is None else grades[order])

    def __len__(self) -> int:
        """The number of lists."""
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Int64[np.ndarray, " n"]:
        """The list of query i."""
        i = range(len(self))[i]
        return self.items[self.offsets[i] : self.offsets[i + 1]]

    def __iter__(self) -> Iterator[Int64[np.ndarray, " n"]]:
        """List by list."""
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> Int64[np.ndarray, " lists"]:
        """Of each list."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> Int64[np.ndarray, " total"]:
        """The list that each item is in."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, index: Int64[np.ndarray, " n"]) -> "Lists":
        """The lists of these numbers, in this order."""
        items, offsets = _taken(self.items, self.offsets, index)
        return Lists(items, offsets, None if self.grades is None else _taken(self.grades, self.offsets, index)[0])

    def above(self, grade: float) -> "Lists":
        """Items of a larger grade than this one; 1 is that of all where there are no grades."""
        grades = np.ones(len(self.items), np.float32) if self.grades is None else self.grades
        kept = grades > grade
        if kept.all():
            return self
        return Lists.grouped(
            self.rows[kept], self.items[kept], len(self), None if self.grades is None else grades[kept]
        )

    def renumbered(self, number: Int64[np.ndarray, " old"]) -> "Lists":
        """Item x becomes number[x]; items whose number is negative leave."""
        items = number[self.items]
        kept = items >= 0
        grades = None if self.grades is None else self.grades[kept]
        return Lists.grouped(self.rows[kept], items[kept], len(self), grades)


def _taken(
    flat: np.ndarray, offsets: Int64[np.ndarray, " parts_plus_one"], index: Int64[np.ndarray, " n"]
) -> tuple[np.ndarray, Int64[np.ndarray, " n_plus_one"]]:
    """The parts of these numbers, one after the other, and where they begin."""
    lengths = np.diff(offsets)[index]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    place = np.arange(ends[-1]) + np.repeat(offsets[:-1][index] - ends[:-1], lengths)
    return flat[place], ends
