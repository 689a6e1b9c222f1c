"""What the minimisers of a few batches look like: pairs that never meet are drawn together."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.evidence import Evidence
from figures.style import DIVERGING, below

CLAIM = "Pairs that never share a batch are drawn together; with the last class of the plane only the ETF is left."
TABLES = ("sufficiency_grams",)
COMMAND = "make results"
_NEAR = 0.01
"""Similarities that differ by less are taken as equal; the table has four digits."""


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """One picture."""
    yield "sufficiency_grams", draw(tables["sufficiency_grams"])


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Similarities of the pairs that only the last class would bring together, of the others, and with all classes.

    The pairs of a batch of the last class have consecutive numbers.
    """
    grams = tables["sufficiency_grams"]
    problem = grams.iloc[0]
    n, b, last = int(problem["n_pairs"]), int(problem["batch_size"]), max(grams["k"])
    apart = grams.loc[grams["i"] != grams["j"]]
    before, after = apart.loc[apart["k"] == last - 1], apart.loc[apart["k"] == last]
    never = before["i"] // b == before["j"] // b
    kept, met = before.loc[never, "value"], before.loc[~never, "value"]
    error = float((after["value"] + 1 / (n - 1)).abs().max())
    text = (
        f"N = {n}, one start (n = 1, so without an interval): without the last class the {len(kept)} similarities "
        f"u_i.v_j of pairs that never meet are {kept.min():.3f} to {kept.max():.3f}, the {len(met)} others "
        f"{met.min():.3f} to {met.max():.3f}; with it all are within {error:.1e} of -1/(N - 1)."
    )
    drawn, etf = bool(kept.min() > met.max()), error < _NEAR
    return Evidence("confirmed" if drawn and etf else "partly" if drawn or etf else "refuted", text)


def draw(grams: pd.DataFrame) -> Figure:
    """Heat maps of U V^T for every number of classes.

    Args:
        grams: sufficiency_grams.csv, of one problem.
    """
    counts = sorted(grams["k"].unique())
    figure, axes = plt.subplots(1, len(counts), figsize=(7.2, 1.75), layout="constrained", squeeze=False)
    n = int(grams["n_pairs"].iloc[0])
    image = None
    for axis, k in zip(axes[0], counts, strict=True):
        rows = grams.loc[grams["k"] == k]
        gram = np.zeros((n, n))
        gram[rows["i"], rows["j"]] = rows["value"]
        image = axis.imshow(gram, cmap=DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
        axis.set_title("1 class" if k == 1 else f"{k} classes", fontsize=8)
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    assert image is not None
    figure.colorbar(image, ax=axes[0], shrink=0.8, label="u·v")
    problem = grams.iloc[0]
    text = (
        "Similarities of the minimisers of the mean loss over the first k classes of the affine plane: "
        f"N = d = {n}, B = {problem['batch_size']}, one start (n = 1). The pairs of the last class stand side by "
        "side: without it they never meet, and coincide; with it all similarities are those of the simplex ETF."
    )
    return below(figure, text)
