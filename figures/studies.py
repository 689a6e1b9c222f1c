"""Training runs that may be compared: which make a study, and how it is called."""

import re
from typing import Any

import numpy as np
import pandas as pd

from figures.experiments import NOT_TRAINED, Experiment
from figures.guards import KNOBS, PRESET_KNOBS, heeds
from figures.trained import PROVENANCE

_ARM = ("selection", "guards", "loss", "loss_settings", *KNOBS, *PRESET_KNOBS, "teacher_sha256", "reference_sha256")
_CHANGES_NOTHING = (
    "data",
    "log_every",
    "checkpoint_every",
    "evaluate_every",
    "keep_every",
    "measures",
    "baselines",
)
_LENGTH = ("epochs", "updates")
_NAMED = ("n_pairs", "batch_size", "temperature", "length")
"""What the name of every study tells, behind what is trained on what."""
_LEAST_SIZES = 3
"""Batch sizes that make a sweep; two are two studies."""
_COUNTS = ("updates_taken", "updates_per_epoch", "pairs_seen", "n_train", "n_test")


def in_studies(results: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Results with the studies and the arms of its runs.

    The runs of a study differ in nothing but selection, its knobs, loss, loss settings, seed, and what changes no
    result (where data lie, how often is logged); they ran on one kind of device.

    Args:
        results: vision_results.csv or text_results.csv.
        experiment: Which of them.

    Returns:
        The table, with `study`, a word for file names, `title`, the same for people, `guards` that also tell apart
        runs whose candidates, keep, batches_per_pool or replan differ, and `loss` with its settings. Studies that
        differ in nothing but batch size, of which they have three or more, are a sweep: its `sweep` and
        `sweep_title`, both empty for other studies.
    """
    table = results.copy()
    table["guards"] = table["guards"].fillna("")
    if "loss_settings" in table:
        both = zip(table["loss"], table["loss_settings"].map(_word), strict=True)
        table["loss"] = [f"{loss} ({given})" if given else loss for loss, given in both]
    keys = _telling(table, experiment)
    groups = keys.groupby(list(keys), sort=False).ngroup()
    table["study"], table["title"] = _names(keys, groups, experiment)
    table["sweep"], table["sweep_title"] = _sweeps(keys, experiment)
    for knob in PRESET_KNOBS:
        if knob in table:
            table["guards"] = _told_apart(table, knob)
    return table


def out_of_sweeps(table: pd.DataFrame) -> pd.DataFrame:
    """The runs that are no part of a sweep over batch sizes, of a table that `in_studies` gave."""
    return table.loc[table["sweep"] == ""]


def measured(table: pd.DataFrame) -> list[str]:
    """The columns of what was measured on trained encoders, and of time."""
    columns = list(table)
    between = columns[columns.index("seed") + 1 : columns.index(PROVENANCE[0])]
    return [
        name
        for name in between
        if name not in _COUNTS
        and not name.startswith((*NOT_TRAINED, "skipped"))
        and not name.endswith("_passages")
        and pd.api.types.is_numeric_dtype(table[name])
    ]


def has_numbers(table: pd.DataFrame, column: str) -> bool:
    """Whether there is such a column, and not all of it is empty."""
    return column in table and bool(table[column].notna().to_numpy().any())


def first_measure(table: pd.DataFrame, experiment: Experiment) -> str | None:
    """The first of the experiment's measures that there are numbers of."""
    left_out = _left_out(table, experiment)
    return next((name for name in experiment.measures if has_numbers(table, name) and name != left_out), None)


def accuracies(table: pd.DataFrame, experiment: Experiment) -> dict[str, str]:
    """The measures to show that there are numbers of, those measured afterwards among them, and their labels."""
    left_out = _left_out(table, experiment)
    shown = [name for name in experiment.measures if name in experiment.table and name != left_out]
    names = {name: experiment.measures[name] for name in shown} | experiment.more(measured(table))
    return {
        name: with_count(table, name, label, experiment)
        for name, label in names.items()
        if has_numbers(table, name)
    }


def with_count(table: pd.DataFrame, name: str, label: str, experiment: Experiment) -> str:
    """The label of a measure with the number of passages that it searches, where that is known and one."""
    column, told = experiment.among(name)
    found = set(table[column].dropna()) if column in table else set()
    return f"{label} {told.format(int(found.pop()))}" if len(found) == 1 else label


def seeds_in(rows: pd.DataFrame) -> str:
    """How many seeds the arms have: "n = 3 seeds", or "n = 2 to 3 seeds"."""
    seeds: dict[tuple[Any, ...], set[Any]] = {}
    for row in rows.to_dict("records"):
        seeds.setdefault((row["loss"], row["selection"], row["guards"]), set()).add(row["seed"])
    counts = sorted(len(found) for found in seeds.values())
    number = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return f"n = {number} seed{'s' if counts[-1] > 1 else ''}"


def over_seeds(rows: pd.DataFrame, told: str) -> str:
    """What is shown over how many seeds; of one seed there is neither spread nor interval."""
    seeds = seeds_in(rows)
    return "One seed" if seeds == "n = 1 seed" else f"{told} over {seeds}"


def _left_out(table: pd.DataFrame, experiment: Experiment) -> str:
    return experiment.left_out(table.iloc[0].to_dict()) if len(table) else ""


def _telling(table: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """What tells studies apart, as words."""
    settings = list(table)[: list(table).index("seed")]
    names = [name for name in settings if name not in (*_ARM, *_CHANGES_NOTHING, *_LENGTH)]
    if "dataset" in table and experiment.places & set(table["dataset"]):
        names.append("data")
    keys = pd.DataFrame({name: table[name].map(_word) for name in names}, index=table.index)
    keys["length"] = [_length(row) for row in table.to_dict("records")]
    return keys.assign(device=table["device"].map(_word))


def _names(keys: pd.DataFrame, groups: pd.Series, experiment: Experiment) -> tuple[pd.Series, pd.Series]:
    """A name and a title for every study; where two would have the same, what differs is added to both."""
    words, titles = {}, {}
    firsts = {group: keys[groups == group].iloc[0].to_dict() for group in groups.unique()}
    heads = {group: (experiment.about(first), *(first.get(n) for n in _NAMED)) for group, first in firsts.items()}
    for group, first in firsts.items():
        same = [other for place, other in firsts.items() if heads[place] == heads[group]]
        more = [name for name in keys if name not in _NAMED and len({other[name] for other in same}) > 1]
        n_pairs, batch_size, temperature, length = (first.get(name, "") for name in _NAMED)
        number = f"{int(float(n_pairs)):,}" if n_pairs else "all"
        title, word = experiment.about(first)
        size, size_word = (f", B = {batch_size}", f"_B{batch_size}") if batch_size else ("", "")
        title += f", N = {number}{size}, temperature {temperature}, {length}"
        titles[group] = ", ".join([title, *(f"{name} {first[name] or 'none'}" for name in more)])
        word += f"_N{number.replace(',', '')}{size_word}_t{temperature}_{length}"
        word += "".join(f"_{name}-{first[name] or 'none'}" for name in more)
        words[group] = re.sub(r"[^\w.=-]+", "-", word)
    return groups.map(words), groups.map(titles)


def _sweeps(keys: pd.DataFrame, experiment: Experiment) -> tuple[pd.Series, pd.Series]:
    """A name and a title for what differs in batch size alone, empty where there are few batch sizes."""
    others = keys.drop(columns="batch_size")
    groups = others.groupby(list(others), sort=False).ngroup()
    sizes = keys["batch_size"].groupby(groups).nunique().to_dict()
    many = groups.isin([group for group, number in sizes.items() if number >= _LEAST_SIZES])
    names, titles = _names(others, groups, experiment)
    return names.where(many, ""), titles.where(many, "")


def _told_apart(table: pd.DataFrame, knob: str) -> list[str]:
    """Guards, with this knob where a selection heeds it and has it at several values in a study."""
    rows = table.to_dict("records")
    values: dict[tuple[Any, ...], set[str]] = {}
    for row in rows:
        values.setdefault((row["study"], row["loss"], row["selection"]), set()).add(_word(row[knob]))
    words = []
    for row in rows:
        several = len(values[row["study"], row["loss"], row["selection"]]) > 1 and heeds(row["selection"], knob)
        words.append(f"{row['guards']} {knob}={_word(row[knob]) or 'all'}".strip() if several else row["guards"])
    return words


def _length(row: dict[str, Any]) -> str:
    """How long was trained: "100 epochs" or "120 updates"."""
    updates = _word(row.get("updates"))
    number, name = (updates, "update") if updates else (_word(row.get("epochs")), "epoch")
    return f"{number} {name}{'' if number == '1' else 's'}"


def _word(value: Any) -> str:
    """A value of a table: equal numbers, of whichever type a column has them, are one word; a missing one is ""."""
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, int | float | np.number):
        return "" if np.isnan(value) else f"{value:.10g}"
    return "" if value is None or value is pd.NA else str(value)
