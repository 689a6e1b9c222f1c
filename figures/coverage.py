"""The full batch's gap against the fraction of pairs that ever meet.

The direction was seen first: that the gap need not fall as more pairs meet was put into the claim after results of
this study showed it, so that "confirmed" says there what was seen, and is no prediction that came true.
"""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.evidence import Evidence, bootstrap, told
from figures.style import below, look

CLAIM = (
    "That every pair meets is not enough for the full batch's optimum: all must meet equally often; before that "
    "the gap need not fall as more pairs meet."
)
TABLES = ("coverage",)
COMMAND = "make results"
_FLOOR = 5e-3
"""Where nothing is drawn, on an axis of logarithms."""
_ZERO = 1e-8
"""A gap below this is one of rounding."""
_FAMILIES = {
    "classes": ("design", "o", "classes of the design"),
    "shuffles": ("shuffled", "s", "independent shuffles"),
    "random": ("random", "^", "random batches, all different"),
}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "coverage", draw(tables["coverage"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Rank correlation of gap and fraction, and what is left of the gap where every pair meets."""
    table = tables["coverage"]
    every = table.loc[table["least"] >= 1]
    design, other = every.loc[every["design"]], every.loc[~every["design"]]
    if design.empty or other.empty:
        return Evidence("open", "The table has no set of batches in which all pairs meet of one of the two kinds.")
    falls = {}
    for name, family in (("random batches", "random"), ("shuffles", "shuffles"), ("classes", "classes")):
        own = table.loc[(table["family"] == family) & ~table["design"]]
        falls[name] = [rows["met"].corr(rows["gap"], method="spearman") for _, rows in own.groupby("n_pairs")]
    ranks = "; ".join(f"{name} {', '.join(f'{x:+.2f}' for x in values)}" for name, values in falls.items())
    text = (
        f"Every pair meets: sets that are no design keep a gap of {told(bootstrap(other['gap']))} (median; least "
        f"{other['gap'].min():.1e}); designs at most {design['gap'].max():.1e}, n = {len(design)}. Rank "
        f"correlation of gap and fraction met, for N = {', '.join(map(str, sorted(table['n_pairs'].unique())))}: "
        f"{ranks}."
    )
    enough = design["gap"].max() < _ZERO and other["gap"].min() > _ZERO
    if not enough:
        return Evidence("refuted", text)
    return Evidence("confirmed" if any(x > 0 for values in falls.values() for x in values) else "partly", text)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each N: a mark for every set of batches.

    Args:
        table: coverage.csv.
    """
    sizes = sorted(table["n_pairs"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(7.2, 3.2), sharey=True, layout="constrained", squeeze=False)
    for axis, n in zip(axes[0], sizes, strict=True):
        _panel(axis, table.loc[table["n_pairs"] == n])
    axes[0][0].set_ylabel("full-batch loss above the minimum (nats)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=7.5)
    n = table.groupby(["n_pairs", "family", "k"])["gap"].size().min()
    nothing = table.loc[table["design"], "gap"].abs().max()
    text = (
        f"Each mark is a minimiser over one set of batches (L-BFGS, d = N, n = {n} seeds for each number of "
        "batches; the larger the mark, the more batches). At 100 % every pair meets; only where all meet equally "
        f"often is nothing left (0: at most {nothing:.0e})."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for family, (name, marker, label) in _FAMILIES.items():
        own = rows.loc[rows["family"] == family]
        colour = look(name).colour
        axis.scatter(
            100 * own["met"],
            np.maximum(own["gap"], _FLOOR),
            s=4 * np.sqrt(own["n_batches"]),
            marker=marker,
            edgecolors=colour,
            facecolors="none" if family == "random" else colour,
            alpha=0.7,
            lw=0.6,
            label=label,
        )
    axis.set(yscale="log", xlabel="pairs that meet in some batch (%)", ylim=(_FLOOR / 1.5, 2))
    axis.set_yticks([_FLOOR, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
    axis.minorticks_off()
    axis.set_title(f"N = {rows['n_pairs'].iloc[0]}, B = {rows['batch_size'].iloc[0]}", loc="left")
