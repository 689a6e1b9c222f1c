"""One look for all figures: a selection has the same name, colour and dash everywhere."""

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd


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

_SETTINGS: Any = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
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
