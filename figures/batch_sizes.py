"""Batch size on free embeddings: how near the optimum, and how spread the negatives, after as many pairs seen."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, mean_difference, sign, together, verdict
from figures.style import below, by_selection, look
from theory import fixed_partition_range, optimum

CLAIM = (
    "Trained on the same number of pairs, at the best learning rate of each, shuffled batches end farther from the "
    "full batch's optimum and spread the negatives more the smaller they are; designs and batches of high loss of "
    "the same size end nearer than shuffled ones."
)
TABLES = ("batch_sizes",)
COMMAND = "make results"
_MEASURES = {"gap": "full-batch gap (nats)", "variance": "variance of negatives"}
_CHOSEN = ("design", "osgd", "spectral", "balanced")
_FLOOR = 1e-16


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "batch_sizes", draw(tables["batch_sizes"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """log10 of ratios that the claim says are above 1, paired by seed."""
    problems = _problems(tables["batch_sizes"])
    found = [(t, ratios(rows)) for t, rows in problems]
    every = [one for _, by_name in found for own in by_name.values() for one in own.values()]
    if not every:
        return Evidence("open", "The table has no two batch sizes of shuffled batches.")
    claimed = [together(one, len(every)) for one in every]
    above, below_zero = (sum(sign(one) == side for one in claimed) for side in (1, -1))
    sizes = sorted({size for _, by_name in found for own in by_name.values() for size in own})
    lines = [["temperature", "log10 of a ratio", *(f"B = {size}" for size in sizes)]]
    for t, by_name in found:
        lines += [[f"{t:g}", name, *(_cell(own.get(size)) for size in sizes)] for name, own in by_name.items()]
    text = (
        f"Of {len(every)} ratios that the claim says are above 1, {above} are, {below_zero} are below 1 and the "
        f"others are not decided (all intervals together, Bonferroni). {' '.join(map(_nearest, problems))} Below, "
        f"each with its own 95 % interval, n = {every[0].n} seeds."
    )
    return Evidence(verdict(1, claimed), text, lines)


def ratios(rows: pd.DataFrame) -> dict[str, dict[int, Interval]]:
    """Of one problem, log10 of what the claim says is above 1: by name and batch size, paired by seed."""
    found: dict[str, dict[int, Interval]] = {}
    for measure, word in {"gap": "gap", "variance": "variance of negatives"}.items():
        logs = {
            str(name): own.pivot_table(index="seed", columns="batch_size", values=measure).map(_log10)
            for name, own in rows.groupby("selection")
        }
        if "shuffled" not in logs:
            continue
        shuffled = logs["shuffled"]
        every = shuffled.join(logs["full"]) if "full" in logs else shuffled
        found[f"{word}: shuffled, B against the next larger"] = {
            int(small): mean_difference(every[small], every[large]) for small, large in pairwise(every)
        }
        for name in _CHOSEN if measure == "gap" else ():
            if name in logs:
                found[f"{word}: shuffled against {look(name).label}"] = {
                    int(size): mean_difference(shuffled[size], logs[name][size])
                    for size in shuffled.columns.intersection(logs[name].columns)
                }
    return found


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each temperature: gap and variance of negatives against batch size.

    Args:
        table: batch_sizes.csv.
    """
    problems = _problems(table)
    figure, axes = plt.subplots(
        len(problems),
        len(_MEASURES),
        figsize=(7.2, 2.6 * len(problems) + 0.9),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for line, (temperature, rows) in zip(axes, problems, strict=True):
        for axis, (measure, label) in zip(line, _MEASURES.items(), strict=True):
            _panel(axis, rows, measure)
            axis.set(xscale="log", yscale="log", ylabel=label)
            axis.set_title(f"temperature {temperature:g}", loc="left")
            sizes = sorted(set(rows["batch_size"]))
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.minorticks_off()
    for axis in axes[-1]:
        axis.set_xlabel("batch size")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=7)
    one = table.iloc[0]
    n = table.groupby(["temperature", "batch_size", "selection"])["seed"].size().min()
    text = (
        f"Free embeddings, {one['loss']}, N = {one['n_pairs']}, d = {one['dim']}, after {one['epochs']} epochs, "
        f"an epoch being N / B updates; median and middle 80 % of n = {n} seeds, each selection at its best "
        "constant rate (a power of two, tuned on other seeds). Gap: full-batch loss above the proved minimum. "
        "Variance of u_i.v_j, i != j: 0 at the simplex ETF. "
        "Grey area: where theory says that a fixed partition ends, if trained on."
    )
    return below(figure, text)


def _problems(table: pd.DataFrame) -> list[tuple[float, pd.DataFrame]]:
    """The temperatures, the highest first, and their rows."""
    by_temperature = [(float(str(t)), rows) for t, rows in table.groupby("temperature")]
    return by_temperature[::-1]


def _nearest(problem: tuple[float, pd.DataFrame]) -> str:
    """The batch size and selection with the least median gap, and the full batch's."""
    temperature, rows = problem
    medians = rows.groupby(["selection", "batch_size"])["gap"].median().to_dict()
    (name, size), gap = min(medians.items(), key=lambda item: item[1])
    others = [f"{value:.2g} in the full batch" for (other, _), value in medians.items() if other == "full" != name]
    told = ", ".join([f"median gap {gap:.2g}", *others])
    return f"Nearest at temperature {temperature:g}: {look(name).label}, B = {size} ({told})."


def _panel(axis: Axes, rows: pd.DataFrame, measure: str) -> None:
    """Every selection's line ends at the full batch, where all are the same."""
    whole = rows.loc[rows["selection"] == "full"]
    for name, own in by_selection(rows.loc[rows["selection"] != "full"]):
        values = pd.concat([own, whole]).groupby("batch_size")[measure]
        low, middle, high = (values.quantile(q).clip(lower=_FLOOR) for q in (0.1, 0.5, 0.9))
        kind = look(name)
        sizes = middle.index.to_numpy()
        axis.plot(sizes, middle, color=kind.colour, ls=kind.dash, marker="o", ms=3, label=kind.label)
        axis.fill_between(sizes, low, high, color=kind.colour, alpha=0.15, lw=0)
    ends = fixed_ends(rows, measure)
    if ends:
        least, most = zip(*ends.values(), strict=True)
        axis.fill_between(list(ends), least, most, color=look("fixed").colour, alpha=0.12, lw=0)


def fixed_ends(rows: pd.DataFrame, measure: str) -> dict[int, tuple[float, float]]:
    """The least and the most that a fixed partition into batches of B < N can leave, once it is trained.

    The variance with N pairs in batches of B lies between

        (N - B) / ((B - 1) (N - 1)^2)   and   N (N - B) / ((B - 1) (N - 1)^2).

    Both ranges are attained where d >= (N / B)(B - 1); other batch sizes are left out.

    References:
        Lee et al., 2025, Theorem 5.5, arXiv 2506.09781 (the variance).
    """
    one = rows.iloc[0]
    N, d, t, loss = int(one["n_pairs"]), int(one["dim"]), float(one["temperature"]), str(one["loss"])
    found = {}
    for B in sorted(set(rows["batch_size"].tolist())):
        if N % B or B == N or d < N // B * (B - 1):
            continue
        ends = fixed_partition_range(N, B, loss=loss, temperature=t)
        best = optimum(loss, N, d, temperature=t).value
        least = (N - B) / ((B - 1) * (N - 1) ** 2)
        found[B] = (ends.best - best, ends.worst - best) if measure == "gap" else (least, N * least)
    return found


def _log10(value: float) -> float:
    return float(np.log10(max(value, _FLOOR)))


def _cell(one: Interval | None) -> str:
    return "" if one is None else f"{one.mean:+.2f} [{one.low:.2f}, {one.high:.2f}]"
