"""Where something is lower than the regular polygon, for every N, temperature and loss."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.evidence import Evidence
from figures.style import below, panels

CLAIM = (
    "From 7 points on, at small temperatures, DCL and DHEL are lower elsewhere than at the regular polygon; "
    "InfoNCE and NT-Xent are not, which is proved."
)
TABLES = ("polygons",)
COMMAND = "make results"
_WITH_POSITIVE = ("info_nce", "nt_xent")
_ZERO = 1e-9
"""Relative: what counts as lower."""


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "polygons", draw(tables["polygons"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Cases in which something lower was found, which are examples and so proofs, and those proved to have none."""
    table = _marked(tables["polygons"])
    kept = table["loss"].isin(_WITH_POSITIVE)
    with_it, without = table.loc[kept], table.loc[~kept]
    if with_it.empty or without.empty:
        return Evidence("open", "The table lacks losses of one of the two kinds.")
    small = without.loc[(without["n_pairs"] >= 7) & (without["temperature"] <= 0.07), "beaten"].tolist()
    undercut, proved = with_it["beaten"].tolist(), with_it["proved"].tolist()
    text = (
        f"For N >= 7 and temperatures up to 0.07 DCL and DHEL are lower elsewhere in {sum(small)} of {len(small)} "
        f"cases; InfoNCE and NT-Xent nowhere in {len(undercut) - sum(undercut)} of {len(undercut)}, of which "
        f"{sum(proved)} are proved. What is lower is an explicit configuration; where a search finds nothing, "
        f"nothing follows (n = {table['n'].min()} starts)."
    )
    rows = [["loss", "lower found in", "by up to (nats)", "from N", "proved that nothing is lower"]]
    for loss, own in table.groupby("loss", sort=False):
        lower, least = own.loc[own["beaten"]], own["proved"].sum()
        most = [f"{lower['below'].max():.3g}", str(lower["n_pairs"].min())] if len(lower) else ["–", "–"]
        rows.append([str(loss), f"{len(lower)} of {len(own)}", *most, f"{least} of {len(own)}"])
    if any(undercut):
        return Evidence("refuted", text, rows)
    return Evidence("confirmed" if all(small) and all(proved) else "partly", text, rows)


def draw(table: pd.DataFrame) -> Figure:
    """A heat map for each loss.

    Args:
        table: polygons.csv.
    """
    table = _marked(table)
    losses = list(dict.fromkeys(table["loss"]))
    figure, axes = panels(-(-len(losses) // 2), 2, 5.6, sharex=True, sharey=True)
    found = table.loc[table["beaten"], "below"]
    norm = LogNorm(found.min() if len(found) else 1e-3, found.max() if len(found) else 1.0)
    image = None
    for axis, loss in zip(axes.flat, losses, strict=False):
        image = _map(axis, table.loc[table["loss"] == loss], norm)
        axis.set_title(loss, loc="left")
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, label="polygon - lowest found (nats)")
    for axis in axes[-1]:
        axis.set_xlabel("N")
    for axis in axes[:, 0]:
        axis.set_ylabel("temperature")
    text = (
        "Points in the plane. A number: how much lower than the regular N-gon the lowest of "
        f"n = {table['n'].min()} random starts and of clusters is, an example that proves the polygon not optimal; "
        "*: only with u other than v. Grey: nothing lower was found; o: proved that there is nothing."
    )
    return below(figure, text)


def _marked(table: pd.DataFrame) -> pd.DataFrame:
    """The table and whether something was found lower than the polygon by more than rounding."""
    return table.assign(beaten=table["below"] > _ZERO * np.maximum(1, table["polygon"].abs()))


def _map(axis: Axes, rows: pd.DataFrame, norm: LogNorm) -> AxesImage:
    sizes, temperatures = sorted(rows["n_pairs"].unique()), sorted(rows["temperature"].unique())
    values = np.full((len(temperatures), len(sizes)), np.nan)
    for row in rows.loc[rows["beaten"]].to_dict("records"):
        values[temperatures.index(row["temperature"]), sizes.index(row["n_pairs"])] = row["below"]
    image = axis.imshow(values, norm=norm, cmap="viridis_r", origin="lower", aspect="auto")
    axis.set_facecolor("#E5E5E5")
    axis.grid(visible=False)
    for row in rows.to_dict("records"):
        x, y = sizes.index(row["n_pairs"]), temperatures.index(row["temperature"])
        value = values[y, x]
        if np.isnan(value):
            word, colour = ("o" if row["proved"] else ""), "#444444"
        else:
            short = f"{value:.2g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")
            word = short + ("*" if row["below_aligned"] < _ZERO else "")
            colour = "white" if norm(value) > 0.55 else "black"
        axis.text(x, y, word, ha="center", va="center", fontsize=6, color=colour)
    axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
    axis.set_yticks(range(len(temperatures)), [f"{t:g}" for t in temperatures])
    return image
