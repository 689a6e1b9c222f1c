"""How many times faster than by shuffling every selection comes near the full-batch optimum."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from figures.effects import Interval
from figures.evidence import Evidence, bounded, crossing, ratio, sign
from figures.style import below, by_selection, legend_above, look, panels

CLAIM = (
    "Choosing batches by the embeddings (Ordered SGD, spectral clustering, exact pairing) comes near the optimum "
    "of the full batch in fewer updates and in less time than shuffling."
)
TABLES = ("selection_needed",)
COMMAND = "make results"
CHOOSING = ("osgd", "spectral", "balanced", "graph", "matching")
"""Selections that look at the embeddings for hard batches."""
CLAIMED = ("osgd", "spectral", "matching")
_BESIDE = ("design", "full")
"""Shown below them: what does without looking."""
_COLUMNS = ("updates", "seconds")
_WORDS = ("fewer updates", "less time")
_SHAPES = ("o", "D")
_PANELS = 4
"""In a line."""
_SHADE = "#e4e4e4"


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """A picture for every gap; the one of the middle gap has the plain name."""
    needed = tables["selection_needed"]
    targets = _targets(_tuned(needed))
    for target in targets:
        more = "" if target == _middle(targets) else f"_gap{target:g}"
        yield f"selection_race{more}", draw(needed, target)


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """What shuffling needs over what each choosing selection needs, in updates and in seconds, at every gap."""
    needed = _tuned(tables["selection_needed"])
    targets = _targets(needed)
    lines = [["N", "B", "selection", *(f"times {word} [95 % interval]" for word in _WORDS)]]
    sides: dict[float, list[list[int]]] = {target: [] for target in targets}
    for (n, b), rows in _problems(needed):
        for name, own in _arms(rows, CLAIMED):
            for target in targets:
                sides[target].append([sign(one, 1) for one in _speed(rows, own, target)])
            lines.append([str(n), str(b), name, *map(bounded, _speed(rows, own, _middle(targets)))])
    every = {side for one in sides.values() for pair in one for side in pair}
    if not every - {0}:
        return Evidence("open", "The table has no choosing selection beside shuffling whose intervals decide.")
    text = (
        f"Of Ordered SGD, spectral clustering and exact pairing in all problems, against shuffling: "
        f"{'; '.join(_counts(target, found) for target, found in sides.items())}. The table is of a gap of "
        f"{_middle(targets):g}, with 95 % intervals over n = {needed['n'].min()} seeds.{_samples(needed)}"
    )
    return Evidence("confirmed" if every == {1} else "partly" if 1 in every else "refuted", text, lines)


def _targets(needed: pd.DataFrame) -> list[float]:
    return sorted(needed["target"].unique(), reverse=True)


def _middle(targets: list[float]) -> float:
    return targets[len(targets) // 2]


def _counts(target: float, sides: list[list[int]]) -> str:
    """How often there are fewer updates, and how often it takes less time, or more."""
    fewer, less = (
        f"{side.count(1)} of {len(side)} ({side.count(-1)} more)" for side in map(list, zip(*sides, strict=True))
    )
    return f"gap {target:g}, fewer updates in {fewer}, less time in {less}"


def _samples(needed: pd.DataFrame) -> str:
    """Of how many batches Ordered SGD keeps how many, where it does not look at all."""
    some = (
        needed.loc[needed["candidates"].gt(0), ["keep", "candidates"]].drop_duplicates().sort_values("candidates")
    )
    words = [f"{keep} of {candidates}" for keep, candidates in some.itertuples(index=False)]
    return f" A sample: Ordered SGD keeps {' or '.join(words)} random batches." if words else ""


def _problems(needed: pd.DataFrame) -> list[tuple[tuple[int, int], pd.DataFrame]]:
    """N and B with their rows: those of the smallest B first, as N grows, then those of larger ones."""
    groups: list[Any] = list(needed.groupby(["n_pairs", "batch_size"]))
    least = needed["batch_size"].min()
    return sorted(groups, key=lambda group: (group[0][1] > least, group[0]))


def _speed(rows: pd.DataFrame, own: pd.DataFrame, target: float) -> list[Interval]:
    """How many times the updates, and the seconds, shuffling takes."""
    base = rows.loc[(rows["selection"] == "shuffled") & (rows["target"] == target)]
    mine = own.loc[own["target"] == target]
    if base.empty or mine.empty:
        return [Interval(np.nan, np.nan, np.nan, np.nan, 0)] * 2
    arms = [row.iloc[0].to_dict() for row in (base, mine)]
    updates, seconds = (
        [crossing(arm, scale) for arm, scale in zip(arms, scales, strict=True)]
        for scales in ((1.0, 1.0), [arm["update_seconds"] for arm in arms])
    )
    return [ratio(*updates), ratio(*seconds)]


def _tuned(needed: pd.DataFrame) -> pd.DataFrame:
    """What is compared: constant rates, tuned, d = N, loss and temperature of Cho et al., beside shuffling."""
    usual = needed["loss"].eq("clip_sum") & needed["temperature"].eq(1) & needed["dim"].eq(needed["n_pairs"])
    shown = needed["selection"].isin(("shuffled", *CHOOSING, *_BESIDE))
    rows = needed.loc[usual & needed["given_rate"].eq(0) & shown]
    sizes = rows.loc[rows["selection"] == "shuffled", ["n_pairs", "batch_size"]].drop_duplicates()
    return rows.merge(sizes, on=["n_pairs", "batch_size"])


def _arms(rows: pd.DataFrame, names: tuple[str, ...]) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of each of these selections, Ordered SGD over a sample of batches apart from that over all."""
    arms = []
    for name, own in by_selection(rows.loc[rows["selection"].isin(names)]):
        for some in (False, True):
            part = own.loc[own["candidates"].gt(0) == some]
            if len(part):
                arms.append((f"{look(name).label}, a sample" if some else look(name).label, part))
    return arms


def draw(needed: pd.DataFrame, target: float) -> Figure:
    """A panel for every N and B, a line for each selection: what shuffling needs over what it needs.

    Args:
        needed: selection_needed.csv.
        target: The gap.
    """
    needed = _tuned(needed)
    names = [name for some in (CHOOSING, _BESIDE) for name, _ in _arms(needed, some)]
    problems = _problems(needed)
    lines = -(-len(problems) // _PANELS)
    height = 1.2 + lines * (0.5 + 0.21 * len(names))
    figure, axes = panels(lines, min(_PANELS, len(problems)), height, sharex=True, sharey=True)
    for axis, ((n, b), rows) in zip(axes.flat, problems, strict=False):
        _panel(axis, rows, target, names)
        axis.set_title(f"N = {n}, B = {b}", loc="left")
    for axis in axes.flat[len(problems) :]:
        axis.set_axis_off()
    _ranges(list(axes.flat))
    legend_above(figure, _legend(), columns=4)
    text = (
        f"What shuffling needs over what a selection needs until the median gap to the optimum is {target:g}, with "
        f"95 % intervals (n = {needed['n'].min()} seeds); each at its best constant rate, tuned on other seeds; "
        "d = N; logarithmic. Seconds: of a processor, for one replicate among many that are trained side by side, "
        "planning counted, tuning and measuring not. No mark: neither comes so near, or it did not race."
        f"{_samples(needed)} An update of the full batch takes all batches at once."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame, target: float, names: list[str]) -> None:
    """Updates above, seconds below on the line of each selection."""
    axis.axvline(1, color="#444444", lw=0.8, zorder=1)
    axis.axvspan(1e-9, 1, color=_SHADE, lw=0, zorder=0)
    for name, own in _arms(rows, (*CHOOSING, *_BESIDE)):
        colour = look(own["selection"].iloc[0]).colour
        for found, marker, shift in zip(_speed(rows, own, target), _SHAPES, (0.18, -0.18), strict=True):
            _mark(axis, found, len(names) - names.index(name) + shift, marker, colour)
    axis.set(xscale="log", ylim=(0.4, len(names) + 0.6))
    axis.set_yticks(range(len(names), 0, -1), names, fontsize=7)
    axis.tick_params(axis="x", labelsize=7, labelbottom=True)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=False, axis="y")


def _mark(axis: Axes, found: Interval, height: float, marker: str, colour: str) -> None:
    """A number with its interval; or a bound, open, with an arrow to where the number may be."""
    if np.isnan(found.low) and np.isnan(found.high):
        return
    if np.isnan(found.low) or np.isnan(found.high):
        end, way = (found.low, 3.0) if np.isnan(found.high) else (found.high, 1 / 3.0)
        arrow = {"arrowstyle": "->", "lw": 0.8, "color": colour, "shrinkA": 2, "shrinkB": 0}
        axis.annotate("", (end * way, height), (end, height), arrowprops=arrow)
        axis.plot(end, height, marker=marker, mfc="white", mec=colour, ms=3.5)
        return
    axis.plot([found.low, found.high], [height, height], color=colour, lw=1.2, solid_capstyle="butt")
    axis.plot(found.mean, height, marker=marker, color=colour, ms=3.5)


def _ranges(axes: list[Axes]) -> None:
    """The axis that all panels share: room for every mark and arrow, labels at 1 and at a few powers of ten."""
    marks = np.concatenate([np.ravel(np.asarray(line.get_xdata())) for axis in axes for line in axis.lines])
    low, high = min([0.3, *marks]) / 4, max([3, *marks]) * 4
    axis = axes[0]
    axis.set_xlim(low, high)
    step = 1 + int(np.log10(high / low)) // 5
    axis.xaxis.set_major_locator(FixedLocator([10.0**k for k in range(-9 * step, 9 * step, step)]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.minorticks_off()


def _legend() -> dict[str, Line2D | Patch]:
    grey: Any = {"color": "#444444", "ls": "", "ms": 4}
    marks = {f"times {word}": Line2D([], [], marker=one, **grey) for word, one in zip(_WORDS, _SHAPES, strict=True)}
    bound = Line2D([], [], marker="o", mfc="white", **grey)
    return {**marks, "open: a bound, it is further out": bound, "grey: costs more": Patch(color=_SHADE)}
