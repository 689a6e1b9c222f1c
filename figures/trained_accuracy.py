"""How good the encoder of each selection becomes, against data and against time."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import along
from figures.evidence import Evidence
from figures.experiments import Experiment
from figures.studies import first_measure, has_numbers, over_seeds, with_count
from figures.style import BASELINE_DASHES, Look, below, by_arm, in_hundreds, legend_above
from figures.trained_studies import Tables, by_study, concluded, curves_in_studies, means_of_runs, paired

CLAIM = (
    "With batches of high loss an encoder is better throughout training than with shuffled ones, update for update."
)


def pictures(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """A picture for each study that measured encoders."""
    for study, rows in by_study(curves_in_studies(tables, experiment)):
        if first_measure(rows, experiment) is not None:
            yield f"{experiment.name}_accuracy_{study}", draw(rows, experiment)


def evidence(tables: Tables, experiment: Experiment) -> Evidence:
    """The mean of the first measure over the course of training, against shuffled batches, paired by seed."""
    found = []
    for _, rows in by_study(curves_in_studies(tables, experiment)):
        if (measure := first_measure(rows, experiment)) is not None:
            found += [(row["title"], change) for row, change in paired(means_of_runs(rows, measure), measure)]
    return concluded(
        found, "Difference of the first measure from shuffled, parts of 1, mean over the updates measured"
    )


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
    figure, axes = plt.subplots(
        len(losses), 2, figsize=(7.2, 2.5 * len(losses) + 1.1), sharey=True, squeeze=False, layout="constrained"
    )
    named: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for line, loss in zip(axes, losses, strict=True):
        for axis, (x, label) in zip(line, clocks.items(), strict=True):
            for kind, rows in by_arm(curves):
                points = along(rows.loc[rows["loss"] == loss], measure)
                if len(points):
                    named[kind.label] = draw_band(axis, points, x, kind)
            others |= _draw_baselines(axis, curves, measure, experiment)
            axis.set(xlabel=label)
        line[0].set_ylabel(f"{experiment.measures[measure]} ({experiment.unit}), {loss}")
        in_hundreds(line[0].yaxis)
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
    told = over_seeds(curves.dropna(subset=[measure]), "Mean and its 95 % band (Student's t)")
    return f"{what} {told}."


def draw_band(axis: Axes, points: pd.DataFrame, x: str, kind: Look) -> Any:
    """A line of means with the band of `effects.along`."""
    alone = "o" if len(points) < 2 else ""
    (line,) = axis.plot(points[x], points["mean"], color=kind.colour, ls=kind.dash, marker=alone, label=kind.label)
    axis.fill_between(points[x], points["low"], points["high"], color=kind.colour, alpha=0.15, lw=0)
    return line


def _draw_baselines(axis: Axes, curves: pd.DataFrame, measure: str, experiment: Experiment) -> dict[str, Any]:
    """A line for each system that is the same for all runs, with its label."""
    lines: dict[str, Any] = {}
    for prefix, dash in BASELINE_DASHES.items():
        if prefix in experiment.baselines and has_numbers(curves, prefix + measure):
            value = float(np.mean(curves[prefix + measure].dropna().to_numpy()))
            lines[experiment.baselines[prefix]] = axis.axhline(value, color="#777777", lw=1, ls=dash)
    return lines
