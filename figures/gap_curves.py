"""How fast each selection approaches the proved optimum."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, cells, tally, verdict, welch
from figures.problems import problem_name, problem_title
from figures.style import at_least, below, by_selection, labelled, legend_above, look, panels
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
    lines: list[list[str]] = []
    for _, rows in results.groupby(STUDY, sort=True):
        ends = {row["selection"]: _at_end(row) for row in rows.to_dict("records")}
        if "shuffled" not in ends:
            continue
        sooner = _updates(curves.merge(rows[STUDY].drop_duplicates(), on=STUDY))
        problem = problem_title(rows.iloc[0].to_dict())
        lines.append([problem, look("shuffled").label, *cells(ends["shuffled"])[::2], "–", "–", sooner["shuffled"]])
        for name in (name for name in (*_HARD, "fixed") if name in ends):
            change = welch(ends[name], ends["shuffled"])
            against.append(change if name in _HARD else _negative(change))
            effect = cells(change, signed=True)[:2]
            lines.append([problem, look(name).label, *cells(ends[name])[::2], *effect, sooner[name]])
    rates = ", ".join(f"{rate:g}" for rate in sorted(results["learning_rate"].unique()))
    text = (
        "Ordered SGD and spectral below shuffles at the end, fixed partitions above: "
        f"{tally(-1, against)}. All at the learning rate {rates}, tuned for none: the noise floor of shuffles is "
        "that rate's."
    )
    header = ["problem", "selection", "gap at the end", "n", "less shuffles' (Welch)", "95 % interval"]
    header.append("updates to shuffles' last median gap")
    return Evidence(verdict(-1, against), text, [header, *lines] if lines else ())


def _at_end(row: Mapping[str, Any]) -> Interval:
    """Mean gap and its standard deviation, without the interval."""
    return Interval(row["gap_mean"], row["gap_std"], np.nan, np.nan, int(row["n_seeds"]))


def _negative(change: Interval) -> Interval:
    """The same difference the other way round."""
    return Interval(-change.mean, change.std, -change.high, -change.low, change.n)


def _updates(curves: pd.DataFrame) -> dict[str, str]:
    """When the median gap of each selection is first as small as that of shuffles at the end; "never" in all."""
    goal = curves.loc[curves["selection"] == "shuffled"].sort_values("update")["gap_median"]
    found = dict.fromkeys(["shuffled", *_HARD, "fixed"], "–")
    for name, rows in curves.groupby("selection") if len(goal) else ():
        first = rows.loc[rows["gap_median"] <= goal.iloc[-1], "update"]
        found[str(name)] = f"{first.min():,}" if len(first) else f"not in {rows['update'].max():,}"
    return found


def draw(curves: pd.DataFrame) -> Figure:
    """Gap to the proved minimum against updates and against pairs seen, for one study.

    Args:
        curves: The rows of synthetic_curves.csv of one study (one N, d, B, loss, temperature).
    """
    figure, axes = panels(1, 2, 3.3, sharey=True)
    for axis, x, label in zip(axes[0], ("update", "pairs_seen"), ("updates", "pairs seen"), strict=True):
        for name, rows in by_selection(curves):
            shown = rows[rows["update"] > 0]
            kind = look(name)
            middle, low, high = (at_least(shown[f"gap_{name}"], _FLOOR) for name in ("median", "low", "high"))
            axis.plot(shown[x], middle, color=kind.colour, ls=kind.dash, label=kind.label)
            axis.fill_between(shown[x], low, high, color=kind.colour, alpha=0.18, lw=0)
        axis.set(xscale="log", yscale="log", xlabel=label)
    study = curves.iloc[0].to_dict()
    marked = _mark_fixed_partition(axes[0, 0], study)
    axes[0, 0].set_ylabel("full-batch loss above the minimum (nats)")
    legend_above(figure, labelled(axes[0, 0]))
    axes[0, 0].set_title(problem_title(study), loc="left")
    text = (
        f"Free embeddings, {study['loss']} at temperature {study['temperature']:g}, learning rate "
        f"{study['learning_rate']:g} for all; median (line) and middle 80 % (band) of n = {study['n_seeds']} seeds."
    )
    text += " Bar at the right of the left panel: where a fixed partition may end, as proved." if marked else ""
    return below(figure, text)


def _mark_fixed_partition(axis: Axes, study: dict[str, Any]) -> bool:
    """Where theory says that a fixed partition may end, at the right of a panel; False where it does not say."""
    n, b, d = int(study["n_pairs"]), int(study["batch_size"]), int(study["dim"])
    if d < n // b * (b - 1):
        return False  # the best end of the range needs this many dimensions
    ends = fixed_partition_range(n, b, loss=study["loss"], temperature=float(study["temperature"]))
    best, worst = (value - float(study["optimum"]) for value in (ends.best, ends.worst))
    low, high = axis.get_ylim()
    place = axis.get_yaxis_transform()  # across: parts of the axis
    axis.fill_betweenx([max(best, low), min(worst, high)], 0.975, 1, transform=place, color="#BBBBBB", lw=0)
    axis.set_ylim(low, high)
    return True
