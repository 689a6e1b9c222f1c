"""How good the encoder of each selection becomes, against data and against time."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import along
from figures.evidence import Evidence
from figures.experiments import Experiment
from figures.studies import first_measure, has_numbers, over_seeds, with_count
from figures.style import (
    BASELINE_DASHES,
    MARKERS,
    Look,
    below,
    by_arm,
    in_hundreds,
    legend_above,
    panels,
    within_parts,
)
from figures.trained_studies import (
    Tables,
    by_study,
    concluded,
    curves_in_studies,
    means_of_runs,
    paired,
    pictures_of,
)

CLAIM = (
    "With batches of high loss an encoder is better throughout training than with shuffled ones, update for update."
)
_FEW_POINTS = 8
SIDE_BY_SIDE = "Marks of one update stand side by side."
"""Of arms at few points, which `draw_band` moves apart."""
_BESIDE = 0.008
"""Of the width of a panel: between the marks of two arms."""


def pictures(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """A picture for each study that measured encoders."""
    yield from pictures_of(
        "accuracy", curves_in_studies(tables, experiment), experiment, shows=first_measure, draw=draw
    )


def evidence(tables: Tables, experiment: Experiment) -> Evidence:
    """The mean of the first measure over the course of training, against shuffled batches, paired by seed."""
    found = []
    for _, rows in by_study(curves_in_studies(tables, experiment)):
        if (measure := first_measure(rows, experiment)) is not None:
            found += [(row["title"], change) for row, change in paired(means_of_runs(rows, measure), measure)]
    return concluded(found, "First measure less shuffled's (parts of 1), mean over the updates measured")


def draw(curves: pd.DataFrame, experiment: Experiment) -> Figure:
    """The mean over seeds and its 95 % band, a row of panels for each loss of one study.

    What other systems reach on the same data (TF-IDF, BM25) are grey lines.

    Args:
        curves: The rows of a table of curves of one study, with the columns that `studies.in_studies` adds, and
            those of the baselines if they are to be shown.
        experiment: What the table is of.
    """
    measure = first_measure(curves, experiment)
    assert measure is not None, "a study without measures has no such figure"
    losses = sorted(set(curves["loss"]))
    clocks = dict((experiment.clock, ("seconds", "seconds, planning and measuring included")))
    figure, axes = panels(len(losses), 2, 2.4 * len(losses) + 1.1, sharey=True)
    named: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for line, loss in zip(axes, losses, strict=True):
        for axis, (x, label) in zip(line, clocks.items(), strict=True):
            for kind, rows, marker, shift in placed_arms(curves, x):
                points = along(rows.loc[rows["loss"] == loss], measure)
                if len(points):
                    named[kind.label] = draw_band(axis, points, x, kind, marker, shift)
            others |= _draw_baselines(axis, curves, measure, experiment)
            axis.set(xlabel=label)
        line[0].set_ylabel(f"{experiment.measures[measure]} ({experiment.unit}), {loss}")
        in_hundreds(line[0].yaxis)
    within_parts(axes[0, 0])
    shown = {kind.label: named[kind.label] for kind, _ in by_arm(curves) if kind.label in named}
    legend_above(figure, shown | others)
    return below(figure, caption(curves, experiment))


def caption(curves: pd.DataFrame, experiment: Experiment) -> str:
    """What is shown, and of how many seeds."""
    measure = first_measure(curves, experiment)
    assert measure is not None
    label = with_count(curves, measure, experiment.measures[measure], experiment)
    what = f"{label} ({experiment.unit}) in training; {curves['title'].iloc[0]}."
    what = what[0].upper() + what[1:]
    told = over_seeds(curves.dropna(subset=[measure]), "Mean and its 95 % interval (Student's t)")
    return f"{what} {told}. {SIDE_BY_SIDE}"


def placed_arms(curves: pd.DataFrame, x: str) -> Iterator[tuple[Look, pd.DataFrame, str, float]]:
    """For each arm its look, its rows, its mark, and how far beside a point of this clock it is drawn.

    All arms are measured at the same updates, but not at the same time.
    """
    arms = by_arm(curves)
    step = 0.0 if x == "seconds" else _BESIDE * float(np.ptp(curves[x].to_numpy(float)))
    for place, (marker, (kind, rows)) in enumerate(zip(cycle(MARKERS), arms, strict=False)):
        yield kind, rows, marker, step * (place - (len(arms) - 1) / 2)


def places(points: pd.DataFrame, x: str, shift: float) -> np.ndarray:
    """Where points are drawn, across: a little to the side where there are few."""
    return points[x].to_numpy(float) + (shift if len(points) <= _FEW_POINTS else 0)


def draw_band(axis: Axes, points: pd.DataFrame, x: str, kind: Look, marker: str = "o", shift: float = 0.0) -> Any:
    """A line of means with the intervals of `effects.along`.

    They are a band, or where there are few points, bars side by side: the bands of several arms would hide each
    other there.
    """
    middle, low, high = (points[name].to_numpy(float) for name in ("mean", "low", "high"))
    across = places(points, x, shift)
    style: Any = {"color": kind.colour, "ls": kind.dash, "label": kind.label}
    if len(points) > _FEW_POINTS:
        (line,) = axis.plot(across, middle, **style)
        axis.fill_between(across, low, high, color=kind.colour, alpha=0.15, lw=0)
        return line
    bars = np.nan_to_num([middle - low, high - middle])
    return axis.errorbar(across, middle, yerr=bars, marker=marker, ms=3.5, lw=1.2, elinewidth=0.8, **style)


def _draw_baselines(axis: Axes, curves: pd.DataFrame, measure: str, experiment: Experiment) -> dict[str, Any]:
    """A line for each system that is the same for all runs, with its label."""
    lines: dict[str, Any] = {}
    for prefix, dash in BASELINE_DASHES.items():
        if prefix in experiment.baselines and has_numbers(curves, prefix + measure):
            value = float(np.mean(curves[prefix + measure].dropna().to_numpy()))
            lines[experiment.baselines[prefix]] = axis.axhline(value, color="#777777", lw=1, ls=dash)
    return lines
