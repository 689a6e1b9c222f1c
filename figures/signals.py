"""What is left of InfoNCE's gradient, and how exactly it is computed."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.evidence import Evidence
from figures.style import below

CLAIM = (
    "With few negatives, aligned pairs and a small temperature InfoNCE has little gradient left where DCL and "
    "FlatNCE have all of it; a stable formula loses no digits of it."
)
TABLES = ("signals",)
COMMAND = "make results"
_ALIGNED = 0.9
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

    def share(size: int, temperature: float) -> str:
        row = own.loc[(own["batch_size"] == size) & (own["temperature"] == temperature)].iloc[0]
        return f"{row['signal']:.2g} [{row['signal_low']:.2g}, {row['signal_high']:.2g}]"

    errors = {name: table[f"error_{name}_float32"].max() for name in _FORMULAS}
    text = (
        f"|gradient of InfoNCE| over that of DCL, u.v = {_ALIGNED} (median and middle 80 % of n = {own['n'].min()} "
        f"draws): temperature {low:g}: B = {few}: {share(few, low)}, B = {many}: {share(many, low)}; temperature "
        f"{high:g}: B = {few}: {share(few, high)}, B = {many}: {share(many, high)}. Largest relative error in "
        f"float32 over all {len(table)} cases: cross-entropy {errors['cross_entropy']:.1e}, stable formula "
        f"{errors['info_nce']:.1e}, DCL {errors['dcl']:.1e}."
    )
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
    return Evidence("confirmed" if all(good) else "partly" if any(good) else "refuted", text)


def draw(table: pd.DataFrame) -> Figure:
    """The share of the gradient against B, the negatives that have a say, and errors against that share.

    Args:
        table: signals.csv.
    """
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.1), layout="constrained")
    own = table.loc[(table["spread"] == "random") & (table["alignment"] == _ALIGNED)]
    _against_size(axes[0], own, "signal")
    _against_size(axes[1], own, "effective_negatives")
    sizes = sorted(own["batch_size"].unique())
    axes[1].plot(sizes, [size - 1 for size in sizes], color="#888888", ls=":", lw=1)
    axes[0].set(xlabel="B", ylabel="|gradient of InfoNCE| / |of DCL|", yscale="log", xscale="log")
    axes[1].set(xlabel="B", ylabel="negatives with a say", yscale="log", xscale="log")
    for dtype, fill in (("float32", True), ("bfloat16", False)):
        for name, (label, colour, marker) in _FORMULAS.items():
            error = np.maximum(table[f"error_{name}_{dtype}"], 1e-9)
            axes[2].plot(
                table["signal"],
                error,
                ls="",
                marker=marker,
                ms=2.5,
                color=colour,
                mfc=colour if fill else "none",
                mew=0.5,
                label=label if fill else None,
            )
    axes[2].set(xlabel="|gradient of InfoNCE| / |of DCL|", ylabel="relative error of the gradient", yscale="log")
    axes[2].set(xscale="log")
    named = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    named |= dict(zip(*reversed(axes[2].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=5, fontsize=7)
    text = (
        f"Left and middle: u uniform in {own['dim'].iloc[0]} dimensions, v at similarity {_ALIGNED}; median and "
        f"middle 80 % of n = {table['n'].min()} draws; dotted: all B - 1 negatives alike. Right: all cases, "
        "simplex ETFs and other similarities among them; filled float32, open bfloat16, against float64 at the "
        "same embeddings."
    )
    return below(figure, text)


def _against_size(axis: Axes, rows: pd.DataFrame, column: str) -> None:
    temperatures = sorted(rows["temperature"].unique())
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(temperatures)))
    for colour, temperature in zip(colours, temperatures, strict=True):
        own = rows.loc[rows["temperature"] == temperature].sort_values("batch_size")
        axis.plot(
            own["batch_size"], own[column], color=colour, marker="o", ms=2.5, label=f"temperature {temperature:g}"
        )
        axis.fill_between(
            own["batch_size"], own[f"{column}_low"], own[f"{column}_high"], color=colour, alpha=0.2, lw=0
        )
