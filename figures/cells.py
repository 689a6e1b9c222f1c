"""Tidy tables from the run folders of sweeps over free embeddings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from figures.folders import Folder

PROBLEM = ["n_pairs", "dim", "batch_size", "loss", "temperature", "equal_init", "dtype"]
"""Settings that tell problems apart."""
SUFFICIENCY = [*PROBLEM, "family", "k"]
RACE = [*PROBLEM, "selection", "decay"]
SELECTION = [*RACE, "candidates", "given_rate"]
NORM = [*PROBLEM, "learning_rate", "selection"]
ROWS: dict[str, list[str]] = {
    "optima": ["loss", "n_pairs", "dim", "batch_size", "temperature"],
    "partitions": ["loss", "temperature", "n_pairs", "dim", "batch_size", "family", "start"],
    "coverage": ["loss", "temperature", "n_pairs", "dim", "batch_size", "family", "k", "seed"],
    "signals": ["spread", "dim", "batch_size", "alignment", "temperature"],
    "temperatures": ["loss", "n_pairs", "dim", "batch_size", "temperature", "updates", "tuned", "seed"],
    "batch_sizes": ["loss", "temperature", "n_pairs", "dim", "batch_size", "selection", "epochs", "seed"],
    "polygons": ["loss", "n_pairs", "temperature"],
    "kernels": ["n_pairs", "dim", "loss", "kernel", "temperature"],
    "beyond": ["loss", "dim", "n_pairs", "temperature"],
    "landscape": ["points", "loss", "temperature", "n_pairs", "dim", "batch_size", "family", "partner", "degrees"],
    "norm_curves": [*NORM, "update"],
}
"""Kinds of cells (- is _ here) whose result is rows of a table of that name, and what tells its rows apart."""
_COSTS = ("seconds", "seconds_low", "seconds_high", "update_seconds", "planning_seconds", "side_by_side")
_PICTURED = 25
"""Pairs whose similarities are kept."""


def sufficiency_points(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per problem, family and number of classes: gaps and distances of the minimisers over the seeds."""
    rows = [
        _problem(run) | {"family": run.config["config"]["family"]} | _short(point) | run.provenance
        for run in runs
        for point in run.result["points"]
    ]
    return pd.DataFrame(rows)


def sufficiency_grams(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per entry of U V^T of the first seed, for the classes of a design of 25 pairs."""
    rows = []
    for run in runs:
        if run.config["config"]["family"] != "classes" or run.config["config"]["n_pairs"] != _PICTURED:
            continue
        arrays = np.load(run.path / "arrays.npz")
        for point in run.result["points"]:
            for (i, j), value in np.ndenumerate(arrays[f"gram_{point['k']}"]):
                row = {"family": "classes", "k": point["k"], "i": i, "j": j, "value": round(float(value), 4)}
                rows.append(_problem(run) | row)
    return pd.DataFrame(rows)


def race_needed(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per problem, selection, decay and target: the updates that it takes, empty for more than were made.

    A target that was reached by the `first` update that was looked at is reached after at most so many. Seconds
    are empty for races that did not tell the time.
    """
    rows = [
        _race(run)
        | {"first": min(point["update"] for point in run.result["curve"])}
        | _short(found | {name: found.get(name) for name in _COSTS})
        | run.provenance
        for run in runs
        for found in run.result["needed"]
    ]
    return pd.DataFrame(rows).rename(columns={"value": "updates"})


def race_curves(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per point: the gap's median and middle 80 % over the seeds.

    At a constant rate, of every rate that is best for some target; with a decay, of runs that end there.
    """
    rows = [_race(run) | _short(point) for run in runs for point in run.result["curve"]]
    return pd.DataFrame(rows)


def selection_needed(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per problem, selection, learning rate and target: updates, seconds and hardness, empty if not reached.

    `candidates` is 0 where Ordered SGD looks at all batches, `given_rate` where the rate was tuned.
    """
    rows = []
    for run in runs:
        settings = run.config["config"]
        own = {name: settings[name] or 0 for name in ("candidates", "keep")}
        own["given_rate"] = float(settings["learning_rate"] or 0)
        rows += [_race(run) | own | _short(found) | run.provenance for found in run.result["needed"]]
    return pd.DataFrame(rows).rename(columns={"value": "updates"})


def result_rows(runs: Sequence[Folder], part: str = "rows") -> pd.DataFrame:
    """The rows of cells whose result is rows already, with where they were computed."""
    return pd.DataFrame([_short(row) | run.provenance for run in runs for row in run.result[part]])


def _problem(run: Folder) -> dict[str, Any]:
    return {key: run.config["config"][key] for key in PROBLEM}


def _race(run: Folder) -> dict[str, Any]:
    return {key: run.config["config"][key] for key in RACE}


def _short(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers with the digits that a table needs."""
    return {key: float(f"{x:.5g}") if isinstance(x, float) else x for key, x in values.items()}
