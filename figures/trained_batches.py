"""What the batches of each selection are like, while the encoder learns."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import along
from figures.evidence import Evidence
from figures.experiments import Experiment
from figures.studies import has_numbers, over_seeds
from figures.style import below, by_arm, legend_above
from figures.trained_accuracy import draw_band
from figures.trained_studies import Tables, arms_of, by_study, concluded, curves_in_studies, means_of_runs

CLAIM = (
    "The batches that selections of high loss plan are harder than random batches of the same pairs at that moment."
)

_MARGIN = 0.05


def pictures(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """A picture for each study that logged its batches."""
    for study, rows in by_study(curves_in_studies(tables, experiment)):
        if shows(rows, experiment):
            yield f"{experiment.name}_batches_{study}", draw(rows, experiment)


def evidence(tables: Tables, experiment: Experiment) -> Evidence:
    """Planned less random hardness at the same moment, the mean of each run, over the seeds."""
    curves = curves_in_studies(tables, experiment)
    gains = means_of_runs(curves.assign(gain=curves["hardness"] - curves["hardness_before"]), "gain")
    found = [(title, change) for title, change in arms_of(gains, "gain")]
    return concluded(found, "In-batch loss of plans less that of random batches, nats, mean over training")


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
