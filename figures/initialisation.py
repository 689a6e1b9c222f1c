"""Updates to a small gap from equal and from independent views at the start."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures.evidence import Evidence
from figures.style import below, by_selection, look

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
    fewer, more, parts = 0, 0, []
    for name, n, size, equal, other in pairs:
        fewer += bool(equal["high"] < other["low"])
        more += bool(equal["low"] > other["high"])
        parts.append(f"{look(name).label} N = {n}, B = {size}: {_told(equal)} against {_told(other)}")
    n = min(int(equal["n"]) for *_, equal, _ in pairs)
    text = (
        f"Updates to a gap of {pairs[0][3]['target']:g}, median [95 % interval] of n = {n} seeds, equal against "
        f"independent views: {'; '.join(parts)}. Intervals apart: fewer in {fewer}, more in {more} of {len(pairs)}."
    )
    if fewer == len(pairs):
        return Evidence("confirmed", text)
    return Evidence("partly" if fewer else "refuted" if more else "open", text)


def draw(table: pd.DataFrame) -> Figure:
    """Bars for each problem and selection.

    Args:
        table: initialisation.csv.
    """
    pairs = _pairs(table)
    figure, axis = plt.subplots(figsize=(7.2, 2.9), layout="constrained")
    for place, (name, _, _, equal, other) in enumerate(pairs):
        for shift, row, hatch in ((-0.2, other, ""), (0.2, equal, "///")):
            value = row["updates"]
            ends = [[max(value - row["low"], 0)], [max(row["high"] - value, 0)]]
            bar = axis.bar(place + shift, value, 0.38, color=look(name).colour, hatch=hatch, edgecolor="white")
            if np.isfinite(ends).all():
                axis.errorbar([place + shift], [value], yerr=ends, color="#222222", lw=0.9, capsize=2, ls="")
            bar.set_label("")
    shades = [Rectangle((0, 0), 1, 1, fc="#888888", hatch=hatch, ec="white") for hatch in ("", "///")]
    axis.legend(shades, ["independent views", "u = v"], fontsize=7.5)
    names = [f"{look(name).label}\nN = {n}, B = {size}" for name, n, size, *_ in pairs]
    axis.set_xticks(range(len(pairs)), names, fontsize=7)
    axis.set(yscale="log", ylabel=f"updates to a gap of {table['target'].max():g}")
    text = (
        f"Free embeddings, d = N, plain gradient descent at the best constant rate of each (tuned on other seeds); "
        f"median of n = {table['n'].min()} seeds with bootstrap 95 % intervals."
    )
    return below(figure, text)


def _pairs(table: pd.DataFrame) -> list[tuple[str, int, int, dict, dict]]:
    """Selection, N, B, and the rows with equal and with independent views; those that reached the gap."""
    found = []
    for _, problem in table.groupby(["n_pairs", "batch_size"]):
        n, size = (int(problem[name].iloc[0]) for name in ("n_pairs", "batch_size"))
        for name, rows in by_selection(problem.loc[problem["target"] == problem["target"].max()]):
            own = {bool(row["equal_init"]): row for row in rows.to_dict("records")}
            if len(own) == 2 and all(np.isfinite(row["updates"]) for row in own.values()):
                found.append((name, n, size, own[True], own[False]))
    return found


def _told(row: dict) -> str:
    high = f"{row['high']:.0f}" if np.isfinite(row["high"]) else "more"
    return f"{row['updates']:.0f} [{row['low']:.0f}, {high}]"
