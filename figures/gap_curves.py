"""How fast each selection approaches the proved optimum."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import by_selection, look
from theory import fixed_partition_range

CLAIM = (
    "Batches of high loss (Ordered SGD, spectral) approach the full-batch optimum in far fewer updates than "
    "shuffled ones; a fixed partition never does."
)
_FLOOR = 1e-12


def draw(curves: pd.DataFrame) -> Figure:
    """Gap to the proved minimum against updates and against pairs seen, for one study.

    Args:
        curves: The rows of synthetic_curves.csv of one study (one N, d, B, loss, temperature).
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.1), sharey=True, layout="constrained")
    for axis, x, label in zip(axes, ("update", "pairs_seen"), ("updates", "pairs seen"), strict=True):
        for name, rows in by_selection(curves):
            shown = rows[rows["update"] > 0]
            kind = look(name)
            axis.plot(
                shown[x], _above_floor(shown["gap_median"]), color=kind.colour, ls=kind.dash, label=kind.label
            )
            axis.fill_between(
                shown[x],
                _above_floor(shown["gap_low"]),
                _above_floor(shown["gap_high"]),
                color=kind.colour,
                alpha=0.18,
                lw=0,
            )
        axis.set(xscale="log", yscale="log", xlabel=label)
    study = curves.iloc[0].to_dict()
    _mark_fixed_partition(axes[0], study)
    axes[0].set_ylabel("full-batch loss above the minimum (nats)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, columnspacing=1.0)
    axes[0].set_title(
        f"N = {study['n_pairs']}, d = {study['dim']}, B = {study['batch_size']}; median and middle 80 % of "
        f"{study['n_seeds']} seeds",
        loc="left",
    )
    return figure


def _above_floor(gap: Any) -> np.ndarray:
    """A gap of rounding size, which may be negative, is drawn at the bottom."""
    return np.maximum(np.asarray(gap), _FLOOR)


def _mark_fixed_partition(axis: Axes, study: dict[str, Any]) -> None:
    """Where theory says that a fixed partition ends: anywhere in a range of full-batch losses."""
    n, b, d = int(study["n_pairs"]), int(study["batch_size"]), int(study["dim"])
    if d < n // b * (b - 1):
        return  # the best end of the range needs this many dimensions
    ends = fixed_partition_range(n, b, loss=study["loss"], temperature=float(study["temperature"]))
    best, worst = (value - float(study["optimum"]) for value in (ends.best, ends.worst))
    limits = axis.get_ylim()
    axis.axhspan(max(best, _FLOOR), worst, color=look("fixed").colour, alpha=0.12, lw=0)
    note = axis.annotate(
        "a fixed partition may end here",
        (0.98, min(worst, 0.85 * limits[1])),
        xycoords=("axes fraction", "data"),
        fontsize=6.5,
        va="top",
        ha="right",
        color="#666666",
        annotation_clip=True,
    )
    note.set_in_layout(False)
    axis.set_ylim(limits)
