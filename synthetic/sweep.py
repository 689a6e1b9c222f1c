"""Studies of many cells: `python -m synthetic.sweep PRESET`.

Each cell is a run folder; finished ones are kept, and one that was killed goes on. A folder of a study that has a
result.json of its own is finished.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from batching.cli import cli
from synthetic.presets import CATALOGUE, Cell
from training import Run, aligned, resolve_device, run_command
from training.run import write_json


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Run the cells of a study that are not finished, one after the other."""

    preset: Annotated[str, tyro.conf.Positional]
    """Which study; see the list above."""
    only: str = ""
    """Only cells whose name contains this."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int = 1
    """CPU threads."""
    out: str = ""
    """Folder of the cells' run folders; by default runs/sweeps/PRESET."""
    overwrite: bool = False
    """Discard finished cells."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.preset not in CATALOGUE:
            raise ValueError(f"preset must be one of {', '.join(CATALOGUE)}, got {self.preset!r}")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if not self.cells:
            names = ", ".join(CATALOGUE[self.preset].cells)
            raise ValueError(f"--only must be part of the name of a cell, got {self.only!r}; there are {names}")

    @property
    def cells(self) -> dict[str, Cell]:
        """The cells to run, by name."""
        every = CATALOGUE[self.preset].cells
        return {name: cell for name, cell in every.items() if self.only in name}


def main(config: SweepConfig) -> dict[str, dict[str, Any]]:
    """Run what is not finished, and print the table of all.

    Returns:
        The result of each cell.
    """
    study = CATALOGUE[config.preset]
    device = resolve_device(config.device)
    torch.set_num_threads(config.threads)
    out = Path(config.out or f"runs/sweeps/{config.preset}")
    results: dict[str, dict[str, Any]] = {}
    sys.stderr.write(f"{study.title}; {study.cost}\n")
    for name, cell in config.cells.items():
        finished = None if config.overwrite else _finished(out / name, settings(cell))
        results[name] = finished or _run(cell, out / name, device, overwrite=config.overwrite)
        sys.stderr.write(f"{name}: {'finished before' if finished else 'done'}\n")
    if len(results) == len(study.cells):
        write_json(out / "result.json", {"status": "done", "cells": list(results)})
    sys.stdout.write(f"\n{aligned(*study.table(results))}\n{study.claim}\nwritten to {out}\n")
    return results


def settings(cell: Cell) -> dict[str, Any]:
    """What a cell's result depends on, as JSON has it."""
    return json.loads(json.dumps(asdict(cell)))


def _run(cell: Cell, path: Path, device: torch.device, *, overwrite: bool) -> dict[str, Any]:
    run = Run.open(
        path,
        experiment=cell.kind,
        config={**settings(cell), "device": device.type},
        device=str(device),
        overwrite=overwrite,
    )
    run.finish(cell.run(run, device))
    return json.loads((path / "result.json").read_text())


def _finished(path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a cell that is done; None of one that is not.

    Raises:
        ValueError: If another cell was done in this folder.
    """
    if not (path / "result.json").exists():
        return None
    found = json.loads((path / "config.json").read_text())["config"]
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        raise ValueError(
            f"{path} holds a finished cell with other settings ({', '.join(differing)}); choose another --out, or "
            "discard it with --overwrite"
        )
    return json.loads((path / "result.json").read_text())


def parse(arguments: Sequence[str]) -> SweepConfig:
    """The configuration of a command line."""
    listed = "; ".join(f"{name} ({study.title}, {study.cost})" for name, study in CATALOGUE.items())
    return cli(SweepConfig, arguments, prog="python -m synthetic.sweep", description=f"Studies: {listed}.")


if __name__ == "__main__":
    run_command(main, parse)
