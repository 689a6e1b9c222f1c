"""Updates that designs and shuffles need to come near the full-batch optimum."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, Verdict, ratio
from figures.style import below, by_selection, look

CLAIM = (
    "A design comes near the optimum of the full batch in far fewer updates than shuffles, each at its best rate."
)
TABLES = ("race_curves", "race_needed")
COMMAND = "make results-gpu"
_DASHES = {"constant": "-", "cosine": (0, (4, 2))}
_LABELS = {"constant": "constant rate", "cosine": "decayed to 0 at the end"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "design_race", draw(*(_duel(tables[name]) for name in TABLES))


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Updates of shuffles over those of designs, for each problem and target, at the same kind of rate."""
    keys = ["n_pairs", "batch_size", "decay", "target"]
    words: list[str] = []
    sides: list[int] = []
    for _, rows in _duel(tables["race_needed"]).groupby(keys, sort=True):
        first = rows.iloc[0].to_dict()
        arms = {row["selection"]: row for row in rows.to_dict("records")}
        if arms.keys() < {"shuffled", "design"} or pd.isna(arms["design"]["updates"]):
            continue
        if arms["shuffled"]["updates"] <= arms["shuffled"]["first"]:
            continue  # shuffles were there when first looked at: no saying how much sooner
        found, at_least = _times(arms["shuffled"], arms["design"])
        sides.append(1 if found.low > 1 else -1 if found.high < 1 else 0)
        name = f"N = {first['n_pairs']}, B = {first['batch_size']}, {_LABELS[first['decay']]}, gap "
        name += f"{first['target']:g}: "
        high = "more" if np.isnan(found.high) else f"{found.high:.3g}"
        bound = "at least " if at_least else ""
        words.append(f"{name}{bound}{found.mean:.3g} [{found.low:.3g}, {high}] (n = {found.n})")
    text = (
        f"Updates with shuffles over updates with a design (95 % intervals from those of both): {'; '.join(words)}."
    )
    if not sides:
        return Evidence("open", "No target has been reached with a design in this table.")
    return Evidence(_of_sides(sides), text)


def _of_sides(sides: list[int]) -> Verdict:
    if set(sides) <= {0}:
        return "open"
    return "confirmed" if set(sides) == {1} else "partly" if 1 in sides else "refuted"


def _times(shuffled: Mapping[str, Any], design: Mapping[str, Any]) -> tuple[Interval, bool]:
    """How many times the updates shuffles take; a bound where they do not arrive at all."""
    own = Interval(design["updates"], np.nan, design["low"], design["high"], int(design["n"]))
    if pd.isna(shuffled["updates"]):
        made = float(shuffled["at_most"])
        return ratio(Interval(made, np.nan, made, np.nan, int(shuffled["n"])), own), True
    return ratio(
        Interval(shuffled["updates"], np.nan, shuffled["low"], shuffled["high"], int(shuffled["n"])), own
    ), False


def _duel(table: pd.DataFrame) -> pd.DataFrame:
    """Of designs and shuffles alone, on the problems that have both."""
    rows = table.loc[table["selection"].isin(["shuffled", "design"])]
    both = rows.groupby("n_pairs")["selection"].transform("nunique") == 2
    return rows.loc[both]


def draw(curves: pd.DataFrame, needed: pd.DataFrame) -> Figure:
    """The gap against updates, a panel for each problem.

    Args:
        curves: race_curves.csv.
        needed: race_needed.csv.
    """
    sizes = sorted(curves["n_pairs"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(7.2, 3.5), sharey=True, layout="constrained", squeeze=False)
    for axis, n in zip(axes[0], sizes, strict=True):
        _panel(axis, curves.loc[curves["n_pairs"] == n], needed.loc[needed["n_pairs"] == n])
    axes[0][0].set_ylabel("full-batch loss above the minimum (nats)")
    handles: dict[str, Any] = {}
    for axis in axes[0]:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2, fontsize=7.5)
    text = (
        f"Free embeddings, d = N, plain gradient descent; median and middle 80 % of n = {needed['n'].min()} "
        "seeds, "
        "rates tuned on other seeds. At a constant rate: of the rates that are best for some target, the one that "
        "is lowest at that update; with a decay every mark is a run of its own that ends there."
    )
    return below(figure, text)


def _panel(axis: Axes, curves: pd.DataFrame, needed: pd.DataFrame) -> None:
    for decay, dash in _DASHES.items():
        for name, rows in by_selection(curves.loc[curves["decay"] == decay]):
            kind, shown = look(name), rows.sort_values("update")
            if decay == "constant":
                shown = shown.loc[shown.groupby("update")["median"].idxmin()]
            axis.plot(
                shown["update"],
                shown["median"],
                color=kind.colour,
                ls=dash,
                marker="o" if decay == "cosine" else None,
                ms=2.5,
                label=f"{kind.label}, {_LABELS[decay]}",
            )
            axis.fill_between(shown["update"], shown["low"], shown["high"], color=kind.colour, alpha=0.15, lw=0)
    for target in needed["target"].unique():
        axis.axhline(target, color="#888888", lw=0.7, ls=":")
    axis.set(xscale="log", yscale="log", xlabel="updates", ylim=(1e-5, 3))
    axis.set_title(f"N = {curves['n_pairs'].iloc[0]}, B = {curves['batch_size'].iloc[0]}", loc="left")
