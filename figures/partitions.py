"""The full batch's gap after training on all C(N, B) batches, and after training on one fixed partition."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.evidence import ROUNDING, Evidence, share_of_all
from figures.style import below, labelled, legend_above, look, panels

CLAIM = (
    "The mean over all C(N, B) batches has the minimisers of the full batch; a fixed partition has not, and its "
    "gap lies in the proved range."
)
TABLES = ("partitions",)
COMMAND = "make results"


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "partitions", draw(tables["partitions"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """The largest gap of all batches, and whether any fixed partition's lies outside the range."""
    table = tables["partitions"]
    every, fixed = (table.loc[table["family"] == family] for family in ("all", "fixed"))
    if every.empty or fixed.empty:
        return Evidence("open", "The table lacks one of the two families.")
    cases = ["n_pairs", "batch_size", "dim"]
    wide = every.loc[every["dim"] >= every["n_pairs"] - 1]
    half = every.loc[every["dim"] < every["n_pairs"] - 1].groupby(cases)["gap"]
    inside = (fixed["gap"] >= fixed["least"] - ROUNDING) & (fixed["gap"] <= fixed["most"] + ROUNDING)
    away = fixed["gap"] > ROUNDING
    wide_fixed = fixed.loc[fixed["dim"] >= fixed["n_pairs"] - 1]
    n = len(fixed)
    text = (
        f"The best of all batches' minimisers are at most {max(wide['gap'].max(), half.min().max()):.1e} above the "
        f"full batch's minimum; {inside.sum()} of n = {n} fixed partitions end inside the proved range"
    )
    text += f" (share 1 [{share_of_all(n):.4f}, 1])." if inside.all() else "."
    if not away.all():
        text += f" At d = N / 2 {(~away).sum()} of them reach the optimum, which is an end of their range."
    small = fixed.loc[fixed["dim"] < fixed["n_pairs"] - 1, "gap"]
    kinds = [("all C(N, B)", "d >= N - 1", "every start", wide["gap"])]
    kinds += [("all C(N, B)", "d = N / 2", "best start of each N, B", half.min())]
    kinds += [("fixed partition", "d >= N - 1", "every start", wide_fixed["gap"])]
    kinds += [("fixed partition", "d = N / 2", "every start", small)]
    rows = [["batches", "d", "of", "n", "least gap", "largest gap"]]
    rows += [[*names, str(len(own)), f"{own.min():.2g}", f"{own.max():.2g}"] for *names, own in kinds if len(own)]
    same = wide["gap"].max() < ROUNDING and half.min().max() < ROUNDING
    if not inside.all():
        return Evidence("refuted", text, rows)
    return Evidence("confirmed" if same and bool((wide_fixed["gap"] > ROUNDING).all()) else "partly", text, rows)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each of d = N / 2, N - 1 and N: gaps of all starts, and the proved range.

    Args:
        table: partitions.csv.
    """
    figure, axes = panels(1, 3, 3.3, sharey=True)
    excess = table["dim"] - table["n_pairs"]
    dims = (
        ("d = N / 2", table["n_pairs"] == 2 * table["dim"]),
        ("d = N - 1", excess == -1),
        ("d = N", excess == 0),
    )
    for axis, (title, chosen) in zip(axes[0], dims, strict=True):
        _panel(axis, table.loc[chosen])
        axis.set_title(title, loc="left")
    axes[0, 0].set_ylabel("full-batch loss above the minimum (nats)")
    axes[0, 0].set_ylim(-0.03, 1.03 * table["most"].max())
    legend_above(figure, labelled(axes[0, 0]))
    n = table.groupby(["n_pairs", "dim", "batch_size", "family"])["gap"].size().min()
    text = (
        f"Every start is a mark, n = {n} for each N, B and d (L-BFGS; clip_sum, temperature 1). A fixed "
        "partition's batches are simplices of their own, which may lie to each other as they like; the grey range "
        "is proved (`theory.fixed_partition_range`), its lower end is met for d >= (N/B)(B-1)."
    )
    return below(figure, text)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    fixed, every = (rows.loc[rows["family"] == family] for family in ("fixed", "all"))
    cases = list(fixed.groupby(["n_pairs", "batch_size"]).groups)
    for place, (n, size) in enumerate(cases):
        own = fixed.loc[(fixed["n_pairs"] == n) & (fixed["batch_size"] == size)]
        least, most = max(0, own["least"].iloc[0]), own["most"].iloc[0]
        axis.bar(
            place,
            most - least,
            bottom=least,
            width=0.8,
            color="#EAEAEA",
            label="proved range" if not place else None,
        )
        kind = look("fixed")
        jitter = np.linspace(-0.28, 0.28, len(own))
        axis.plot(
            place + jitter,
            own["gap"],
            ls="",
            marker="o",
            ms=2.6,
            color=kind.colour,
            mec="#222222",
            mew=0.4,
            label=f"{kind.label}, every start" if not place else None,
        )
        same = every.loc[(every["n_pairs"] == n) & (every["batch_size"] == size)]
        axis.plot(
            [place] * len(same),
            same["gap"],
            ls="",
            marker="_",
            ms=9,
            color=look("full").colour,
            label=f"{look('all').label}, every start" if not place else None,
        )
    axis.set_xticks(range(len(cases)), [f"{n}, {size}" for n, size in cases], rotation=60, fontsize=7)
    axis.set_xlabel("N, B")
