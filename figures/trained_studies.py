"""The studies of training runs on data, ready to be drawn, and what the claims about them come to."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from figures.effects import Interval, Records, by_seed, effects, grouped, interval
from figures.evidence import Evidence, Verdict, sign, together, verdict
from figures.experiments import Experiment
from figures.studies import in_studies
from figures.style import BASELINE_DASHES

Tables = Mapping[str, pd.DataFrame]
_HARD = frozenset(("osgd", "spectral", "balanced", "kmeans", "graph", "communities", "bandwidth", "matching"))
"""Selections that look for batches of high loss."""


def results_in_studies(tables: Tables, experiment: Experiment) -> pd.DataFrame:
    """The table of results with `study`, `title`, `guards` and `loss` as `studies.in_studies` gives them."""
    return in_studies(tables[f"{experiment.name}_results"], experiment)


def curves_in_studies(tables: Tables, experiment: Experiment) -> pd.DataFrame:
    """The table of curves with the same columns, and the baselines of each run.

    Raises:
        ValueError: If a curve's run is not among the results.
    """
    name = experiment.name
    table, curves = results_in_studies(tables, experiment), tables[f"{name}_curves"]
    if lost := sorted(set(curves["run"]) - set(table["run"])):
        raise ValueError(
            f"every run of {name}_curves.csv must be in {name}_results.csv, but {', '.join(lost)} are not; "
            "`python -m figures.table` writes both"
        )
    further = [name for name in table if name.startswith(tuple(BASELINE_DASHES)) or name.endswith("_passages")]
    of_runs = table[["run", "study", "title", "guards", "loss", *further]]
    return curves.drop(columns=["guards", "loss"]).merge(of_runs, on="run", sort=False)


def by_study(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each study."""
    for study, own in rows.groupby("study", sort=True):
        yield str(study), own


def differences(rows: pd.DataFrame, measure: str) -> Iterator[tuple[dict[str, Any], Interval]]:
    """What selections of high loss change against shuffled batches, paired by seed: the arm and the interval."""
    for row in effects(rows).to_dict("records"):
        if row["selection"] in _HARD and row["measure"] == measure:
            yield row, Interval(row["mean"], np.nan, row["low"], row["high"], row["n"])


def means_of_runs(curves: pd.DataFrame, value: str) -> pd.DataFrame:
    """The mean of a column over the course of each run, without its beginning."""
    keys = ["study", "title", "loss", "selection", "guards", "seed", "run"]
    shown = curves.loc[(curves["update"] > 0) & curves[value].notna()]
    return shown.groupby(keys, sort=True)[value].mean().reset_index()


def paired(rows: pd.DataFrame, value: str) -> Iterator[tuple[dict[str, Any], Interval]]:
    """Of selections of high loss less shuffled, paired by seed, for a table that `means_of_runs` gave."""
    arms: dict[tuple[Any, ...], Records] = grouped(rows.to_dict("records"), "study", "loss", "selection", "guards")
    for (study, loss, name, guards), own in sorted(arms.items()):
        if name not in _HARD or (study, loss, "shuffled", "") not in arms:
            continue
        mine, theirs = by_seed(own, value), by_seed(arms[study, loss, "shuffled", ""], value)
        found = interval(mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys()))
        yield {"title": own[0]["title"], "loss": loss, "selection": name, "guards": guards}, found


def arms_of(rows: pd.DataFrame, value: str) -> Iterator[tuple[str, Interval]]:
    """Title and mean over the seeds of every arm of high loss, for a table that `means_of_runs` gave."""
    arms = grouped(rows.to_dict("records"), "study", "loss", "selection", "guards")
    for (_, _, name, _), own in sorted(arms.items()):
        if name in _HARD:
            yield own[0]["title"], interval(by_seed(own, value).values())


def concluded(found: Iterable[tuple[str, Interval]], what: str) -> Evidence:
    """The verdict on "all of these are above 0", of differences by study, in words.

    The verdict rests on intervals that hold together (Bonferroni over all of them); how many of the plain 95 %
    intervals lie on either side, and the range of the means, is told for each study.

    Args:
        found: The study's title and a difference, for each arm.
        what: What the differences are, with their unit.
    """
    every = [(title, one) for title, one in found if one.n >= 2]
    reached: Verdict = verdict(1, [together(one, len(every)) for _, one in every])
    words = []
    for title in dict.fromkeys(title for title, _ in every):
        own = [one for at, one in every if at == title]
        signs = [sign(one) for one in own]
        counts = sorted({one.n for one in own})
        n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        widest = min(own, key=lambda one: one.mean), max(own, key=lambda one: one.mean)
        ends = " to ".join(f"{one.mean:+.3g} [{one.low:.3g}, {one.high:.3g}]" for one in widest)
        words.append(
            f"{title}: {signs.count(1)} of {len(own)} intervals above 0, {signs.count(-1)} below; from {ends} "
            f"(n = {n} seeds)"
        )
    if not words:
        return Evidence("open", "The table has no study with two seeds of both.")
    return Evidence(
        reached, f"{what}. {'. '.join(words)}. The verdict takes all {len(every)} intervals together (Bonferroni)."
    )
