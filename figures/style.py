"""One look for all figures: a selection has the same name, colour and dash everywhere."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator


@dataclass(frozen=True)
class Look:
    """How a selection is drawn."""

    label: str
    colour: str
    dash: str | tuple[int, tuple[int, ...]]


# Colours of Okabe and Ito, which colour-blind readers tell apart; dashes for print in grey. A family of methods
# has one colour.
SELECTION_LOOKS: dict[str, Look] = {
    "fixed": Look("fixed partition", "#999999", (0, (1, 1))),
    "shuffled": Look("shuffled", "#0072B2", "-"),
    "full": Look("full batch", "#000000", (0, (5, 2))),
    "all": Look("all N choose B", "#56B4E9", (0, (3, 1, 1, 1))),
    "osgd": Look("Ordered SGD", "#D55E00", "-"),
    "spectral": Look("spectral", "#009E73", (0, (6, 1))),
    "random": Look("random", "#0072B2", (0, (1, 1))),
    "design": Look("design", "#56B4E9", "-"),
    "pooled-design": Look("pooled design", "#56B4E9", (0, (6, 1))),
    "balanced": Look("balanced bisection + swaps", "#009E73", "-"),
    "kmeans": Look("balanced k-means + swaps", "#009E73", (0, (3, 1, 1, 1))),
    "graph": Look("graph partition + swaps", "#CC79A7", "-"),
    "communities": Look("communities (B3)", "#CC79A7", (0, (6, 1))),
    "bandwidth": Look("bandwidth (GCBS)", "#CC79A7", (0, (3, 1, 1, 1))),
    "matching": Look("exact pairing", "#000000", "-"),
    "curriculum": Look("curriculum (NGAME)", "#009E73", (0, (1, 1))),
    "clusters": Look("clusters (CDE)", "#E69F00", "-"),
    "cluster-draws": Look("cluster draws (TAS-B)", "#E69F00", (0, (6, 1))),
    "walk": Look("proximity walk (BatchSampler)", "#CC79A7", (0, (1, 1))),
    "spread": Look("spread", "#F0E442", "-"),
    "effective-rank": Look("effective rank", "#F0E442", (0, (6, 1))),
    "ordered": Look("ordered samples", "#D55E00", (0, (6, 1))),
    "rho": Look("RHO-loss", "#D55E00", (0, (3, 1, 1, 1))),
    "jest": Look("JEST", "#D55E00", (0, (1, 1))),
}
DIVERGING = "RdBu_r"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
"""For what is told apart by marks as well as by colour, in the order in which a figure shows it."""
WIDTH = 7.2
"""Of every figure, in inches: a page of text."""
_GUARD_DASHES: tuple[tuple[int, tuple[int, ...]], ...] = (
    *((0, (2, 2)), (0, (8, 2, 2, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 3))),
    *((0, (10, 3)), (0, (6, 2, 2, 2, 2, 2))),
)
"""Of a selection with guards, or with other knobs than usual: not those of any selection alone."""

BASELINE_DASHES: dict[str, tuple[int, tuple[int, ...]]] = {
    "tfidf_": (0, (1, 1)),
    "bm25_": (0, (4, 2)),
    "first_": (0, (6, 1, 1, 1)),
}
"""Of systems that are not trained, by the beginnings of their columns; all are grey."""

_SETTINGS: Any = {
    "figure.dpi": 100,
    "savefig.dpi": 144,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,
}


def use_style() -> None:
    """Make it the style of what is drawn from now on; draws to files, never to a screen."""
    mpl.use("Agg")
    mpl.rcParams.update(_SETTINGS)


def by_selection(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each selection, in the order in which figures show them; unknown names come last."""
    order = list(SELECTION_LOOKS)
    names = sorted(rows["selection"].unique(), key=lambda name: (order.index(name) if name in order else 99, name))
    return [(name, rows.loc[rows["selection"] == name]) for name in names]


def look(selection: str) -> Look:
    """How this selection is drawn; one that is not known yet is drawn in black under its own name."""
    return SELECTION_LOOKS.get(selection, Look(selection, "#000000", "-"))


def by_arm(rows: pd.DataFrame) -> list[tuple[Look, pd.DataFrame]]:
    """The rows of each selection and of its variants, which have its colour, another dash and their word."""
    arms = []
    for name, own in by_selection(rows):
        plain = look(name)
        words = sorted(set(own["guards"]))
        for place, word in enumerate(words if "" in words else ["", *words]):
            dash = plain.dash if place == 0 else _GUARD_DASHES[(place - 1) % len(_GUARD_DASHES)]
            kind = Look(f"{plain.label}, {word}" if word else plain.label, plain.colour, dash)
            if word in words:
                arms.append((kind, own.loc[own["guards"] == word]))
    return arms


def in_hundreds(axis: Axis) -> None:
    """Tick labels are the values times 100."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}"))


def within_parts(axis: Axes) -> None:
    """No more of the y axis than parts of 1 can be: intervals of few seeds go beyond."""
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, -0.05), min(high, 1.05))


def labelled(*panels: Axes) -> dict[str, Any]:
    """What the panels show under which label; a label that several have counts once."""
    return {label: one for axis in panels for one, label in zip(*axis.get_legend_handles_labels(), strict=True)}


def legend_above(
    figure: Figure,
    named: Mapping[str, Any],
    where: Literal["left", "center", "right"] = "center",
    columns: int | None = None,
) -> None:
    """Labels and what they stand for, in as many columns as there is room for.

    Args:
        figure: With a constrained layout, which makes room for it.
        named: Handles by label.
        where: At which side of the figure.
        columns: At most so many; None for as many as fit, filled evenly.
    """
    columns = columns or max(1, min(6, 140 // (max(map(len, named)) + 8)))
    lines = -(-len(named) // columns)
    columns = -(-len(named) // lines)
    place: Any = f"outside upper {where}"
    figure.legend(list(named.values()), list(named), loc=place, ncols=columns, fontsize=7)


def below(figure: Figure, caption: str) -> Figure:
    """The figure with its caption below it."""
    figure.supxlabel("\n".join(textwrap.wrap(caption, 145)), x=0.01, ha="left", fontsize=6.5, color="#444444")
    return figure


def panels(lines: int, columns: int, height: float, **shared: Any) -> tuple[Figure, np.ndarray]:
    """Axes as wide as a page, in lines and columns, with room for a legend above and a caption below.

    Args:
        lines: How many.
        columns: How many.
        height: Of the figure, in inches.
        shared: sharex and sharey of `pyplot.subplots`.

    Returns:
        The figure, and its axes by line and column.
    """
    return plt.subplots(lines, columns, figsize=(WIDTH, height), layout="constrained", squeeze=False, **shared)


def log_with_zero(axis: Axes, side: Literal["x", "y"], floor: float, top: float) -> None:
    """A side of logarithms on which what lies at the floor is called 0: what is not above rounding.

    Args:
        axis: A panel.
        side: Which of its two axes.
        floor: Where nothing is drawn; raise the values to it by `at_least`.
        top: The end of the axis.
    """
    decades = [10.0**k for k in range(int(np.floor(np.log10(floor))) + 1, int(np.floor(np.log10(top))) + 1)]
    axis.set(**{f"{side}scale": "log", f"{side}lim": (floor / 1.6, top)})
    ticks = axis.xaxis if side == "x" else axis.yaxis
    ticks.set_ticks([floor, *decades], ["0", *(f"{decade:g}" for decade in decades)])
    ticks.set_minor_locator(NullLocator())


def at_least(values: Any, floor: float) -> np.ndarray:
    """Values for an axis of logarithms: what is smaller, or negative by rounding, is drawn at the floor."""
    return np.maximum(np.asarray(values, dtype=float), floor)


def grams(named: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Matrices of similarities side by side, each below its title, with one scale of colours from -1 to 1."""
    figure, axes = panels(1, len(named), 1.75)
    for axis, (title, gram) in zip(axes[0], named, strict=True):
        image = axis.imshow(gram, cmap=DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
        axis.set_title(title, fontsize=7)
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        if axis is axes[0, -1]:
            scale = figure.colorbar(image, ax=axes, ticks=[-1, 0, 1], shrink=0.8, aspect=12, pad=0.01)
            scale.set_label("$u_i^T v_j$", labelpad=-2)
    return figure
