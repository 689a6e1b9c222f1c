"""Draw every figure from the committed tables, `python -m figures`, or runs of one's own, `--run FOLDER ...`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from figures import gap_curves, heatmaps
from figures.drawing import OUT, draw_all, save
from figures.folders import read_runs
from figures.registry import FIGURES
from figures.style import use_style
from figures.table import synthetic_curves, synthetic_grams, synthetic_results


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FIGURE", help=f"only these: {', '.join(FIGURES)}")
    parser.add_argument(
        "--run", nargs="+", type=Path, metavar="FOLDER", help="draw these synthetic runs, PNG, into them"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where figures of the committed tables go")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in FIGURES]:
        parser.error(f"FIGURE must be one of {', '.join(FIGURES)}, got {', '.join(unknown)}")
    if options.run:
        _draw_runs(options.run)
    elif not draw_all(options.out, options.names or FIGURES):
        sys.stderr.write("error: none of their tables is in figures/data; the commands above make them\n")
        raise SystemExit(2)


def _draw_runs(folders: Sequence[Path]) -> None:
    use_style()
    for folder in folders:
        finished = [run for run in read_runs([folder])[0] if run.experiment == "synthetic"]
        if not finished:
            sys.stderr.write(f"error: --run needs a finished synthetic run, but {folder} holds none\n")
            raise SystemExit(2)
        tables = {make.__name__: make(finished) for make in (synthetic_results, synthetic_curves, synthetic_grams)}
        for module in (gap_curves, heatmaps):
            for name, figure in module.pictures(tables):
                save(figure, folder, name.split("_N")[0], pdf=False)
        sys.stdout.write(f"figures in {folder}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
