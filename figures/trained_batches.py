"""What the batches of each selection are like, while the encoder learns."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import along
from figures.experiments import Experiment
from figures.studies import has_numbers, over_seeds
from figures.style import below, by_arm, legend_above
from figures.trained_accuracy import draw_band

_MARGIN = 0.05


def draw(curves: pd.DataFrame, experiment: Experiment) -> Figure:
    """Hardness and another number of the batches, a row of panels for each loss of one study.

    Thin lines are the hardness of random batches of the same pairs at the same moment. Selections that look at no
    embeddings have no hardness.

    Args:
        curves: The rows of a table of curves of one study, with the columns that `studies.in_studies` adds.
        experiment: What the table is of.
    """
    losses = sorted(set(curves["loss"]))
    x, clock = experiment.clock
    figure, axes = plt.subplots(
        len(losses), 2, figsize=(7.2, 2.5 * len(losses) + 1.1), squeeze=False, layout="constrained"
    )
    named: dict[str, Any] = {}
    for line, loss in zip(axes, losses, strict=True):
        for axis, (name, label) in zip(line, experiment.panels.items(), strict=True):
            for kind, of_arm in by_arm(curves):
                rows = of_arm.loc[of_arm["loss"] == loss]
                points = along(rows, name)
                if len(points):
                    named[kind.label] = draw_band(axis, points, x, kind)
                if name == "hardness" and len(before := along(rows, "hardness_before")):
                    axis.plot(before[x], before["mean"], color=kind.colour, lw=0.6, ls=kind.dash)
            if name == "batch_accuracy":  # bands of few seeds go beyond what there can be
                low, high = axis.get_ylim()
                axis.set_ylim(max(low, -_MARGIN), min(high, 1 + _MARGIN))
            axis.set(xlabel=clock, ylabel=label)
        line[0].set_title(loss, loc="left")
    legend_above(figure, {kind.label: named[kind.label] for kind, _ in by_arm(curves) if kind.label in named})
    return below(figure, caption(curves, experiment))


def caption(curves: pd.DataFrame, experiment: Experiment) -> str:
    """What is shown, and of how many seeds."""
    told = over_seeds(curves, "Mean and its 95 % band (Student's t)")
    return f"Batches while training; {curves['title'].iloc[0]}. {experiment.told} {told}."


def shows(curves: pd.DataFrame, experiment: Experiment) -> bool:
    """Whether there is anything to show."""
    return any(has_numbers(curves, name) for name in experiment.panels)
