"""What every selection reaches with every loss, and how that differs from shuffled batches."""

from collections.abc import Iterator
from itertools import cycle
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.effects import Interval, Records, by_seed, effects, interval
from figures.evidence import Evidence
from figures.experiments import Experiment
from figures.studies import accuracies, first_measure, over_seeds
from figures.style import MARKERS, Look, below, by_arm, in_hundreds, legend_above, panels
from figures.trained_studies import Tables, by_study, concluded, differences, pictures_of, results_in_studies

CLAIM = (
    "At the end of training, encoders that saw batches of high loss are better than those that saw shuffled ones."
)

_MOST_TOLD = 6


def pictures(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """A picture for each study that measured encoders."""
    rows = results_in_studies(tables, experiment)
    yield from pictures_of("losses", rows, experiment, shows=accuracies, draw=draw)


def evidence(tables: Tables, experiment: Experiment) -> Evidence:
    """The first measure at the end against shuffled batches, paired by seed, for each loss and selection."""
    found = []
    for _, rows in by_study(results_in_studies(tables, experiment)):
        if (measure := first_measure(rows, experiment)) is not None:
            title = rows["title"].iloc[0]
            found += [(title, change) for _, change in differences(rows, measure)]
    return concluded(found, "First measure less shuffled's at the end (parts of 1)")


def draw(results: pd.DataFrame, experiment: Experiment) -> Figure:
    """The measures at the end of one study, a column of panels for each.

    Above, mean and standard deviation over seeds; below, where there is anything to compare, the differences from
    shuffled batches on the same seeds, mean and 95 % interval.

    Args:
        results: The rows of a table of results of one study, with the columns that `studies.in_studies` adds.
        experiment: What the table is of.
    """
    measures = _drawn(results, experiment)
    losses = sorted(set(results["loss"]))
    arms = by_arm(results)
    changes = effects(results)
    changes = changes.loc[changes["measure"].isin(list(measures))]
    lines = 2 if len(changes) else 1
    unit = experiment.unit.replace(" ", "\N{NO-BREAK SPACE}")
    wide = max(13, 95 // len(measures))
    labels = {name: fill(f"{label} ({unit})", wide, break_on_hyphens=False) for name, label in measures.items()}
    against = fill("against shuffled (points)", wide)
    room = 0.13 * (max(label.count("\n") for label in labels.values()) + against.count("\n"))
    height = (0.13 * len(losses) * (len(arms) + 1) + 0.55) * lines + 0.9 + room
    figure, axes = panels(lines, len(measures), height, sharey=True)
    named: dict[str, Any] = {}
    offsets = np.linspace(-0.35, 0.35, len(arms)) if len(arms) > 1 else np.zeros(1)
    for column, (measure, label) in enumerate(labels.items()):
        for (kind, rows), offset, marker in zip(arms, offsets, cycle(MARKERS), strict=False):
            for place, loss in enumerate(losses):
                at_end = interval(by_seed(_records(rows, loss), measure).values())
                if (dots := _draw_dot(axes[0, column], at_end, place + offset, kind, marker)) is not None:
                    named.setdefault(kind.label, dots)
                if lines == 2:
                    change = _change(changes, rows, loss, measure)
                    _draw_dot(axes[1, column], change, place + offset, kind, marker, spread=False)
        axes[0, column].set_xlabel(label, fontsize=7.5)
        if lines == 2:
            axes[1, column].axvline(0, color="#444444", lw=0.8)
            axes[1, column].set_xlabel(against, fontsize=7.5)
    for axis in axes.flat:
        axis.set(yticks=range(len(losses)), yticklabels=losses, ylim=(len(losses) - 0.5, -0.5))
        axis.xaxis.set_major_locator(MaxNLocator(8 if len(measures) < 3 else 3, steps=[1, 2, 2.5, 5, 10]))
        axis.tick_params(labelsize=7.5)
        in_hundreds(axis.xaxis)
    legend_above(figure, {kind.label: named[kind.label] for kind, _ in arms if kind.label in named})
    return below(figure, caption(results, experiment))


def caption(results: pd.DataFrame, experiment: Experiment) -> str:
    """What is shown, of how many seeds, and how it differs from shuffled batches."""
    title = results["title"].iloc[0]
    shown = f"At the end of training; {title}. {over_seeds(results, 'Mean and standard deviation')}."
    return f"{shown} {_against_shuffled(results, experiment)}".strip()


def points(effect: dict[str, Any]) -> str:
    """A difference of measures with its interval, times 100: +1.2 [-0.3, 2.7]."""
    low, high = 100 * effect["low"], 100 * effect["high"]
    mean = f"{100 * effect['mean']:+.1f}"
    return mean if np.isnan(low) else f"{mean} [{low:.1f}, {high:.1f}]"


def _drawn(results: pd.DataFrame, experiment: Experiment) -> dict[str, str]:
    """The measures with a panel: those that the experiment asks for, all others where there is none of them."""
    found = accuracies(results, experiment)
    wanted = {name: label for name, label in found.items() if experiment.drawn(name)}
    return wanted or found


def _records(rows: pd.DataFrame, loss: str) -> Records:
    return rows.loc[rows["loss"] == loss].to_dict("records")


def _change(changes: pd.DataFrame, rows: pd.DataFrame, loss: str, measure: str) -> Interval | None:
    """The difference from shuffled of the arm that these rows are of, if there is one."""
    names = ("loss", "measure", "selection", "guards")
    wanted = (loss, measure, *rows[["selection", "guards"]].iloc[0])
    for row in changes.to_dict("records"):
        if tuple(row[name] for name in names) == wanted:
            return Interval(row["mean"], np.nan, row["low"], row["high"], row["n"])
    return None


def _draw_dot(
    axis: Axes, found: Interval | None, place: float, kind: Look, marker: str, *, spread: bool = True
) -> Any:
    """A mean with its standard deviation, or with its interval; None if there is none."""
    if found is None or not found.n:
        return None
    half = found.std if spread else found.high - found.mean
    dots = axis.errorbar(
        found.mean, place, xerr=None if np.isnan(half) else half, color=kind.colour, fmt=marker, ms=4, lw=1.2
    )
    if dots.has_xerr:
        dots[2][0].set_linestyle(kind.dash)
    return dots


def _against_shuffled(results: pd.DataFrame, experiment: Experiment) -> str:
    """The differences themselves, or where there are many, how many there are of each kind."""
    measure = first_measure(results, experiment)
    if measure is None:
        return ""
    found = effects(results).query("measure == @measure").to_dict("records")
    if not found:
        return ""
    label = experiment.measures[measure]
    told = f"Below, differences from shuffled on the same seeds, mean and 95 % interval; {label}"
    if len(found) > _MOST_TOLD:
        above = sum(row["low"] > 0 for row in found)
        under = sum(row["high"] < 0 for row in found)
        return (
            f"{told}: {len(found)} differences, {above} with an interval above 0, {under} below 0 (each "
            "interval by itself, not corrected for their number)."
        )
    words = []
    for row in found:
        arm = " ".join(word for word in (row["loss"], row["selection"], row["guards"]) if word)
        words.append(f"{arm} {points(row)} (n = {row['n']})")
    return f"{told}: {'; '.join(words)}."
