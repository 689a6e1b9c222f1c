"""Means and intervals over seeds, and what a selection changes against shuffled batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from figures.studies import measured

Records = list[dict[str, Any]]
_SHUFFLED = ("shuffled", "")


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and where the true one lies in 95 of 100 such experiments."""

    mean: float
    std: float
    """With n - 1 in the denominator; nan for one seed."""
    low: float
    high: float
    n: int


def interval(values: Iterable[float]) -> Interval:
    """Mean and its 95 % confidence interval by Student's t, for values that are about normal.

        mean -+ t_{0.975, n-1} std / sqrt(n)

    nan are left out. The interval of one value is (nan, nan).

    References:
        Student, 1908, The probable error of a mean.
    """
    found = np.array(list(values), dtype=float)
    found = found[~np.isnan(found)]
    n = len(found)
    mean = float(found.mean()) if n else np.nan
    if n < 2:
        return Interval(mean, np.nan, np.nan, np.nan, n)
    std = float(found.std(ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * std / n**0.5
    return Interval(mean, std, mean - half, mean + half, n)


def effects(results: pd.DataFrame) -> pd.DataFrame:
    """Differences from shuffled, paired by seed.

    For every study, loss, selection (with its guards) and measure: the mean over the seeds that both have of
    (this selection - shuffled), and its 95 % interval. Each interval stands for itself: of twenty differences
    that are none, one has an interval without 0 in it. Runs that share a seed (they differ in what changes no
    result) count once, as their mean.

    Args:
        results: A table of results, as `studies.in_studies` gives it.

    Returns:
        Columns study, loss, selection, guards, measure, mean, low, high, n. The interval of n = 1 is nan.
    """
    names = measured(results)
    arms = grouped(results.to_dict("records"), "study", "loss", "selection", "guards")
    rows = []
    for (study, loss, *arm), own in sorted(arms.items()):
        shuffled = arms.get((study, loss, *_SHUFFLED))
        if shuffled is None or tuple(arm) == _SHUFFLED:
            continue
        for name in names:
            mine, theirs = by_seed(own, name), by_seed(shuffled, name)
            found = interval(mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys()))
            if found.n:
                key = {"study": study, "loss": loss, "selection": arm[0], "guards": arm[1], "measure": name}
                rows.append(key | {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n})
    columns = ["study", "loss", "selection", "guards", "measure", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def along(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """How a measure goes on: mean and 95 % interval over the seeds at each update that all seeds have.

    Args:
        rows: Those of a table of curves, of one arm.
        measure: A column.

    Returns:
        Columns update, epoch_of_data, seconds (their means), mean, low, high, n.
    """
    points: Records = []
    for (update,), found in sorted(grouped(rows.dropna(subset=[measure]).to_dict("records"), "update").items()):
        over = interval(by_seed(found, measure).values())
        point = {name: interval(by_seed(found, name).values()).mean for name in ("epoch_of_data", "seconds")}
        points.append(
            {"update": update, **point, "mean": over.mean, "low": over.low, "high": over.high, "n": over.n}
        )
    most = max((point["n"] for point in points), default=0)
    columns = ["update", "epoch_of_data", "seconds", "mean", "low", "high", "n"]
    return pd.DataFrame([point for point in points if point["n"] == most], columns=columns)


def by_seed(rows: Records, name: str) -> dict[Any, float]:
    """The value of a column at each seed that has one; the mean where a seed has several."""
    values: dict[Any, list[float]] = {}
    for row in rows:
        if not pd.isna(row[name]):
            values.setdefault(row["seed"], []).append(row[name])
    return {seed: float(np.mean(found)) for seed, found in values.items()}


def grouped(rows: Iterable[dict[Any, Any]], *names: str) -> dict[tuple[Any, ...], Records]:
    """The rows by the values of some columns."""
    found: dict[tuple[Any, ...], Records] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found
