"""From run folders to small tidy tables: `python -m figures.table runs/`.

Only finished runs are taken; unfinished ones are named, not averaged in. What is not there yet is added to the
tables under figures/data, and what is there already, by its settings, is replaced.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from figures.cells import (
    NORM,
    RACE,
    ROWS,
    SELECTION,
    SUFFICIENCY,
    race_curves,
    race_needed,
    result_rows,
    selection_needed,
    sufficiency_grams,
    sufficiency_points,
)
from figures.experiments import EXPERIMENTS
from figures.folders import Folder, read_runs
from figures.trained import TEXT_DIGESTS, latest, merged_columns, row_order, trained_curves, trained_results

DATA = Path(__file__).parent / "data"

STUDY = [
    "n_pairs",
    "dim",
    "batch_size",
    "loss",
    "temperature",
    "learning_rate",
    "equal_init",
    "grad_accum",
    "dtype",
]
"""Settings that tell synthetic studies apart."""


def synthetic_results(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per study and selection: mean and spread of the last state over the seeds."""
    rows = []
    for run in runs:
        for name, values in run.result["selections"].items():
            row = _study(run) | {"selection": name, "n_seeds": values["full_loss"]["n"]}
            for key in ("full_loss", "gap", "distance", "batch_loss"):
                found = values[key] or {"mean": np.nan, "std": np.nan}
                row |= {f"{key}_mean": found["mean"], f"{key}_std": found["std"]}
            optimum = run.result["optimum"]
            row |= {"updates": values["updates"], "optimum": optimum["value"], "status": optimum["status"]}
            rows.append(row | run.provenance)
    return pd.DataFrame(rows)


def synthetic_curves(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per study, selection and point of the curve: the gap's mean, median and middle 80 % over the seeds."""
    rows = []
    for run in runs:
        arrays = np.load(run.path / "arrays.npz")
        optimum = run.result["optimum"]["value"]
        for name in run.result["selections"]:
            gap = arrays[f"full_loss_{name}"] - optimum
            low, median, high = np.quantile(gap, [0.1, 0.5, 0.9], axis=1)
            points = zip(
                arrays[f"updates_{name}"], arrays[f"pairs_seen_{name}"], gap.mean(1), median, low, high, strict=True
            )
            for update, seen, *values in points:
                row = _study(run) | {
                    "selection": name,
                    "update": update,
                    "pairs_seen": seen,
                    "n_seeds": gap.shape[1],
                }
                names = ("gap_mean", "gap_median", "gap_low", "gap_high")
                rows.append(row | dict(zip(names, (float(f"{x:.6g}") for x in values), strict=True)))
    return pd.DataFrame(rows)


def synthetic_grams(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per entry of the last Gram matrix U V^T of each study's first seed, antipodes side by side."""
    rows = []
    for run in runs:
        arrays = np.load(run.path / "arrays.npz")
        for name in run.result["selections"]:
            for (i, j), value in np.ndenumerate(arrays[f"gram_{name}"]):
                rows.append(_study(run) | {"selection": name, "i": i, "j": j, "value": round(float(value), 5)})
    return pd.DataFrame(rows)


def read_table(path: Path) -> pd.DataFrame:
    """A table that `collect` wrote, with empty words as words, and digests as words though they may be digits."""
    words = ("commit", "run", "guards", "torch", "texts", *TEXT_DIGESTS)
    table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(words, str))
    return table.assign(**{name: table[name].fillna("") for name in ("commit", "guards") if name in table})


def update_table(path: Path, new: pd.DataFrame, keys: Sequence[str], order: Sequence[str] | None = None) -> None:
    """Add rows to a table, replacing those with the same keys; sorted by `order`, or by the keys.

    Raises:
        ValueError: If the table was written without these keys.
    """
    if new.empty:
        return
    order = [name for name in order or keys if name in new.columns]
    if path.exists():
        old = read_table(path)
        if missing := [key for key in keys if key not in old]:
            raise ValueError(
                f"{path} must have the column {', '.join(missing)}, which tells its rows apart, but has not; "
                "remove the file and collect its runs again"
            )
        replaced = _index(old, keys).isin(_index(new, keys))
        columns = merged_columns(list(old), list(new))
        rows = [*old.loc[~replaced].to_dict("records"), *new.to_dict("records")]
        new = pd.DataFrame(rows, columns=columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    new.sort_values(order, kind="stable").to_csv(temporary, index=False, lineterminator="\n")
    temporary.replace(path)


def _index(table: pd.DataFrame, keys: Sequence[str]) -> pd.MultiIndex:
    """What tells rows apart; an empty key equals another empty one, as missing numbers by themselves do not."""
    columns = table.loc[:, list(keys)].astype(object)
    return pd.MultiIndex.from_frame(columns.where(columns.notna(), ""))


def collect(roots: Iterable[Path], data: Path = DATA) -> tuple[int, list[Path]]:
    """Bring the tables under `data` up to date with the runs below `roots`.

    Returns:
        The number of finished runs read, and the unfinished ones.
    """
    finished, unfinished = read_runs(roots)
    studies = [run for run in finished if run.experiment == "synthetic"]
    keys = [*STUDY, "selection"]
    update_table(data / "synthetic_results.csv", synthetic_results(studies), keys)
    update_table(data / "synthetic_curves.csv", synthetic_curves(studies), keys)
    update_table(data / "synthetic_grams.csv", synthetic_grams(studies), keys)
    sufficiency = [run for run in finished if run.experiment == "sufficiency"]
    update_table(data / "sufficiency_points.csv", sufficiency_points(sufficiency), SUFFICIENCY)
    update_table(data / "sufficiency_grams.csv", sufficiency_grams(sufficiency), [*SUFFICIENCY, "i", "j"])
    races = [run for run in finished if run.experiment == "race"]
    update_table(data / "race_needed.csv", race_needed(races), [*RACE, "target"])
    update_table(data / "race_curves.csv", race_curves(races), [*RACE, "rate", "update"])
    selections = [run for run in finished if run.experiment == "selection-race"]
    update_table(data / "selection_needed.csv", selection_needed(selections), [*SELECTION, "target"])
    starts = [run for run in finished if run.experiment == "initialisation"]
    update_table(data / "initialisation.csv", race_needed(starts), [*RACE, "target"])
    for kind, row_keys in ROWS.items():
        rows = result_rows([run for run in finished if run.experiment.replace("-", "_") == kind])
        update_table(data / f"{kind}.csv", rows, row_keys)
    curves = [run for run in finished if run.experiment == "norm-curves"]
    update_table(data / "norm_needed.csv", result_rows(curves, "needed"), [*NORM, "share"])
    for name, experiment in EXPERIMENTS.items():
        trained = latest([run for run in finished if run.experiment == name])
        order = row_order(experiment)
        update_table(data / f"{name}_results.csv", trained_results(trained), ["run"], order)
        update_table(data / f"{name}_curves.csv", trained_curves(trained), ["run"], [*order, "update"])
    return len(finished), unfinished


def _study(run: Folder) -> dict[str, Any]:
    return {key: run.config["config"][key] for key in STUDY}


def main(arguments: Sequence[str]) -> None:
    """`python -m figures.table FOLDER ...`."""
    roots = [Path(argument) for argument in arguments or ["runs"]]
    missing = [str(root) for root in roots if not root.is_dir()]
    if missing:
        sys.stderr.write(f"error: run folders must exist, but these do not: {', '.join(missing)}\n")
        raise SystemExit(2)
    count, unfinished = collect(roots)
    sys.stdout.write(f"{count} finished runs in figures/data\n")
    for path in unfinished:
        sys.stdout.write(f"unfinished, left out: {path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
