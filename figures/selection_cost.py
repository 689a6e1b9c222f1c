"""How hard the batches of each selection are, against what choosing them costs."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, told, verdict, welch
from figures.style import Look, below, look

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
    words: list[str] = []
    found: list[Interval] = []
    slower = 0
    for _, rows in tables[TABLES[0]].query("threads == 1").groupby(["n", "data"], sort=True):
        n, data = rows["n"].iloc[0], rows["data"].iloc[0]
        methods = {row["method"]: row for row in rows.to_dict("records")}
        if "published" not in methods:
            continue
        for name in (name for name in ("balanced", "graph") if name in methods):
            change = welch(_hardness(methods[name]), _hardness(methods["published"]))
            part = methods[name]["cpu_seconds"] / methods["published"]["cpu_seconds"]
            slower += part >= 1
            found += [change] if change.n > 1 else []  # of one plan there is no interval
            at = f"{_DATA.get(data, data)}, N = {n:,}: {look(name).label} {told(change, signed=True)}"
            words.append(f"{at}, in {part:.2g} of the time")
    reached = verdict(1, found)
    text = (
        "In-batch loss less that of the published procedure, nats (Welch; n = 1 has no interval and is not part of "
        f"the verdict): {'; '.join(words)}."
    )
    return Evidence("partly" if reached == "confirmed" and slower else reached, text)


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
    figure, axes = plt.subplots(
        lines, columns, figsize=(7.2, 2.6 * lines + 0.7), squeeze=False, layout="constrained"
    )
    named: dict[str, Any] = {}
    for axis, ((n, data), part) in zip(axes.flat, groups, strict=False):
        for row in part.to_dict("records"):
            kind = _OTHERS.get(row["method"]) or look(row["method"])
            named[kind.label] = axis.scatter(
                row["cpu_seconds"],
                row["hardness_0.1"],
                s=34,
                color=kind.colour,
                marker=_marker(kind),
                edgecolor="white",
                linewidth=0.5,
            )
        axis.set(xscale="log", title=f"{_DATA.get(data, data)}, N = {n:,}", xlabel="CPU seconds")
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    for line in axes:
        line[0].set_ylabel("in-batch loss (nats)")
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=4, fontsize=7)
    plans = ", ".join(str(n) for n in sorted(rows["seeds"].unique()))
    text = (
        "In-batch loss at temperature 0.1 of one plan and the CPU time of making it, one thread; mean of n = "
        f"{plans} plans."
    )
    return below(figure, text)


def _marker(kind: Look) -> str:
    """A shape for each dash, so that methods of one colour are told apart in grey, too."""
    return {"-": "o", (0, (6, 1)): "s", (0, (3, 1, 1, 1)): "^", (0, (1, 1)): "D"}.get(kind.dash, "v")
