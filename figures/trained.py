"""Rows about training runs of encoders: what each was, what it reached, and how it got there."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from figures.experiments import EXPERIMENTS, Experiment
from figures.folders import Folder, flat
from figures.guards import guards_word

PROVENANCE = ("commit", "device", "torch", "date", "run")
"""The last columns. The run is a digest of all its settings and its device: equal runs replace each other."""
TEXT_DIGESTS = ("texts_sha256", "test_sha256", "model_sha256")
"""Of the texts that were trained on, of those that were tested on, and of the model that was begun with."""

_LEAD = ("dataset", "selection", "guards", "loss", "temperature", "batch_size")
_THEN = ("n_pairs", "epochs", "updates", "learning_rate")
_RESULT_NAMES = {"loss": "train_loss", "updates": "updates_taken"}
"""Numbers of results that have the name of a setting which is something else."""
_MOST_POINTS = 200


def curve_keys(experiment: Experiment) -> tuple[str, ...]:
    """Columns by which people find a curve; the column `run` is what identifies it."""
    sizes = ("n_pairs", "batch_size", "loss", "temperature")
    return ("dataset", *experiment.identity, *sizes, "selection", "guards", "seed")


def row_order(experiment: Experiment) -> tuple[str, ...]:
    """Columns that tables are sorted by."""
    return (*curve_keys(experiment), "run")


def settings_of(run: Folder) -> dict[str, Any]:
    """All settings of a run, flat: lists as words, numbers that were left to the data as the data had them.

    Texts and models are told by their names and the first digits of their digests; a model without a digest by
    where it lies.
    """
    settings = {name: _plain(value) for name, value in flat(run.config["config"]).items()}
    settings.pop("device", None)  # "auto" as a rule; the one that it ran on is among the provenance
    if settings.get("dataset", "folder") not in EXPERIMENTS[run.experiment].places:
        settings.pop("data", None)  # where a data set lies that is known otherwise changes nothing
    if "texts" in run.result:
        settings["texts"] = run.result["texts"]
        digests = {name: run.result.get(name) or settings.get(name) for name in TEXT_DIGESTS}
        settings |= {name: digest[:10] for name, digest in digests.items() if digest}
        if digests["model_sha256"]:
            settings["model"] = Path(settings["model"]).name
    for name, counted in (("n_pairs", "n_train"), ("n_test", "n_test")):
        if name in settings and settings[name] is None:
            settings[name] = run.result.get(counted)
    return {"seed": None} | settings


def trained_results(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per training run: its settings, the numbers of its result and its evaluation, where it ran."""
    rows = []
    for run in runs:
        settings = settings_of(run)
        row = _identity(run, settings) | settings
        row["seed"] = row.pop("seed")  # the last of the settings
        for name, value in [*flat(run.result).items(), *run.evaluation.items()]:
            name = _RESULT_NAMES.get(name, name)
            if isinstance(value, int | float) and name not in row:
                row[name] = value
        rows.append(row | run.provenance | {"run": _digest(run, settings)})
    return _table(rows)


def trained_curves(runs: Sequence[Folder]) -> pd.DataFrame:
    """A row per run and logged point that tells what batches were like or what the encoder was worth.

    The measurements before training and at the end are such points, too. Of more than 200 points of a run those
    are kept that hold measurements, and as many others, evenly spaced, as there is room for.
    """
    rows = []
    for run in runs:
        experiment, settings = EXPERIMENTS[run.experiment], settings_of(run)
        key = _identity(run, settings) | settings
        per_epoch = run.result.get("updates_per_epoch")
        measures = sorted(experiment.measures)
        for point in thinned(_points(run, experiment), _MOST_POINTS, measures):
            row = {name: key.get(name) for name in curve_keys(experiment)} | {
                "update": point["update"],
                "epoch_of_data": _rounded(point["update"] / per_epoch) if per_epoch else None,
                "seconds": point.get("seconds"),
                "train_loss": _rounded(point.get("loss")),
            }
            row |= {name: _rounded(point.get(logged)) for name, logged in experiment.of_batches.items()}
            row |= {name: _rounded(point.get(name)) for name in measures}
            rows.append(row | {"run": _digest(run, settings)})
    return _table(rows)


def latest(runs: Sequence[Folder]) -> list[Folder]:
    """Of runs with the same settings on the same device, the one that was started last."""
    by_settings = {
        _digest(run, settings_of(run)): run for run in sorted(runs, key=lambda run: run.config["started"])
    }
    return list(by_settings.values())


def thinned(points: Sequence[dict[str, Any]], most: int, measures: Sequence[str]) -> list[dict[str, Any]]:
    """At most so many of the points, in their order: those with measurements first, else evenly spaced."""
    if len(points) <= most:
        return list(points)
    ends = {0, len(points) - 1}
    measured = [i for i, point in enumerate(points) if i not in ends and any(name in point for name in measures)]
    others = [i for i in range(len(points)) if i not in ends and i not in set(measured)]
    first = _spaced(measured, most - len(ends))
    kept = {*ends, *first, *_spaced(others, most - len(ends) - len(first))}
    return [points[i] for i in sorted(kept)]


def merged_columns(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """All columns: the old ones in their order, each new one behind the one that it stands behind."""
    columns = list(old)
    for place, name in enumerate(new):
        if name not in columns:
            columns.insert(columns.index(new[place - 1]) + 1 if place else 0, name)
    return columns


def _spaced(items: Sequence[int], count: int) -> list[int]:
    """So many of them, evenly spaced, or all."""
    if len(items) <= count:
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def _points(run: Folder, experiment: Experiment) -> list[dict[str, Any]]:
    """What is known at each update, in order; what the run measured before it began and at its end with it."""
    known: dict[int, dict[str, Any]] = {}
    for line in run.metrics():
        known.setdefault(line["update"], {}).update(line)
    result = run.result
    names = experiment.measures
    last = result.get("updates", 0)
    seconds = known[last]["seconds"] if last in known else result.get("seconds")
    for update, prefix, when in ((0, "untrained_", 0.0), (last, "", seconds)):
        measured = {name: result[prefix + name] for name in names if result.get(prefix + name) is not None}
        if measured:
            known[update] = {"update": update, "seconds": when} | measured | known.get(update, {})
    telling = {*experiment.of_batches.values(), *names}
    return [point for _, point in sorted(known.items()) if telling & point.keys()]


def _identity(run: Folder, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that come first."""
    words = dict(settings) | {"guards": guards_word(settings)}
    first = (*_LEAD, *EXPERIMENTS[run.experiment].identity, *_THEN)
    return {name: words[name] for name in first if name in words}


def _digest(run: Folder, settings: Mapping[str, Any]) -> str:
    """Ten letters and digits that tell apart runs of which any setting differs, or the device.

    A setting that is None is left out, so that a setting that is new in the code, and unused, changes nothing.
    """
    told = {name: value for name, value in settings.items() if value is not None}
    text = json.dumps([sorted(told.items()), run.provenance["device"]])
    return sha256(text.encode()).hexdigest()[:10]


def _table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    columns: list[str] = []
    for row in rows:
        columns = merged_columns(columns, list(row))
    return pd.DataFrame(rows, columns=columns or None)


def _plain(value: Any) -> Any:
    """A list as words, and None for an empty one."""
    return (" ".join(map(str, value)) or None) if isinstance(value, list) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
