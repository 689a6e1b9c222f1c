"""The README's table of trainings on images."""

from typing import Any

import pandas as pd

from figures.effects import by_seed, effects, grouped, interval
from figures.studies import MEASURES, accuracies, first_measure, in_studies
from figures.style import SELECTION_LOOKS
from figures.vision_losses import points

_ORDER = ("recall_at_1", "knn_top1", "probe_top1")


def vision_table(results: pd.DataFrame) -> str:
    """A table for every study: what each selection reaches with each loss, and what it changes against shuffled.

    Args:
        results: vision_results.csv.
    """
    table = in_studies(results)
    return "\n\n".join(_study(rows) for _, rows in table.groupby("study", sort=True))


def _study(table: pd.DataFrame) -> str:
    found = accuracies(table)
    names = [*(name for name in _ORDER if name in found), *(name for name in found if name not in _ORDER)]
    telling = first_measure(table)
    header = ["loss", "selection", "n", *(f"{found[name]} (%)" for name in names)]
    header += [f"{MEASURES[telling]} against shuffled"] if telling else []
    lines = ["| " + " | ".join([*header, "seconds"]) + " |", "|---" * (len(header) + 1) + "|"]
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
    return f"{table['title'].iloc[0]}:\n\n" + "\n".join(lines) + f"\n\n{_where(table, telling)}"


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """By loss, then as in figures."""
    order = list(SELECTION_LOOKS)
    loss, selection, guards = key
    return loss, order.index(selection) if selection in order else len(order), selection, guards


def _spread(rows: list[dict[str, Any]], name: str, times: int, digits: int) -> str:
    """Mean and standard deviation over the seeds, or what there is of them."""
    found = interval(by_seed(rows, name).values())
    if not found.n:
        return "–"
    mean = f"{times * found.mean:.{digits}f}"
    return f"{mean} ± {times * found.std:.{digits}f}" if found.n > 1 else mean


def _difference(effect: dict[str, Any] | None) -> str:
    return "–" if effect is None else f"{points(effect)} (n = {effect['n']})"


def _where(table: pd.DataFrame, telling: str | None) -> str:
    """How to read it, and what it was measured on."""
    commits = ", ".join(sorted(set(table["commit"]) - {""})) or "unknown"
    versions = ", ".join(sorted(set(table["torch"])))
    dates = sorted(set(table["date"]))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    told = "Mean ± standard deviation over n seeds"
    told += "; differences are paired by seed, in points, with 95 % intervals (Student's t). " if telling else ". "
    return f"{told}{table['device'].iloc[0]}, torch {versions}, {when}; commit {commits}."
