"""The same training with every selection, loss, batch size and seed: `python -m vision.grid PRESET [-- options]`.

    python -m vision.grid digits --selections shuffled osgd spectral --seeds 0 1 2 --out runs/grid
    python -m vision.grid cifar100 --selections shuffled graph --losses nt_xent sogclr -- --evaluate-every 10
    python -m vision.grid digits --losses nt_xent dcl --batch-sizes 16 32 64 128 -- --epochs 2 --updates None

What follows `--` goes to every `python -m vision.train` unchanged. A run that is finished is left alone, one that
was interrupted goes on, so the same command may be given again. Seeds come in turn, so that a grid that is cut
short has every selection at fewer seeds.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training import grid as any_grid
from training import run_command
from training.grid import Trainer, main
from vision.presets import PRESETS
from vision.train import parse as parse_training


@dataclass(frozen=True, kw_only=True)
class Grid(any_grid.Grid):
    """Which runs to make."""

    TRAINER: ClassVar[Trainer] = Trainer(
        "vision", parse_training, tuple(PRESETS), ("recall_at_1", "knn_top1", "probe_top1", "seconds")
    )

    losses: tuple[str, ...] = ("nt_xent",)
    """Losses, each with its settings if it needs any: nt_xent, or sogclr+gamma=0.5."""


def parse(argv: Sequence[str]) -> Grid:
    """The grid that a command line asks for."""
    return any_grid.parse(Grid, argv, description=__doc__)


if __name__ == "__main__":
    run_command(lambda grid: sys.exit(1) if main(grid) else None, parse)
