"""The studies of training runs on data, ready to be drawn, and what the claims about them come to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.effects import Interval, Records, by_seed, effects, grouped, interval
from figures.evidence import Evidence, cells, sign, tally, together, verdict
from figures.experiments import Experiment
from figures.studies import in_studies, out_of_sweeps
from figures.style import BASELINE_DASHES

Tables = Mapping[str, pd.DataFrame]
_HARD = frozenset(("osgd", "spectral", "balanced", "kmeans", "graph", "communities", "bandwidth", "matching"))
"""Selections that look for batches of high loss."""


def results_in_studies(tables: Tables, experiment: Experiment) -> pd.DataFrame:
    """The table of results with `study`, `title`, `guards` and `loss` as `studies.in_studies` gives them.

    Sweeps over batch sizes are left out: they have a figure of their own, `figures.trained_batch_sizes`.
    """
    return out_of_sweeps(in_studies(tables[f"{experiment.name}_results"], experiment))


def curves_in_studies(tables: Tables, experiment: Experiment) -> pd.DataFrame:
    """The table of curves with the same columns, and the baselines of each run; sweeps are left out of it, too.

    Raises:
        ValueError: If a curve's run is not among the results.
    """
    name = experiment.name
    table, curves = results_in_studies(tables, experiment), tables[f"{name}_curves"]
    if lost := sorted(set(curves["run"]) - set(tables[f"{name}_results"]["run"])):
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


def pictures_of(
    kind: str,
    rows: pd.DataFrame,
    experiment: Experiment,
    *,
    shows: Callable[[pd.DataFrame, Experiment], object],
    draw: Callable[[pd.DataFrame, Experiment], Figure],
) -> Iterator[tuple[str, Figure]]:
    """A picture of this kind for each study that has something to show."""
    for study, own in by_study(rows):
        if shows(own, experiment):
            yield f"{experiment.name}_{kind}_{study}", draw(own, experiment)


def concluded(found: Iterable[tuple[str, Interval]], what: str) -> Evidence:
    """The verdict on "all of these are above 0", of differences by study.

    The verdict rests on intervals that hold together (Bonferroni over all of them); how many of the plain 95 %
    intervals lie on either side, and the least and the largest mean, is told for each study.

    Args:
        found: The study's title and a difference, for each arm.
        what: What the differences are, with their unit.
    """
    every = [(title, one) for title, one in found if one.n >= 2]
    if not every:
        return Evidence("open", "The table has no study with two seeds of both.")
    joint = [together(one, len(every)) for _, one in every]
    alone = [sign(one) for _, one in every]
    text = (
        f"{what}: {alone.count(1)} of {len(every)} intervals above 0 and {alone.count(-1)} below, each by itself; "
        f"taken all together (Bonferroni), as in the verdict, {tally(1, joint)}."
    )
    header = ["study", "above 0", "below 0", "n", "least difference", "95 % interval", "largest", "95 % interval"]
    lines = []
    for title in dict.fromkeys(title for title, _ in every):
        own = [one for at, one in every if at == title]
        signs, counts = [sign(one) for one in own], sorted({one.n for one in own})
        ends = [cells(end(own, key=lambda one: one.mean), signed=True)[:2] for end in (min, max)]
        sides = [f"{signs.count(side)} of {len(own)}" for side in (1, -1)]
        seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        lines.append([title, *sides, seeds, *ends[0], *ends[1]])
    return Evidence(verdict(1, joint), text, [header, *lines])
