"""The certified gap of the best that is found for more than d + 1 points."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.evidence import Evidence
from figures.style import below

CLAIM = "Where no code is known, the best that is found is certified to within 10 % of the minimum."
TABLES = ("beyond",)
COMMAND = "make results"
_GOAL, _FLOOR = 0.1, 1e-9
_TITLES = {"info_nce": "InfoNCE", "kcl": "KCL, Gaussian kernel"}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "beyond", draw(tables["beyond"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """The largest and the median certified gap of each loss: bounds, not estimates."""
    table = tables["beyond"]
    open_cases = table.loc[~table["attained"]]
    if open_cases.empty:
        return Evidence("open", "Every size in the table has a proved minimum.")
    parts = []
    for loss, rows in open_cases.groupby("loss", sort=False):
        worst = rows.loc[rows["relative"].idxmax()]
        parts.append(
            f"{_TITLES[str(loss)]}: median {rows['relative'].median():.1%}, at most {worst['relative']:.1%} "
            f"(N = {worst['n_pairs']}, d = {worst['dim']}), {(rows['relative'] <= _GOAL).sum()} of {len(rows)} "
            f"sizes within {_GOAL:.0%}"
        )
    known = table.loc[table["attained"], "relative"]
    text = (
        f"Certified gaps, upper bounds of what the best of n = {table['n'].min()} starts is above the minimum, at "
        f"sizes without a proved one: {'; '.join(parts)}. Where the minimum is proved: at most "
        f"{known.max():.0e} ({len(known)} sizes). A gap may be the bound's fault as well as the search's."
    )
    within = open_cases["relative"] <= _GOAL
    return Evidence("confirmed" if within.all() else "partly" if within.any() else "open", text)


def draw(table: pd.DataFrame) -> Figure:
    """A heat map for each loss over d and N.

    Args:
        table: beyond.csv.
    """
    losses = list(dict.fromkeys(table["loss"]))
    figure, axes = plt.subplots(
        len(losses), 1, figsize=(7.2, 3.9), sharex=True, layout="constrained", squeeze=False
    )
    norm = LogNorm(1e-4, 1)
    image = None
    for axis, loss in zip(axes[:, 0], losses, strict=True):
        image = _map(axis, table.loc[table["loss"] == loss], norm)
        axis.set_title(f"{_TITLES[loss]}: certified gap, % of what the negatives cost", loc="left")
        axis.set_ylabel("d")
    axes[-1][0].set_xlabel("N")
    if image is not None:
        figure.colorbar(image, ax=axes, label="certified relative gap", extend="min")
    taus = ", ".join(f"{t:g}" for t in sorted(table.loc[table["loss"] == "info_nce", "temperature"].unique()))
    text = (
        f"The lowest value of n = {table['n'].min()} starts of L-BFGS, u and v free, against the best proved lower "
        f"bound (linear programming; InfoNCE at temperature {taus} by way of an energy). =: the bound is the "
        "minimum, as at universally optimal codes. White: N <= d + 1, the simplex ETF."
    )
    return below(figure, text)


def _map(axis: Axes, rows: pd.DataFrame, norm: LogNorm) -> AxesImage:
    sizes, dims = sorted(rows["n_pairs"].unique()), sorted(rows["dim"].unique())
    values = np.full((len(dims), len(sizes)), np.nan)
    for row in rows.to_dict("records"):
        x, y = sizes.index(row["n_pairs"]), dims.index(row["dim"])
        values[y, x] = max(row["relative"], _FLOOR)
        word = "=" if row["attained"] else f"{100 * row['relative']:.2g}"
        shade = float(norm(max(row["relative"], 1e-4)))
        axis.text(x, y, word, ha="center", va="center", fontsize=6.5, color="white" if shade > 0.6 else "black")
    image = axis.imshow(values, norm=norm, cmap="viridis_r", origin="lower", aspect="auto")
    axis.grid(visible=False)
    axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
    axis.set_yticks(range(len(dims)), [str(d) for d in dims])
    return image
