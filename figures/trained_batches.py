"""What the batches of each selection are like, while the encoder learns."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from figures.effects import along
from figures.evidence import Evidence
from figures.experiments import Experiment
from figures.studies import has_numbers, over_seeds
from figures.style import below, by_arm, legend_above, panels, within_parts
from figures.trained_accuracy import SIDE_BY_SIDE, draw_band, placed_arms, places
from figures.trained_studies import Tables, arms_of, concluded, curves_in_studies, means_of_runs, pictures_of

CLAIM = (
    "The batches that selections of high loss plan are harder than random batches of the same pairs at that moment."
)


def pictures(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """A picture for each study that logged its batches."""
    yield from pictures_of("batches", curves_in_studies(tables, experiment), experiment, shows=shows, draw=draw)


def evidence(tables: Tables, experiment: Experiment) -> Evidence:
    """Planned less random hardness at the same moment, the mean of each run, over the seeds."""
    curves = curves_in_studies(tables, experiment)
    gains = means_of_runs(curves.assign(gain=curves["hardness"] - curves["hardness_before"]), "gain")
    found = [(title, change) for title, change in arms_of(gains, "gain")]
    return concluded(found, "In-batch loss of plans less that of random batches (nats), mean over training")


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
    figure, axes = panels(len(losses), 2, 2.4 * len(losses) + 1.1)
    named: dict[str, Any] = {}
    for line, loss in zip(axes, losses, strict=True):
        for axis, (name, label) in zip(line, experiment.panels.items(), strict=True):
            for kind, of_arm, marker, shift in placed_arms(curves, x):
                rows = of_arm.loc[of_arm["loss"] == loss]
                points = along(rows, name)
                if len(points):
                    named[kind.label] = draw_band(axis, points, x, kind, marker, shift)
                if name == "hardness" and len(before := along(rows, "hardness_before")):
                    axis.plot(places(before, x, shift), before["mean"], color=kind.colour, lw=0.6, ls=kind.dash)
            if name != "hardness":
                within_parts(axis)
            axis.set(xlabel=clock, ylabel=label)
        line[0].set_title(loss, loc="left")
    legend_above(figure, {kind.label: named[kind.label] for kind, _ in by_arm(curves) if kind.label in named})
    return below(figure, caption(curves, experiment))


def caption(curves: pd.DataFrame, experiment: Experiment) -> str:
    """What is shown, and of how many seeds."""
    told = over_seeds(curves, "Mean and its 95 % interval (Student's t)")
    return f"Batches while training; {curves['title'].iloc[0]}. {experiment.told} {told}. {SIDE_BY_SIDE}"


def shows(curves: pd.DataFrame, experiment: Experiment) -> bool:
    """Whether there is anything to show."""
    return any(has_numbers(curves, name) for name in experiment.panels)
