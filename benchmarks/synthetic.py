"""Throughput of the studies on free embeddings: problem-updates a second, against what the machine could do.

    python -m benchmarks.synthetic                    # 2 minutes of one CPU core
    python -m benchmarks.synthetic --device cuda

A row of `throughput` is a selection, N, B and a number of replicates side by side, d = N, float64: updates of all
of them a second, planning counted, measuring not (`synthetic.clock`: processor seconds on a CPU, awaited wall
seconds on a GPU), what part of the time is planning, and the floor:

    floor = max( operations / peak,  bytes / bandwidth )     of one update of one problem

operations  multiplications and additions. Of a batch 6 B^2 d: its similarities, and two products back to u and v.
            Planning adds 2 N^2 d for the similarities of all pairs, and, of Ordered SGD, B^2 for each batch scored;
            of spectral clustering 9 N^3 for the eigenvectors of a symmetric matrix (Golub and Van Loan, 2013,
            Matrix Computations, Section 8.3), each divided by the updates that a plan is for. Exponentials and
            logarithms are left out.
bytes       4 B d numbers: the batch's rows of u and v read once and written once; where a plan looks at all pairs
            2 N d more, divided likewise. All else is taken to stay in registers or caches.
peak        of a product of two large square matrices in float64, bandwidth of a large copy, the best of ten tries.

The rows of `study` are the six selections of Cho et al. (N = 8, d = 16, B = 2, 2000 steps, rate 0.5) for 10,000
replicates: seconds, measured on a GPU; on a CPU `projected` from a tenth of the steps of some replicates.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import RESULTS, write_rows
from synthetic.clock import clock_of
from synthetic.config import PUBLISHED
from synthetic.trajectories import Problem, trajectories

SIZES = ((8, 2), (16, 4), (64, 8))
REPLICATES = {"cpu": (1, 64, 1024), "cuda": (1, 64, 1024, 10_000)}
STUDY_REPLICATES, STUDY_STEPS = 10_000, 2000
SELECTIONS = ("shuffled", "osgd", "spectral", "full")
_FEW_BATCHES = 100
"""C(N, B) up to which Ordered SGD looks at all of them, else at 80, of which it keeps 8."""
_PEAK_SIDES = {"cpu": (1024, 2**25), "cuda": (8192, 2**28)}
"""Of the matrices that are multiplied, and the number of entries that are copied."""
_MOST_ENTRIES = 2**23
"""Similarities of all problems together, on a CPU: what is larger is not measured there."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Peaks:
    """What a machine can do in float64."""

    operations: float
    """A second, of a matrix product."""
    bandwidth: float
    """Bytes read and written a second, by a copy."""

    def floor(self, operations: float, numbers: float) -> tuple[float, str]:
        """Seconds that so much work takes at least, and what they are bound by."""
        bounds = {"arithmetic": operations / self.operations, "memory": 8 * numbers / self.bandwidth}
        bound = max(bounds, key=lambda name: bounds[name])
        return bounds[bound], bound


def measure_peaks(device: torch.device, sides: tuple[int, int]) -> Peaks:
    """Of the best of ten tries."""
    side, length = sides
    a, b = (torch.randn(side, side, device=device, dtype=torch.float64) for _ in range(2))
    source = torch.ones(length, device=device, dtype=torch.float64)
    target = torch.empty_like(source)
    product, copy = (_best(work, device) for work in (lambda: torch.mm(a, b), lambda: target.copy_(source)))
    return Peaks(2 * side**3 / product, 16 * length / copy)


def _best(work: Callable[[], object], device: torch.device) -> float:
    clock, times = clock_of(device), []
    for _ in range(12):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times[2:])


def candidates(selection: str, n: int, b: int) -> dict[str, Any]:
    """What Ordered SGD looks at; nothing for the others."""
    return {"candidates": 80, "keep": 8} if selection == "osgd" and comb(n, b) > _FEW_BATCHES else {}


def work(selection: str, n: int, b: int, d: int) -> tuple[float, float]:
    """Operations, and numbers read and written, of an update of one problem; see above."""
    size = n if selection == "full" else b
    operations, numbers = 6.0 * size**2 * d, 4.0 * size * d
    if selection not in ("osgd", "spectral"):
        return operations, numbers
    asked = candidates(selection, n, b)
    if selection == "osgd":
        updates, chosen = asked.get("keep", 1), asked.get("candidates", comb(n, b)) * b**2
    else:
        updates, chosen = n // b, 9 * n**3
    return operations + (2 * n**2 * d + chosen) / updates, numbers + 2 * n * d / updates


def throughput(selection: str, n: int, b: int, replicates: int, device: torch.device, peaks: Peaks) -> Row:
    """Measured over about half a second, and its floor."""
    problem, asked = Problem(n_pairs=n, dim=n, batch_size=b), candidates(selection, n, b)

    def run(epochs: int) -> tuple[int, float, float]:
        found = trajectories(
            problem,
            selection,
            rates=[problem.unit_rate / 4],
            seeds=range(replicates),
            epochs=epochs,
            device=device,
            points_per_doubling=0,
            **asked,
        )
        return int(found.updates[-1]), found.cost.update, found.cost.planning

    updates, each, _ = run(4)
    epochs = min(1000, max(4, round(4 * 0.5 / (updates * replicates * each))))
    updates, each, planning = run(epochs)
    floor, bound = peaks.floor(*work(selection, n, b, n))
    return {
        "what": "throughput",
        "selection": f"osgd, {asked['keep']} of {asked['candidates']}" if asked else selection,
        "n_pairs": n,
        "dim": n,
        "batch_size": b,
        "replicates": replicates,
        "updates": updates,
        "updates_per_second": f"{1 / each:.4g}",
        "planning_share": f"{planning / each:.3f}",
        "floor_updates_per_second": f"{1 / floor:.4g}",
        "of_floor": f"{floor / each:.4g}",
        "bound": bound,
    }


def study(selection: str, replicates: int, steps: int, device: torch.device) -> Row:
    """Seconds that 10,000 replicates of a selection of the published study take."""
    problem = Problem(n_pairs=8, dim=16, batch_size=2)
    found = trajectories(
        problem,
        selection,
        rates=[0.5],
        seeds=range(replicates),
        epochs=steps,
        device=device,
        points_per_doubling=0,
    )
    updates = int(found.updates[-1])
    seconds = found.cost.update * updates / steps * STUDY_STEPS * STUDY_REPLICATES
    return {
        "what": "study",
        "selection": selection,
        "n_pairs": 8,
        "dim": 16,
        "batch_size": 2,
        "replicates": STUDY_REPLICATES,
        "updates": updates * STUDY_STEPS // steps,
        "updates_per_second": f"{1 / found.cost.update:.4g}",
        "planning_share": f"{found.cost.planning / found.cost.update:.3f}",
        "seconds": f"{seconds:.3g}",
        "projected": (replicates, steps) != (STUDY_REPLICATES, STUDY_STEPS),
    }


def measure(device: torch.device) -> list[Row]:
    """All rows."""
    peaks = measure_peaks(device, _PEAK_SIDES[device.type])
    rows: list[Row] = []
    for n, b in SIZES:
        for selection in SELECTIONS:
            for replicates in REPLICATES[device.type]:
                if device.type == "cuda" or replicates * n * n <= _MOST_ENTRIES:
                    rows.append(throughput(selection, n, b, replicates, device, peaks))
                    print(line(rows[-1]), flush=True)
    some = (STUDY_REPLICATES, STUDY_STEPS) if device.type == "cuda" else (1000, STUDY_STEPS // 10)
    for selection in PUBLISHED:
        rows.append(study(selection, *some, device))
        print(line(rows[-1]), flush=True)
    total = sum(float(row["seconds"]) for row in rows if row["what"] == "study")
    rows.append(rows[-1] | {"selection": "all six", "seconds": f"{total:.3g}", "updates": None})
    rows[-1] |= {"updates_per_second": None, "planning_share": None}
    every = list(dict.fromkeys(name for row in rows for name in row))
    more = {"peak_operations": f"{peaks.operations:.4g}", "peak_bandwidth": f"{peaks.bandwidth:.4g}"}
    return [{name: row.get(name) for name in every} | more for row in rows]


def line(row: Row) -> str:
    """For reading."""
    return " ".join(
        f"{cell!s:>{max(9, len(str(name)) if len(str(name)) < 12 else 9)}}" for name, cell in row.items()
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="benchmarks/results/synthetic_DEVICE.csv if left out")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = measure(torch.device(options.device))
    print(line(rows[-1]))
    write_rows(options.out or RESULTS / f"synthetic_{options.device}.csv", rows)


if __name__ == "__main__":
    main()
