"""What the minimisers of a few batches look like: pairs that never meet are drawn together."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.evidence import Evidence, Verdict
from figures.style import below, grams

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
    table = tables["sufficiency_grams"]
    problem = table.iloc[0]
    n, b, last = int(problem["n_pairs"]), int(problem["batch_size"]), max(table["k"])
    apart = table.loc[table["i"] != table["j"]]
    before, after = apart.loc[apart["k"] == last - 1], apart.loc[apart["k"] == last]
    never = before["i"] // b == before["j"] // b
    kept, met = before.loc[never, "value"], before.loc[~never, "value"]
    error = float((after["value"] + 1 / (n - 1)).abs().max())
    text = (
        f"Without the last class, pairs that never meet have similarities of at least {kept.min():.3f}, all others "
        f"of at most {met.max():.3f}; with it all are within {error:.1e} of -1/(N - 1). N = {n}, one start (n = 1, "
        "so without intervals)."
    )
    header = ["classes", "pairs", "similarities u.v", "least", "largest"]
    kinds = ((last - 1, "that never meet", kept), (last - 1, "others", met), (last, "all", after["value"]))
    lines = [
        [str(k), name, f"{len(own):,}", f"{own.min():.4f}", f"{own.max():.4f}"]  # as many digits as the table has
        for k, name, own in kinds
    ]
    drawn, etf = bool(kept.min() > met.max()), error < _NEAR
    reached: Verdict = "confirmed" if drawn and etf else "partly" if drawn or etf else "refuted"
    return Evidence(reached, text, [header, *lines])


def draw(table: pd.DataFrame) -> Figure:
    """Heat maps of U V^T for every number of classes.

    Args:
        table: sufficiency_grams.csv, of one problem.
    """
    n = int(table["n_pairs"].iloc[0])
    shown = []
    for k, rows in table.groupby("k", sort=True):
        gram = np.zeros((n, n))
        gram[rows["i"], rows["j"]] = rows["value"]
        shown.append(("1 class" if k == 1 else f"{k} classes", gram))
    problem = table.iloc[0]
    text = (
        "Similarities of the minimisers of the mean loss over the first k classes of the affine plane: "
        f"N = d = {n}, B = {problem['batch_size']}, one start (n = 1). The pairs of the last class stand side by "
        "side: without it they never meet, and coincide; with it all similarities are those of the simplex ETF."
    )
    return below(grams(shown), text)
