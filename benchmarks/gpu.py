"""What `make gpu` does: GPU tests, then the next unfinished jobs of one list, most valuable first.

    python -m benchmarks.gpu --out results --minutes 9

The list is `benchmarks.gpu_jobs`. A run is finished if it has a line in benchmarks/results/gpu_runs.csv (committed)
or a finished folder below --runs, a benchmark if its table is in benchmarks/results. Jobs that should fit into the
time left, or were begun before, are taken in their order; then the first run is begun nevertheless. A run that the
time cuts short is asked to end (SIGTERM), leaves a checkpoint and goes on with the next call on this machine; a
benchmark starts again. Where there is a corrupted test set, a finished run on its data set is evaluated on it, too.
Written to --out, small and ready to commit:

    scale_cuda.csv, peers_cuda.csv, selection_cuda.csv, vision_cuda.csv     for benchmarks/results
    gpu_runs.csv                 a line for every job that finished: seconds, device, versions, commit
    synthetic_*.csv, vision_*.csv, text_*.csv     their rows for figures/data
    gpu_tests.txt                the last lines of the tests

Needs torch, torchvision and the pure-Python packages of pyproject.toml; no network. Other libraries (the extra
`peers`) are compared where they are installed.
"""

import argparse
import csv
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.gpu_jobs import JOBS, Job
from benchmarks.record import RESULTS, machine
from figures.table import collect
from vision.data import find_corruptions

ROOT = Path(__file__).parent.parent
GRACE = 30.0
"""Seconds that a job has for its checkpoint when its time is over."""
_SHORTEST = 20.0
"""Seconds below which nothing is begun."""


def unfinished(jobs: tuple[Job, ...], runs: Path, data: Path) -> list[Job]:
    """The jobs still to do, in order; those that lack data or packages are named and left out."""
    table = RESULTS / "gpu_runs.csv"
    done = {row["job"] for row in csv.DictReader(table.read_text().splitlines())} if table.exists() else set()
    left: list[Job] = []
    lacking: dict[str, list[str]] = {}
    for job in jobs:
        committed = (RESULTS / job.table).exists() if job.table else job.name in done
        if committed or (runs / job.name / "result.json").exists():
            continue
        missing = [package for package in job.imports if find_spec(package) is None]
        if job.needs and not (data / job.needs).exists():
            missing.append(str(data / job.needs))
        if missing:
            lacking.setdefault(", ".join(missing), []).append(job.name)
        else:
            left.append(job)
    for what, (name, *others) in lacking.items():
        more = f" and {len(others)} more" if others else ""
        print(f"{name}{more}: left out for lack of {what}")
    return left


def next_job(left: Sequence[Job], seconds: float, runs: Path) -> Job | None:
    """The first that fits into the time or was begun before; if there is none, the first that can be begun."""
    if seconds < _SHORTEST:
        return None
    fitting = [job for job in left if 60 * job.minutes <= seconds or (runs / job.name / "checkpoint.pt").exists()]
    return next(iter(fitting or [job for job in left if not job.table]), None)


def run_job(job: Job, out: Path, data: Path, seconds: float) -> dict[str, Any] | None:
    """Run it, into `out`, for at most so many seconds; its line if it finished."""
    command = [sys.executable, *shlex.split(job.command), "--out", str(out.resolve())]
    if job.needs:
        command += ["--data", str(data.resolve())]
    print(f"{job.name}: {shlex.join(command[1:])}", flush=True)
    begin = perf_counter()
    code = in_time(command, seconds)
    if code is None:
        print(f"{job.name}: out of time, goes on with the next call", flush=True)
        return None
    if code:
        print(f"{job.name}: ended with status {code}", flush=True)
        return None
    return {"job": job.name, "command": job.command, "seconds": round(perf_counter() - begin, 1)} | machine()


def in_time(command: list[str], seconds: float) -> int | None:
    """The exit status of a command; None if its time was over, and it was asked to end."""
    process = subprocess.Popen(command, cwd=ROOT)
    late = False
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        late = True
    finally:  # an interruption of this program ends the job, too
        _end(process)
    return None if late and process.returncode else process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and make it when it does not."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def retrieve_corrupted(job: Job, run: Path, data: Path, seconds: float) -> None:
    """Evaluate a finished run on the corrupted images of its data set, if they are there."""
    if not job.corrupted:
        return
    try:
        find_corruptions(job.corrupted, data)
    except ValueError:
        return
    command = [*("-m", "vision.evaluate", str(run.resolve())), *("--measures", "corrupted")]
    code = in_time([sys.executable, *command, "--data", str(data.resolve())], max(seconds, _SHORTEST))
    if code != 0:
        print(f"{job.name}: not evaluated on corrupted images; {shlex.join(['python', *command])}", flush=True)


def gpu_tests(out: Path) -> int:
    """Run the tests marked gpu; keep what they ended with."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    tail = "\n".join(done.stdout.splitlines()[-40:])
    (out / "gpu_tests.txt").write_text(tail + "\n")
    print(tail, flush=True)
    return done.returncode


def work_through(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Run what the time allows.

    Returns:
        How many jobs finished.
    """
    end = perf_counter() + 60 * options.minutes
    left, finished = list(jobs), 0
    while (job := next_job(left, end - perf_counter(), options.runs)) is not None:
        left.remove(job)
        place = options.out / job.table if job.table else options.runs / job.name
        line = run_job(job, place, options.data, end - perf_counter())
        if line is not None:
            finished += 1
            _append(options.out / "gpu_runs.csv", line)
            retrieve_corrupted(job, place, options.data, end - perf_counter())
    return finished


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
            print(f"{job.name}, {job.minutes:g} min: {job.command}")
        return 0
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    options.out.mkdir(parents=True, exist_ok=True)
    status = gpu_tests(options.out)
    finished = work_through(jobs, options)
    if options.runs.exists():
        collect([options.runs], options.out)
    print(f"{finished} of {len(jobs)} jobs finished; tables in {options.out}")
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
