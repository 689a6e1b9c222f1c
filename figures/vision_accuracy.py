"""How accurate the encoder of each selection becomes, against data and against time."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import along
from figures.studies import MEASURES, first_measure, seeds_in
from figures.style import Look, below, by_arm, legend_above

_AXES = (("epoch_of_data", "epochs"), ("seconds", "seconds, planning and measuring included"))


def draw(curves: pd.DataFrame) -> Figure:
    """The mean over seeds and its 95 % band, a row of panels for each loss of one study.

    Args:
        curves: The rows of vision_curves.csv of one study, with the columns that `studies.in_studies` adds.
    """
    measure = first_measure(curves)
    assert measure is not None, "a study without accuracies has no such figure"
    losses = sorted(set(curves["loss"]))
    figure, axes = plt.subplots(
        len(losses), 2, figsize=(7.2, 2.5 * len(losses) + 1.1), sharey=True, squeeze=False, layout="constrained"
    )
    named: dict[str, Any] = {}
    for line, loss in zip(axes, losses, strict=True):
        for axis, (x, label) in zip(line, _AXES, strict=True):
            for kind, rows in by_arm(curves):
                points = along(rows.loc[rows["loss"] == loss], measure)
                if len(points):
                    named[kind.label] = draw_band(axis, points, x, kind)
            axis.set(xlabel=label)
        line[0].set_ylabel(f"{MEASURES[measure]}, {loss}")
    legend_above(figure, {kind.label: named[kind.label] for kind, _ in by_arm(curves) if kind.label in named})
    return below(figure, caption(curves))


def caption(curves: pd.DataFrame) -> str:
    """What is shown, and of how many seeds."""
    measure = first_measure(curves)
    assert measure is not None
    what = f"Accuracy ({MEASURES[measure]}) in training; {curves['title'].iloc[0]}."
    return f"{what} Mean and its 95 % band (Student's t) over {seeds_in(curves.dropna(subset=[measure]))}."


def draw_band(axis: Axes, points: pd.DataFrame, x: str, kind: Look) -> Any:
    """A line of means with the band of `effects.along`."""
    alone = "o" if len(points) < 2 else ""
    (line,) = axis.plot(points[x], points["mean"], color=kind.colour, ls=kind.dash, marker=alone, label=kind.label)
    axis.fill_between(points[x], points["low"], points["high"], color=kind.colour, alpha=0.15, lw=0)
    return line
