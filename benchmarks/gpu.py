"""What `make gpu` does: GPU tests, then the next unfinished jobs of one list, most valuable first.

    python -m benchmarks.gpu --out results --minutes 9

A run is finished if it has a line in benchmarks/results/gpu_runs.csv (committed) or a finished folder below --runs,
a benchmark if its table is in benchmarks/results. A run that the time cuts short has left a checkpoint and goes on
with the next call on this machine; a benchmark starts again. Written to --out, small and ready to commit:

    scale_cuda.csv, peers_cuda.csv, selection_cuda.csv     for benchmarks/results
    gpu_runs.csv                 a line for every job that finished: seconds, device, versions, commit
    synthetic_*.csv, vision_*.csv, text_*.csv     their rows for figures/data
    gpu_tests.txt                the last lines of the tests

Needs torch, torchvision and the pure-Python packages of pyproject.toml; no network. Other libraries (the extra
`peers`) are compared where they are installed.
"""

import argparse
import csv
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.peer_cases import PEERS
from benchmarks.record import RESULTS, machine
from figures.table import collect

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Job:
    """A run or a benchmark: its name, its command, and what it cannot do without."""

    name: str
    command: str
    needs: str = ""
    """A file of a data set."""
    imports: tuple[str, ...] = ()
    table: str = ""
    """What a benchmark writes; a run has a folder."""


_STUDY = "synthetic.py --N 8 --num_steps 2000 --batch_size_list 2 --no-figures --device cuda --seeds 4096"


def _training(kind: str, command: str, needs: str = "") -> list[Job]:
    """Three seeds of each selection, the first seed of all of them first."""
    return [
        Job(f"{kind}-{name}-seed{seed}", f"-m {command} --device cuda --selection {name} --seed {seed}", needs)
        for seed in range(3)
        for name in ("shuffled", "spectral", "osgd")
    ]


JOBS: tuple[Job, ...] = (
    Job("scale", "-m benchmarks.scale --device cuda", table="scale_cuda.csv"),
    Job("peers", "-m benchmarks.peers --device cuda", imports=tuple(PEERS.values()), table="peers_cuda.csv"),
    Job("selection", "-m benchmarks.selection --device cuda", table="selection_cuda.csv"),
    Job("synthetic-d16-4096", f"{_STUDY} --d 16"),
    Job("synthetic-d4-4096", f"{_STUDY} --d 4"),
    *_training("cifar100", "vision.train cifar100 --precision bfloat16", "cifar-100-python/train"),
    *_training("docstrings", "text.train docstrings"),
)


def unfinished(jobs: tuple[Job, ...], runs: Path, data: Path) -> list[Job]:
    """The jobs still to do, in order; those that lack data or packages are named and left out."""
    table = RESULTS / "gpu_runs.csv"
    done = {row["job"] for row in csv.DictReader(table.read_text().splitlines())} if table.exists() else set()
    left = []
    for job in jobs:
        committed = (RESULTS / job.table).exists() if job.table else job.name in done
        if committed or (runs / job.name / "result.json").exists():
            continue
        missing = [package for package in job.imports if find_spec(package) is None]
        if job.needs and not (data / job.needs).exists():
            missing.append(str(data / job.needs))
        if missing:
            print(f"{job.name}: left out for lack of {', '.join(missing)}")
        else:
            left.append(job)
    return left


def run_job(job: Job, out: Path, data: Path, seconds: float) -> dict[str, Any] | None:
    """Run it, into `out`, for at most so many seconds; its line if it finished."""
    command = [sys.executable, *shlex.split(job.command), "--out", str(out.resolve())]
    if job.needs:
        command += ["--data", str(data.resolve())]
    print(f"{job.name}: {shlex.join(command[1:])}", flush=True)
    begin = perf_counter()
    try:
        code = subprocess.run(command, cwd=ROOT, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"{job.name}: out of time, goes on with the next call", flush=True)
        return None
    if code:
        print(f"{job.name}: ended with status {code}", flush=True)
        return None
    return {"job": job.name, "command": job.command, "seconds": round(perf_counter() - begin, 1)} | machine()


def gpu_tests(out: Path) -> int:
    """Run the tests marked gpu; keep what they ended with."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    tail = "\n".join(done.stdout.splitlines()[-40:])
    (out / "gpu_tests.txt").write_text(tail + "\n")
    print(tail, flush=True)
    return done.returncode


def main() -> int:
    """The command line; the exit status is that of the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-tables"), help="where the small tables go")
    parser.add_argument("--minutes", type=float, default=9, help="for the jobs, beside the tests")
    parser.add_argument("--runs", type=Path, default=Path("runs/gpu"), help="where the run folders are")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the data sets are")
    parser.add_argument("--list", action="store_true", help="only say what is left to do")
    options = parser.parse_args()
    jobs = unfinished(JOBS, options.runs, options.data)
    if options.list:
        for job in jobs:
            print(f"{job.name}: {job.command}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    status = gpu_tests(options.out)
    end = perf_counter() + 60 * options.minutes
    lines = []
    for job in jobs:
        left = end - perf_counter()
        if left < 20:
            break
        place = options.out / job.table if job.table else options.runs / job.name
        line = run_job(job, place, options.data, left)
        if line is not None:
            lines.append(line)
            _append(options.out / "gpu_runs.csv", line)
    if options.runs.exists():
        collect([options.runs], options.out)
    print(f"{len(lines)} of {len(jobs)} jobs finished; tables in {options.out}")
    return status


def _append(table: Path, line: dict[str, Any]) -> None:
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(line), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(line)


if __name__ == "__main__":
    raise SystemExit(main())
