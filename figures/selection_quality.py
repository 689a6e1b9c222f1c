"""How hard the batches of a selection are, against the updates that it needs."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, cells, tally, verdict
from figures.style import below, by_selection, look

CLAIM = "The harder the batches that a selection makes, the fewer updates it needs to come near the optimum."
TABLES = ("selection_needed",)
COMMAND = "make results"
COMPARED = ("matching", "spectral", "graph", "balanced", "kmeans", "bandwidth", "shuffled", "spread")
"""Rules that cut all pairs into batches anew for every epoch, for hard, easy or random ones."""
_MARKERS = "X^vPDsod"
_UP = {"arrowstyle": "->", "lw": 0.8, "shrinkA": 3, "shrinkB": 0}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture, if some selection reaches a gap."""
    if len(_compared(tables["selection_needed"]).dropna(subset="updates")):
        yield "selection_quality", draw(tables["selection_needed"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Rank correlation of hardness and updates over the selections, for every problem and gap.

    Races are compared as far as all of them went: those that were not there by then share the last rank. One that
    gave up before half of those that reach the gap had done so says nothing and is left out.
    """
    lines = [["N", "B", "gap", "rank correlation", "95 % interval", "n"]]
    found: list[Interval] = []
    keys = ["n_pairs", "batch_size", "target"]
    groups: list[tuple[Any, pd.DataFrame]] = list(_compared(tables["selection_needed"]).groupby(keys, sort=True))
    for (n, b, target), every in groups:
        if len(every.dropna(subset="updates")) < 2:
            continue
        rows = every.loc[every["updates"].notna() | every["at_most"].ge(every["updates"].median())]
        end = rows.loc[rows["updates"].isna(), "at_most"].min()  # nan, and nothing cut, if all are there
        one = rank_correlation(rows["hardness"], rows["updates"].mask(rows["updates"] > end).fillna(np.inf))
        found.append(one)
        lines.append([str(n), str(b), f"{target:g}", *cells(one, ".2g", signed=True)])
    if not found:
        return Evidence("open", "No gap has been reached by two of the selections in this table.")
    text = f"Rank correlation of hardness and updates over n selections, negative: {tally(-1, found)}."
    more = _shares(tables["selection_needed"]) + _designs(tables["selection_needed"])
    return Evidence(verdict(-1, found), text + more, lines)


def rank_correlation(first: pd.Series, second: pd.Series) -> Interval:
    """Spearman's r with its 95 % interval; ties share their mean rank.

        tanh( artanh r -+ 1.96 sqrt((1 + r^2 / 2) / (n - 3)) )

    The interval of fewer than four values, or of a constant, is (nan, nan).

    References:
        Bonett and Wright, 2000, Sample size requirements for estimating Pearson, Kendall and Spearman
        correlations.
    """
    a, b = first.rank().to_numpy(), second.rank().to_numpy()
    n = len(a)
    if n < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Interval(np.nan, np.nan, np.nan, np.nan, n)
    r = float(np.corrcoef(a, b)[0, 1])
    middle = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    half = 1.96 * ((1 + r**2 / 2) / (n - 3)) ** 0.5
    return Interval(r, np.nan, float(np.tanh(middle - half)), float(np.tanh(middle + half)), n)


def _shares(needed: pd.DataFrame) -> str:
    """How much of what an exact matching gains over shuffles each rule gains, where that is known."""
    rows = _compared(needed).dropna(subset=["hardness_exact"]).drop_duplicates(["n_pairs", "selection"])
    rows = rows.loc[rows["selection"] != "shuffled"]
    if rows.empty:
        return ""
    part = (rows["hardness"] - rows["hardness_random"]) / (rows["hardness_exact"] - rows["hardness_random"])
    named = [f"{look(name).label} {one:.0%}" for name, one in zip(rows["selection"], part, strict=True)]
    return f" Of the hardness that an exact pairing gains over shuffles: {', '.join(named)}."


def _designs(needed: pd.DataFrame) -> str:
    """Rules that are not harder than shuffles and yet faster: hardness is not all there is."""
    keys = ["n_pairs", "batch_size", "target"]
    designs = needed.loc[needed["selection"].eq("design") & needed["given_rate"].eq(0) & needed["updates"].notna()]
    both = designs.merge(_compared(needed).query("selection == 'shuffled'"), on=keys, suffixes=("", "_shuffled"))
    if both.empty:
        return ""
    made = both["updates_shuffled"].fillna(both["at_most_shuffled"])
    return (
        " Hardness is not all: a design's batches are as hard as shuffles', and yet it needs fewer updates in "
        f"{int((both['updates'] < made).sum())} of {len(both)} cases."
    )


def _compared(needed: pd.DataFrame) -> pd.DataFrame:
    """The selections compared, on the problems where easy ones race, too."""
    usual = needed["loss"].eq("clip_sum") & needed["temperature"].eq(1) & needed["dim"].eq(needed["n_pairs"])
    rows = needed.loc[usual & needed["given_rate"].eq(0) & needed["selection"].isin(COMPARED)]
    sizes = rows.loc[rows["selection"] == "spread", ["n_pairs", "batch_size"]].drop_duplicates()
    return rows.merge(sizes, on=["n_pairs", "batch_size"])


def draw(needed: pd.DataFrame) -> Figure:
    """A panel for every problem and gap that some selection reaches.

    Args:
        needed: selection_needed.csv.
    """
    needed = _compared(needed)
    sizes = sorted({*zip(needed["n_pairs"], needed["batch_size"], strict=True)})
    targets = sorted(needed.loc[needed["updates"].notna(), "target"].unique(), reverse=True)
    figure, axes = plt.subplots(
        len(sizes),
        len(targets),
        figsize=(7.2, 2.0 * len(sizes) + 0.9),
        sharex=True,
        sharey="row",
        layout="constrained",
        squeeze=False,
    )
    for line, (n, b) in zip(axes, sizes, strict=True):
        for axis, target in zip(line, targets, strict=True):
            own = needed.loc[(needed["n_pairs"] == n) & (needed["batch_size"] == b) & (needed["target"] == target)]
            _panel(axis, own)
            axis.set_title(f"N = {n}, B = {b}, gap {target:g}", loc="left")
        line[0].set_ylabel("updates")
        line[0].set_ylim(top=2.6 * needed.loc[needed["n_pairs"] == n, "at_most"].max())
    axes[-1][len(targets) // 2].set_xlabel("in-batch loss above that of random batches (nats)")
    handles = {
        label: handle for axis in axes.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, fontsize=7)
    text = (
        f"Updates until the median gap over n = {needed['n'].min()} seeds is there (95 % bootstrap intervals), "
        "each selection at its best constant rate, tuned on other seeds; open marks: not reached with so many. "
        "Across: the mean in-batch loss of its plans less that of random batches, at embeddings common to all (of "
        "shuffled training, after 0, 4, 16 and 64 epochs, n = 16 seeds)."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for name, own in by_selection(rows):
        row, kind = own.iloc[0], look(name)
        x = row["hardness"] - row["hardness_random"]
        marker = _MARKERS[COMPARED.index(name)]
        if pd.isna(row["updates"]):
            axis.plot(x, row["at_most"], marker=marker, mfc="white", mec=kind.colour, ms=5, ls="")
            axis.annotate(
                "", (x, row["at_most"] * 1.9), (x, row["at_most"]), arrowprops=_UP | {"color": kind.colour}
            )
            axis.plot([], [], marker=marker, color=kind.colour, ms=5, ls="", label=kind.label)
            continue
        high = row["high"] if pd.notna(row["high"]) else row["updates"]
        axis.plot([x, x], [row["low"], high], color=kind.colour, lw=1)
        axis.plot(x, row["updates"], marker=marker, color=kind.colour, ms=5, ls="", label=kind.label)
    axis.set(yscale="log")
