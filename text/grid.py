"""The same training with every selection, loss, batch size and seed: `python -m text.grid PRESET [-- options]`.

    python -m text.grid docstrings --selections shuffled osgd spectral --seeds 0 1 2 --out runs/grid
    python -m text.grid msmarco-sample --selections shuffled graph+max_similarity=0.95 -- --evaluate-every 1
    python -m text.grid docstrings --losses clip sogclr+gamma=0.5 --workers 2
    python -m text.grid docstrings --batch-sizes 32 64 128 -- --epochs 1 --updates None

What follows `--` goes to every `python -m text.train` unchanged. A run that is finished is left alone, one that
was interrupted goes on, so the same command may be given again. Seeds come in turn, so that a grid that is cut
short has every selection at fewer seeds.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from text.presets import PRESETS
from text.train import parse as parse_training
from training import grid as any_grid
from training import run_command
from training.grid import Trainer, main


@dataclass(frozen=True, kw_only=True)
class Grid(any_grid.Grid):
    """Which runs to make."""

    TRAINER: ClassVar[Trainer] = Trainer(
        "text",
        parse_training,
        tuple(PRESETS),
        ("relevant_mrr_at_10", "relevant_recall_at_10", "full_mrr_at_10", "rerank_mrr_at_10", "seconds"),
    )

    losses: tuple[str, ...] = ("clip",)
    """Losses, each with its settings if it needs any: clip, or sogclr+gamma=0.5."""


def parse(argv: Sequence[str]) -> Grid:
    """The grid that a command line asks for."""
    return any_grid.parse(Grid, argv, description=__doc__)


if __name__ == "__main__":
    run_command(lambda grid: sys.exit(1) if main(grid) else None, parse)
