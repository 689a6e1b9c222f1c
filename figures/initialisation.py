"""Updates to a small gap from equal and from independent views at the start."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.effects import Interval
from figures.evidence import Evidence, cells
from figures.style import WIDTH, below, by_selection, legend_above, look

CLAIM = "Equal views at the start need fewer updates to come near the optimum than independent ones."
TABLES = ("initialisation",)
COMMAND = "make results"


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "initialisation", draw(tables["initialisation"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Updates of both, and whether their 95 % intervals are apart."""
    pairs = _pairs(tables["initialisation"])
    if not pairs:
        return Evidence("open", "The table has no problem with both starts.")
    fewer = sum(bool(equal["high"] < other["low"]) for *_, equal, other in pairs)
    more = sum(bool(equal["low"] > other["high"]) for *_, equal, other in pairs)
    n = min(int(equal["n"]) for *_, equal, _ in pairs)
    text = (
        f"Equal views need fewer updates in {fewer} of {len(pairs)} cases and more in {more}; in the others the "
        f"95 % intervals of the medians (n = {n} seeds) overlap."
    )
    header = ["N, B", "selection", "gap", "equal views: updates", "95 % interval"]
    rows = [[*header, "independent views: updates", "95 % interval", "n"]]
    rows += [
        [f"{n}, {size}", look(name).label, f"{equal['target']:g}", *_updates(equal)[:2], *_updates(other)]
        for name, n, size, equal, other in pairs
    ]
    if fewer == len(pairs):
        return Evidence("confirmed", text, rows)
    return Evidence("partly" if fewer else "refuted" if more else "open", text, rows)


def draw(table: pd.DataFrame) -> Figure:
    """Two marks for each problem and selection.

    Args:
        table: initialisation.csv.
    """
    pairs = _pairs(table)
    figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.27 * len(pairs)), layout="constrained")
    for place, (name, _, _, equal, other) in enumerate(pairs):
        for row, beside, marker, filled in ((other, -0.17, "o", False), (equal, 0.17, "s", True)):
            found, colour = _interval(row), look(name).colour
            beyond = np.isnan(found.high)
            high = 1.3 * found.mean if beyond else found.high
            axis.plot([found.low, high], [place + beside] * 2, color=colour, lw=1.4)
            axis.plot(
                found.mean, place + beside, marker=marker, color=colour, mfc=colour if filled else "white", ms=4.5
            )
            if beyond:
                axis.plot(high, place + beside, marker=">", color=colour, ms=3.5)
    marks = {
        "independent views": Line2D([], [], color="#444444", marker="o", mfc="white", ls=""),
        "u = v (equal views)": Line2D([], [], color="#444444", marker="s", ls=""),
    }
    legend_above(figure, marks)
    axis.set_yticks(range(len(pairs)), [f"{look(name).label}, N = {n}, B = {b}" for name, n, b, *_ in pairs])
    axis.tick_params(axis="y", labelsize=7.5)
    axis.set(
        xscale="log", xlabel=f"updates to a gap of {table['target'].max():g} nats", ylim=(len(pairs) - 0.5, -0.5)
    )
    text = (
        "Free embeddings, d = N, plain gradient descent at the best constant rate of each (tuned on other seeds); "
        f"median of n = {table['n'].min()} seeds, bootstrap 95 % intervals (an arrow: no upper end is known)."
    )
    return below(figure, text)


def _interval(row: Mapping[str, Any]) -> Interval:
    """The median and its interval."""
    return Interval(row["updates"], np.nan, row["low"], row["high"], int(row["n"]))


def _updates(row: Mapping[str, Any]) -> list[str]:
    return cells(_interval(row), ",.0f")


def _pairs(table: pd.DataFrame) -> list[tuple[str, int, int, dict[Any, Any], dict[Any, Any]]]:
    """Selection, N, B, and the rows with equal and with independent views; those that reached the gap."""
    found = []
    for _, problem in table.groupby(["n_pairs", "batch_size"]):
        n, size = (int(problem[name].iloc[0]) for name in ("n_pairs", "batch_size"))
        for name, rows in by_selection(problem.loc[problem["target"] == problem["target"].max()]):
            own = {bool(row["equal_init"]): row for row in rows.to_dict("records")}
            if len(own) == 2 and all(np.isfinite(row["updates"]) for row in own.values()):
                found.append((name, n, size, own[True], own[False]))
    return found
