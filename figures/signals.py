"""What is left of InfoNCE's gradient, and how exactly it is computed."""

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, cells
from figures.style import MARKERS, at_least, below, labelled, legend_above, panels

CLAIM = (
    "With few negatives, aligned pairs and a small temperature InfoNCE has little gradient left where DCL and "
    "FlatNCE have all of it; a stable formula loses no digits of it."
)
TABLES = ("signals",)
COMMAND = "make results"
_ALIGNED = 0.9
_SHARE = r"$|\nabla\,$InfoNCE$|\;/\;|\nabla\,$DCL$|$"
_FORMULAS = {
    "cross_entropy": ("InfoNCE as cross-entropy", "#D55E00", "o"),
    "info_nce": ("InfoNCE of losses", "#0072B2", "s"),
    "dcl": ("DCL of losses", "#009E73", "^"),
}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "signals", draw(tables["signals"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """The share of the gradient at the smallest and the largest batch and temperature, and the largest errors."""
    table = tables["signals"]
    own = table.loc[(table["spread"] == "random") & (table["alignment"] == _ALIGNED)]
    if own.empty:
        return Evidence("open", f"The table has no random embeddings with similarity {_ALIGNED}.")
    low, high = own["temperature"].min(), own["temperature"].max()
    few, many = own["batch_size"].min(), own["batch_size"].max()

    errors = {name: table[f"error_{name}_float32"].max() for name in _FORMULAS}
    least = own.loc[own["signal"].idxmin()]
    text = (
        f"Of DCL's gradient InfoNCE has {least['signal']:.1e} at B = {least['batch_size']} and temperature "
        f"{least['temperature']:g} (u.v = {_ALIGNED}). Largest relative error in float32 over all {len(table)} "
        f"cases: cross-entropy {errors['cross_entropy']:.1e}, stable formula {errors['info_nce']:.1e}, DCL "
        f"{errors['dcl']:.1e}."
    )
    corners = own.loc[own["temperature"].isin([low, high]) & own["batch_size"].isin([few, many])]
    rows = [["temperature", "B", "length of InfoNCE's gradient over DCL's, median", "middle 80 %", "n draws"]]
    rows += [
        [f"{row['temperature']:g}", str(row["batch_size"]), *cells(_draws(row))]
        for row in corners.sort_values(["temperature", "batch_size"]).to_dict("records")
    ]
    ordered = (
        own.sort_values("batch_size").groupby("temperature")["signal"].agg(lambda x: bool((x.diff()[1:] > 0).all()))
    )
    colder = (
        own.sort_values("temperature").groupby("batch_size")["signal"].agg(lambda x: bool((x.diff()[1:] > 0).all()))
    )
    good = [
        ordered.all(),
        colder.all(),
        errors["info_nce"] < 1e-3,
        errors["info_nce"] < 0.01 * errors["cross_entropy"],
    ]
    return Evidence("confirmed" if all(good) else "partly" if any(good) else "refuted", text, rows)


def _draws(row: Mapping[str, Any]) -> Interval:
    """The median of the share and the middle 80 % of the draws."""
    return Interval(row["signal"], np.nan, row["signal_low"], row["signal_high"], int(row["n"]))


def draw(table: pd.DataFrame) -> Figure:
    """The share of the gradient against B, the negatives that have a say, and errors against that share.

    Args:
        table: signals.csv.
    """
    figure, ((left, middle, right),) = panels(1, 3, 3.3)
    own = table.loc[(table["spread"] == "random") & (table["alignment"] == _ALIGNED)]
    _against_size(left, own, "signal")
    others = own["batch_size"] - 1
    shares = {f"part{end}": 100 * own[f"effective_negatives{end}"] / others for end in ("", "_low", "_high")}
    _against_size(middle, own.assign(**shares), "part")
    left.set(ylabel=_SHARE, yscale="log")
    middle.set(ylabel="negatives with a say (% of B - 1)", ylim=(0, 103))
    for dtype, fill in (("float32", True), ("bfloat16", False)):
        for name, (label, colour, marker) in _FORMULAS.items():
            right.plot(
                table["signal"],
                at_least(table[f"error_{name}_{dtype}"], 1e-9),
                ls="",
                marker=marker,
                ms=2.5,
                color=colour,
                mfc=colour if fill else "none",
                mew=0.5,
                label=label if fill else None,
            )
    right.set(xlabel=_SHARE, ylabel="relative error of the gradient", yscale="log", xscale="log")
    legend_above(figure, labelled(left), "left", 3)
    legend_above(figure, labelled(right), "right", 2)
    text = (
        f"Left and middle: u uniform in {own['dim'].iloc[0]} dimensions, v at similarity {_ALIGNED}; median and "
        f"middle 80 % of n = {table['n'].min()} draws. Right: all cases, simplex ETFs and other similarities among "
        "them; filled float32, open bfloat16, against float64 at the same embeddings."
    )
    return below(figure, text)


def _against_size(axis: Axes, rows: pd.DataFrame, column: str) -> None:
    temperatures = sorted(rows["temperature"].unique())
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(temperatures)))
    for colour, marker, temperature in zip(colours, cycle(MARKERS), temperatures, strict=False):
        own = rows.loc[rows["temperature"] == temperature].sort_values("batch_size")
        size = own["batch_size"]
        axis.plot(
            size, own[column], color=colour, marker=marker, ms=3, lw=1.2, label=f"temperature {temperature:g}"
        )
        axis.fill_between(size, own[f"{column}_low"], own[f"{column}_high"], color=colour, alpha=0.2, lw=0)
    axis.set(xlabel="B", xscale="log")
