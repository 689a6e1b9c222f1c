"""What the minimisers of a few batches look like: pairs that never meet are drawn together."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.style import DIVERGING, below

CLAIM = "Pairs that never share a batch are drawn together; with the last class of the plane only the ETF is left."


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
        f"N = d = {n}, B = {problem['batch_size']}, one start. The pairs of the last class stand side by side: "
        "without it they never meet, and coincide; with it all similarities are those of the simplex ETF."
    )
    return below(figure, text)
