"""The losses of the full batch, of all batches and of fixed partitions against the angle of one embedding."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.evidence import Evidence
from figures.style import below, labelled, legend_above, look, panels

CLAIM = (
    "As one embedding turns, the mean over all C(N, B) batches is least where the full batch is, in the cases "
    "tried; that over a fixed partition need not be."
)
TABLES = ("landscape",)
COMMAND = "make results"
_PROBLEM = ["points", "loss", "n_pairs", "dim", "batch_size", "temperature"]
_CURVE = [*_PROBLEM, "family", "partner"]
_FAMILIES = ("full", "all", "fixed")
_RESOLVED = 0.002
"""Degrees: minima nearer than this are the same; they are found to 0.001."""
_DIRECTIONS = {"info_nce": "u to v", "clip_sum": "both directions"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "landscape", draw(tables["landscape"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Where every mean has its minimum, and how much less it is there than where the full batch has its own."""
    minima = _minima(tables["landscape"])
    if not {"full", "all", "fixed"} <= set(minima["family"]):
        return Evidence("open", "The table lacks one of the full batch, all batches and a fixed partition.")
    header = ["embeddings", "loss", "batches", "minimum at (degrees)", "lower than at 0 degrees by (nats)"]
    rows = [
        [_points(row), _loss(row), _batches(row), f"{row['degrees']:g}", f"{row['gain']:.2g}"]
        for row in minima.to_dict("records")
    ]
    away = np.abs((minima["degrees"] - minima["full"]).to_numpy(dtype=float))
    everyone, fixed = (away[minima["family"].to_numpy() == family] for family in ("all", "fixed"))
    same, elsewhere = everyone <= _RESOLVED, fixed > _RESOLVED
    text = (
        f"All batches: at the full batch's minimum in {same.sum()} of {len(same)} cases; fixed partitions: "
        f"elsewhere in {elsewhere.sum()} of {len(elsewhere)}, by up to {fixed.max():.3g} degrees. Nothing is "
        "random, so there are no intervals; minima to 0.001 degrees."
    )
    if not same.all():
        return Evidence("refuted", text, [header, *rows])
    return Evidence("confirmed" if elsewhere.any() else "partly", text, [header, *rows])


def _minima(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each curve: its minimum, that of the full batch, and what it gains over the angle 0."""
    lowest = table.loc[table["lowest"]]
    full = lowest.loc[lowest["family"] == "full", [*_PROBLEM, "degrees"]].rename(columns={"degrees": "full"})
    found = lowest.merge(full, on=_PROBLEM)
    there = table.loc[table["degrees"] == 0, [*_CURVE, "above"]].rename(columns={"above": "gain"})
    found = found.merge(there, on=_CURVE).assign(place=lambda rows: rows["family"].map(_FAMILIES.index))
    return found.sort_values(["points", "loss", "place", "partner"], ascending=[True, False, True, True])


def _points(row: Mapping[str, Any]) -> str:
    name = f"regular {row['n_pairs']}-gon" if row["points"] == "polygon" else f"simplex of {row['n_pairs']}"
    return f"{name}, d = {row['dim']}"


def _loss(row: Mapping[str, Any]) -> str:
    loss = str(row["loss"])
    return _DIRECTIONS.get(loss, loss)


def _batches(row: Mapping[str, Any]) -> str:
    if row["family"] != "fixed":
        return look(row["family"]).label
    toward = ", towards it" if row["points"] == "simplex" and row["partner"] == 1 else ""
    return f"fixed partition, partner at {row['partner_degrees']:.0f} degrees{toward}"


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each kind of points and loss.

    Args:
        table: landscape.csv.
    """
    minima = _minima(table)
    problems = list(minima.groupby(_PROBLEM, sort=False))
    figure, axes = panels(1, len(problems), 3.2, sharey=True)
    for axis, (_, rows) in zip(axes[0], problems, strict=True):
        first = rows.iloc[0].to_dict()
        _panel(axis, table.merge(rows[_PROBLEM].drop_duplicates(), on=_PROBLEM))
        axis.set_title(f"{_points(first)}\n{_loss(first)}", loc="left")
        axis.set_xlabel("$u_1$ turned by (degrees)")
        axis.set_xticks([-180, -90, 0, 90, 180])
    axes[0, 0].set_ylabel("mean loss, from its\nminimum (0) to its maximum (1)")
    legend_above(figure, labelled(axes[0, 0]))
    first = table.iloc[0].to_dict()
    text = (
        "u = v at the optimum of the full batch (d = 2: a regular polygon, d > N - 2: a simplex), then $u_1$ alone "
        f"turns towards $u_2$. B = {first['batch_size']}, temperature {first['temperature']:g}. Dots: minima; at "
        "those of fixed partitions the point that shares a batch with $u_1$. Nothing is random: no seeds, no "
        "bands. Left: the terms of Figure 1 (a) of Cho et al., 2024."
    )
    return below(figure, text)


def _panel(axis: Axes, curves: pd.DataFrame) -> None:
    """All partners are as many as half the points: every second one is drawn where they are more than three."""
    partners = sorted(curves.loc[curves["family"] == "fixed", "partner"].unique())
    drawn = [0, *(partners[::2] if len(partners) > 3 else partners)]
    for z, (family, width) in enumerate(zip(("fixed", "all", "full"), (1.0, 2.6, 1.3), strict=True)):
        kind, own = look(family), curves.loc[curves["family"].eq(family) & curves["partner"].isin(drawn)]
        for place, (partner, rows) in enumerate(own.sort_values("degrees").groupby("partner")):
            height = rows["above"] / rows["above"].max()
            label = "" if place else kind.label
            axis.plot(rows["degrees"], height, color=kind.colour, ls=kind.dash, lw=width, label=label)
            (at,) = rows.loc[rows["lowest"], "degrees"]
            axis.plot(at, 0, marker="o", ms=2.5 + width, color=kind.colour, ls="", zorder=3 + z)
            if family == "fixed":
                where = {"xytext": (0, -9 - 7 * (place % 2)), "textcoords": "offset points", "ha": "center"}
                axis.annotate(f"$u_{{{partner + 1}}}$", (at, 0), fontsize=6, color="#555555", **where)
    axis.set_ylim(-0.2, 1.03)
