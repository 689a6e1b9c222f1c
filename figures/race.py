"""Updates that designs and shuffles need to come near the full-batch optimum."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, bounded, crossing, ratio, tally, verdict
from figures.style import MARKERS, below, by_selection, labelled, legend_above, look, panels

CLAIM = (
    "A design comes near the optimum of the full batch in less than half the updates that shuffles need, each at "
    "its best rate."
)
TABLES = ("race_curves", "race_needed")
COMMAND = "make results-gpu"
_TIMES = 2
"""How many times the updates of a design shuffles must take, as the claim has it."""
_DASHES = {"constant": "-", "cosine": (0, (4, 2))}
_LABELS = {"constant": "constant rate", "cosine": "decayed to 0 at the end"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "design_race", draw(*(_duel(tables[name]) for name in TABLES))


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Updates of shuffles over those of designs, for each problem and target, at the same kind of rate."""
    goals = ["n_pairs", "batch_size", "target"]
    found: list[Interval] = []
    lines: dict[tuple[Any, ...], dict[str, str]] = {}
    for _, rows in _duel(tables["race_needed"]).groupby([*goals, "decay"], sort=True):
        first = rows.iloc[0].to_dict()
        arms = {row["selection"]: row for row in rows.to_dict("records")}
        if arms.keys() < {"shuffled", "design"} or pd.isna(arms["design"]["updates"]):
            continue
        if arms["shuffled"]["updates"] <= arms["shuffled"]["first"]:
            continue  # shuffles were there when first looked at: no saying how much sooner
        times = ratio(crossing(arms["shuffled"]), crossing(arms["design"]))
        found.append(times)
        line = lines.setdefault(tuple(first[name] for name in goals), dict.fromkeys(_LABELS, "–"))
        line[first["decay"]] = bounded(times)
    if not found:
        return Evidence("open", "No target has been reached with a design in this table.")
    means = [one.mean for one in found]
    text = (
        f"Less than half the updates with a design: {tally(1, found, null=_TIMES)}. Shuffles take "
        f"{min(means):.3g} to {max(means):.3g} times as many (n = {min(one.n for one in found)} seeds), or more "
        "where they do not arrive (>)."
    )
    header = ["N, B", "gap", *(f"shuffles over design, {word}" for word in _LABELS.values())]
    rows = [[f"{n}, {b}", f"{target:g}", *line.values()] for (n, b, target), line in lines.items()]
    return Evidence(verdict(1, found, null=_TIMES), text, [header, *rows])


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
    figure, axes = panels(1, len(sizes), 3.5, sharey=True)
    for axis, n in zip(axes[0], sizes, strict=True):
        _panel(axis, curves.loc[curves["n_pairs"] == n], needed.loc[needed["n_pairs"] == n])
    axes[0][0].set_ylabel("full-batch loss above the minimum (nats)")
    legend_above(figure, labelled(*axes[0]))
    text = (
        f"Free embeddings, d = N, plain gradient descent; median and middle 80 % of n = {needed['n'].min()} "
        "seeds, rates tuned on other seeds; gaps below the axis are not shown. At a constant rate: of the rates "
        "that are best for some target, the one that is lowest at that update; with a decay every mark is a run of "
        "its own that ends there. Dotted: the gaps of the table."
    )
    return below(figure, text)


def _panel(axis: Axes, curves: pd.DataFrame, needed: pd.DataFrame) -> None:
    for decay, dash in _DASHES.items():
        for place, (name, rows) in enumerate(by_selection(curves.loc[curves["decay"] == decay])):
            kind, shown = look(name), rows.sort_values("update")
            if decay == "constant":
                shown = shown.loc[shown.groupby("update")["median"].idxmin()]
            axis.plot(
                shown["update"],
                shown["median"],
                color=kind.colour,
                ls=dash,
                marker=MARKERS[place] if decay == "cosine" else None,
                ms=3,
                lw=1.3,
                label=f"{kind.label}, {_LABELS[decay]}",
            )
            axis.fill_between(shown["update"], shown["low"], shown["high"], color=kind.colour, alpha=0.15, lw=0)
    for target in needed["target"].unique():
        axis.axhline(target, color="#888888", lw=0.7, ls=":")
    axis.set(xscale="log", yscale="log", xlabel="updates", ylim=(3e-5, 3))
    axis.set_title(f"N = {curves['n_pairs'].iloc[0]}, B = {curves['batch_size'].iloc[0]}", loc="left")
