"""How near to the full-batch optimum the minimiser of a few batches is."""

from collections.abc import Iterator, Mapping
from math import comb

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.evidence import ROUNDING, Evidence, Verdict, share_of_all
from figures.style import at_least, below, log_with_zero, look, panels

CLAIM = (
    "The q (q + 1) batches of an affine plane suffice for the optimum of the full batch; fewer of its classes do "
    "not, nor do many shuffles."
)
TABLES = ("sufficiency_points",)
COMMAND = "make results"
_FLOOR = 2e-5
"""Where nothing is drawn, on an axis of logarithms."""
_LOOKS = {"classes": "design", "shuffles": "shuffled", "all": "all"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "sufficiency", draw(tables["sufficiency_points"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Largest gap with all classes, smallest with all but one and with the most shuffles, over starts and N."""
    points = tables["sufficiency_points"]
    classes, shuffles = (points.loc[points["family"] == family] for family in ("classes", "shuffles"))
    last = classes.groupby("n_pairs")["k"].transform("max")
    whole, but_one = classes.loc[classes["k"] == last], classes.loc[classes["k"] == last - 1]
    many = shuffles.loc[shuffles["k"] == shuffles.groupby("n_pairs")["k"].transform("max")]
    suffice = bool((whole["gap_max"] < ROUNDING).all())
    fail = [bool((rows["gap_min"] > ROUNDING).all()) for rows in (but_one, many)]
    if whole.empty or but_one.empty or many.empty:
        return Evidence("open", "The table lacks all classes, all but one, or shuffles.")
    n = int(whole["n"].sum())
    text = (
        f"With all classes the gap is at most {whole['gap_max'].max():.1e}, with all but one at least "
        f"{but_one['gap_min'].min():.2g}, with the most shuffles at least {many['gap_min'].min():.1e} "
        f"(n = {n} starts in all)."
    )
    if suffice:
        text += f" Share of starts that end below {ROUNDING:g} with all classes: 1 [{share_of_all(n):.3f}, 1]."
    header = ["N", "n", "classes", "all classes: gap at most", "all but one: at least", "shuffles", "at least"]
    lines = [
        [
            *_end(own, "gap_max")[:3],
            _end(own, "gap_max")[3],
            *_end(less, "gap_min")[3:],
            *_end(mixed, "gap_min")[2:],
        ]
        for size, own in whole.groupby("n_pairs")
        for less, mixed in [(but_one.loc[but_one["n_pairs"] == size], many.loc[many["n_pairs"] == size])]
    ]
    reached: Verdict = "confirmed" if suffice and all(fail) else "partly" if suffice else "refuted"
    return Evidence(reached, text, [header, *lines])


def _end(rows: pd.DataFrame, column: str) -> list[str]:
    """N, n, how many classes or shuffles, and the gap at this end; dashes where there are none."""
    if rows.empty:
        return ["–"] * 4
    row = rows.iloc[0]
    return [str(row["n_pairs"]), str(row["n"]), f"{row['k']:,}", f"{row[column]:.2g}"]


def draw(points: pd.DataFrame) -> Figure:
    """The gap against the number of batches for the largest common problem, and its ends for every N.

    Args:
        points: sufficiency_points.csv.
    """
    figure, ((left, right),) = panels(1, 2, 3.3, sharey=True)
    n = 64 if 64 in set(points["n_pairs"]) else max(points["n_pairs"])
    _against_batches(left, points.loc[points["n_pairs"] == n])
    _against_pairs(right, points)
    left.set_ylabel("full-batch loss above the minimum (nats)")
    log_with_zero(left, "y", _FLOOR, 1)
    nothing = points.loc[points["gap_max"] < ROUNDING, "gap_max"].max()
    text = (
        f"Embeddings that minimise the mean loss of some batches (L-BFGS, median of n = {points['n'].min()} "
        "starts, bars from least to largest), d = N. Left: the first k parallel classes of the plane, or k "
        "shuffles. With each further class fewer pairs never meet, and these are drawn together the more; with the "
        f"last one every pair meets once, and the minimiser is that of the full batch (0: at most {nothing:.0e})."
    )
    return below(figure, text)


def _against_batches(axis: Axes, points: pd.DataFrame) -> None:
    problem = points.iloc[0]
    n, b = int(problem["n_pairs"]), int(problem["batch_size"])
    for family, name in _LOOKS.items():
        rows = points.loc[points["family"] == family].sort_values("n_batches")
        if rows.empty:
            continue
        kind = look(name)
        label = {"classes": "classes of the affine plane", "shuffles": "independent shuffles", "all": "all"}[family]
        axis.errorbar(
            rows["n_batches"],
            at_least(rows["gap_median"], _FLOOR),
            yerr=_spread(rows),
            color=kind.colour,
            marker="o" if family == "classes" else "s",
            ms=3.5,
            lw=1,
            label=label,
        )
    axis.set(xscale="log", xlabel=f"batches of {b} (all: {_short_number(comb(n, b))})")
    axis.set_title(f"N = {n}, B = {b}", loc="left")
    enough = n * (n - 1) // (b * (b - 1))
    axis.annotate(
        f"{enough} batches: every\npair meets once",
        (enough, _FLOOR),
        xytext=(10, 8),
        textcoords="offset points",
        fontsize=7,
    )
    axis.legend(loc="center right", fontsize=7, bbox_to_anchor=(1, 0.32))


def _against_pairs(axis: Axes, points: pd.DataFrame) -> None:
    """One fixed partition, all classes but one, all of them, the most shuffles, all batches; for every N."""
    classes, shuffles = (points.loc[points["family"] == family] for family in ("classes", "shuffles"))
    last = np.asarray(classes.groupby("n_pairs")["k"].transform("max"))
    most = max(shuffles["k"])
    series = [
        ("one class: a fixed partition", classes.loc[classes["k"] == 1], look("fixed").colour, "v"),
        ("all classes but one", classes.loc[classes["k"] == last - 1], look("design").colour, "^"),
        (f"{most:,} shuffles", shuffles.loc[shuffles["k"] == most], look("shuffled").colour, "s"),
        ("all classes", classes.loc[classes["k"] == last], look("design").colour, "o"),
        ("all C(N, B) batches", points.loc[points["family"] == "all"], look("full").colour, "x"),
    ]
    for label, rows, colour, marker in series:
        axis.errorbar(
            rows["n_pairs"],
            at_least(rows["gap_median"], _FLOOR),
            yerr=_spread(rows),
            label=label,
            color=colour,
            marker=marker,
            ms=4,
            lw=0.8,
        )
    axis.set(xscale="log", xlabel="pairs N, in batches of sqrt(N)", title="")
    ticks = sorted(points["n_pairs"].unique())
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.minorticks_off()
    axis.legend(loc="center right", fontsize=7, bbox_to_anchor=(1, 0.32))


def _spread(rows: pd.DataFrame) -> list[np.ndarray]:
    low, middle, high = (at_least(rows[f"gap_{name}"], _FLOOR) for name in ("min", "median", "max"))
    return [middle - low, high - middle]


def _short_number(number: int) -> str:
    return f"{number:,}" if number < 1e6 else f"{number:.1e}".replace("e+0", "e").replace("e+", "e")
