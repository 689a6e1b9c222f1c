"""Updates and seconds that every selection needs to come near the full-batch optimum."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from figures.effects import Interval
from figures.evidence import Evidence, ratio
from figures.style import below, by_selection, look

CLAIM = (
    "Choosing batches by the embeddings (Ordered SGD, spectral clustering, exact pairing) comes near the optimum "
    "of the full batch in fewer updates and in less time than shuffling."
)
TABLES = ("selection_needed",)
COMMAND = "make results"
CHOOSING = ("osgd", "spectral", "balanced", "graph", "matching")
"""Selections that look at the embeddings for hard batches."""
CLAIMED = ("osgd", "spectral", "matching")
_HIDDEN = ("kmeans", "bandwidth", "spread")
_MARKERS = ("o", "s", "^", "D")
_COLUMNS = ("updates", "seconds")


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture, if the table has such races."""
    if len(_tuned(tables["selection_needed"])):
        yield "selection_race", draw(tables["selection_needed"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """What shuffling needs over what each choosing selection needs, in updates and in seconds, at every target."""
    words: list[str] = []
    needed = _tuned(tables["selection_needed"])
    targets = sorted(needed["target"].unique(), reverse=True)
    sides: dict[float, list[list[int]]] = {target: [] for target in targets}
    groups: list[tuple[Any, pd.DataFrame]] = list(needed.groupby(["n_pairs", "batch_size"], sort=True))
    for (n, b), rows in groups:
        arms: list[str] = []
        for name, own in _arms(rows):
            if own["selection"].iloc[0] not in CHOOSING:
                continue
            found = {target: _speed(rows, own, target) for target in targets}
            if own["selection"].iloc[0] in CLAIMED:
                for target in targets:
                    sides[target].append([_side(one) for one in found[target]])
            arms.append(f"{name} {' and '.join(map(_times, found[_middle(targets)]))}")
        words.append(f"N = {n}, B = {b}: {', '.join(arms)}{_fastest(rows, _middle(targets))}")
    every = {side for one in sides.values() for pair in one for side in pair}
    if not every - {0}:
        return Evidence("open", "The table has no choosing selection beside shuffling whose intervals decide.")
    text = (
        f"Updates, and seconds, of shuffling over those of a selection, to a gap of {_middle(targets):g} (95 % "
        f"intervals, n = {needed['n'].min()} seeds): {' | '.join(words)}. Of Ordered SGD, spectral clustering and "
        f"exact pairing in all problems: {'; '.join(_counts(target, found) for target, found in sides.items())}."
    )
    return Evidence("confirmed" if every == {1} else "partly" if 1 in every else "refuted", text)


def _middle(targets: list[float]) -> float:
    return targets[len(targets) // 2]


def _counts(target: float, sides: list[list[int]]) -> str:
    """How often there are fewer updates, and how often it takes less time, or more."""
    fewer, less = (
        f"{side.count(1)} of {len(side)} ({side.count(-1)} more)" for side in map(list, zip(*sides, strict=True))
    )
    return f"gap {target:g}, fewer updates in {fewer}, less time in {less}"


def _fastest(rows: pd.DataFrame, target: float) -> str:
    """The selection of least time, whatever it looks at."""
    reached = rows.loc[rows["target"].eq(target) & rows["seconds"].notna()]
    if reached.empty:
        return ""
    first = reached.loc[reached["seconds"].idxmin()]
    return f"; least time: {look(first['selection']).label}, {1000 * first['seconds']:.2g} ms"


def _speed(rows: pd.DataFrame, own: pd.DataFrame, target: float) -> list[Interval]:
    """How many times the updates, and the seconds, shuffling takes."""
    base = rows.loc[(rows["selection"] == "shuffled") & (rows["target"] == target)]
    mine = own.loc[own["target"] == target]
    if base.empty or mine.empty:
        return [Interval(np.nan, np.nan, np.nan, np.nan, 0)] * 2
    return [ratio(*(_needed(row.iloc[0], column) for row in (base, mine))) for column in _COLUMNS]


def _needed(row: Mapping[str, Any], column: str) -> Interval:
    """With its interval; of what is not reached all that was made, without an upper end."""
    ends = ("low", "high") if column == "updates" else ("seconds_low", "seconds_high")
    if pd.isna(row["updates"]):
        made = row["at_most"] * (1.0 if column == "updates" else row["update_seconds"])
        return Interval(made, np.nan, made, np.nan, int(row["n"]))
    return Interval(row[column], np.nan, row[ends[0]], row[ends[1]], int(row["n"]))


def _side(found: Interval) -> int:
    return 1 if found.low > 1 else -1 if found.high < 1 else 0


def _times(found: Interval) -> str:
    """As in 80 [70, 95]; what lacks an end is a bound on that side, and what lacks both says nothing."""
    if np.isnan(found.low) and np.isnan(found.high):
        return "unknown"
    if np.isnan(found.high):
        return f"> {found.low:.3g}"
    if np.isnan(found.low):
        return f"< {found.high:.3g}"
    return f"{found.mean:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _tuned(needed: pd.DataFrame) -> pd.DataFrame:
    """What the picture shows: constant rates, tuned, d = N, loss and temperature of Cho et al."""
    usual = needed["loss"].eq("clip_sum") & needed["temperature"].eq(1) & needed["dim"].eq(needed["n_pairs"])
    shown = usual & needed["given_rate"].eq(0) & ~needed["selection"].isin(_HIDDEN)
    rows = needed.loc[shown]
    sizes = rows.loc[rows["selection"] == "shuffled", ["n_pairs", "batch_size"]].drop_duplicates()
    return rows.merge(sizes, on=["n_pairs", "batch_size"])


def _arms(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of each selection, Ordered SGD over some batches apart from that over all."""
    arms = []
    for name, own in by_selection(rows):
        groups: list[tuple[Any, pd.DataFrame]] = list(own.groupby(["candidates", "keep"], sort=True))
        for (candidates, keep), part in groups:
            label = look(name).label
            arms.append((f"{label}, {keep} of {candidates}" if candidates else label, part))
    return arms


def draw(needed: pd.DataFrame) -> Figure:
    """Updates above, seconds below, a column for every N and B; a line for each selection, a mark for each gap.

    Args:
        needed: selection_needed.csv.
    """
    needed = _tuned(needed)
    names = list(dict.fromkeys(_ordered(needed)))
    sizes = sorted({*zip(needed["n_pairs"], needed["batch_size"], strict=True)})
    targets = sorted(needed["target"].unique(), reverse=True)
    figure, axes = plt.subplots(
        2,
        len(sizes),
        figsize=(7.2, 1.6 + 0.32 * len(names)),
        sharex="row",
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for line, column in zip(axes, _COLUMNS, strict=True):
        for axis, (n, b) in zip(line, sizes, strict=True):
            rows = needed.loc[(needed["n_pairs"] == n) & (needed["batch_size"] == b)]
            _panel(axis, rows, column, names, targets)
            if column == "updates":
                axis.set_title(f"N = {n}, B = {b}", loc="left")
        line[len(sizes) // 2].set_xlabel(column if column == "updates" else "processor seconds of one replicate")
    marks = [Line2D([], [], color="#444444", ls="", marker=m, ms=4) for m in _MARKERS[: len(targets)]]
    words = [f"gap {target:g}" for target in targets]
    marks += [Line2D([], [], color="#444444", ls="", marker=">", mfc="white", ms=4)]
    marks += [Line2D([], [], color=look("shuffled").colour, lw=0.8, ls=":")]
    more = ["none of the further gaps reached", f"shuffled, gap {_middle(targets):g} (or further)"]
    figure.legend(marks, [*words, *more], loc="outside upper center", ncols=5, fontsize=7)
    text = (
        f"Updates until the median gap over n = {needed['n'].min()} seeds is there, with 95 % bootstrap intervals; "
        "each selection and gap at its best constant rate, tuned on other seeds; d = N. Seconds: of one replicate "
        f"among {needed['side_by_side'].min():.0f} that are trained side by side on one core, planning counted, "
        "measuring and tuning not; their intervals are those of the updates."
    )
    return below(figure, text)


def _ordered(needed: pd.DataFrame) -> list[str]:
    return [name for name, _ in _arms(needed)]


def _panel(axis: Axes, rows: pd.DataFrame, column: str, names: list[str], targets: list[float]) -> None:
    for name, own in _arms(rows):
        height = len(names) - names.index(name)
        colour = look(own["selection"].iloc[0]).colour
        for row in own.loc[own["updates"].notna()].to_dict("records"):
            found = _needed(row, column)
            high = found.high if pd.notna(found.high) else found.mean
            axis.plot([found.low, high], [height, height], color=colour, lw=1.2, solid_capstyle="butt")
            axis.plot(found.mean, height, marker=_MARKERS[targets.index(row["target"])], color=colour, ms=3.5)
        missed = own.loc[own["updates"].isna()]
        if len(missed):
            end = _needed(missed.iloc[0], column).mean
            axis.plot(end, height, marker=">", mfc="white", mec=colour, ms=4)
    middle = rows.loc[(rows["selection"] == "shuffled") & (rows["target"] == _middle(targets))]
    if len(middle):
        end = _needed(middle.iloc[0], column).mean
        axis.axvline(end, color=look("shuffled").colour, lw=0.8, ls=":", zorder=0)
    axis.set(xscale="log", ylim=(0.3, len(names) + 0.7))
    axis.set_yticks(range(len(names), 0, -1), names, fontsize=6.5)
    axis.xaxis.set_major_locator(LogLocator(base=100, numticks=9))
    axis.minorticks_off()
    axis.tick_params(axis="x", labelsize=7)
