"""How hard the batches of each selection are, against what choosing them costs."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from figures.style import Look, look

CLAIM = (
    "Balanced bisection or a graph partition, followed by exchanges, makes harder batches than the published "
    "spectral clustering in a fraction of its time."
)
_OTHERS = {
    "published": Look("published procedure", "#000000", "-"),
    "graph, no swaps": Look("graph partition", "#CC79A7", (0, (6, 1))),
}
_DATA = {"clustered": "clustered", "digits": "digits", "cifar100": "CIFAR-100"}


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
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _marker(kind: Look) -> str:
    """A shape for each dash, so that methods of one colour are told apart in grey, too."""
    return {"-": "o", (0, (6, 1)): "s", (0, (3, 1, 1, 1)): "^", (0, (1, 1)): "D"}.get(kind.dash, "v")
