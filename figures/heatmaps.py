"""The similarities that each selection ends with, beside the optimum's."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.style import DIVERGING, by_selection, look
from theory import cross_polytope_gram, simplex_etf_gram

CLAIM = (
    "Ordered SGD and spectral reach the optimum's geometry first; full batch, all batches and shuffles follow; a "
    "fixed partition leaves pairs that never met wherever they happened to be."
)
_OPTIMA = {
    "simplex_etf": ("optimum: simplex ETF", simplex_etf_gram),
    "cross_polytope": ("optimum: cross-polytope", cross_polytope_gram),
}


def draw(grams: pd.DataFrame) -> Figure:
    """U^T V of the first seed for every selection of one study.

    Args:
        grams: The rows of synthetic_grams.csv of one study.
    """
    n, dim = int(grams["n_pairs"].iloc[0]), int(grams["dim"].iloc[0])
    panels: list[tuple[str, np.ndarray]] = []
    shape = "simplex_etf" if n <= dim + 1 else "cross_polytope" if n == 2 * dim else None
    if shape is not None:
        title, gram = _OPTIMA[shape]
        panels.append((title, gram(n)))
    for name, rows in by_selection(grams):
        panels.append((look(name).label, rows.pivot(index="i", columns="j", values="value").to_numpy()))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(1.35 * len(panels) + 0.6, 1.75), layout="constrained", squeeze=False
    )
    image = None
    for axis, (title, gram) in zip(axes[0], panels, strict=True):
        image = axis.imshow(gram, cmap=DIVERGING, vmin=-1, vmax=1)
        axis.set_title(title, fontsize=7)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
    assert image is not None
    figure.colorbar(image, ax=axes[0, -1], label="$u_i^T v_j$", ticks=[-1, 0, 1], shrink=0.8)
    return figure
