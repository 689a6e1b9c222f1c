"""Every loss of the ledger: how near to its optimum its minimisers are, in value and in shape.

The words "but for the exceptions that it names" were added to the claim after the first results had been seen: in
smaller batches some losses have other minimisers than the full batch, the rows that are not `sole` in the table.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.evidence import ROUNDING, Evidence
from figures.style import at_least, below, legend_above, panels

CLAIM = (
    "Every loss of the ledger is smallest where the ledger says: at the simplex ETF for d >= N - 1, but for the "
    "exceptions that it names."
)
TABLES = ("optima",)
COMMAND = "make results"
_FLOORS = {"value": 1e-16, "distance": 1e-10}
"""Of rounding: what is smaller is drawn there."""
_DISTANCE = 1e-2
"""What counts as the same shape: first derivatives leave it to the root of what they leave of the value over the
curvature, which is small for siglip at temperature 1."""
_MARKS = {8: ("o", "#0072B2"), 4: ("s", "#D55E00"), 2: ("^", "#009E73")}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "optima", draw(tables["optima"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Largest differences in value and shape of all starts, where the ledger has a proof and one optimum alone."""
    table = tables["optima"]
    proved = table.loc[_wide(table) & (table["status"] == "proved")]
    if proved.empty:
        return Evidence("open", "No row with d >= N - 1 and a proved minimum.")
    sole = proved.loc[proved["sole"]]
    low, high, reached = proved["gap_min"].min(), proved["gap_min"].max(), (proved["gap_max"] < ROUNDING).mean()
    full, distance = sole["full_gap_max"].max(), sole["distance_max"].max()
    others = proved.loc[~proved["sole"]]
    text = (
        f"{proved['loss'].nunique()} losses, n = {proved['n'].min()} starts each: every start comes to the proved "
        f"minimum in {reached:.0%} of {len(proved)} cases of B and temperature at d >= N - 1, and none is lower by "
        f"more than {max(0.0, -low):.1e}."
    )
    lines = [
        _line("lowest value less the proved minimum", proved["gap_min"]),
        _line("worst start's value less the proved minimum", proved["gap_max"]),
        _line("one optimum: full batch's gap, worst start", sole["full_gap_max"]),
        _line("one optimum: distance from it in U V^T, worst start", sole["distance_max"]),
    ]
    if not others.empty:
        text += (
            f" Exceptions, as the ledger has them: in smaller batches {', '.join(sorted(set(others['loss'])))} "
            "have other minimisers, too."
        )
        lines.append(_line("other optima known: full batch's gap, worst start", others["full_gap_max"]))
    rows = [["measured", "cases", "least", "largest"], *lines]
    if low < -ROUNDING:
        return Evidence("refuted", text, rows)
    good = high < ROUNDING and full < ROUNDING and distance < _DISTANCE
    return Evidence("confirmed" if good else "partly", text, rows)


def _line(what: str, values: pd.Series) -> list[str]:
    return [what, str(len(values)), f"{values.min():.1e}", f"{values.max():.1e}"]


def draw(table: pd.DataFrame) -> Figure:
    """Value and distance at d >= N - 1, and the best start at N = 2 d; a line for each loss.

    Args:
        table: optima.csv.
    """
    wide, half = table.loc[_wide(table)], table.loc[table["n_pairs"] == 2 * table["dim"]]
    names = list(dict.fromkeys(table["loss"]))
    figure, ((left, middle, right),) = panels(1, 3, 4.4, sharey=True)
    n = table["n_pairs"].iloc[0]
    _dots(left, wide, names, "gap_max")
    _dots(middle, wide, names, "distance_max")
    _dots(right, half.loc[half["status"] != "lower_bound"], names, "gap_min")
    left.set_yticks(range(len(names)), names, fontsize=7)
    left.set_ylim(len(names) - 0.4, -0.6)
    for axis, title, label, goal in (
        (left, f"d = {n}: value", "value - minimum (nats)", ROUNDING),
        (middle, f"d = {n}: shape", "distance in U V^T", _DISTANCE),
        (right, f"d = {n // 2}: value", "best value - known value (nats)", ROUNDING),
    ):
        axis.set_title(title, loc="left")
        axis.set(xscale="log")
        axis.set_xlabel(label, fontsize=8)
        axis.axvline(goal, color="#444444", lw=0.9, ls=(0, (4, 2)))
        for place in range(0, len(names), 2):
            axis.axhspan(place - 0.5, place + 0.5, color="#F4F4F4", lw=0, zorder=0)
    handles = {f"B = {size}": Line2D([], [], color=c, marker=m, ls="") for size, (m, c) in _MARKS.items()}
    handles["other optima known"] = Line2D([], [], color="#444444", marker="o", mfc="none", ls="")
    handles["what counts as no gap"] = Line2D([], [], color="#444444", lw=0.9, ls=(0, (4, 2)))
    legend_above(figure, handles)
    text = (
        f"Minimisers over all C(N, B) batches, N = {n}, by L-BFGS from n = {table['n'].min()} random starts and at "
        "one or two temperatures; left and middle the worst start, right (cross-polytope) the best. Values of "
        f"rounding size are drawn at {_FLOORS['value']:.0e} and {_FLOORS['distance']:.0e}. Open marks: the "
        "ledger names other minimisers than the full batch's, so that a distance from it is no error."
    )
    return below(figure, text)


def _dots(axis: Axes, rows: pd.DataFrame, names: list[str], column: str) -> None:
    place = {name: i for i, name in enumerate(names)}
    floor = _FLOORS["distance" if column.startswith("distance") else "value"]
    for k, (size, (marker, colour)) in enumerate(_MARKS.items()):
        for sole in (True, False):
            shown = rows.loc[(rows["batch_size"] == size) & (rows["sole"] == sole) & rows[column].notna()]
            open_mark = not sole and column.startswith("distance")
            axis.plot(
                at_least(shown[column].abs(), floor),
                [place[name] + 0.25 * (k - 1) for name in shown["loss"]],
                marker=marker,
                color=colour,
                mfc="none" if open_mark else colour,
                ls="",
                ms=3.5,
            )


def _wide(table: pd.DataFrame) -> np.ndarray:
    return table["dim"].to_numpy() >= table["n_pairs"].to_numpy() - 1
