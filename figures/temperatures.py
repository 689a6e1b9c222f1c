"""How near the optimum training comes, InfoNCE against DCL, over temperatures and batch sizes."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, mean_difference, sign, told, verdict
from figures.style import below

CLAIM = (
    "After the same number of updates at the best learning rate of each, DCL is nearer to the optimum than "
    "InfoNCE, the more so the smaller batch and temperature."
)
TABLES = ("temperatures",)
COMMAND = "make results"
_COUPLED = {"dcl_cross": "clip", "dcl": "nt_xent"}
"""Losses with the same negatives, without and with the positive in the denominator."""
_LOOKS = {
    "clip": ("CLIP (InfoNCE, both ways)", "#0072B2", "o"),
    "dcl_cross": ("the same without the positive", "#D55E00", "s"),
    "nt_xent": ("NT-Xent", "#56B4E9", "v"),
    "dcl": ("DCL (gradient of FlatNCE)", "#E69F00", "^"),
}


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
    signs = [sign(one) for one in intervals]
    fixed = [sign(one) for *_, one in ratios(table, tuned=False)]
    strongest, weakest = (choose(found, key=lambda one: one[-1].mean) for choose in (min, max))
    names = [
        f"{loss} against {_COUPLED[loss]}, B = {size}, temperature {t:g}: {told(one)}"
        for loss, size, t, one in (strongest, weakest)
    ]
    text = (
        f"log10 of the ratio of gaps, mean over seeds, rates tuned: DCL nearer in {signs.count(-1)} of "
        f"{len(signs)} cases, farther in {signs.count(1)} (95 % intervals without 0). Best and worst case: "
        f"{'; '.join(names)}. At one rate for all ({_fixed(table):g}): nearer in {fixed.count(-1)}, farther in "
        f"{fixed.count(1)}."
    )
    return Evidence(verdict(-1, intervals), text)


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
    """A panel for each batch size, gaps against the temperature.

    Args:
        table: temperatures.csv.
    """
    sizes = sorted(table["batch_size"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(7.2, 3.1), sharey=True, layout="constrained", squeeze=False)
    for axis, size in zip(axes[0], sizes, strict=True):
        _panel(axis, table.loc[table["batch_size"] == size])
        axis.set_title(f"B = {size}", loc="left")
    axes[0][0].set_ylabel("gap of clip_sum at temperature 1 (nats)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=7)
    one = table.iloc[0]
    n = table.groupby(["loss", "batch_size", "temperature", "tuned"])["seed"].size().min()
    text = (
        f"N = {one['n_pairs']}, d = {one['dim']}, {one['updates']} updates of shuffled plain SGD; median and "
        f"middle 80 % of n = {n} seeds. Lines: each at its best constant rate (a power of two, tuned on other "
        f"seeds); marks alone: all at rate {_fixed(table):g}. The losses share their minimiser, so one gap "
        "measures all."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for loss, (label, colour, marker) in _LOOKS.items():
        own = rows.loc[rows["loss"] == loss]
        for tuned in (True, False):
            gaps = own.loc[own["tuned"] == tuned].groupby("temperature")["gap"]
            low, middle, high = (gaps.quantile(q) for q in (0.1, 0.5, 0.9))
            style: dict[str, Any] = {"ls": "-", "label": label} if tuned else {"ls": "", "mfc": "none"}
            axis.plot(middle.index, middle, color=colour, marker=marker, ms=3, lw=1, **style)
            if tuned:
                axis.fill_between(middle.index, low, high, color=colour, alpha=0.2, lw=0)
    axis.set(xscale="log", yscale="log", xlabel="temperature")


def _fixed(table: pd.DataFrame) -> float:
    return float(table.loc[~table["tuned"], "rate"].iloc[0])
