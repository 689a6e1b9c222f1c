"""Updates that designs and shuffles need to come near the full-batch optimum."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import below, by_selection, look

CLAIM = (
    "A design comes near the optimum of the full batch in far fewer updates than shuffles, each at its best rate."
)
_DASHES = {"constant": "-", "cosine": (0, (4, 2))}
_LABELS = {"constant": "constant rate", "cosine": "decayed to 0 at the end"}


def draw(curves: pd.DataFrame, needed: pd.DataFrame) -> Figure:
    """The gap against updates, a panel for each problem.

    Args:
        curves: race_curves.csv.
        needed: race_needed.csv.
    """
    sizes = sorted(curves["n_pairs"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(7.2, 2.9), sharey=True, layout="constrained", squeeze=False)
    for axis, n in zip(axes[0], sizes, strict=True):
        _panel(axis, curves.loc[curves["n_pairs"] == n], needed.loc[needed["n_pairs"] == n])
    axes[0][0].set_ylabel("full-batch loss above the minimum (nats)")
    handles: dict[str, Any] = {}
    for axis in axes[0]:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, fontsize=7.5)
    text = (
        f"Free embeddings, d = N, plain gradient descent; median and middle 80 % of {needed['n'].min()} seeds, "
        "rates tuned on other seeds. At a constant rate: the curve of the rate that reaches the lowest target "
        "first; with a decay every mark is a run of its own that ends there."
    )
    return below(figure, text)


def _panel(axis: Axes, curves: pd.DataFrame, needed: pd.DataFrame) -> None:
    for decay, dash in _DASHES.items():
        for name, rows in by_selection(curves.loc[curves["decay"] == decay]):
            kind, shown = look(name), rows
            if decay == "constant":
                shown = rows.loc[rows["rate"] == _rate(needed, name)]
            axis.plot(
                shown["update"],
                shown["median"],
                color=kind.colour,
                ls=dash,
                marker="o" if decay == "cosine" else None,
                ms=2.5,
                label=f"{kind.label}, {_LABELS[decay]}",
            )
            axis.fill_between(shown["update"], shown["low"], shown["high"], color=kind.colour, alpha=0.15, lw=0)
    for target in needed["target"].unique():
        axis.axhline(target, color="#888888", lw=0.7, ls=":")
    axis.set(xscale="log", yscale="log", xlabel="updates", ylim=(1e-5, 3))
    axis.set_title(f"N = {curves['n_pairs'].iloc[0]}, B = {curves['batch_size'].iloc[0]}", loc="left")


def _rate(needed: pd.DataFrame, selection: str) -> float:
    """The constant rate that is best for the smallest gap reached; for the largest target if none is."""
    own = needed.loc[(needed["selection"] == selection) & (needed["decay"] == "constant")].sort_values("target")
    reached = own.loc[own["updates"].notna()]
    return float(reached["rate"].iloc[0] if len(reached) else own["rate"].iloc[-1])
