"""The similarities that each selection ends with, beside the optimum's."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, told, verdict, welch
from figures.problems import problem_name, problem_title
from figures.style import DIVERGING, below, by_selection, look
from figures.table import STUDY
from theory import cross_polytope_gram, simplex_etf_gram

CLAIM = (
    "Ordered SGD and spectral reach the optimum's geometry first; full batch, all batches and shuffles follow; a "
    "fixed partition leaves pairs that never met wherever they happened to be."
)
TABLES = ("synthetic_grams", "synthetic_results")
COMMAND = "make results"
_OPTIMA = {
    "simplex_etf": ("optimum: simplex ETF", simplex_etf_gram),
    "cross_polytope": ("optimum: cross-polytope", cross_polytope_gram),
}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """A picture for each study."""
    for _, rows in tables["synthetic_grams"].groupby(STUDY, sort=True):
        yield f"heatmaps_{problem_name(rows.iloc[0].to_dict())}", draw(rows)


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Distances to the optimum at the end, each selection against the one that the claim puts behind it."""
    found: list[Interval] = []
    words = []
    for _, rows in tables["synthetic_results"].groupby(STUDY, sort=True):
        ends = {
            row["selection"]: Interval(row["distance_mean"], row["distance_std"], np.nan, np.nan, row["n_seeds"])
            for row in rows.to_dict("records")
        }
        pairs = [(hard, "full") for hard in ("osgd", "spectral")]
        pairs += [("full", "shuffled"), ("full", "all"), ("shuffled", "fixed"), ("all", "fixed")]
        changes = {pair: welch(ends[pair[0]], ends[pair[1]]) for pair in pairs if {*pair} <= ends.keys()}
        found += changes.values()
        parts = [f"{look(a).label} - {look(b).label} {told(c, signed=True)}" for (a, b), c in changes.items()]
        words.append(f"{problem_title(rows.iloc[0].to_dict())}: {'; '.join(parts)}.")
    return Evidence(verdict(-1, found), "Differences of mean distance to the optimum (Welch). " + " ".join(words))


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
        1, len(panels), figsize=(1.35 * len(panels) + 0.6, 1.85), layout="constrained", squeeze=False
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
    text = (
        f"Similarities of one run (n = 1, the first seed) at the end, {problem_title(grams.iloc[0].to_dict())}; "
        "pairs of most opposite embeddings stand side by side."
    )
    return below(figure, text)
