"""What the batches of each selection are like, while the encoder learns."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import along
from figures.studies import has_numbers, seeds_in
from figures.style import below, by_arm, legend_above
from figures.vision_accuracy import draw_band

_PANELS = (("hardness", "in-batch loss of a plan (nats)"), ("purity", "pairs of one class in a batch"))


def draw(curves: pd.DataFrame) -> Figure:
    """Hardness and label purity against epochs, a row of panels for each loss of one study.

    Thin lines are the hardness of random batches of the same pairs at the same moment. Selections that look at no
    embeddings have no hardness.

    Args:
        curves: The rows of vision_curves.csv of one study, with the columns that `studies.in_studies` adds.
    """
    losses = sorted(set(curves["loss"]))
    figure, axes = plt.subplots(
        len(losses), 2, figsize=(7.2, 2.5 * len(losses) + 1.1), squeeze=False, layout="constrained"
    )
    named: dict[str, Any] = {}
    for line, loss in zip(axes, losses, strict=True):
        for axis, (name, label) in zip(line, _PANELS, strict=True):
            for kind, of_arm in by_arm(curves):
                rows = of_arm.loc[of_arm["loss"] == loss]
                points = along(rows, name)
                if len(points):
                    named[kind.label] = draw_band(axis, points, "epoch_of_data", kind)
                if name == "hardness" and len(before := along(rows, "hardness_before")):
                    axis.plot(before["epoch_of_data"], before["mean"], color=kind.colour, lw=0.6, ls=kind.dash)
            axis.set(xlabel="epochs", ylabel=label)
        line[0].set_title(loss, loc="left")
    legend_above(figure, {kind.label: named[kind.label] for kind, _ in by_arm(curves) if kind.label in named})
    return below(figure, caption(curves))


def caption(curves: pd.DataFrame) -> str:
    """What is shown, and of how many seeds."""
    return (
        f"Batches while training; {curves['title'].iloc[0]}. Left: their loss when they were planned, and (thin) "
        "that of random batches of the same pairs. Right: how often two members are of one class. Mean and its "
        f"95 % band (Student's t) over {seeds_in(curves)}."
    )


def shows(curves: pd.DataFrame) -> bool:
    """Whether there is anything to show."""
    return has_numbers(curves, "hardness") or has_numbers(curves, "purity")
