"""One look for all figures: a selection has the same name, colour and dash everywhere."""

import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter


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


def legend_above(figure: Figure, named: dict[str, Any]) -> None:
    """Labels and what they stand for, in as many columns as there is room for."""
    columns = max(1, min(5, 120 // (max(map(len, named)) + 8)))
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=columns, fontsize=7)


def below(figure: Figure, caption: str) -> Figure:
    """The figure with its caption below it."""
    figure.supxlabel("\n".join(textwrap.wrap(caption, 145)), x=0.01, ha="left", fontsize=6.5, color="#444444")
    return figure
