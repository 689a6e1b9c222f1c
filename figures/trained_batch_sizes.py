"""How good an encoder becomes in batches of several sizes, after as many epochs, with every loss and selection."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.effects import Interval, Records, by_seed, grouped, interval
from figures.evidence import Evidence, sign, together, verdict
from figures.experiments import Experiment
from figures.studies import accuracies, first_measure, in_studies, over_seeds
from figures.style import Look, below, by_arm, in_hundreds
from figures.trained_studies import Tables

CLAIM = (
    "After as many epochs, an encoder trained with InfoNCE (NT-Xent, CLIP) on shuffled batches is worse with the "
    "smallest than with the largest; with DCL, DHEL or batches of high loss it loses less."
)
_COUPLED = frozenset(("nt_xent", "clip", "mnrl", "info_nce"))
"""Losses with the positive in the denominator."""
_DASHES = ("-", (0, (6, 2)), (0, (2, 1)), (0, (4, 1, 1, 1)))
_MARKERS = "os^D"
Arm = tuple[str, str, str]
"""Loss, selection, guards."""


def pictures(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """A picture for each sweep over batch sizes that measured encoders."""
    for sweep, rows in sweeps(tables, experiment):
        if accuracies(rows, experiment):
            yield f"{experiment.name}_batch_sizes_{sweep}", draw(rows, experiment)


def evidence(tables: Tables, experiment: Experiment) -> Evidence:
    """Measures in the smallest batches less those in the largest, paired by seed; the first measure decides."""
    claimed: list[Interval] = []
    told: list[str] = []
    lines = [
        ["measure", "loss and selection", "largest B", "smallest B", "smallest less largest", "less InfoNCE's"]
    ]
    for _, rows in sweeps(tables, experiment):
        telling = first_measure(rows, experiment)
        if telling is None or not any(map(_is_plain, changes_of(rows, telling))):
            continue
        claimed += [_claimed(arm, *found) for arm, found in _compared(rows, telling).items()]
        told.append(f"{rows['sweep_title'].iloc[0]}, {_updates(rows)}: the {experiment.measures[telling]} decides.")
        for measure, label in accuracies(rows, experiment).items():
            for arm, (change, more) in _compared(rows, measure).items():
                ends = [_spread(at_end) for at_end in _ends(rows, arm, measure)]
                lines.append([label, _name(arm), *ends, _points(change), "" if _is_plain(arm) else _points(more)])
    if not claimed:
        return Evidence("open", "The table has no sweep over batch sizes with InfoNCE on shuffled batches.")
    joint = [together(one, len(claimed)) for one in claimed]
    above, under = (sum(sign(one) == side for one in joint) for side in (1, -1))
    n = min(one.n for one in claimed)
    text = (
        f"{' '.join(told)} Of {len(claimed)} differences, {above} lie on the side of the claim and {under} on the "
        f"other, all intervals together (Bonferroni). Below ({experiment.unit}), mean and standard deviation; "
        f"differences are paired by seed, each with its own 95 % interval, n = {n} seeds."
    )
    return Evidence(verdict(1, joint), text, lines)


def sweeps(tables: Tables, experiment: Experiment) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each sweep."""
    table = in_studies(tables[f"{experiment.name}_results"], experiment)
    for sweep, rows in table.loc[table["sweep"] != ""].groupby("sweep", sort=True):
        yield str(sweep), rows


def changes_of(rows: pd.DataFrame, measure: str) -> dict[Arm, dict[Any, float]]:
    """For every arm with the smallest and the largest batches, by seed: the measure there less that here."""
    found = {}
    for arm in _arms(rows):
        small, large = (by_seed(own, measure) for own in _at_ends(rows, arm))
        if both := sorted(small.keys() & large.keys()):
            found[arm] = {seed: small[seed] - large[seed] for seed in both}
    return found


def _compared(rows: pd.DataFrame, measure: str) -> dict[Arm, tuple[Interval, Interval]]:
    """For every arm its `changes_of`, and what they are less those of InfoNCE on shuffled batches."""
    changes = changes_of(rows, measure)
    plain = next((own for arm, own in changes.items() if _is_plain(arm)), dict[Any, float]())
    return {
        arm: (
            interval(own.values()),
            interval(own[seed] - plain[seed] for seed in sorted(own.keys() & plain.keys())),
        )
        for arm, own in changes.items()
    }


def _claimed(arm: Arm, change: Interval, more: Interval) -> Interval:
    """What the claim says is above 0."""
    return Interval(-change.mean, change.std, -change.high, -change.low, change.n) if _is_plain(arm) else more


def draw(rows: pd.DataFrame, experiment: Experiment) -> Figure:
    """A panel for each measure against batch size: mean and standard deviation over seeds.

    A line for each loss and selection: its colour is the selection's, its mark and dash are the loss's.

    Args:
        rows: Those of a table of results of one sweep, with the columns that `studies.in_studies` adds.
        experiment: What the table is of.
    """
    measures = {name: label for name, label in accuracies(rows, experiment).items() if experiment.drawn(name)}
    losses = sorted(set(rows["loss"]))
    figure, axes = plt.subplots(1, len(measures), figsize=(7.2, 3.3), squeeze=False, layout="constrained")
    for axis, (measure, label) in zip(axes[0], measures.items(), strict=True):
        for kind, of_arm in by_arm(rows):
            for place, loss in enumerate(losses):
                _draw_line(axis, of_arm.loc[of_arm["loss"] == loss], measure, kind, place)
        sizes = sorted(set(rows["batch_size"].tolist()))
        axis.set(xscale="log", xlabel="batch size", ylabel=f"{label} ({experiment.unit})")
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        in_hundreds(axis.yaxis)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=7)
    over = over_seeds(rows, "Mean and standard deviation")
    scaling = ", ".join(sorted(set(rows["rate_scaling"].fillna("none")))) if "rate_scaling" in rows else "none"
    text = f"At the end of training; {rows['sweep_title'].iloc[0]}, {_updates(rows)}. {over}."
    return below(figure, f"{text} One learning rate for all, not tuned; scaling with the batch size: {scaling}.")


def _draw_line(axis: Axes, rows: pd.DataFrame, measure: str, kind: Look, place: int) -> None:
    """One arm, a little to the side of the others."""
    by_size = grouped(rows.to_dict("records"), "batch_size")
    points = {size: interval(by_seed(own, measure).values()) for (size,), own in sorted(by_size.items())}
    points = {size: point for size, point in points.items() if point.n}
    axis.errorbar(
        [size * 1.04**place for size in points],
        [point.mean for point in points.values()],
        yerr=[point.std for point in points.values()],
        color=kind.colour,
        ls=_DASHES[place % len(_DASHES)],
        marker=_MARKERS[place % len(_MARKERS)],
        ms=4,
        lw=1.2,
        label=f"{rows['loss'].iloc[0]}, {kind.label}" if len(rows) else None,
    )


def _arms(rows: pd.DataFrame) -> list[Arm]:
    return sorted(
        grouped(rows.to_dict("records"), "loss", "selection", "guards"), key=lambda arm: not _is_plain(arm)
    )


def _is_plain(arm: Arm) -> bool:
    """InfoNCE on shuffled batches, with which the others are compared."""
    loss, selection, guards = arm
    return loss in _COUPLED and selection == "shuffled" and not guards


def _at_ends(rows: pd.DataFrame, arm: Arm) -> tuple[Records, Records]:
    """The rows of an arm with the smallest and with the largest batches of the sweep."""
    own = grouped(rows.to_dict("records"), "loss", "selection", "guards", "batch_size")
    sizes = rows["batch_size"].tolist()
    return own.get((*arm, min(sizes)), []), own.get((*arm, max(sizes)), [])


def _ends(rows: pd.DataFrame, arm: Arm, measure: str) -> list[Interval]:
    """Of the largest and the smallest batches."""
    return [interval(by_seed(own, measure).values()) for own in reversed(_at_ends(rows, arm))]


def _updates(rows: pd.DataFrame) -> str:
    """How many updates training made with the smallest and with the largest batches."""
    taken = dict(zip(rows["batch_size"].tolist(), rows["updates_taken"].tolist(), strict=True))
    return f"{taken[min(taken)]:,} updates at B = {min(taken)} and {taken[max(taken)]:,} at B = {max(taken)}"


def _name(arm: Arm) -> str:
    return " ".join(word for word in arm if word)


def _spread(found: Interval) -> str:
    return f"{100 * found.mean:.1f} ± {100 * found.std:.1f}"


def _points(found: Interval) -> str:
    return f"{100 * found.mean:+.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
