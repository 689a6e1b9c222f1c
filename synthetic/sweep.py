"""Studies of many cells: `python -m synthetic.sweep PRESET`, or `cpu` for all that a CPU can do.

Each cell is a run folder; finished ones are kept, and one that was killed goes on. A folder of a study that has a
result.json of its own is finished.
"""

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from batching.cli import cli
from synthetic.presets import CATALOGUE
from synthetic.study import Cell, Study
from training import Run, aligned, resolve_device, run_command, use_threads
from training.run import write_json

EVERY_CPU_STUDY = "cpu"


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Run the cells of a study that are not finished, one after the other."""

    preset: Annotated[str, tyro.conf.Positional] = ""
    """Which study, see --list; cpu: all studies that are made for one, each after the other."""
    listed: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Only say which studies there are, and what each costs."""
    only: str = ""
    """Only cells whose name contains this."""
    device: str = "auto"
    """auto, cpu or cuda. Of the preset cpu, auto is the CPU."""
    threads: int = 1
    """CPU threads of each worker."""
    workers: int = 1
    """Processes that the cells are dealt out to."""
    out: str = ""
    """Folder of the cells' run folders; by default runs/sweeps/PRESET; of cpu, runs/results/PRESET."""
    overwrite: bool = False
    """Discard finished cells."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.listed:
            return
        if self.preset not in (EVERY_CPU_STUDY, *CATALOGUE):
            names = ", ".join((EVERY_CPU_STUDY, *CATALOGUE))
            raise ValueError(f"preset must be one of {names}, got {self.preset!r}; --list says what each is")
        for name in ("threads", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not any(self.cells(preset) for preset in self.studies):
            names = ", ".join(name for study in self.studies.values() for name in study.cells)
            raise ValueError(f"--only must be part of the name of a cell, got {self.only!r}; there are {names}")

    @property
    def studies(self) -> dict[str, Study]:
        """The studies to run, by name."""
        if self.preset == EVERY_CPU_STUDY:
            return {name: study for name, study in CATALOGUE.items() if study.where == "cpu"}
        return {self.preset: CATALOGUE[self.preset]}

    def cells(self, preset: str) -> dict[str, Cell]:
        """The cells of a study to run, by name."""
        return {name: cell for name, cell in CATALOGUE[preset].cells.items() if self.only in name}

    def folder(self, preset: str) -> Path:
        """Where the run folders of a study's cells are."""
        if self.preset == EVERY_CPU_STUDY:
            return Path(self.out or "runs/results") / preset
        return Path(self.out or f"runs/sweeps/{preset}")


def main(config: SweepConfig) -> dict[str, dict[str, Any]]:
    """Run what is not finished, and print the table of all.

    Returns:
        The result of each cell, by its name; of several studies, by STUDY/CELL.
    """
    if config.listed:
        sys.stdout.write(aligned(*listing()) + "\n")
        return {}
    few = config.device == "auto" and config.preset == EVERY_CPU_STUDY
    device = resolve_device("cpu" if few else config.device)
    use_threads(config.threads)
    results: dict[str, dict[str, Any]] = {}
    if config.workers == 1:
        for preset in config.studies:
            results |= _study(config, preset, partial(_now, config, device, preset))
        return results
    pool = ProcessPoolExecutor(
        config.workers, get_context("spawn"), initializer=use_threads, initargs=(config.threads,)
    )
    try:
        dealt = {preset: _deal(config, device, preset, pool) for preset in config.studies}
        for preset, waiting in dealt.items():
            results |= _study(config, preset, lambda name, waiting=waiting: waiting[name]())
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def listing() -> tuple[list[str], list[list[str]]]:
    """Header and rows: which studies there are."""
    rows = [
        [name, study.where, str(len(study.cells)), study.cost, study.title] for name, study in CATALOGUE.items()
    ]
    return ["preset", "for", "cells", "cost", "what"], rows


def settings(cell: Cell) -> dict[str, Any]:
    """What a cell's result depends on, as JSON has it."""
    return json.loads(json.dumps(asdict(cell)))


def _study(
    config: SweepConfig, preset: str, result: Callable[[str], tuple[bool, dict[str, Any]]]
) -> dict[str, dict[str, Any]]:
    """Run or wait for the cells of a study, and print its table."""
    study, out = CATALOGUE[preset], config.folder(preset)
    sys.stderr.write(f"{study.title}; {study.cost}\n")
    results: dict[str, dict[str, Any]] = {}
    for name in config.cells(preset):
        was_finished, results[name] = result(name)
        sys.stderr.write(f"{name}: {'finished before' if was_finished else 'done'}\n")
    if len(results) == len(study.cells):
        write_json(out / "result.json", {"status": "done", "cells": list(results)})
    if results:
        sys.stdout.write(f"\n{aligned(*study.table(results))}\n{study.claim}\nwritten to {out}\n")
    several = config.preset == EVERY_CPU_STUDY
    return {f"{preset}/{name}" if several else name: found for name, found in results.items()}


def _now(config: SweepConfig, device: torch.device, preset: str, name: str) -> tuple[bool, dict[str, Any]]:
    return _cell(config.cells(preset)[name], config.folder(preset) / name, device, overwrite=config.overwrite)


def _deal(
    config: SweepConfig, device: torch.device, preset: str, pool: ProcessPoolExecutor
) -> dict[str, Callable[[], tuple[bool, dict[str, Any]]]]:
    """What waits for each cell; where all are finished no process is started."""
    out, dealt = config.folder(preset), dict[str, Callable[[], tuple[bool, dict[str, Any]]]]()
    for name, cell in config.cells(preset).items():
        found = None if config.overwrite else _finished(out / name, settings(cell))
        if found is None:
            dealt[name] = pool.submit(_cell, cell, out / name, device, overwrite=config.overwrite).result
        else:
            dealt[name] = partial(_as_before, found)
    return dealt


def _as_before(found: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    return True, found


def _cell(cell: Cell, path: Path, device: torch.device, *, overwrite: bool) -> tuple[bool, dict[str, Any]]:
    """Whether it was finished before, and its result."""
    finished = None if overwrite else _finished(path, settings(cell))
    return finished is not None, finished or _run(cell, path, device, overwrite=overwrite)


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
