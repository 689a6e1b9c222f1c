"""From tables to files: every figure, PDF and PNG."""

import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from figures.registry import FIGURES
from figures.style import use_style

OUT = Path(__file__).parent / "out"


def draw_all(out: Path, names: Iterable[str] = tuple(FIGURES)) -> dict[str, list[str]]:
    """Every figure whose tables are there, PDF and PNG, into a folder; what is missing is named with its command.

    Several figures are drawn by two processes.

    Args:
        out: The folder.
        names: Which figures.

    Returns:
        The names of the pictures of each figure that was drawn.
    """
    there: list[str] = []
    for name in names:
        entry = FIGURES[name]
        if missing := entry.missing():
            lacking = ", ".join(path.name for path in missing)
            sys.stdout.write(f"no figure {name} without {lacking}; `{entry.command}` makes it\n")
        else:
            there.append(name)
    if len(there) < 2:
        return {name: draw_one(out, name) for name in there}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return dict(zip(there, pool.map(partial(draw_one, out), there), strict=True))


def draw_one(out: Path, name: str) -> list[str]:
    """The pictures of one figure, PDF and PNG, into a folder; returns their names."""
    use_style()
    entry = FIGURES[name]
    drawn: list[str] = []
    for picture, figure in entry.pictures(entry.read()):
        save(figure, out, picture)
        sys.stdout.write(f"{out / picture}.pdf, .png\n")
        sys.stdout.flush()
        drawn.append(picture)
    return drawn


def save(figure: Figure, folder: Path, name: str, *, pdf: bool = True) -> None:
    """PDF and PNG, without dates or versions inside, so that the same table gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    if pdf:  # after the PNG: laying out a figure for the second time may move it by a hair
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    plt.close(figure)
