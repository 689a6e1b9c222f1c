"""How near the optimum training comes, InfoNCE against DCL, over temperatures and batch sizes."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from figures.effects import Interval
from figures.evidence import Evidence, cells, mean_difference, tally, verdict
from figures.style import MARKERS, at_least, below, labelled, legend_above, panels

CLAIM = (
    "After the same number of updates at the best learning rate of each, DCL is nearer to the optimum than "
    "InfoNCE, the more so the smaller batch and temperature."
)
TABLES = ("temperatures",)
COMMAND = "make results"
_COUPLED = {"dcl_cross": "clip", "dcl": "nt_xent"}
"""Losses with the same negatives, without and with the positive in the denominator."""
_LOOKS = {
    "clip": ("CLIP (InfoNCE, both ways)", "#0072B2", "-"),
    "dcl_cross": ("the same without the positive", "#D55E00", (0, (4, 2))),
    "nt_xent": ("NT-Xent", "#56B4E9", "-"),
    "dcl": ("DCL (gradient of FlatNCE)", "#E69F00", (0, (4, 2))),
}
_FLOOR = 1e-8
"""What is smaller is drawn here: with B = N nothing keeps gradient descent from the optimum but rounding."""


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "temperatures", draw(tables["temperatures"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """log10 of the ratio of the gaps, paired by seed: below 0 where DCL is nearer."""
    table = tables["temperatures"]
    found = ratios(table, tuned=True)
    if not found:
        return Evidence("open", "The table lacks a loss or its counterpart.")
    intervals = [one for *_, one in found]
    fixed = [one for *_, one in ratios(table, tuned=False)]
    text = (
        f"DCL is nearer to the optimum, rates tuned: {tally(-1, intervals)}; at one rate for all "
        f"({_fixed(table):g}): {tally(-1, fixed)}. In the table: log10 of its gap over InfoNCE's, rates tuned, "
        f"mean and 95 % interval of n = {min(one.n for one in intervals)} seeds (-1: a tenth of the gap)."
    )
    temperatures = sorted({temperature for _, _, temperature, _ in found})
    lines: dict[tuple[str, int], dict[float, str]] = {}
    for loss, size, temperature, one in found:
        line = lines.setdefault((loss, size), dict.fromkeys(temperatures, "–"))
        line[temperature] = " ".join(cells(one)[:2])
    header = ["losses", "B", *(f"temperature {temperature:g}" for temperature in temperatures)]
    rows = [[f"{loss} over {_COUPLED[loss]}", str(b), *line.values()] for (loss, b), line in sorted(lines.items())]
    return Evidence(verdict(-1, intervals), text, [header, *rows])


def ratios(table: pd.DataFrame, *, tuned: bool) -> list[tuple[str, int, float, Interval]]:
    """Loss without the positive, B, temperature, and log10(its gap / its counterpart's), paired by seed."""
    found = []
    rows = table.loc[table["tuned"] == tuned]
    for (size, temperature), own in rows.groupby(["batch_size", "temperature"]):
        gaps = own.pivot_table(index="seed", columns="loss", values="gap")
        for loss, other in _COUPLED.items():
            if {loss, other} <= set(gaps):
                logs = np.log10(np.maximum(gaps, 1e-16))
                found.append((loss, int(size), float(temperature), mean_difference(logs[loss], logs[other])))
    return found


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each batch size, gaps against the temperature; above at the best rates, below at one for all.

    Args:
        table: temperatures.csv.
    """
    sizes, ticks = (sorted(table[name].unique()) for name in ("batch_size", "temperature"))
    kinds = ((True, "best rates"), (False, f"rate {_fixed(table):g}"))
    figure, axes = panels(2, len(sizes), 4.6, sharex=True, sharey="row")
    for line, (tuned, title) in zip(axes, kinds, strict=True):
        for axis, size in zip(line, sizes, strict=True):
            _panel(axis, table.loc[(table["batch_size"] == size) & (table["tuned"] == tuned)])
            axis.set_title(f"B = {size}, {title}", loc="left")
        line[0].set_ylabel("gap of clip_sum at\ntemperature 1 (nats)")
    for axis in axes[-1]:
        axis.set_xlabel("temperature")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.xaxis.set_minor_locator(NullLocator())
    legend_above(figure, labelled(axes[0, 0]))
    one = table.iloc[0]
    n = table.groupby(["loss", "batch_size", "temperature", "tuned"])["seed"].size().min()
    text = (
        f"N = {one['n_pairs']}, d = {one['dim']}, {one['updates']} updates of shuffled plain SGD; median and "
        f"middle 80 % (bar) of n = {n} seeds, marks of one temperature side by side. Best rates: each loss at its "
        f"best constant rate (a power of two, tuned on other seeds). Gaps below {_FLOOR:.0e} are drawn there, as "
        "open marks. The losses share their minimiser, so one gap measures all."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for place, (loss, (label, colour, dash)) in enumerate(_LOOKS.items()):
        gaps = rows.loc[rows["loss"] == loss].groupby("temperature")["gap"]
        low, middle, high = (at_least(gaps.quantile(q), _FLOOR) for q in (0.1, 0.5, 0.9))
        beside = np.array(sorted(gaps.groups)) * 1.06 ** (place - 1.5)
        bars = [middle - low, high - middle]
        axis.errorbar(
            beside, middle, yerr=bars, color=colour, ls=dash, lw=1, marker=MARKERS[place], ms=3.5, label=label
        )
        under = middle <= _FLOOR
        axis.plot(
            beside[under], middle[under], color=colour, ls="", marker=MARKERS[place], ms=3.5, mfc="white", zorder=4
        )
    axis.set(xscale="log", yscale="log")


def _fixed(table: pd.DataFrame) -> float:
    return float(table.loc[~table["tuned"], "rate"].iloc[0])
