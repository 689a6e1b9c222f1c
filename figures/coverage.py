"""The full batch's gap against the fraction of pairs that ever meet.

The direction was seen first: that the gap need not fall as more pairs meet was put into the claim after results of
this study showed it, so that "confirmed" says there what was seen, and is no prediction that came true.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.evidence import ROUNDING, Evidence, bootstrap, cells, told
from figures.style import at_least, below, labelled, legend_above, log_with_zero, look, panels

CLAIM = (
    "That every pair meets is not enough for the full batch's optimum: all must meet equally often; before that "
    "the gap need not fall as more pairs meet."
)
TABLES = ("coverage",)
COMMAND = "make results"
_FLOOR = 5e-3
"""Where nothing is drawn, on an axis of logarithms."""
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
    lines: list[list[str]] = []
    ranks: list[float] = []
    groups: list[tuple[Any, pd.DataFrame]] = list(table.groupby(["family", "n_pairs"], sort=False))
    for (family, n), own in groups:
        few, met = own.loc[~own["design"]], own.loc[~own["design"] & (own["least"] >= 1), "gap"]
        ranks.append(few["met"].corr(few["gap"], method="spearman"))
        cell = cells(bootstrap(met)) if len(met) else ["–"] * 3
        lines.append([_FAMILIES[str(family)][2], str(n), f"{ranks[-1]:+.2f}", str(len(few)), *cell])
    for n, own in design.groupby("n_pairs"):
        lines.append(["the whole design", str(n), "–", "–", *cells(bootstrap(own["gap"]), ".1e")])
    text = (
        f"Where every pair meets, sets of batches that are no design keep a gap of {told(bootstrap(other['gap']))} "
        f"(median; least {other['gap'].min():.2g}), designs one of at most {design['gap'].max():.1e} "
        f"(n = {len(design)})."
    )
    header = ["batches", "N", "rank correlation of gap and pairs that meet", "sets"]
    header += ["median gap where all meet", "95 % interval", "n"]
    rows = [header, *lines]
    enough = design["gap"].max() < ROUNDING and other["gap"].min() > ROUNDING
    if not enough:
        return Evidence("refuted", text, rows)
    return Evidence("confirmed" if any(x > 0 for x in ranks) else "partly", text, rows)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each N: the gap of each family of sets of batches, as more of them are taken.

    Args:
        table: coverage.csv.
    """
    sizes = sorted(table["n_pairs"].unique())
    figure, axes = panels(1, len(sizes), 3.2, sharey=True)
    for axis, n in zip(axes[0], sizes, strict=True):
        _panel(axis, table.loc[table["n_pairs"] == n])
    axes[0, 0].set_ylabel("full-batch loss above the minimum (nats)")
    log_with_zero(axes[0, 0], "y", _FLOOR, 2)
    legend_above(figure, labelled(axes[0, 0]))
    n = table.groupby(["n_pairs", "family", "k"])["gap"].size().min()
    nothing = table.loc[table["design"], "gap"].abs().max()
    text = (
        "Minimisers over sets of batches (L-BFGS, d = N): along a line there are more and more of them; median "
        f"(mark) and least to largest (bar) of n = {n} seeds. At 100 % every pair meets; only where all meet "
        f"equally often is nothing left (0: at most {nothing:.0e})."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for family, (name, marker, label) in _FAMILIES.items():
        sets = rows.loc[rows["family"] == family].groupby("k")
        gaps, kind = sets["gap"], look(name)
        low, middle, high = (at_least(one, _FLOOR) for one in (gaps.min(), gaps.median(), gaps.max()))
        axis.errorbar(
            100 * sets["met"].mean(),
            middle,
            yerr=[middle - low, high - middle],
            color=kind.colour,
            ls=kind.dash,
            lw=1,
            elinewidth=0.8,
            marker=marker,
            ms=4.5,
            mfc="white" if family == "random" else kind.colour,
            label=label,
        )
    axis.set_xlabel("pairs that meet in some batch (%)")
    axis.set_title(f"N = {rows['n_pairs'].iloc[0]}, B = {rows['batch_size'].iloc[0]}", loc="left")
