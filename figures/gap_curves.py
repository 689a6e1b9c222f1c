"""How fast each selection approaches the proved optimum."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, told, verdict, welch
from figures.problems import problem_name, problem_title
from figures.style import below, by_selection, look
from figures.table import STUDY
from theory import fixed_partition_range

CLAIM = (
    "Batches of high loss (Ordered SGD, spectral) approach the full-batch optimum in far fewer updates than "
    "shuffled ones; a fixed partition never does."
)
TABLES = ("synthetic_results", "synthetic_curves")
COMMAND = "make results"
_FLOOR = 1e-12
_HARD = ("osgd", "spectral")


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """A picture for each study."""
    results, curves = (tables[name] for name in TABLES)
    optimum = results.drop_duplicates(STUDY)[[*STUDY, "optimum"]]
    for _, rows in curves.merge(optimum, on=STUDY, sort=False).groupby(STUDY, sort=True):
        yield f"gap_curves_{problem_name(rows.iloc[0].to_dict())}", draw(rows)


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Mean gaps at the end against shuffled batches', and the updates until a selection is where shuffles end."""
    results, curves = (tables[name] for name in TABLES)
    against: list[Interval] = []
    words = []
    for _, rows in results.groupby(STUDY, sort=True):
        ends = {row["selection"]: _at_end(row) for row in rows.to_dict("records")}
        if "shuffled" not in ends:
            continue
        changes = {name: welch(ends[name], ends["shuffled"]) for name in (*_HARD, "fixed") if name in ends}
        against += [change if name in _HARD else _negative(change) for name, change in changes.items()]
        parts = [f"{look(name).label} {told(change, signed=True)}" for name, change in changes.items()]
        problem = rows.iloc[0].to_dict()
        sooner = _updates(curves.merge(rows[STUDY].drop_duplicates(), on=STUDY))
        words.append(
            f"{problem_title(problem)}: gap at the end {told(ends['shuffled'])} with shuffles; difference from it "
            f"(Welch) {'; '.join(parts)}{sooner}."
        )
    rates = ", ".join(f"{rate:g}" for rate in sorted(results["learning_rate"].unique()))
    words.append(f"All at the learning rate {rates}, tuned for none: the noise floor of shuffles is that rate's.")
    return Evidence(verdict(-1, against), " ".join(words))


def _at_end(row: Mapping[str, Any]) -> Interval:
    """Mean gap and its standard deviation, without the interval."""
    return Interval(row["gap_mean"], row["gap_std"], np.nan, np.nan, int(row["n_seeds"]))


def _negative(change: Interval) -> Interval:
    """The same difference the other way round."""
    return Interval(-change.mean, change.std, -change.high, -change.low, change.n)


def _updates(curves: pd.DataFrame) -> str:
    """When the median gap is first as small as that of shuffles at the end."""
    goal = curves.loc[curves["selection"] == "shuffled"].sort_values("update")
    if goal.empty:
        return ""
    found = []
    for name in _HARD:
        rows = curves.loc[(curves["selection"] == name) & (curves["gap_median"] <= goal["gap_median"].iloc[-1])]
        if len(rows):
            found.append(f"{look(name).label} after {rows['update'].min():,}")
    last = f"; the median gap that shuffles have after {goal['update'].iloc[-1]:,} updates"
    return f"{last} is reached by {' and by '.join(found)}" if found else f"{last} is reached by neither"


def draw(curves: pd.DataFrame) -> Figure:
    """Gap to the proved minimum against updates and against pairs seen, for one study.

    Args:
        curves: The rows of synthetic_curves.csv of one study (one N, d, B, loss, temperature).
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.3), sharey=True, layout="constrained")
    for axis, x, label in zip(axes, ("update", "pairs_seen"), ("updates", "pairs seen"), strict=True):
        for name, rows in by_selection(curves):
            shown = rows[rows["update"] > 0]
            kind = look(name)
            axis.plot(
                shown[x], _above_floor(shown["gap_median"]), color=kind.colour, ls=kind.dash, label=kind.label
            )
            axis.fill_between(
                shown[x],
                _above_floor(shown["gap_low"]),
                _above_floor(shown["gap_high"]),
                color=kind.colour,
                alpha=0.18,
                lw=0,
            )
        axis.set(xscale="log", yscale="log", xlabel=label)
    study = curves.iloc[0].to_dict()
    _mark_fixed_partition(axes[0], study)
    axes[0].set_ylabel("full-batch loss above the minimum (nats)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, columnspacing=1.0)
    axes[0].set_title(problem_title(study), loc="left")
    text = (
        f"Free embeddings, {study['loss']} at temperature {study['temperature']:g}, learning rate "
        f"{study['learning_rate']:g} for all; median (line) and middle 80 % (band) of n = {study['n_seeds']} seeds."
    )
    return below(figure, text)


def _above_floor(gap: Any) -> np.ndarray:
    """A gap of rounding size, which may be negative, is drawn at the bottom."""
    return np.maximum(np.asarray(gap), _FLOOR)


def _mark_fixed_partition(axis: Axes, study: dict[str, Any]) -> None:
    """Where theory says that a fixed partition ends: anywhere in a range of full-batch losses."""
    n, b, d = int(study["n_pairs"]), int(study["batch_size"]), int(study["dim"])
    if d < n // b * (b - 1):
        return  # the best end of the range needs this many dimensions
    ends = fixed_partition_range(n, b, loss=study["loss"], temperature=float(study["temperature"]))
    best, worst = (value - float(study["optimum"]) for value in (ends.best, ends.worst))
    limits = axis.get_ylim()
    axis.axhspan(max(best, _FLOOR), worst, color=look("fixed").colour, alpha=0.12, lw=0)
    note = axis.annotate(
        "a fixed partition may end here",
        (0.98, min(worst, 0.85 * limits[1])),
        xycoords=("axes fraction", "data"),
        fontsize=6.5,
        va="top",
        ha="right",
        color="#666666",
        annotation_clip=True,
    )
    note.set_in_layout(False)
    axis.set_ylim(limits)
