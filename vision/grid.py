"""The same training with every selection, loss and seed: `python -m vision.grid PRESET [options] [-- options]`.

    python -m vision.grid digits --selections shuffled osgd spectral --seeds 0 1 2 --out runs/grid
    python -m vision.grid cifar100 --selections shuffled graph --losses nt_xent sogclr -- --evaluate-every 10

What follows `--` goes to every `python -m vision.train` unchanged. A run that is finished is left alone, one that
was interrupted goes on, so the same command may be given again. Seeds come in turn, so that a grid that is cut
short has every selection at fewer seeds.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import tyro

from batching.cli import cli
from training import aligned, run_command
from training.record import read_result
from vision.presets import PRESETS
from vision.train import parse as parse_training


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which runs to make."""

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PRESET")]
    """Preset of `python -m vision.train`."""
    selections: tuple[str, ...] = ("shuffled", "osgd", "spectral")
    """Selections, each with its guards if it has any: graph, or graph+max_similarity=0.95."""
    losses: tuple[str, ...] = ("nt_xent",)
    """Losses."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds."""
    out: Path = Path("runs/grid")
    """Where the run folders go: OUT/PRESET/LOSS/SELECTION/seed-SEED."""
    workers: int = 1
    """Runs side by side."""
    options: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """For every run."""

    def __post_init__(self) -> None:
        """Refuse what cannot run before anything does."""
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset!r}")
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        for name in ("selections", "losses", "seeds"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, got none")
        for run in self.runs():
            run.check()

    def runs(self) -> list["GridRun"]:
        """All runs, the first seed of everything first."""
        return [
            GridRun(self, selection, loss, seed)
            for seed, loss, selection in product(self.seeds, self.losses, self.selections)
        ]


@dataclass(frozen=True)
class GridRun:
    """One training."""

    grid: Grid
    selection: str
    loss: str
    seed: int

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.grid.out / self.grid.preset / self.loss / self.selection / f"seed-{self.seed}"

    @property
    def arguments(self) -> list[str]:
        """What `python -m vision.train` is given."""
        selection, *knobs = self.selection.split("+")
        words = [f"--{name.replace('_', '-')}" for name in (knob.partition("=")[0] for knob in knobs)]
        values = [knob.partition("=")[2] for knob in knobs]
        guards = [word for pair in zip(words, values, strict=True) for word in pair if word]
        chosen = ["--selection", selection, "--loss", self.loss, "--seed", str(self.seed)]
        return [self.grid.preset, *chosen, *guards, *self.grid.options, "--out", str(self.path)]

    def check(self) -> None:
        """Refuse what training would refuse, and results of other settings.

        Raises:
            ValueError: If the folder holds a run of other settings.
        """
        wanted = json.loads(json.dumps(parse_training(self.arguments).record()))
        path = self.path / "config.json"
        if path.exists() and (found := json.loads(path.read_text())["config"]) != wanted:
            differ = sorted(name for name in {**found, **wanted} if found.get(name) != wanted.get(name))
            raise ValueError(
                f"a grid goes on only with its own settings, but {self.path} has another {', '.join(differ)}; "
                "choose another --out"
            )

    def make(self) -> dict[str, Any] | None:
        """Train unless it is done; the result, or None if it failed."""
        if (found := read_result(self.path)) is not None:
            return found
        done = subprocess.run([sys.executable, "-m", "vision.train", *self.arguments], check=False)
        return None if done.returncode else read_result(self.path)


def main(grid: Grid) -> int:
    """Make the runs; prints a table of means and standard deviations over the seeds.

    Returns:
        The number of runs that failed.
    """
    runs = grid.runs()
    with ThreadPoolExecutor(grid.workers) as pool:
        results = dict(zip(runs, pool.map(GridRun.make, runs), strict=True))
    sys.stdout.write(summary(grid, results))
    failed = [str(run.path) for run, result in results.items() if result is None]
    if failed:
        sys.stderr.write(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}\n")
    return len(failed)


_SHOWN = ("recall_at_1", "knn_top1", "probe_top1", "seconds")


def summary(grid: Grid, results: dict[GridRun, dict[str, Any] | None]) -> str:
    """A row for each loss and selection: mean (standard deviation) over its seeds, and how many there are."""
    rows = []
    for loss, selection in product(grid.losses, grid.selections):
        found = [
            r for run, r in results.items() if (run.loss, run.selection) == (loss, selection) and r is not None
        ]
        cells = [_spread([r[name] for r in found if name in r]) for name in _SHOWN]
        rows.append([loss, selection, *cells, str(len(found))])
    return aligned(["loss", "selection", *(name.replace("_", " ") for name in _SHOWN), "n"], rows, words=2)


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{mean(values):.4g} ({stdev(values):.2g})" if len(values) > 1 else f"{values[0]:.4g}"


def parse(argv: Sequence[str]) -> Grid:
    """The grid that a command line asks for."""
    ours = list(argv)
    options: list[str] = []
    if "--" in ours:
        at = ours.index("--")
        ours, options = ours[:at], ours[at + 1 :]
    found = cli(Grid, ours, prog="python -m vision.grid", description=__doc__)
    return Grid(**{**vars(found), "options": tuple(options)})


if __name__ == "__main__":
    run_command(lambda grid: sys.exit(1) if main(grid) else None, parse)
