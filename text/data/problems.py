"""What is wrong with files, by kind, file and line: refused all together, or left out and counted."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int64

OnProblem = Literal["refuse", "skip"]

MALFORMED = "malformed lines"
WRONG_ENCODING = "wrongly encoded lines"
EMPTY = "empty texts"
UNKNOWN = "unknown ids"
CONFLICT = "conflicting lines"

_LOG = logging.getLogger("contrabatch")
_TOLD = 3
"""Problems of each kind that are written out."""
_SHOWN = 60
"""Characters of what was found."""


class LeftOut(dict[str, int]):
    """What was left out of the files, and how often; and the message that told it, for whoever reads a cache."""

    def __init__(self, counts: Mapping[str, int], told: str) -> None:
        """Of a message that begins with the name of the data set."""
        super().__init__(counts)
        self.told = told


class Problem(Exception):
    """What is wrong with one line."""

    def __init__(self, kind: str, text: str) -> None:
        """Of a kind, and told in a text."""
        super().__init__(text)
        self.kind = kind


class Problems:
    """What was wrong in the files so far."""

    def __init__(self, on_problem: OnProblem) -> None:
        """Nothing, so far.

        Raises:
            ValueError: If it is unknown what becomes of problems.
        """
        if on_problem not in get_args(OnProblem):
            raise ValueError(f"on_problem must be one of {', '.join(get_args(OnProblem))}, got {on_problem!r}")
        self._refuse = on_problem == "refuse"
        self._counts: Counter[str] = Counter()
        self._told: dict[str, list[str]] = {}

    def add(self, kind: str, file: Path, line: int | None, text: str) -> None:
        """One more: what was required there, and what was found."""
        self._counts[kind] += 1
        told = self._told.setdefault(kind, [])
        if len(told) < _TOLD:
            told.append(f"{file}: {text}" if line is None else f"{file}:{line}: {text}")

    def add_all(self, kind: str, file: Path, lines: Int64[np.ndarray, " n"], text: Callable[[int], str]) -> None:
        """One for each of these lines, of which text(i) tells the i-th."""
        for i, line in enumerate(lines[:_TOLD].tolist()):
            self.add(kind, file, line, text(i))
        if len(lines) > _TOLD:
            self._counts[kind] += len(lines) - _TOLD

    def settle(self, name: str) -> dict[str, int]:
        """What was left out of the files, and how often; logged.

        Args:
            name: Of the data set, for the message.

        Raises:
            ValueError: If there is anything, and it is not to be skipped.
        """
        if not self._counts:
            return {}
        counts = ", ".join(f"{number:,} {kind}" for kind, number in self._counts.items())
        told = "".join(f"\n  {text}" for kind in self._told.values() for text in kind)
        if sum(map(len, self._told.values())) < self._counts.total():
            told += "\n  ..."
        if self._refuse:
            raise ValueError(
                f"the files of {name} must be free of problems, got {counts}:{told}\n"
                f"correct them, or leave these lines out with --on-problem skip"
            )
        left_out = LeftOut(self._counts, f"{name}: left out {counts}:{told}")
        _LOG.warning("%s", left_out.told)
        return left_out


def shown(value: object) -> str:
    """A value for a message, cut where it is long."""
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
