"""How hard the batches of each method are, and what they cost, in one table.

    python -m benchmarks.selection                        # 20 minutes of one CPU core
    python -m benchmarks.selection --sizes 1280           # 2 minutes
    python -m benchmarks.selection --device cuda

Data: `benchmarks.pairs`. A row is a data set, a number of pairs and a method:

hardness_T      mean in-batch loss (`losses.clip`, nats) at temperature T of batches planned at T; `sd` over the
                seeds (of the data; for CIFAR-100, of the pool), `ratio` to the published procedure
purity          share of the pairs within batches that have the same label, T = 0.1
cpu_seconds     of one plan at T = 0.1, the embeddings being there: of this process and its children, one thread
wall_seconds    the same by the clock; on a GPU with its work awaited
time_ratio      to the published procedure: of cpu_seconds, on a GPU of wall_seconds
mib             the most memory that a plan holds on top of the embeddings (on a GPU: of the allocator)

Times are medians over seeds and rounds, in which methods take turns at going first; what takes more than 20 s is
measured once. Each has its own process. "published" is `benchmarks.selection_cases.Published`: scikit-learn and
scipy on the CPU, in pools of 40 batches, as is "spectral".
"""

import argparse
import ctypes
import os
import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from statistics import mean, median, stdev
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor

from batching.embeddings import Embeddings
from batching.plan import Plan, Selection
from batching.report import hardness, purity
from benchmarks.pairs import DATA, MOST, make_pairs, prepare_cifar
from benchmarks.record import RESULTS, write_rows
from benchmarks.scale import peak_mib, synchronise
from benchmarks.selection_cases import CASES, PUBLISHED, Case

TEMPERATURES = (0.1, 1.0)
_FEW = 1280
"""Pairs up to which all data sets and four seeds are measured."""
_PATIENCE = 20.0
"""Seconds after which a row need not be measured again."""
Row = dict[str, Any]
Key = tuple[str, int, str]


@dataclass
class Measured:
    """What the rounds of a row found."""

    hardness: dict[float, list[float]] = field(default_factory=dict[float, list[float]])
    purity: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])
    wall: list[float] = field(default_factory=list[float])
    mib: list[float] = field(default_factory=list[float])


def measure(
    data: str, n: int, method: str, *, seeds: Sequence[int], device: str = "cpu", only_time: bool = False
) -> Measured:
    """One round of a row, in this process."""
    case, found = CASES[method], Measured()
    torch.set_num_threads(case.threads)
    for seed in seeds:
        pairs = make_pairs(data, n, seed)
        embeddings = Embeddings(pairs.u.to(device), pairs.v.to(device))
        plan = partial(_batches, case, batch_size(n), seed, embeddings)
        if seed == seeds[0]:  # what is loaded or compiled at the first call is nobody's cost
            small = min(n, 16 * batch_size(n)) if device == "cpu" else n
            plan(small, TEMPERATURES[0])
        before = settled_mib(device)
        cpu, wall = cpu_seconds(), perf_counter()
        batches = plan(n, TEMPERATURES[0])
        synchronise(device)
        found.wall.append(perf_counter() - wall)
        found.cpu.append(cpu_seconds() - cpu)
        found.mib.append(peak_mib(device) - before)
        if only_time:
            continue
        found.purity.append(purity(batches, pairs.labels))
        for temperature in TEMPERATURES:
            if temperature != TEMPERATURES[0]:
                batches = plan(n, temperature)
            found.hardness.setdefault(temperature, []).append(hardness(embeddings, batches, temperature))
    return found


def batch_size(n: int) -> int:
    """Of this many pairs: as published, and larger for very many."""
    return 32 if n < 200_000 else 64


def _batches(case: Case, size: int, seed: int, embeddings: Embeddings, n: int, temperature: float) -> Tensor:
    batches = plan_first(n, size, case.make(n, size, temperature), seed, embeddings).batches
    assert isinstance(batches, Tensor)
    return batches


def plan_first(n: int, batch_size: int, rule: Selection, seed: int, embeddings: Embeddings) -> Plan:
    """The rule's plan for the first n of these pairs."""

    def embed(index: Tensor | None) -> Embeddings:
        return Embeddings(*(x[:n] if index is None else x[index] for x in embeddings))

    rule.check(n, batch_size)
    return rule.plan(n, batch_size, seed=seed, epoch=0, embed=embed)


def cpu_seconds() -> float:
    """Of this process and its children, so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def settled_mib(device: str) -> float:
    """What is held now, from where the peak counts anew; freed memory goes back to the system first."""
    synchronise(device)
    if device == "cpu":
        with suppress(OSError, AttributeError):  # only glibc has it
            ctypes.CDLL("libc.so.6").malloc_trim(0)
    return peak_mib(device, reset=True)


def keys(sizes: Sequence[int], data: Sequence[str], methods: Sequence[str]) -> list[Key]:
    """The rows of these sizes: every data set that has so many pairs; the digits only in small numbers."""
    return [
        (name, n, method)
        for n in sizes
        for name in data
        if n <= MOST[name]
        for method in methods
        if CASES[method].from_pairs <= n <= CASES[method].largest
    ]


def rounds(wanted: Sequence[Key], repeats: int, device: str) -> Iterator[tuple[Key, Measured]]:
    """Every row `repeats` times, or once if that is long enough."""
    context, long = one_thread_server(), set[Key]()
    for turn in range(repeats):
        for key in [key for key in wanted[:: -1 if turn % 2 else 1] if key not in long]:
            seeds = range(4 if key[1] <= _FEW else 1)
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                part = pool.submit(measure, *key, seeds=seeds, device=device, only_time=turn > 0).result()
            if sum(part.wall) > _PATIENCE:
                long.add(key)
            yield key, part


def one_thread_server() -> ForkServerContext:
    """Forks processes; it has imported what they need, numerical libraries with one thread each."""
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = "1"  # read where libraries are loaded: in the server
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.pairs", "benchmarks.selection_cases", "pymetis"])
    return context


def table(found: dict[Key, list[Measured]], device: str) -> list[Row]:
    """A row of the table for each that was measured, beside the published procedure if that was too."""
    rows: list[Row] = []
    for (data, n, method), parts in found.items():
        row: Row = {"data": data, "n": n, "batch_size": batch_size(n), "method": method}
        row |= {"seeds": len(parts[0].wall), "threads": CASES[method].threads}
        base = found.get((data, n, PUBLISHED))
        for temperature in TEMPERATURES:
            values = parts[0].hardness[temperature]
            name = f"hardness_{temperature:g}"
            row |= {name: f"{mean(values):.4f}", f"{name}_sd": f"{stdev(values):.4f}" if len(values) > 1 else None}
            row[f"{name}_ratio"] = f"{mean(values) / mean(base[0].hardness[temperature]):.3f}" if base else None
        row["purity"] = f"{mean(parts[0].purity):.3f}"
        cpu, wall = _median("cpu", parts), _median("wall", parts)
        row |= {"cpu_seconds": f"{cpu:.4g}", "wall_seconds": f"{wall:.4g}", "time_ratio": None}
        clock = "cpu" if device == "cpu" else "wall"
        if base:
            row["time_ratio"] = f"{_median(clock, parts) / _median(clock, base):.3g}"
        row["mib"] = f"{max(value for part in parts for value in part.mib):.1f}"
        rows.append(row)
    return rows


def _median(clock: str, parts: Sequence[Measured]) -> float:
    return median(value for part in parts for value in getattr(part, clock))


def available(methods: Sequence[str]) -> list[str]:
    """Those that can be measured here; the others are named."""
    missing = {
        name: CASES[name].needs for name in methods if CASES[name].needs and find_spec(CASES[name].needs) is None
    }
    for name, needs in missing.items():
        print(f"{name} is left out: it needs {needs}, which is not installed", flush=True)
    return [name for name in methods if name not in missing]


def line(row: Row) -> str:
    """For reading."""
    cells = {name: "" if cell is None else str(cell) for name, cell in row.items()}
    return " ".join(f"{cell:>{max(9, len(name))}}" for name, cell in cells.items())


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1280, 50_000, 200_000], help="numbers of pairs")
    parser.add_argument("--only", nargs="+", choices=list(DATA), default=list(DATA), help="data sets")
    parser.add_argument("--methods", nargs="+", choices=list(CASES), default=list(CASES), metavar="METHOD")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; medians are kept")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the data sets are")
    parser.add_argument("--out", type=Path, help="benchmarks/results/selection_DEVICE.csv if left out")
    options = parser.parse_args(arguments)
    options.out = options.out or RESULTS / f"selection_{options.device}.csv"
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print each time as it comes, then the table, and keep that."""
    options = parse(arguments)
    data = list(options.only)
    missing = prepare_cifar(options.data) if "cifar100" in data else None
    if missing:
        print(missing, flush=True)
        data.remove("cifar100")
    wanted = keys(options.sizes, data, available(options.methods))
    found: dict[Key, list[Measured]] = {key: [] for key in wanted}
    for key, part in rounds(wanted, options.repeats, options.device):
        found[key].append(part)
        name, n, method = key
        print(f"{name:9} {n:7,} {method:20} {median(part.cpu):8.3f} CPU s {median(part.wall):8.3f} s", flush=True)
    rows = table(found, options.device)
    print(line({name: name for name in rows[0]}))
    print("\n".join(line(row) for row in rows))
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
