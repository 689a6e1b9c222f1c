"""The losses against the libraries that people use for them, side by side on one machine.

    pip install --editable '.[peers]'
    python -m benchmarks.peers
    python -m benchmarks.peers --sizes 256 1024 --only nt_xent dcl

Ours and theirs take a forward and a backward pass from the same float32 unit embeddings u, v [size, dim], which
are leaves. A row is a loss, a peer and a size:

value     the loss of one batch. By their definitions theirs is `factor` times ours; `agree` if it is, to 1e-4.
gap       |g - g'/factor| / |g| of the gradients of u and v, projected onto the tangents of the sphere: most peers
          normalise once more, which takes out whatever points along an embedding.
ms        median time of forward and backward, ours and theirs in turns. The inputs of a turn are new and made
          off the clock; the first turn of each is a warm-up that does not count.
MiB       the most memory that forward and backward hold on top of their inputs, tensors saved for the backward
          pass, temporaries and gradients included. On a CPU every allocation of PyTorch's is counted, by its
          profiler, so the number is exact and the same in each run; on a GPU it is the allocator's own peak.

Each row has a process of its own that may take `--limit` GiB; a side that wants more is "out of memory".
"""

import argparse
import json
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile

from benchmarks.peer_cases import CASES, MODULES, PEERS, QUEUE, Batch, Case, Step
from benchmarks.record import RESULTS, write_rows

PATIENCE = 60.0
"""Seconds after which slow implementations need not take another turn, however few they had."""
OUT_OF_MEMORY = "out of memory"
Row = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """What one implementation makes of a batch."""

    value: float
    slope: Tensor
    """The gradients of u and v, tangent to the sphere."""
    mib: float


def make_batch(size: int, dim: int, queue: Tensor) -> Batch:
    """Random unit rows; the views of a pair have a cosine of 0.7, any others of 0."""
    u, v = torch.randn(2, size, dim, device=queue.device)
    labels = torch.randint(max(size // 8, 2), (size,), device=queue.device)
    return Batch(normalize(u, dim=-1), normalize(u + v, dim=-1), labels, torch.rand_like(u[:, 0]), queue)


def with_leaves(batch: Batch) -> Batch:
    """The same, u and v as leaves of its own."""
    return replace(batch, u=batch.u.clone().requires_grad_(), v=batch.v.clone().requires_grad_())


def attempt(step: Step, batch: Batch) -> Side | None:
    """One side of a row, without the clock; None where memory does not suffice."""
    try:
        first, second = with_leaves(batch), with_leaves(batch)
        value = step(first)
        value.backward()
        mib = peak_mib(lambda: step(second).backward(), batch.u.device)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
            return None
        raise
    slopes = [torch.zeros_like(x) if x.grad is None else x.grad for x in (first.u, first.v)]
    tangent = [g - (g * x).sum(-1, keepdim=True) * x for g, x in zip(slopes, (batch.u, batch.v), strict=True)]
    return Side(value.item(), torch.stack(tangent), mib)


def peak_mib(work: Callable[[], None], device: torch.device) -> float:
    """The most memory that the work holds, above what was held before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler speaks on stderr; read at its first use
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    with tempfile.TemporaryDirectory() as folder:
        profiler.export_chrome_trace(f"{folder}/trace.json")
        events = json.loads(Path(folder, "trace.json").read_text())["traceEvents"]
    changes = [event["args"] for event in events if event["name"] == "[memory]"]
    first = min(changes, key=lambda change: change["Ev Idx"])
    before = first["Total Allocated"] - first["Bytes"]
    return (max(change["Total Allocated"] for change in changes) - before) / 2**20


def in_turns(steps: Sequence[Step], make: Callable[[], Batch], repeats: int, seconds: float) -> list[float]:
    """Median milliseconds of each step, in at least so many rounds and seconds."""
    times: list[list[float]] = [[] for _ in steps]
    begin = perf_counter()
    while len(times[0]) < repeats or perf_counter() - begin < seconds:
        fresh = make()
        order = list(zip(steps, times, strict=True))
        for step, mine in order[:: 1 if len(times[0]) % 2 else -1]:  # who is first finds colder caches
            mine.append(milliseconds(step, with_leaves(fresh)))
        if perf_counter() - begin > PATIENCE:
            break
    return [median(mine) for mine in times]


def milliseconds(step: Step, batch: Batch) -> float:
    """One forward and backward."""
    synchronise = torch.cuda.synchronize if batch.u.is_cuda else lambda: None
    synchronise()
    begin = perf_counter()
    step(batch).backward()
    synchronise()
    return (perf_counter() - begin) * 1e3


def measure(case: Case, size: int, *, dim: int, repeats: int, seconds: float, device: str = "cpu") -> Row:
    """A row, measured in this process."""
    torch.manual_seed(0)
    queue = normalize(torch.randn(QUEUE, dim, device=device), dim=-1)
    batch = make_batch(size, dim, queue)
    steps = {"ours": case.ours, "theirs": case.theirs()}
    sides = {name: attempt(step, batch) for name, step in steps.items()}
    fitting = [name for name, side in sides.items() if side is not None]
    ms = in_turns([steps[name] for name in fitting], lambda: make_batch(size, dim, queue), repeats, seconds)
    times = dict(zip(fitting, ms, strict=True))
    return {"loss": case.loss, "peer": case.peer, "size": size, "dim": dim, **compare(case, sides, times)}


def compare(case: Case, sides: dict[str, Side | None], times: dict[str, float]) -> Row:
    """The columns that hold results."""
    us, them = sides["ours"], sides["theirs"]
    row: Row = {
        "ours": us and f"{us.value:.6g}",
        "theirs": them and f"{them.value:.6g}",
        "factor": case.factor,
        "agree": None,
        "gap": None,
        **{f"{name}_ms": f"{times[name]:.4g}" if name in times else OUT_OF_MEMORY for name in sides},
        "ratio": None,
        **{f"{name}_mib": f"{side.mib:.1f}" if side else OUT_OF_MEMORY for name, side in sides.items()},
        "note": case.note,
    }
    if us and them:
        row["agree"] = math.isclose(us.value * case.factor, them.value, rel_tol=1e-4)
        row["gap"] = f"{(us.slope - them.slope / case.factor).norm() / us.slope.norm():.0e}"
        row["ratio"] = f"{times['ours'] / times['theirs']:.3g}"
    return row


def measure_apart(number: int, size: int, *, threads: int, limit: float, **settings: Any) -> Row:
    """A row of `CASES[number]`, in a process made for it."""
    torch.set_num_threads(threads)
    for package in PEERS.values():
        warnings.filterwarnings("ignore", module=package)
    if settings["device"] == "cpu":
        limit_memory(limit)
    return measure(CASES[number], size, **settings)


def limit_memory(gib: float) -> None:
    """Let further allocations fail, once they add up to this, where the system can (Linux)."""
    used = Path("/proc/self/statm")
    if used.exists():
        import resource  # which not every system has

        pages = int(used.read_text().split()[0])
        most = pages * resource.getpagesize() + int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def rows(numbers: Sequence[int], sizes: Sequence[int], **settings: Any) -> Iterator[Row]:
    """Row by row; a server that has imported the peers already forks the processes."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.peer_cases", *MODULES])
    for number in numbers:
        for size in sizes:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                yield pool.submit(measure_apart, number, size, **settings).result()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(dict.fromkeys(case.loss for case in CASES))
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024, 4096], help="pairs in a batch")
    parser.add_argument("--dim", type=int, default=256, help="of an embedding")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--repeats", type=int, default=5, help="rounds at least")
    parser.add_argument("--seconds", type=float, default=2.0, help="at least, for all rounds of a row")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch, on a CPU")
    parser.add_argument("--limit", type=float, default=16.0, help="GiB that a row may take, on a CPU")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="benchmarks/results/peers_DEVICE.csv if left out")
    options = parser.parse_args(arguments)
    options.out = options.out or RESULTS / f"peers_{options.device}.csv"
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line for each row as it comes, and keep them all."""
    options = vars(parse(arguments))
    out, sizes, only = options.pop("out"), options.pop("sizes"), options.pop("only")
    numbers = [n for n, case in enumerate(CASES) if only is None or case.loss in only]
    missing = sorted({CASES[n].peer for n in numbers if find_spec(PEERS[CASES[n].peer]) is None})
    if missing:
        raise SystemExit(
            f"error: the peers must be installed, and {', '.join(missing)} is not; "
            f"they are an optional dependency: pip install --editable '.[peers]'"
        )
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(
            f"others are at work here (load {busy:.1f} on {os.cpu_count()} cores): times, and their ratios, mislead"
        )
    done: list[Row] = []
    try:
        for row in rows(numbers, sizes, **options):
            if not done:
                print(line({name: name for name in row}))
            print(line(row), flush=True)
            done.append(row)
    except BrokenProcessPool:
        print(
            "error: the system ended a process, most likely for its memory; lower --limit, or leave out that size"
        )
    finally:
        if done:
            write_rows(out, done)
            print(worst(done))


def line(row: Row) -> str:
    """For reading; the notes are in the file."""
    narrow = {"size": 5, "dim": 4, "factor": 6, "agree": 5, "gap": 6, "ratio": 7, "loss": 14, "peer": 24}
    cells = {name: "" if cell is None else str(cell) for name, cell in row.items() if name != "note"}
    return " ".join(f"{cell:>{narrow.get(name, 13)}}" for name, cell in cells.items())


def worst(done: Sequence[Row]) -> str:
    """Where we are slowest beside a peer."""
    both = [row for row in done if row["ratio"] is not None]
    if not both:
        return "worst ratio: none, for no row has a time of both"
    row = max(both, key=lambda row: float(row["ratio"]))
    return f"worst ratio: {row['ratio']}, {row['loss']} against {row['peer']} at {row['size']} pairs"


if __name__ == "__main__":
    main()
