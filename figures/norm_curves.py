"""The distance of the similarities to those of the optimum, against updates."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, bounded, cells, crossing, ratio, tally, verdict
from figures.problems import problem_title
from figures.style import below, by_selection, labelled, look, panels

CLAIM = (
    "At one learning rate for all, batches of high loss (Ordered SGD, spectral) bring the similarities to the "
    "optimum's in fewer updates than shuffled ones."
)
TABLES = ("norm_curves", "norm_needed")
COMMAND = "make results"
_HARD = ("osgd", "spectral")
_LEAST = 0.02
"""Where the axis ends: below it only the full batch of 4 pairs is on its way to 0."""
_SHARES = {0.5: "half", 0.1: "a tenth"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "norm_curves", draw(*(tables[name] for name in TABLES))


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Updates of shuffles over those of batches of high loss, for every problem and share of the first distance.

    Cases in which neither arrives are in the table alone.
    """
    labels = [look(name).label for name in _HARD]
    table = [["problem", "distance", "shuffled", *labels, *(f"times fewer: {label}" for label in labels), "n"]]
    found: list[list[Interval]] = [[] for _ in _HARD]
    groups: list[tuple[Any, pd.DataFrame]] = list(tables["norm_needed"].groupby(["n_pairs", "dim", "share"]))
    for (_, _, share), rows in sorted(groups, key=lambda group: (*group[0][:2], -group[0][2])):
        arms = {row["selection"]: row for row in rows.to_dict("records")}
        if not {"shuffled", *_HARD} <= arms.keys():
            continue
        first = arms["shuffled"]
        times = [ratio(crossing(first), crossing(arms[name])) for name in _HARD]
        for own, one in zip(found, times, strict=True):
            own += [one] if np.isfinite([one.low, one.high]).any() else []
        told = [_told(arms[name]) for name in ("shuffled", *_HARD)]
        name = _SHARES.get(share, f"{share:g}")
        table.append([problem_title(first), name, *told, *map(bounded, times), str(first["n"])])
    every = [one for own in found for one in own]
    if not every:
        return Evidence("open", "The table has no problem on which shuffles or batches of high loss arrive.")
    counts = "; ".join(f"{label} {tally(1, own, 1)}" for label, own in zip(labels, found, strict=True) if own)
    rates = ", ".join(f"{rate:g}" for rate in sorted(tables["norm_needed"]["learning_rate"].unique()))
    text = (
        f"Fewer updates than with shuffles to {' and to '.join(_SHARES.values())} of the distance at the start: "
        f"{counts}. Learning rate {rates}, tuned for none."
    )
    return Evidence(verdict(1, every, 1), text, table)


def _told(row: Mapping[str, Any]) -> str:
    if pd.isna(row["updates"]):
        return f"> {row['at_most']:,}"
    return " ".join(cells(crossing(row), ",.0f")[:2])


def draw(curves: pd.DataFrame, needed: pd.DataFrame) -> Figure:
    """A panel for each problem: pairs across, dimensions down.

    Args:
        curves: norm_curves.csv.
        needed: norm_needed.csv.
    """
    sizes = sorted(curves["n_pairs"].unique())
    down = max(curves.loc[curves["n_pairs"] == n, "dim"].nunique() for n in sizes)
    figure, axes = panels(down, len(sizes), 1.0 + 1.75 * down, sharex="col", sharey=True)
    for n, column in zip(sizes, axes.T, strict=True):
        for axis, (dim, rows) in zip(column, curves.loc[curves["n_pairs"] == n].groupby("dim"), strict=False):
            own = needed.loc[needed["n_pairs"].eq(n) & needed["dim"].eq(dim)]
            _panel(axis, rows, sorted({*(own["share"] * own["start"]).round(9)}))
        column[-1].set_xlabel("updates")
    axes[0, 0].set_ylim(_LEAST, 1.2 * curves["distance_high"].max())
    for axis in axes[:, 0]:
        axis.set_ylabel("distance to the optimum")
    named = labelled(axes[0, 0])
    columns = {"ncols": len(named), "columnspacing": 1.2, "handlelength": 1.8}  # all in one line
    figure.legend(list(named.values()), list(named), loc="outside upper center", fontsize=7, **columns)
    first = curves.iloc[0].to_dict()
    text = (
        f"Free embeddings, {first['loss']} at temperature {first['temperature']:g}, plain gradient descent, "
        f"learning rate {first['learning_rate']:g} for all, as many epochs for all (an update of the full batch, "
        "or of all N choose B, is an epoch). Frobenius norm of U V^T less the similarities of the nearest optimum, "
        f"pairs relabelled: median (line) and middle 80 % (band) of n = {first['n']} seeds. Dotted: "
        f"{' and '.join(_SHARES.get(share, f'{share:g}') for share in sorted(needed['share'].unique())[::-1])} of "
        "the start's. The optimum is the cross-polytope above, the simplex ETF below. A design dips where all its "
        "classes have just been used."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame, goals: list[float]) -> None:
    for name, arm in by_selection(rows):
        kind, x = look(name), arm["update"]
        axis.plot(x, arm["distance_median"], color=kind.colour, ls=kind.dash, lw=1.3, label=kind.label)
        axis.fill_between(x, arm["distance_low"], arm["distance_high"], color=kind.colour, alpha=0.12, lw=0)
    for goal in goals:
        axis.axhline(goal, color="#888888", lw=0.7, ls=":")
    axis.set(xscale="log", yscale="log")
    axis.set_title(problem_title(rows.iloc[0].to_dict()), loc="left")
