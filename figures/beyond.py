"""The certified gap of the best that is found for more than d + 1 points."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.evidence import Evidence
from figures.style import below, panels

CLAIM = "Where no code is known, the best that is found is certified to within 10 % of the minimum."
TABLES = ("beyond",)
COMMAND = "make results"
_GOAL, _FLOOR = 0.1, 1e-3
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
    rows = [["loss", "sizes", "median", "largest", "at", f"within {_GOAL:.0%}"]]
    for loss, own in open_cases.groupby("loss", sort=False):
        worst, near = own.loc[own["relative"].idxmax()], (own["relative"] <= _GOAL).sum()
        ends = [f"{own['relative'].median():.1%}", f"{worst['relative']:.1%}"]
        place = f"N = {worst['n_pairs']}, d = {worst['dim']}"
        rows.append([_TITLES[str(loss)], str(len(own)), *ends, place, f"{near} of {len(own)}"])
    known = table.loc[table["attained"], "relative"]
    total = (open_cases["relative"] <= _GOAL).sum()
    text = (
        f"Without a proved minimum the best of n = {table['n'].min()} starts is certified to within {_GOAL:.0%} of "
        f"it in {total} of {len(open_cases)} cases; where it is proved the best is at most {known.max():.0e} above "
        f"({len(known)} cases). A gap may be the bound's fault as well as the search's."
    )
    within = open_cases["relative"] <= _GOAL
    return Evidence("confirmed" if within.all() else "partly" if within.any() else "open", text, rows)


def draw(table: pd.DataFrame) -> Figure:
    """A heat map for each loss over d and N.

    Args:
        table: beyond.csv.
    """
    losses = list(dict.fromkeys(table["loss"]))
    figure, axes = panels(len(losses), 1, 3.9, sharex=True)
    norm = LogNorm(0.01, 30)
    image = None
    for axis, loss in zip(axes[:, 0], losses, strict=True):
        image = _map(axis, table.loc[table["loss"] == loss], norm)
        axis.set_title(f"{_TITLES[loss]}: certified gap, % of what the negatives cost", loc="left")
        axis.set_ylabel("d")
    axes[-1][0].set_xlabel("N")
    if image is not None:
        figure.colorbar(image, ax=axes, label="certified gap (%)", extend="min", format="%g")
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
        values[y, x] = max(100 * row["relative"], _FLOOR)
        word = "=" if row["attained"] else f"{100 * row['relative']:.2g}"
        shade = float(norm(values[y, x]))
        axis.text(x, y, word, ha="center", va="center", fontsize=6.5, color="white" if shade > 0.6 else "black")
    image = axis.imshow(values, norm=norm, cmap="viridis_r", origin="lower", aspect="auto")
    axis.grid(visible=False)
    axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
    axis.set_yticks(range(len(dims)), [str(d) for d in dims])
    return image
