"""What a study is: cells that are looked at together, a claim, a table, a cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch

from training import Run

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""
Results = Mapping[str, Mapping[str, Any]]
"""The content of result.json of every cell, by the cell's name."""


@runtime_checkable
class Cell(Protocol):
    """One experiment of a study: a frozen dataclass of its settings."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[str]
    """By which its run folders are known."""

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """Do it, going on from the run's checkpoint if there is one; returns the content of result.json."""
        ...


@dataclass(frozen=True, kw_only=True)
class Study:
    """Cells that are looked at together."""

    title: str
    claim: str
    """What it is to show."""
    cost: str
    """Time on a named machine, measured."""
    cells: Mapping[str, Cell]
    table: Callable[[Results], Table]
    where: Literal["cpu", "gpu"] = "cpu"
    """What it is made for: `python -m synthetic.sweep cpu` runs all studies of the first kind."""
