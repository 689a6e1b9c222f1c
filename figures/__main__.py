"""Draw every figure from the committed tables, `python -m figures`, or runs of one's own, `--run FOLDER ...`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from figures import gap_curves, heatmaps, selection_cost, vision_accuracy, vision_batches, vision_losses
from figures.folders import read_runs
from figures.studies import accuracies, first_measure, in_studies
from figures.style import use_style
from figures.table import DATA, STUDY, read_table, synthetic_curves, synthetic_grams, synthetic_results

OUT = Path(__file__).parent / "out"
SELECTION = Path(__file__).parent.parent / "benchmarks" / "results" / "selection_cpu.csv"
"""What `make bench-selection` measured."""


def figures_of(results: pd.DataFrame, curves: pd.DataFrame, grams: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Name and figure, for every study in these tables."""
    optimum = results.drop_duplicates(STUDY)[[*STUDY, "optimum"]]
    curves = curves.merge(optimum, on=STUDY, sort=False)
    for _, rows in curves.groupby(STUDY, sort=True):
        yield f"gap_curves_{_sizes(rows)}", gap_curves.draw(rows)
    for _, rows in grams.groupby(STUDY, sort=True):
        yield f"heatmaps_{_sizes(rows)}", heatmaps.draw(rows)


def vision_figures(results: pd.DataFrame, curves: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Name and figure, for every study of these tables that has the numbers for it.

    Args:
        results: vision_results.csv.
        curves: vision_curves.csv.

    Raises:
        ValueError: If a curve's run is not among the results.
    """
    table = in_studies(results)
    if lost := sorted(set(curves["run"]) - set(table["run"])):
        raise ValueError(
            f"every run of vision_curves.csv must be in vision_results.csv, but {', '.join(lost)} are not; "
            "`python -m figures.table` writes both"
        )
    of_runs = table[["run", "study", "title", "guards", "loss"]]
    curves = curves.drop(columns=["guards", "loss"]).merge(of_runs, on="run", sort=False)
    for study, rows in curves.groupby("study", sort=True):
        if first_measure(rows) is not None:
            yield f"vision_accuracy_{study}", vision_accuracy.draw(rows)
        if vision_batches.shows(rows):
            yield f"vision_batches_{study}", vision_batches.draw(rows)
    for study, rows in table.groupby("study", sort=True):
        if accuracies(rows):
            yield f"vision_losses_{study}", vision_losses.draw(rows)


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
    missing = [f"{name}.csv" for name in names if not (DATA / f"{name}.csv").exists()]
    if missing:
        sys.stderr.write(
            f"error: {', '.join(missing)} must be in figures/data; `make results` makes them (CPU, minutes)\n"
        )
        raise SystemExit(2)
    tables = [pd.read_csv(DATA / f"{name}.csv") for name in names]
    for name, figure in figures_of(*tables):
        save(figure, options.out, name)
        sys.stdout.write(f"{options.out / name}.pdf, .png\n")
    if SELECTION.exists():
        save(selection_cost.draw(pd.read_csv(SELECTION)), options.out, "selection_cost")
        sys.stdout.write(f"{options.out / 'selection_cost'}.pdf, .png\n")
    tables = [DATA / f"{name}.csv" for name in ("vision_results", "vision_curves")]
    if all(table.exists() for table in tables):
        for name, figure in vision_figures(*map(read_table, tables)):
            save(figure, options.out, name)
            sys.stdout.write(f"{options.out / name}.pdf, .png\n")


def _draw_runs(folders: Sequence[Path]) -> None:
    for folder in folders:
        finished, _ = read_runs([folder])
        if not finished:
            sys.stderr.write(f"error: --run needs a finished run, but {folder} holds none (no result.json)\n")
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
