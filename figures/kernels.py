"""Losses trained at the sizes of universally optimal codes, against the value of the code."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.evidence import ROUNDING, Evidence
from figures.style import at_least, below, labelled, legend_above, log_with_zero, panels

CLAIM = (
    "Kernel losses, InfoNCE and NT-Xent have no lower value than at the universally optimal code, and descent "
    "reaches it."
)
TABLES = ("kernels",)
COMMAND = "make results"
_FLOOR = 5e-3
"""Where nothing is drawn, on an axis of logarithms."""
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
    never = table.loc[table["reached"] == 0]
    text = (
        f"In {len(table)} pairs of code and loss nothing is lower than the code by more than "
        f"{max(0.0, -lowest):.1e}; {reached} of {n} starts reach it, in {len(never)} pairs none does."
    )
    rows = [
        ["loss", "starts that reach the code", "95 % interval", "n", "pairs that none reaches", "best left above"]
    ]
    for name, own in table.groupby(_names(table), sort=False):
        one = _share(sum(own["reached"].tolist()), sum(own["n"].tolist()))
        low, high = one.proportion_ci()
        missed = own.loc[own["reached"] == 0, "gap_min"]
        rows.append([_LOOKS[str(name)][0], f"{one.statistic:.0%}", f"[{low:.0%}, {high:.0%}]", str(one.n)])
        rows[-1] += [f"{len(missed)} of {len(own)}", f"{missed.max():.2g}" if len(missed) else "–"]
    if lowest < -ROUNDING:
        return Evidence("refuted", text, rows)
    return Evidence("confirmed" if never.empty else "partly", text, rows)


def draw(table: pd.DataFrame) -> Figure:
    """How near the best start comes, and how many do.

    Args:
        table: kernels.csv.
    """
    codes = table.drop_duplicates(["dim", "n_pairs"]).sort_values("dim")
    names = [_code(row) for row in codes.to_dict("records")]
    figure, ((left, right),) = panels(1, 2, 1.3 + 0.46 * len(codes), sharey=True)
    for k, (name, (label, colour, marker)) in enumerate(_LOOKS.items()):
        rows = table.loc[_names(table) == name].set_index(["dim", "n_pairs"])
        rows = rows.loc[list(zip(codes["dim"], codes["n_pairs"], strict=True))]
        place = np.arange(len(rows)) + 0.15 * (k - 2)
        gaps = at_least(rows["gap_min"].abs(), _FLOOR)
        left.plot(gaps, place, ls="", marker=marker, color=colour, ms=4, label=label)
        tests = [_share(*row) for row in rows[["reached", "n"]].to_numpy(int).tolist()]
        share = np.array([one.statistic for one in tests])
        low, high = np.array([one.proportion_ci() for one in tests]).T
        bars = 100 * np.maximum([share - low, high - share], 0)
        right.errorbar(100 * share, place, xerr=bars, ls="", marker=marker, color=colour, ms=4, lw=0.9)
    log_with_zero(left, "x", _FLOOR, 1.5)
    left.set_xlabel("best start, above the code's value (nats)", fontsize=8)
    right.set_xlim(-4, 104)
    right.set_xlabel("starts that reach the code (%)", fontsize=8)
    left.set_yticks(range(len(names)), names, fontsize=7)
    left.set_ylim(len(names) - 0.5, -0.5)
    legend_above(figure, labelled(left))
    nothing = table.loc[table["gap_min"].abs() < ROUNDING, "gap_min"].abs().max()
    text = (
        f"n = {table['n'].min()} random starts of L-BFGS each, u and v independent, full batch; bars: 95 % "
        f"intervals (Clopper-Pearson). 0: at most {nothing:.0e}. That the code is optimal is "
        "proved: for kernels by Cohn and Kumar, 2007, for InfoNCE and NT-Xent in `theory.certificates`."
    )
    return below(figure, text)


def _code(row: Mapping[str, Any]) -> str:
    """As in "icosahedron, N = 12, d = 3"."""
    name = row["code"].removesuffix(f" of {row['n_pairs']} points")
    return f"{name}\nN = {row['n_pairs']}, d = {row['dim']}"


def _names(table: pd.DataFrame) -> pd.Series:
    return (table["loss"] + " " + table["kernel"].fillna("")).str.strip()


def _share(reached: int, n: int) -> Any:
    """How many of n starts do, as a test of scipy's, which has the interval by Clopper and Pearson."""
    from scipy.stats import binomtest  # half a second that other figures need not wait for

    return binomtest(reached, n)
