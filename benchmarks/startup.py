"""What starting costs: CPU seconds of commands that do nothing else, beside what their libraries alone cost.

    python -m benchmarks.startup                # three minutes of one CPU core

Each round starts every library and then every command once, one after the other, each in a process of its own with
one thread. The first round is not counted: it leaves Python's compiled modules behind, as every first start does.

seconds          user and system seconds of the start, its child processes included; median of the rounds
library_seconds  the same of the libraries that the command cannot do without, alone
ratio            of the two in the same round; median of the rounds
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import RESULTS, write_rows
from benchmarks.selection import cpu_seconds

ROOT = Path(__file__).parent.parent
TORCH, NUMPY, PANDAS, PICTURES = "torch", "numpy", "pandas", "pandas, matplotlib.pyplot"


@dataclass(frozen=True)
class Start:
    """A command line after `python`, and the libraries it is measured against."""

    arguments: tuple[str, ...]
    library: str


STARTS = {
    "synthetic.py --help": Start(("synthetic.py", "--help"), TORCH),
    "synthetic.sweep --list": Start(("-m", "synthetic.sweep", "--list"), TORCH),
    "vision.train --help": Start(("-m", "vision.train", "--help"), TORCH),
    "text.train --help": Start(("-m", "text.train", "--help"), TORCH),
    "batching --list": Start(("-m", "batching", "--list"), TORCH),
    "import losses": Start(("-c", "import losses"), TORCH),
    "theory 8 7": Start(("-m", "theory", "8", "7"), NUMPY),
    "figures --help": Start(("-m", "figures", "--help"), PICTURES),
    "import figures.table": Start(("-c", "import figures.table"), PANDAS),
    "import figures.readme": Start(("-c", "import figures.readme"), PICTURES),
}


def seconds_of(arguments: Sequence[str]) -> float:
    """CPU seconds of Python with these arguments, from the repository's root."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    begin = cpu_seconds()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"error: python {' '.join(arguments)} ended with status {done.returncode}\n{done.stderr}")
    return cpu_seconds() - begin


def measure(starts: Mapping[str, Start], rounds: int) -> list[dict[str, Any]]:
    """A row for each of these starts."""
    alone = {start.library: ("-c", f"import {start.library}") for start in starts.values()}
    lines = alone | {name: start.arguments for name, start in starts.items()}
    found = [{name: seconds_of(line) for name, line in lines.items()} for _ in range(1 + rounds)][1:]
    return [
        {
            "command": name,
            "library": start.library,
            "seconds": f"{median(each[name] for each in found):.2f}",
            "library_seconds": f"{median(each[start.library] for each in found):.2f}",
            "ratio": f"{median(each[name] / each[start.library] for each in found):.2f}",
        }
        for name, start in starts.items()
    ]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="that are counted")
    parser.add_argument("--out", type=Path, default=RESULTS / "startup_cpu.csv")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and keep a row for each command."""
    options = parse(arguments)
    rows = measure(STARTS, options.rounds)
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
