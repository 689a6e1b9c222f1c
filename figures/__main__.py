"""Draw every figure from the committed tables, `python -m figures`, or runs of one's own, `--run FOLDER ...`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from figures import (
    gap_curves,
    heatmaps,
    race,
    selection_cost,
    sufficiency,
    sufficiency_grams,
    trained_accuracy,
    trained_batches,
    trained_losses,
)
from figures.experiments import EXPERIMENTS, Experiment
from figures.folders import read_runs
from figures.studies import accuracies, first_measure, in_studies
from figures.style import BASELINE_DASHES, use_style
from figures.table import DATA, STUDY, read_table, synthetic_curves, synthetic_grams, synthetic_results

OUT = Path(__file__).parent / "out"
SELECTION = Path(__file__).parent.parent / "benchmarks" / "results" / "selection_cpu.csv"
"""What `make bench-selection` measured."""
SWEEPS = {
    "sufficiency_points": "make results-designs",
    "sufficiency_grams": "make results-designs",
    "race_needed": "make results-designs",
    "race_curves": "make results-designs",
}
"""The tables of sweeps, and what makes them."""


def figures_of(results: pd.DataFrame, curves: pd.DataFrame, grams: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Name and figure, for every study in these tables."""
    optimum = results.drop_duplicates(STUDY)[[*STUDY, "optimum"]]
    curves = curves.merge(optimum, on=STUDY, sort=False)
    for _, rows in curves.groupby(STUDY, sort=True):
        yield f"gap_curves_{_sizes(rows)}", gap_curves.draw(rows)
    for _, rows in grams.groupby(STUDY, sort=True):
        yield f"heatmaps_{_sizes(rows)}", heatmaps.draw(rows)


def trained_figures(
    results: pd.DataFrame, curves: pd.DataFrame, experiment: Experiment
) -> Iterator[tuple[str, Figure]]:
    """Name and figure, for every study of these tables that has the numbers for it.

    Args:
        results: vision_results.csv or text_results.csv.
        curves: vision_curves.csv or text_curves.csv.
        experiment: Which of them.

    Raises:
        ValueError: If a curve's run is not among the results.
    """
    name = experiment.name
    table = in_studies(results, experiment)
    if lost := sorted(set(curves["run"]) - set(table["run"])):
        raise ValueError(
            f"every run of {name}_curves.csv must be in {name}_results.csv, but {', '.join(lost)} are not; "
            "`python -m figures.table` writes both"
        )
    further = [name for name in table if name.startswith(tuple(BASELINE_DASHES)) or name.endswith("_passages")]
    of_runs = table[["run", "study", "title", "guards", "loss", *further]]
    curves = curves.drop(columns=["guards", "loss"]).merge(of_runs, on="run", sort=False)
    for study, rows in curves.groupby("study", sort=True):
        if first_measure(rows, experiment) is not None:
            yield f"{name}_accuracy_{study}", trained_accuracy.draw(rows, experiment)
        if trained_batches.shows(rows, experiment):
            yield f"{name}_batches_{study}", trained_batches.draw(rows, experiment)
    for study, rows in table.groupby("study", sort=True):
        if accuracies(rows, experiment):
            yield f"{name}_losses_{study}", trained_losses.draw(rows, experiment)


def sweep_figures(folder: Path) -> Iterator[tuple[str, Figure]]:
    """Name and figure, for the tables of sweeps in this folder that are there; what makes the others is told."""
    tables = {name: folder / f"{name}.csv" for name in SWEEPS}
    for name, path in tables.items():
        if not path.exists():
            sys.stdout.write(f"no figure without {path.name}; `{SWEEPS[name]}` makes it\n")
    read = {name: pd.read_csv(path) for name, path in tables.items() if path.exists()}
    if "sufficiency_points" in read:
        yield "sufficiency", sufficiency.draw(read["sufficiency_points"])
    if "sufficiency_grams" in read:
        yield "sufficiency_grams", sufficiency_grams.draw(read["sufficiency_grams"])
    if "race_curves" in read and "race_needed" in read:
        yield "design_race", race.draw(read["race_curves"], read["race_needed"])


def save(figure: Figure, folder: Path, name: str, *, pdf: bool = True) -> None:
    """PDF and PNG, without dates or versions inside, so that the same table gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    if pdf:
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m figures", description=__doc__)
    parser.add_argument(
        "--run", nargs="+", type=Path, metavar="FOLDER", help="draw these synthetic runs, PNG, into them"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where figures of the committed tables go")
    options = parser.parse_args(arguments)
    use_style()
    if options.run:
        _draw_runs(options.run)
        return
    names = ("synthetic_results", "synthetic_curves", "synthetic_grams")
    if missing := _missing(names):
        sys.stderr.write(f"error: {missing} must be in figures/data; `make results` makes them (CPU, minutes)\n")
        raise SystemExit(2)
    for name, figure in _committed(names):
        save(figure, options.out, name)
        sys.stdout.write(f"{options.out / name}.pdf, .png\n")


def _committed(synthetic: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """Name and figure, for all committed tables; one that is missing is named with the command that makes it."""
    yield from figures_of(*(pd.read_csv(DATA / f"{name}.csv") for name in synthetic))
    yield from sweep_figures(DATA)
    if SELECTION.exists():
        yield "selection_cost", selection_cost.draw(pd.read_csv(SELECTION))
    else:
        sys.stdout.write(f"no figure without {SELECTION.name}; `make bench-selection` makes it\n")
    for experiment in EXPERIMENTS.values():
        names = (f"{experiment.name}_results", f"{experiment.name}_curves")
        if missing := _missing(names):
            sys.stdout.write(f"no figures without {missing}; `{experiment.command}` makes them\n")
        else:
            results, curves = (read_table(DATA / f"{name}.csv") for name in names)
            yield from trained_figures(results, curves, experiment)


def _missing(names: Sequence[str]) -> str:
    """The tables that are not there."""
    return ", ".join(f"{name}.csv" for name in names if not (DATA / f"{name}.csv").exists())


def _draw_runs(folders: Sequence[Path]) -> None:
    for folder in folders:
        finished = [run for run in read_runs([folder])[0] if run.experiment == "synthetic"]
        if not finished:
            sys.stderr.write(f"error: --run needs a finished synthetic run, but {folder} holds none\n")
            raise SystemExit(2)
        tables = [make(finished) for make in (synthetic_results, synthetic_curves, synthetic_grams)]
        for name, figure in figures_of(*tables):
            save(figure, folder, name.split("_N")[0], pdf=False)
        sys.stdout.write(f"figures in {folder}\n")


def _sizes(rows: pd.DataFrame) -> str:
    study = rows.iloc[0]
    name = f"N{study['n_pairs']}_d{study['dim']}_B{study['batch_size']}"
    if study["loss"] != "clip_sum" or study["temperature"] != 1:
        name += f"_{study['loss']}_t{study['temperature']:g}"
    return name


if __name__ == "__main__":
    main(sys.argv[1:])
