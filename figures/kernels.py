"""Losses trained at the sizes of universally optimal codes, against the value of the code."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from figures.evidence import Evidence
from figures.style import below

CLAIM = (
    "Kernel losses, InfoNCE and NT-Xent have no lower value than at the universally optimal code, and descent "
    "reaches it."
)
TABLES = ("kernels",)
COMMAND = "make results"
_ZERO = 1e-8
"""A difference below this is one of rounding."""
_LOOKS = {
    "kcl gaussian": ("KCL, Gaussian", "#0072B2", "o"),
    "kcl imq": ("KCL, inverse multiquadric", "#56B4E9", "s"),
    "kcl log": ("KCL, logarithm", "#009E73", "^"),
    "info_nce": ("InfoNCE", "#D55E00", "D"),
    "nt_xent": ("NT-Xent", "#E69F00", "v"),
}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "kernels", draw(tables["kernels"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """The lowest value found below the code's, and the share of starts that reach it."""
    table = tables["kernels"]
    if table.empty:
        return Evidence("open", "The table is empty.")
    reached, n = (sum(table[name].tolist()) for name in ("reached", "n"))
    lowest = min(table["gap_min"].tolist())
    shares = []
    for name, rows in table.groupby(_names(table), sort=False):
        one = binomtest(sum(rows["reached"].tolist()), sum(rows["n"].tolist()))
        low, high = one.proportion_ci()
        shares.append(f"{_LOOKS[str(name)][0]} {one.statistic:.0%} [{low:.0%}, {high:.0%}]")
    never = table.loc[table["reached"] == 0]
    text = (
        f"{len(table)} pairs of code and loss, n = {table['n'].min()} starts each: lowest value minus the code's "
        f"at least {lowest:.1e}. Reached by {reached} of {n} starts: {', '.join(shares)}."
    )
    if not never.empty:
        text += f" By none in {len(never)} pairs, there the best stays {never['gap_min'].max():.1e} above at most."
    if lowest < -_ZERO:
        return Evidence("refuted", text)
    return Evidence("confirmed" if never.empty else "partly", text)


def draw(table: pd.DataFrame) -> Figure:
    """How near the best start comes, and how many do.

    Args:
        table: kernels.csv.
    """
    codes = table.drop_duplicates(["dim", "n_pairs"]).sort_values("dim")
    names = [f"{row['code']}\n{row['n_pairs']} in {row['dim']}" for row in codes.to_dict("records")]
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
    floor = 1e-17
    for k, (name, (label, colour, marker)) in enumerate(_LOOKS.items()):
        rows = table.loc[_names(table) == name].set_index(["dim", "n_pairs"])
        rows = rows.loc[list(zip(codes["dim"], codes["n_pairs"], strict=True))]
        place = np.arange(len(rows)) + 0.13 * (k - 2)
        gaps = np.maximum(rows["gap_min"].abs().to_numpy(), floor)
        left.plot(place, gaps, ls="", marker=marker, color=colour, ms=4, label=label)
        ends = [
            binomtest(int(reached), int(n)).proportion_ci()
            for reached, n in zip(rows["reached"], rows["n"], strict=True)
        ]
        share = rows["reached"].to_numpy() / rows["n"].to_numpy()
        bars = [np.maximum(share - [e.low for e in ends], 0), np.maximum([e.high for e in ends] - share, 0)]
        right.errorbar(
            place, 100 * share, yerr=100 * np.array(bars), ls="", marker=marker, color=colour, ms=4, lw=0.8
        )
    left.set(yscale="log", ylim=(floor / 3, 1), ylabel="best start, above the code's value")
    right.set(ylim=(-4, 104), ylabel="starts that reach the code (%)")
    for axis in (left, right):
        axis.set_xticks(range(len(names)), names, fontsize=6)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=7.5)
    text = (
        f"n = {table['n'].min()} random starts of L-BFGS each, u and v independent, full batch; bars: 95 % "
        f"intervals (Clopper-Pearson). Values of rounding size are drawn at {floor:.0e}. That the code is optimal "
        "is proved: for kernels by Cohn and Kumar, 2007, for InfoNCE and NT-Xent in `theory.certificates`."
    )
    return below(figure, text)


def _names(table: pd.DataFrame) -> pd.Series:
    return (table["loss"] + " " + table["kernel"].fillna("")).str.strip()
