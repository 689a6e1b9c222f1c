"""What every selection reaches with every loss."""

from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import by_seed, effects, interval
from figures.studies import MEASURES, accuracies, first_measure, seeds_in
from figures.style import below, by_arm, legend_above

_MOST_TOLD = 6


def draw(results: pd.DataFrame) -> Figure:
    """Accuracies at the end of one study: mean and standard deviation over seeds, a panel for each measure.

    Args:
        results: The rows of vision_results.csv of one study, with the columns that `studies.in_studies` adds.
    """
    measures = accuracies(results)
    losses = sorted(set(results["loss"]))
    arms = by_arm(results)
    height = 0.16 * len(losses) * (len(arms) + 1) + 1.6
    figure, axes = plt.subplots(
        1, len(measures), figsize=(7.2, height), sharey=True, squeeze=False, layout="constrained"
    )
    named: dict[str, Any] = {}
    offsets = np.linspace(-0.35, 0.35, len(arms)) if len(arms) > 1 else np.zeros(1)
    for axis, (measure, label) in zip(axes[0], measures.items(), strict=True):
        for (kind, rows), offset in zip(arms, offsets, strict=True):
            for place, loss in enumerate(losses):
                found = interval(by_seed(rows.loc[rows["loss"] == loss].to_dict("records"), measure).values())
                if found.n:
                    spread = found.std if found.n > 1 else None
                    dots = axis.errorbar(
                        found.mean, place + offset, xerr=spread, color=kind.colour, fmt="o", ms=4, lw=1.2
                    )
                    if dots.has_xerr:
                        dots[2][0].set_linestyle(kind.dash)
                    named.setdefault(kind.label, dots)
        axis.set(
            xlabel=fill(label, 17), yticks=range(len(losses)), yticklabels=losses, ylim=(len(losses) - 0.5, -0.5)
        )
    legend_above(figure, {kind.label: named[kind.label] for kind, _ in arms if kind.label in named})
    return below(figure, caption(results))


def caption(results: pd.DataFrame) -> str:
    """What is shown, of how many seeds, and how it differs from shuffled batches."""
    title = results["title"].iloc[0]
    shown = f"At the end of training; {title}. Mean and standard deviation over {seeds_in(results)}."
    return f"{shown} {_against_shuffled(results)}".strip()


def _against_shuffled(results: pd.DataFrame) -> str:
    """The differences themselves, or where there are many, how many there are of each kind."""
    measure = first_measure(results)
    if measure is None:
        return ""
    found = effects(results).query("measure == @measure").to_dict("records")
    if not found:
        return ""
    told = f"Against shuffled on the same seeds, {MEASURES[measure]}, in points of per cent"
    if len(found) > _MOST_TOLD:
        above = sum(row["low"] > 0 for row in found)
        under = sum(row["high"] < 0 for row in found)
        return (
            f"{told}: of {len(found)} differences {above} have a 95 % interval above 0, {under} one below 0 (each "
            "interval by itself, not corrected for their number)."
        )
    words = []
    for row in found:
        arm = " ".join(word for word in (row["loss"], row["selection"], row["guards"]) if word)
        words.append(f"{arm} {points(row)} (n = {row['n']})")
    return f"{told}, mean and 95 % interval: {'; '.join(words)}."


def points(effect: dict[str, Any]) -> str:
    """A difference of accuracies with its interval, in points of per cent: +1.2 [-0.3, 2.7]."""
    low, high = 100 * effect["low"], 100 * effect["high"]
    mean = f"{100 * effect['mean']:+.1f}"
    return mean if np.isnan(low) else f"{mean} [{low:.1f}, {high:.1f}]"
