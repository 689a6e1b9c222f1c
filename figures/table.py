"""From run folders to small tidy tables: `python -m figures.table runs/`.

Only finished runs are taken; unfinished ones are named, not averaged in. What is not there yet is added to the
tables under figures/data, and what is there already, by its settings, is replaced.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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


@dataclass(frozen=True)
class Folder:
    """A finished run."""

    path: Path
    config: dict[str, Any]
    result: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def experiment(self) -> str:
        """The kind of run."""
        return self.config["experiment"]


def read_runs(roots: Iterable[Path]) -> tuple[list[Folder], list[Path]]:
    """All finished runs below these folders, and the unfinished ones' folders."""
    finished, unfinished = [], []
    for root in roots:
        for config_file in sorted(root.rglob("config.json")):
            path = config_file.parent
            stamp = json.loads(config_file.read_text())
            if "experiment" not in stamp:  # another library's file of the same name
                continue
            if not (path / "result.json").exists():
                unfinished.append(path)
                continue
            result = json.loads((path / "result.json").read_text())
            commit = (stamp["git"] or {}).get("commit", "")
            provenance = {
                "commit": commit[:12],
                "device": stamp["device"],
                "torch": stamp["versions"]["torch"],
                "date": stamp["started"][:10],
            }
            finished.append(Folder(path, stamp, result, provenance))
    return finished, unfinished


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


def trained_results(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per training run: its settings and the numbers of its result, one column each."""
    rows = []
    for run in runs:
        numbers = {k: v for k, v in _flat(run.result).items() if isinstance(v, int | float)}
        rows.append(_flat(run.config["config"]) | numbers | run.provenance)
    return pd.DataFrame(rows)


def update_table(path: Path, new: pd.DataFrame, keys: Sequence[str]) -> None:
    """Add rows to a table, replacing those with the same keys."""
    if new.empty:
        return
    keys = [key for key in keys if key in new.columns]
    if path.exists():
        old = pd.read_csv(path, keep_default_na=False, na_values=[""])
        replaced = old.set_index(keys).index.isin(new.set_index(keys).index)
        new = pd.concat([old.loc[~replaced], new], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    new.sort_values(keys, kind="stable").to_csv(path, index=False, lineterminator="\n")


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
    for kind in ("vision", "text"):
        trained = trained_results([run for run in finished if run.experiment == kind])
        settings = [c for c in trained.columns if c in _TRAINED_KEYS]
        update_table(data / f"{kind}_results.csv", trained, settings)
    return len(finished), unfinished


_TRAINED_KEYS = frozenset(
    (
        *("dataset", "stem", "selection", "loss", "temperature", "batch_size"),
        *("updates", "epochs", "learning_rate", "seed", "device"),
    )
)


def _study(run: Folder) -> dict[str, Any]:
    return {key: run.config["config"][key] for key in STUDY}


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}_") if isinstance(value, dict) else {prefix + key: value}
    return flat


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
