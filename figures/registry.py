"""Every figure: what it is to show, the tables it is drawn from, and the command that makes them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pandas as pd
from matplotlib.figure import Figure

from figures import (
    batch_sizes,
    beyond,
    coverage,
    gap_curves,
    heatmaps,
    initialisation,
    kernels,
    landscape,
    norm_curves,
    optima,
    partitions,
    polygons,
    race,
    selection_cost,
    selection_quality,
    selection_race,
    signals,
    sufficiency,
    sufficiency_grams,
    temperatures,
    trained_accuracy,
    trained_batch_sizes,
    trained_batches,
    trained_losses,
)
from figures.evidence import Evidence
from figures.experiments import EXPERIMENTS
from figures.table import DATA, read_table

Tables = Mapping[str, pd.DataFrame]


class FigureModule(Protocol):
    """What a module figures/NAME.py of one figure has."""

    @property
    def CLAIM(self) -> str:
        """What it is to show."""
        ...

    @property
    def TABLES(self) -> tuple[str, ...]:
        """What it is drawn from."""
        ...

    @property
    def COMMAND(self) -> str:
        """What makes the tables."""
        ...

    @staticmethod
    def pictures(tables: Tables, /) -> Iterator[tuple[str, Figure]]:
        """Name and figure, for every picture."""
        ...

    @staticmethod
    def evidence(tables: Tables, /) -> Evidence:
        """What the tables say about the claim."""
        ...


@dataclass(frozen=True)
class Entry:
    """A figure of the gallery."""

    claim: str
    tables: tuple[str, ...]
    """Names without .csv, in figures/data, or from figures/ on where they have a slash."""
    command: str
    """The make target that makes the tables."""
    pictures: Callable[[Tables], Iterator[tuple[str, Figure]]]
    """Name and figure, for every picture."""
    evidence: Callable[[Tables], Evidence]
    """What the tables say about the claim."""
    trained: bool = False
    """Of training runs on data: too many pictures to commit them all."""

    def missing(self) -> list[Path]:
        """Its tables that are not there."""
        return [path for path in map(path_of, self.tables) if not path.exists()]

    def read(self) -> dict[str, pd.DataFrame]:
        """Its tables by name."""
        return {name: read_table(path_of(name)) for name in self.tables}


def path_of(table: str) -> Path:
    """Where a table is."""
    return (DATA.parent / f"{table}.csv").resolve() if "/" in table else DATA / f"{table}.csv"


def _entry(module: FigureModule) -> Entry:
    return Entry(module.CLAIM, module.TABLES, module.COMMAND, module.pictures, module.evidence)


def _trained() -> Iterator[tuple[str, Entry]]:
    """Three figures for each experiment on data, and one of the sweeps over batch sizes where there are any."""
    kinds = {"losses": trained_losses, "accuracy": trained_accuracy, "batches": trained_batches}
    swept = {"vision": {"batch_sizes": trained_batch_sizes}}
    for experiment in EXPERIMENTS.values():
        tables = (f"{experiment.name}_results", f"{experiment.name}_curves")
        for kind, module in (kinds | swept.get(experiment.name, {})).items():
            yield (
                f"{experiment.name}_{kind}",
                Entry(
                    module.CLAIM,
                    tables,
                    experiment.command,
                    partial(module.pictures, experiment=experiment),
                    partial(module.evidence, experiment=experiment),
                    trained=True,
                ),
            )


_MODULES: dict[str, FigureModule] = {
    "gap_curves": gap_curves,
    "norm_curves": norm_curves,
    "landscape": landscape,
    "heatmaps": heatmaps,
    "optima": optima,
    "partitions": partitions,
    "coverage": coverage,
    "sufficiency": sufficiency,
    "sufficiency_grams": sufficiency_grams,
    "race": race,
    "selection_race": selection_race,
    "selection_quality": selection_quality,
    "selection_cost": selection_cost,
    "temperatures": temperatures,
    "batch_sizes": batch_sizes,
    "signals": signals,
    "initialisation": initialisation,
    "polygons": polygons,
    "kernels": kernels,
    "beyond": beyond,
}

FIGURES: dict[str, Entry] = {name: _entry(module) for name, module in _MODULES.items()} | dict(_trained())
"""By name, in the order of the gallery."""
