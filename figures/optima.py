"""Every loss of the ledger: how near to its optimum its minimisers are, in value and in shape.

The words "but for the exceptions that it names" were added to the claim after the first results had been seen: in
smaller batches some losses have other minimisers than the full batch, the rows that are not `sole` in the table.
"""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.evidence import Evidence
from figures.style import below

CLAIM = (
    "Every loss of the ledger is smallest where the ledger says: at the simplex ETF for d >= N - 1, but for the "
    "exceptions that it names."
)
TABLES = ("optima",)
COMMAND = "make results"
_FLOOR = 1e-17
_VALUE, _DISTANCE = 1e-8, 1e-2
"""What counts as no gap: first derivatives leave the value to rounding, and the shape to the root of that over the
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
    low, high, reached = proved["gap_min"].min(), proved["gap_min"].max(), (proved["gap_max"] < _VALUE).mean()
    full, distance = sole["full_gap_max"].max(), sole["distance_max"].max()
    others = proved.loc[~proved["sole"]]
    text = (
        f"{proved['loss'].nunique()} losses, {len(proved)} cases of B and temperature at d >= N - 1, n = "
        f"{proved['n'].min()} starts each: lowest value minus the proved one between {low:.1e} and {high:.1e}; in "
        f"{reached:.0%} of the cases every start comes there. Where the ledger has one optimum ({len(sole)} cases) "
        f"the full batch's gap is at most {full:.1e} and the distance in U V^T at most {distance:.1e}."
    )
    if not others.empty:
        text += (
            f" Exceptions, as the ledger has them: {', '.join(sorted(set(others['loss'])))} in smaller batches "
            f"have other minimisers, with a full-batch gap of up to {others['full_gap_max'].max():.2g}."
        )
    if low < -_VALUE:
        return Evidence("refuted", text)
    good = high < _VALUE and full < _VALUE and distance < _DISTANCE
    return Evidence("confirmed" if good else "partly", text)


def draw(table: pd.DataFrame) -> Figure:
    """Value and distance at d >= N - 1, and the best start at N = 2 d; a line for each loss.

    Args:
        table: optima.csv.
    """
    wide, half = table.loc[_wide(table)], table.loc[table["n_pairs"] == 2 * table["dim"]]
    names = list(dict.fromkeys(table["loss"]))
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 4.2), sharey=True, layout="constrained")
    n = table["n_pairs"].iloc[0]
    _dots(axes[0], wide, names, "gap_max")
    _dots(axes[1], wide, names, "distance_max")
    _dots(axes[2], half.loc[half["status"] != "lower_bound"], names, "gap_min")
    axes[0].set_yticks(range(len(names)), names, fontsize=7)
    axes[0].invert_yaxis()
    for axis, title, label in zip(
        axes,
        (f"d = {n}: value", f"d = {n}: shape", f"d = {n // 2}: value"),
        ("value - minimum", "distance in U V^T", "best value - known value"),
        strict=True,
    ):
        axis.set_title(title, loc="left")
        axis.set(xscale="log", xlabel=label)
    handles = {f"B = {size}": Line2D([], [], color=c, marker=m, ls="") for size, (m, c) in _MARKS.items()}
    handles["other optima known"] = Line2D([], [], color="#444444", marker="o", mfc="none", ls="")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, fontsize=7.5)
    text = (
        f"Minimisers over all C(N, B) batches, N = {n}, by L-BFGS from n = {table['n'].min()} random starts and at "
        "one or two temperatures; left and middle the worst start, right (cross-polytope) the best. Values of "
        f"rounding size are drawn at {_FLOOR:.0e}. Open marks: the ledger names other minimisers than the full "
        "batch's, so that a distance from it is no error."
    )
    return below(figure, text)


def _dots(axis: Axes, rows: pd.DataFrame, names: list[str], column: str) -> None:
    place = {name: i for i, name in enumerate(names)}
    for k, (size, (marker, colour)) in enumerate(_MARKS.items()):
        for sole in (True, False):
            shown = rows.loc[(rows["batch_size"] == size) & (rows["sole"] == sole) & rows[column].notna()]
            open_mark = not sole and column.startswith("distance")
            axis.plot(
                np.maximum(np.abs(shown[column].to_numpy(float)), _FLOOR),
                [place[name] + 0.22 * (k - 1) for name in shown["loss"]],
                marker=marker,
                color=colour,
                mfc="none" if open_mark else colour,
                ls="",
                ms=3.5,
            )


def _wide(table: pd.DataFrame) -> np.ndarray:
    return table["dim"].to_numpy() >= table["n_pairs"].to_numpy() - 1
