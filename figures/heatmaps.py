"""The similarities that each selection ends with, beside the optimum's."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import Interval
from figures.evidence import Evidence, cells, tally, verdict, welch
from figures.problems import problem_name, problem_title
from figures.style import below, by_selection, grams, look
from figures.table import STUDY
from theory import cross_polytope_gram, simplex_etf_gram

CLAIM = (
    "Ordered SGD and spectral reach the optimum's geometry first; full batch, all batches and shuffles follow; a "
    "fixed partition leaves pairs that never met wherever they happened to be."
)
TABLES = ("synthetic_grams", "synthetic_results")
COMMAND = "make results"
_OPTIMA = {
    "simplex_etf": ("optimum:\nsimplex ETF", simplex_etf_gram),
    "cross_polytope": ("optimum:\ncross-polytope", cross_polytope_gram),
}


def pictures(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """A picture for each study."""
    for _, rows in tables["synthetic_grams"].groupby(STUDY, sort=True):
        yield f"heatmaps_{problem_name(rows.iloc[0].to_dict())}", draw(rows)


def evidence(tables: Mapping[str, pd.DataFrame]) -> Evidence:
    """Distances to the optimum at the end, each selection against the one that the claim puts behind it."""
    found: list[Interval] = []
    lines: list[list[str]] = []
    for _, rows in tables["synthetic_results"].groupby(STUDY, sort=True):
        ends = {
            row["selection"]: Interval(row["distance_mean"], row["distance_std"], np.nan, np.nan, row["n_seeds"])
            for row in rows.to_dict("records")
        }
        problem = problem_title(rows.iloc[0].to_dict())
        pairs = [(hard, "full") for hard in ("osgd", "spectral")]
        pairs += [("full", "shuffled"), ("full", "all"), ("shuffled", "fixed"), ("all", "fixed")]
        for near, far in (pair for pair in pairs if {*pair} <= ends.keys()):
            found.append(welch(ends[near], ends[far]))
            lines.append([problem, look(near).label, look(far).label, *cells(found[-1], signed=True)])
    text = f"Mean distance to the optimum, of the nearer less the farther: {tally(-1, found)}."
    header = ["problem", "nearer, it is claimed", "than", "difference (Welch)", "95 % interval", "n"]
    return Evidence(verdict(-1, found), text, [header, *lines] if lines else ())


def draw(table: pd.DataFrame) -> Figure:
    """U^T V of the first seed for every selection of one study.

    Args:
        table: The rows of synthetic_grams.csv of one study.
    """
    n, dim = int(table["n_pairs"].iloc[0]), int(table["dim"].iloc[0])
    shown: list[tuple[str, np.ndarray]] = []
    shape = "simplex_etf" if n <= dim + 1 else "cross_polytope" if n == 2 * dim else None
    if shape is not None:
        title, gram = _OPTIMA[shape]
        shown.append((title, gram(n)))
    for name, rows in by_selection(table):
        shown.append((look(name).label, rows.pivot(index="i", columns="j", values="value").to_numpy()))
    text = (
        f"Similarities of one run (n = 1, the first seed) at the end, {problem_title(table.iloc[0].to_dict())}; "
        "pairs of most opposite embeddings stand side by side."
    )
    return below(grams(shown), text)
