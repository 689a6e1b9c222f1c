"""The README's table of trainings on images, and that on texts."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from figures.effects import Records, by_seed, effects, grouped, interval
from figures.experiments import Experiment
from figures.studies import accuracies, first_measure, has_numbers, in_studies, out_of_sweeps, seeds_in
from figures.style import SELECTION_LOOKS
from figures.trained_losses import points


def trained_table(results: pd.DataFrame, experiment: Experiment) -> str:
    """A table for every study: what each selection reaches with each loss, and what it changes against shuffled.

    Sweeps over batch sizes have none.

    Args:
        results: vision_results.csv or text_results.csv.
        experiment: Which of them.
    """
    table = out_of_sweeps(in_studies(results, experiment))
    studies = [_study(rows, experiment) for _, rows in table.groupby("study", sort=True)]
    return "\n\n".join([*studies, *([experiment.note] if experiment.note else [])])


def _study(table: pd.DataFrame, experiment: Experiment) -> str:
    found = accuracies(table, experiment)
    names = [name for name in experiment.table if name in found]
    names += [name for name in found if name not in names]  # measured afterwards
    telling = first_measure(table, experiment)
    header = ["loss", "selection", "n", *(f"{found[name]} ({experiment.unit})" for name in names)]
    header += [f"{experiment.measures[telling]} against shuffled"] if telling else []
    lines = ["| " + " | ".join([*header, "seconds"]) + " |", "|---" * (len(header) + 1) + "|"]
    lines += _baselines(table, names, experiment, blank=["–"] if telling else [])
    differences = {
        (row["loss"], row["selection"], row["guards"]): row
        for row in effects(table).to_dict("records")
        if row["measure"] == telling
    }
    arms = grouped(table.to_dict("records"), "loss", "selection", "guards")
    for key in sorted(arms, key=_place):
        rows = arms[key]
        loss, selection, guards = key
        cells = [f"`{loss}`", f"`{selection}`" + (f" {guards}" if guards else "")]
        cells += [str(len({row["seed"] for row in rows})), *(_spread(rows, name, 100, 1) for name in names)]
        cells += [_difference(differences.get(key))] if telling else []
        lines.append("| " + " | ".join([*cells, _spread(rows, "seconds", 1, 0)]) + " |")
    return f"{table['title'].iloc[0]}:\n\n" + "\n".join(lines) + f"\n\n{_where(table, compared=bool(differences))}"


def _baselines(
    table: pd.DataFrame, names: Sequence[str], experiment: Experiment, *, blank: Sequence[str]
) -> list[str]:
    """A row for each system that was measured beside the trained ones, on the same test data."""
    rows = table.to_dict("records")
    lines = []
    for prefix, label in experiment.baselines.items():
        measured = [name for name in names if has_numbers(table, prefix + name)]
        if not measured:
            continue
        varies = prefix == "untrained_" and not _pretrained(rows)
        word = label if prefix != "untrained_" or varies else "zero-shot: the model before training"
        seeds = str(len({row["seed"] for row in rows})) if varies else "–"
        values = [
            _spread(rows, prefix + name, 100, 1, alone=not varies) if name in measured else "–" for name in names
        ]
        lines.append("| " + " | ".join(["–", word, seeds, *values, *blank, "–"]) + " |")
    return lines


def _pretrained(rows: Records) -> bool:
    """Whether all runs of a study began with the weights of a model, which are no matter of the seed."""
    return all(isinstance(row.get("model"), str) and str(row.get("fresh")) != "True" for row in rows)


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """By loss, then as in figures."""
    order = list(SELECTION_LOOKS)
    loss, selection, guards = key
    return loss, order.index(selection) if selection in order else len(order), selection, guards


def _spread(rows: Records, name: str, times: int, digits: int, *, alone: bool = False) -> str:
    """Mean and standard deviation over the seeds, or what there is of them; the mean alone if asked."""
    found = interval(by_seed(rows, name).values())
    if not found.n:
        return "–"
    mean = f"{times * found.mean:.{digits}f}"
    return f"{mean} ± {times * found.std:.{digits}f}" if found.n > 1 and not alone else mean


def _difference(effect: dict[str, Any] | None) -> str:
    return "–" if effect is None else f"{points(effect)} (n = {effect['n']})"


def _where(table: pd.DataFrame, *, compared: bool) -> str:
    """How to read it, and what it was measured on."""
    commits = ", ".join(sorted(set(table["commit"]) - {""})) or "unknown"
    versions = ", ".join(sorted(set(table["torch"])))
    dates = sorted(set(table["date"]))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    alone = seeds_in(table) == "n = 1 seed"
    told = "One seed" if alone else "Mean ± standard deviation over n seeds"
    if compared:
        told += "; differences are paired by seed, in points"
        told += "" if alone else ", with 95 % intervals (Student's t)"
    return f"{told}. {table['device'].iloc[0]}, torch {versions}, {when}; commit {commits}."
