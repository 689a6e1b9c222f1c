"""How hard the batches of each selection are, against what choosing them costs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, cells, tally, verdict, welch
from figures.style import MARKERS, Look, below, legend_above, look, panels

CLAIM = (
    "Balanced bisection or a graph partition, followed by exchanges, makes harder batches than the published "
    "spectral clustering in a fraction of its time."
)
TABLES = ("../benchmarks/results/selection_cpu",)
COMMAND = "make bench-selection"
_OTHERS = {
    "published": Look("published procedure", "#000000", "-"),
    "graph, no swaps": Look("graph partition", "#CC79A7", (0, (6, 1))),
}
_DATA = {"clustered": "clustered", "digits": "digits", "cifar100": "CIFAR-100"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "selection_cost", draw(tables[TABLES[0]])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Hardness against the published procedure's on the same data, and the time of both."""
    lines: list[list[str]] = []
    found: list[Interval] = []
    parts: list[float] = []
    for _, rows in tables[TABLES[0]].query("threads == 1").groupby(["n", "data"], sort=True):
        n, data = rows["n"].iloc[0], rows["data"].iloc[0]
        methods = {row["method"]: row for row in rows.to_dict("records")}
        if "published" not in methods:
            continue
        for name in (name for name in ("balanced", "graph") if name in methods):
            change = welch(_hardness(methods[name]), _hardness(methods["published"]))
            parts.append(methods[name]["cpu_seconds"] / methods["published"]["cpu_seconds"])
            found += [change] if change.n > 1 else []  # of one plan there is no interval
            effect = cells(change, signed=True)
            lines.append([_DATA.get(data) or str(data), f"{n:,}", look(name).label, *effect, f"{parts[-1]:.2g}"])
    if not lines:
        return Evidence("open", "The table lacks the published procedure, or what is compared with it.")
    text = (
        f"Harder than the published procedure's in {tally(1, found)}, in {min(parts):.2g} to {max(parts):.2g} of "
        "its time. Of one plan (n = 1) there is no interval; it is not part of the verdict."
    )
    header = [
        "data",
        "N",
        "selection",
        "in-batch loss less the published one's (nats, Welch)",
        "95 % interval",
        "n",
    ]
    reached = verdict(1, found)
    slower = any(part >= 1 for part in parts)
    return Evidence(
        "partly" if reached == "confirmed" and slower else reached, text, [[*header, "part of its time"], *lines]
    )


def _hardness(row: Mapping[str, Any]) -> Interval:
    """Mean and standard deviation over plans, without the interval."""
    return Interval(row["hardness_0.1"], row["hardness_0.1_sd"], np.nan, np.nan, int(row["seeds"]))


def draw(results: pd.DataFrame) -> Figure:
    """One panel for each data set and number of pairs that has at least five methods, the published among them.

    Args:
        results: benchmarks/results/selection_cpu.csv.
    """
    rows = results.query("threads == 1")
    groups: list[tuple[Any, pd.DataFrame]] = [
        (key, part)
        for key, part in rows.groupby(["n", "data"], sort=True)
        if len(part) >= 5 and "published" in set(part["method"])
    ]
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    figure, axes = panels(lines, columns, 2.25 * lines + 0.7)
    named: dict[str, Any] = {}
    methods = list(dict.fromkeys(rows["method"]))
    for axis, ((n, data), part) in zip(axes.flat, groups, strict=False):
        for row in part.to_dict("records"):
            kind = _OTHERS.get(row["method"]) or look(row["method"])
            named[kind.label] = axis.scatter(
                row["cpu_seconds"],
                row["hardness_0.1"],
                s=34,
                color=kind.colour,
                marker=MARKERS[methods.index(row["method"]) % len(MARKERS)],
                alpha=0.9,
                edgecolor="white",
                linewidth=0.5,
            )
        axis.set(xscale="log", xlabel="CPU seconds")
        axis.set_title(f"{_DATA.get(data, data)}, N = {n:,}", loc="left")
    empty = axes.flat[len(groups) :]
    for axis in empty:
        axis.set_visible(False)
    for line in axes:
        line[0].set_ylabel("in-batch loss (nats)")
    if len(empty):
        place = {"bbox_to_anchor": (0, 0, 1, 1), "bbox_transform": empty[0].transAxes}
        figure.legend(list(named.values()), list(named), loc="center", fontsize=7, **place)
    else:
        legend_above(figure, named)
    plans = " or ".join(str(n) for n in sorted(rows["seeds"].unique()))
    text = (
        "In-batch loss at temperature 0.1 of one plan and the CPU time of making it, one thread; mean of n = "
        f"{plans} plans (as the table has them). Better is up and to the left."
    )
    return below(figure, text)
