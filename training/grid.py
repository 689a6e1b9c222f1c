"""The same training with every selection, loss, batch size and seed, whatever it trains on.

A package makes its grid of this one with a few lines, and a command of it:

    @dataclass(frozen=True, kw_only=True)
    class Grid(training.grid.Grid):
        TRAINER = Trainer("vision", parse, tuple(PRESETS), ("recall_at_1", "seconds"))

    run_command(lambda grid: sys.exit(1) if main(grid) else None, partial(parse, Grid))
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, ClassVar, TypeVar

import tyro

from batching.cli import cli
from batching.table import aligned
from training.config import TrainingConfig
from training.record import read_result


@dataclass(frozen=True)
class Trainer:
    """A training that a grid repeats: `python -m PACKAGE.train`."""

    package: str
    parse: Callable[[Sequence[str]], TrainingConfig]
    """Its configuration from its command line; refuses what cannot run."""
    presets: tuple[str, ...]
    shown: tuple[str, ...]
    """Numbers of its results that the table shows."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which runs to make. A subclass says of which training."""

    TRAINER: ClassVar[Trainer]

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PRESET")]
    """Preset of the training."""
    selections: tuple[str, ...] = ("shuffled", "osgd", "spectral")
    """Selections, each with its guards if it has any: graph, or graph+max_similarity=0.95."""
    losses: tuple[str, ...]
    """Losses, each with its settings if it needs any: clip, or sogclr+gamma=0.5."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds."""
    batch_sizes: tuple[int, ...] = ()
    """Batch sizes; none for the preset's own."""
    out: Path = Path("runs/grid")
    """Where the run folders go: OUT/PRESET/LOSS/SELECTION/seed-SEED, at given batch sizes
    OUT/PRESET/B32/LOSS/SELECTION/seed-SEED."""
    workers: int = 1
    """Runs side by side."""
    options: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """For every run."""

    def __post_init__(self) -> None:
        """Refuse what can be told without a training's help; `main` refuses the rest before any run."""
        if self.preset not in self.TRAINER.presets:
            raise ValueError(f"preset must be one of {', '.join(self.TRAINER.presets)}, got {self.preset!r}")
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.batch_sizes and "--batch-size" in self.options:
            raise ValueError(
                f"batch sizes must be given once, got batch_sizes {self.batch_sizes} and --batch-size for every "
                "training; leave out one of the two"
            )
        for name in ("selections", "losses", "seeds", "batch_sizes"):
            given = getattr(self, name)
            if not given and name != "batch_sizes":
                raise ValueError(f"{name} must name at least one, got none")
            if twice := sorted({str(one) for one in given if given.count(one) > 1}):
                raise ValueError(f"{name} must name each once, got {', '.join(twice)} more than once; leave it out")

    def runs(self) -> list["GridRun"]:
        """All runs, the first seed of everything first."""
        return [
            GridRun(self, selection, loss, seed, size)
            for seed, size, loss, selection in product(self.seeds, self.sizes, self.losses, self.selections)
        ]

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The batch sizes; None for the preset's own."""
        return self.batch_sizes or (None,)


GridOf = TypeVar("GridOf", bound=Grid)


@dataclass(frozen=True)
class GridRun:
    """One training."""

    grid: Grid
    selection: str
    loss: str
    seed: int
    batch_size: int | None
    """None for the preset's own."""

    @property
    def path(self) -> Path:
        """Its folder."""
        size = () if self.batch_size is None else (f"B{self.batch_size}",)
        return Path(self.grid.out, self.grid.preset, *size, self.loss, self.selection, f"seed-{self.seed}")

    @property
    def arguments(self) -> list[str]:
        """What the training is given."""
        selection, *knobs = _parts(self.selection)
        loss, *settings = _parts(self.loss)
        chosen = ["--selection", selection, "--loss", loss, "--seed", str(self.seed)]
        for knob in knobs:
            name, equals, value = knob.partition("=")
            chosen += [f"--{name.replace('_', '-')}", *([value] if equals else [])]
        chosen += ["--loss-settings", *settings] if settings else []
        chosen += [] if self.batch_size is None else ["--batch-size", str(self.batch_size)]
        return [self.grid.preset, *chosen, *self.grid.options, "--out", str(self.path)]

    def check(self) -> None:
        """Refuse what training would refuse, and results of other settings.

        Raises:
            ValueError: If the folder holds a run of other settings.
        """
        wanted = json.loads(json.dumps(self.grid.TRAINER.parse(self.arguments).record()))
        path = self.path / "config.json"
        found = json.loads(path.read_text())["config"] if path.exists() else wanted
        # Digests of data are known to a training alone, which has read them.
        names = {*wanted, *(name for name in found if not name.endswith("_sha256"))}
        if differ := sorted(name for name in names if found.get(name) != wanted.get(name)):
            raise ValueError(
                f"a grid goes on only with its own settings, but {self.path} has another {', '.join(differ)}; "
                "choose another --out"
            )

    def make(self) -> dict[str, Any] | None:
        """Train unless it is done; the result, or None if it failed."""
        if (found := read_result(self.path)) is not None:
            return found
        command = [sys.executable, "-m", f"{self.grid.TRAINER.package}.train", *self.arguments]
        return None if subprocess.run(command, check=False).returncode else read_result(self.path)


def main(grid: Grid) -> int:
    """Make the runs; prints a table of means and standard deviations over the seeds.

    Returns:
        The number of runs that failed.

    Raises:
        ValueError: If training would refuse a run, or there are results of other settings; nothing has been done
            then.
    """
    runs = grid.runs()
    for run in runs:
        run.check()
    with ThreadPoolExecutor(grid.workers) as pool:
        results = dict(zip(runs, pool.map(GridRun.make, runs), strict=True))
    sys.stdout.write(summary(grid, results))
    failed = [str(run.path) for run, result in results.items() if result is None]
    if failed:
        sys.stderr.write(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}\n")
    return len(failed)


def summary(grid: Grid, results: dict[GridRun, dict[str, Any] | None]) -> str:
    """A row for each batch size, loss and selection: mean (standard deviation) over its seeds, and how many."""
    rows = []
    for size, *arm in product(grid.sizes, grid.losses, grid.selections):
        found = [
            result
            for run, result in results.items()
            if [run.batch_size, run.loss, run.selection] == [size, *arm] and result is not None
        ]
        cells = [_spread([float(r[name]) for r in found if name in r]) for name in grid.TRAINER.shown]
        rows.append([*arm, *([] if size is None else [str(size)]), *cells, str(len(found))])
    shown = (name.replace("_", " ") for name in grid.TRAINER.shown)
    return aligned(["loss", "selection", *(["B"] if grid.batch_sizes else []), *shown, "n"], rows, words=2)


def parse(kind: type[GridOf], argv: Sequence[str], *, description: str | None) -> GridOf:
    """The grid of this kind that a command line asks for; what follows `--` goes to every training.

    Args:
        kind: The subclass.
        argv: The words of the command line.
        description: What --help begins with.
    """
    ours = list(argv)
    options: list[str] = []
    if "--" in ours:
        at = ours.index("--")
        ours, options = ours[:at], ours[at + 1 :]
    found = cli(kind, ours, prog=f"python -m {kind.TRAINER.package}.grid", description=description)
    return kind(**{**vars(found), "options": tuple(options)})


def _parts(word: str) -> list[str]:
    """A name and its settings: graph+max_similarity=0.95 as graph and max_similarity=0.95."""
    parts = word.split("+")
    if not all(parts):
        raise ValueError(f"selections and losses must be NAME or NAME+SETTING=VALUE+..., got {word!r}")
    return parts


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{mean(values):.4g} ({stdev(values):.2g})" if len(values) > 1 else f"{values[0]:.4g}"
