"""The synthetic study against the original code of Cho et al., side by side on this machine's CPU.

    git clone https://github.com/krafton-ai/mini-batch-cl ../mini-batch-cl
    python -m benchmarks.throughput --source ../mini-batch-cl

Two comparisons of the published command (N = 8, d = 16, B = 2, 2000 steps, six selections), both in turn, one
thread each:

command      wall seconds of the whole command at one seed, start-up and drawing included;
throughput   replicates (seeds x selections) per CPU second, the optimisation loops alone: the original's one
             seed against `--seeds` of ours.

The original is copied to a temporary folder and patched there only so far that it runs on a CPU with today's
libraries: the device, a method that scikit-learn has renamed, no TensorBoard, and a clock around its loops.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.record import RESULTS, write_rows

ROOT = Path(__file__).parent.parent
SELECTIONS = ["f", "s", "full", "NcB", "osgd_NcB", "sc_even"]
STUDY = [*("--N", "8", "--batch_size_list", "2", "--d", "16", "--num_steps", "2000"), "--batch_selections"]

_CLOCK = """
import time as _time
class tqdm:
    def __init__(self, steps, desc=""): self.steps, self.desc = steps, desc
    def __iter__(self):
        begin = _time.process_time()
        yield from self.steps
        print("LOOP-CPU-SECONDS", _time.process_time() - begin, flush=True)
"""
_NO_TENSORBOARD = """
class tensorboard:
    class SummaryWriter:
        def __init__(self, *_): pass
        def add_scalar(self, *_): pass
        def add_image(self, *_, **__): pass
"""


def patched_copy(source: Path, target: Path) -> Path:
    """The original's synthetic script and what it imports, made to run here."""
    for name in ("synthetic.py", "utils.py"):
        shutil.copy(source / name, target)
    script, library = target / "synthetic.py", target / "utils.py"
    text = script.read_text().replace("device = 'cuda:0'", "device = 'cpu'")
    text = text.replace("from tqdm import tqdm\n", _CLOCK).replace(
        "from utils import *\n", "from utils import *\n" + _CLOCK
    )
    text = text.replace("def get_args():", _NO_TENSORBOARD + "\ndef get_args():")
    script.write_text(text)
    text = library.read_text().replace(
        "self._validate_data(", "__import__('sklearn.utils.validation').utils.validation.validate_data(self, "
    )
    library.write_text(text)
    return script


def timed(command: list[str], cwd: Path) -> tuple[float, str]:
    """Wall seconds and output of a command on one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"}
    begin = perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-3000:])
        raise SystemExit(f"error: {' '.join(command[:3])} ended with status {done.returncode}")
    return perf_counter() - begin, done.stdout


def our_loops(seeds: int) -> dict[str, float]:
    """CPU seconds of each selection's loop, its measurements included, in this process."""
    from synthetic.cli import main
    from synthetic.config import parse

    found = {}
    for name in SELECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            arguments = [*STUDY, name, "--device", "cpu"]
            config = parse([*arguments, "--no-figures", "--out", folder, "--seeds", str(seeds)])
            begin = process_time()
            sys.stdout, kept = sys.stderr, sys.stdout
            main(config)
            sys.stdout = kept
            found[name] = process_time() - begin
    return found


def compare(source: Path, seeds: int, runs: int) -> list[dict[str, Any]]:
    """Both comparisons, original and ours in turn; medians over the runs."""
    walls: dict[str, list[float]] = {"original": [], "ours": []}
    loops: dict[str, list[dict[str, float]]] = {"original": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        script = patched_copy(source, Path(folder))
        for _ in range(runs):
            wall, output = timed([sys.executable, str(script), *STUDY, *SELECTIONS], Path(folder))
            walls["original"].append(wall)
            seconds = [float(line.split()[-1]) for line in output.splitlines() if line.startswith("LOOP-CPU")]
            loops["original"].append(dict(zip(SELECTIONS, seconds, strict=True)))
            out = ["--seeds", "1", "--device", "cpu", "--out", f"{folder}/ours", "--overwrite"]
            walls["ours"].append(timed([sys.executable, "synthetic.py", *STUDY, *SELECTIONS, *out], ROOT)[0])
            command = [sys.executable, "-m", "benchmarks.throughput", "--our-loops", str(seeds)]
            loops["ours"].append(json.loads(timed(command, ROOT)[1].splitlines()[-1]))
    rows: list[dict[str, Any]] = [
        _row("command", "all six", median(walls["original"]), median(walls["ours"]), "wall seconds, one seed", runs)
    ]
    for name in SELECTIONS:
        theirs, ours = (median(run[name] for run in loops[side]) for side in ("original", "ours"))
        rows.append(_row("throughput", name, theirs, ours / seeds, "CPU seconds per replicate", runs))
    theirs, ours = (median(sum(run.values()) for run in loops[side]) / 6 for side in ("original", "ours"))
    rows.append(_row("throughput", "all six", theirs, ours / seeds, "CPU seconds per replicate", runs))
    return rows


def _row(what: str, selection: str, original: float, ours: float, unit: str, runs: int) -> dict[str, Any]:
    ratio = round(original / ours, 1)
    row = {"what": what, "selection": selection, "original": f"{original:.4g}", "ours": f"{ours:.4g}"}
    return row | {"ratio": ratio, "unit": unit, "runs": runs}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="a clone of the original repository")
    parser.add_argument("--seeds", type=int, default=64, help="replicates of ours that run side by side")
    parser.add_argument("--runs", type=int, default=3, help="repetitions, of which the medians are taken")
    parser.add_argument("--our-loops", type=int, metavar="SEEDS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.our_loops:
        print(json.dumps(our_loops(options.our_loops)))
        return
    if options.source is None or not (options.source / "utils.py").exists():
        raise SystemExit(
            "error: --source must be a clone of the original code (synthetic.py, utils.py), "
            f"got {options.source}; git clone https://github.com/krafton-ai/mini-batch-cl, make bench SOURCE=PATH"
        )
    rows = compare(options.source, options.seeds, options.runs)
    write_rows(RESULTS / "throughput.csv", rows)
    for row in rows:
        print("  ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main()
