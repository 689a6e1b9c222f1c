"""Batches of two: how near each way of matching comes to the largest loss there is, and what it costs.

    python -m benchmarks.pairing                # a minute of one CPU core
    python -m benchmarks.pairing --networkx     # with networkx on 500 pairs too: another

Clustered pairs of `benchmarks.pairs`, temperature 0.1. Rows: random pairs, and `batching.Matching` by each solver,
on the complete graph or on that of nearest neighbours. Columns:

total           weight of the matching
hardness        mean loss of a batch (`losses.clip`, nats): a quarter of the mean weight of its edges
share           of the upper bound on any total, half the assignment of largest weight, where that was computed
exact           whether the solver says that no total is larger
cpu_seconds     of one plan, one thread; median of the repeats
mib             the most memory that a plan holds on top of the embeddings
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch

from batching.algorithms.affinity import pair_weights
from batching.algorithms.perfect_matching import pairing_bound
from batching.embeddings import Embeddings
from batching.engines.matching import Matching, Solver
from batching.plan import Plan, Selection
from batching.report import hardness
from batching.rules.oblivious import Shuffled
from batching.rules.partition import Partitioned
from benchmarks.pairs import make_pairs
from benchmarks.record import RESULTS, write_rows
from benchmarks.scale import peak_mib
from benchmarks.selection import cpu_seconds, one_thread_server, plan_first, settled_mib

TAU = 0.1
_BOUNDED = 4000
"""Pairs up to which the bound is computed: a dense assignment."""


@dataclass(frozen=True)
class Way:
    """A row: some pairs, and how they are matched."""

    n: int
    solver: Solver | None = None
    """None for random batches."""
    neighbours: int | None = None

    @property
    def rule(self) -> Selection:
        """Makes the batches."""
        if self.solver is None:
            return Shuffled()
        return Partitioned(Matching(TAU, neighbours=self.neighbours, solver=self.solver))


WAYS: tuple[Way, ...] = (
    Way(100),
    Way(100, "networkx"),
    Way(100, "pymatching"),
    Way(100, "assignment"),
    Way(1000),
    Way(1000, "pymatching"),
    Way(1000, "assignment"),
    Way(1000, "pymatching", 16),
    Way(1000, "assignment", 16),
    Way(4000),
    Way(4000, "pymatching", 16),
    Way(4000, "assignment", 16),
    Way(50_000),
    Way(50_000, "pymatching", 16),
    Way(50_000, "assignment", 16),
)
"""The complete graph of 4,000 pairs would take minutes and gigabytes, and is refused."""
SLOW = (Way(500, "networkx"), Way(500, "pymatching"), Way(500, "assignment"))


def measure(way: Way, repeats: int) -> dict[str, Any]:
    """A row, measured in this process."""
    torch.set_num_threads(1)
    pairs = make_pairs("clustered", way.n, 0)
    embeddings, rule = Embeddings(pairs.u, pairs.v), way.rule
    plan = plan_first(min(way.n, 64), 2, rule, 0, embeddings)  # what is loaded now is nobody's cost
    before, times = settled_mib("cpu"), list[float]()
    for _ in range(repeats):
        begin = cpu_seconds()
        plan = plan_first(way.n, 2, rule, 0, embeddings)
        times.append(cpu_seconds() - begin)
    mib = peak_mib("cpu") - before
    return {
        "n": way.n,
        "solver": way.solver or "random",
        "neighbours": way.neighbours or ("" if way.solver is None else "all"),
        **_worth(plan, way.n, embeddings),
        "cpu_seconds": f"{median(times):.4g}",
        "mib": f"{mib:.1f}",
    }


def _worth(plan: Plan, n: int, embeddings: Embeddings) -> dict[str, Any]:
    """The columns that do not depend on the machine."""
    assert isinstance(plan.batches, torch.Tensor)
    double = Embeddings(*(x.double() for x in embeddings))
    mean = hardness(double, plan.batches, TAU)
    total, share = 4 * mean * (n // 2), None
    if n <= _BOUNDED:
        share = total / pairing_bound(pair_weights(*double, batch_size=2, temperature=TAU)).item()
    return {
        "total": f"{total:.6g}",
        "hardness": f"{mean:.6f}",
        "share": share and f"{share:.4f}",
        "exact": bool(plan.info.get("exact", False)),
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networkx", action="store_true", help="on 500 pairs too, a minute each time")
    parser.add_argument("--most", type=int, default=50_000, help="pairs")
    parser.add_argument("--repeats", type=int, default=3, help="of each row; medians are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "pairing_cpu.csv")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line for each row as it comes, and keep them all."""
    options = parse(arguments)
    ways = sorted([*WAYS, *(SLOW if options.networkx else ())], key=lambda way: way.n)
    rows = []
    for way in ways:
        if way.n > options.most:
            continue
        if way.solver in ("pymatching", "networkx") and find_spec(way.solver) is None:
            print(f"{way.solver} on {way.n:,} pairs is left out: it is not installed")
            continue
        with ProcessPoolExecutor(1, mp_context=one_thread_server()) as pool:
            rows.append(pool.submit(measure, way, options.repeats).result())
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
