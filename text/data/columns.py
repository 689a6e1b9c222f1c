"""What columns of pairs are called: query, passage and negative, and other usual names, in upper or lower case."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

QUERY = ("query", "question", "anchor", "sentence1", "premise", "title")
PASSAGE = (
    *("passage", "answer", "positive", "document", "text", "context", "sentence2", "hypothesis", "body"),
    "entailment",
)
NEGATIVE = ("negative", "contradiction", "hard_negative")
NEGATIVES = ("negatives", "hard_negatives")
"""Of lists, which JSONL and Parquet may hold."""
ROLES = ("query", "passage", "negative")


@dataclass(frozen=True)
class Columns:
    """The names, as a file spells them, that hold queries, passages and negatives; the usual ones first."""

    query: tuple[str, ...]
    passage: tuple[str, ...]
    negative: tuple[str, ...]

    @property
    def told(self) -> str:
        """What is taken, for a message."""
        taken = zip(("queries", "passages", "hard negatives"), self._all, strict=True)
        return ", ".join(f"{role} are in {names[0]!r}" for role, names in taken if names)

    def check(self, file: Path) -> None:
        """Refuse a first line that does not say which column is which.

        Raises:
            ValueError: If it does not name one query, one passage and at most one negative.
        """
        if [len(names) for names in self._all] not in ([1, 1, 0], [1, 1, 1]):
            found = "; ".join(
                f"{role}: {', '.join(names) or 'none'}" for role, names in zip(ROLES, self._all, strict=True)
            )
            raise ValueError(
                f"the first line of {file} must name one column of queries, one of passages and at most one of "
                f"hard negatives, got {found}; call them query, passage and negative"
            )

    def places(self, header: Sequence[str]) -> dict[int, str]:
        """Where each role is in a line with this header, the query first."""
        return {header.index(names[0]): role for role, names in zip(ROLES, self._all, strict=True) if names}

    @property
    def _all(self) -> tuple[tuple[str, ...], ...]:
        return self.query, self.passage, self.negative


@lru_cache(maxsize=1024)
def columns_of(names: tuple[str, ...]) -> Columns:
    """What these names of a line or a record stand for; those that are not known are left out."""

    def among(known: tuple[str, ...]) -> tuple[str, ...]:
        found = [name for name in names if _plain(name) in known]
        return tuple(sorted(found, key=lambda name: known.index(_plain(name))))

    return Columns(among(QUERY), among(PASSAGE), among((*NEGATIVE, *NEGATIVES)))


def is_header(names: Sequence[str]) -> bool:
    """Whether all cells of a first line are known names: then it is no pair."""
    return len(names) > 1 and all(_plain(name) in (*QUERY, *PASSAGE, *NEGATIVE) for name in names)


def _plain(name: str) -> str:
    return name.strip().lower()
