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
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile

from benchmarks.record import RESULTS, write_rows
from losses.decorrelation import barlow_twins, vicreg
from losses.decoupled import dcl, dclw
from losses.infonce import clip, info_nce, moco, n_pair, nt_xent
from losses.kernel import align_uniform
from losses.margin import triplet
from losses.ranking import angle, cosent
from losses.sigmoid import siglip
from losses.supervised import supcon

PEERS = {
    "lightly": "lightly",
    "open_clip": "open_clip",
    "pytorch-metric-learning": "pytorch_metric_learning",
    "sentence-transformers": "sentence_transformers",
}
"""What they are called, and what is imported."""
MODULES = (
    "lightly.loss",
    "open_clip.loss",
    "pytorch_metric_learning.losses",
    "sentence_transformers.sentence_transformer.losses",
)

TAU = 0.1
QUEUE = 16384
PATIENCE = 60.0
"""Seconds after which slow implementations need not take another turn, however few they had."""
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Batch:
    """What a loss may ask for."""

    u: Tensor
    v: Tensor
    labels: Tensor
    """Class of each pair; 8 pairs a class on average."""
    scores: Tensor
    """Graded similarity of each pair."""
    queue: Tensor
    """Unit rows, negatives from outside the batch."""


Step = Callable[[Batch], Tensor]
"""A loss with its settings, ready to be called."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A loss of ours and what is the same in a peer."""

    loss: str
    peer: str
    ours: Step
    theirs: Callable[[], Step]
    """Imports the peer and makes its loss, off the clock."""
    note: str
    """The peer's class, and how it is set to be the same loss."""
    factor: float = 1.0
    """Theirs over ours, by definition."""


@dataclass(frozen=True)
class Side:
    """What one implementation makes of a batch."""

    value: float
    slope: Tensor
    """The gradients of u and v, tangent to the sphere."""
    mib: float


def ours(loss: Callable[..., Tensor], **settings: Any) -> Step:
    """A loss of this package, of two views and nothing else."""
    return lambda batch: loss(batch.u, batch.v, **settings)


def theirs(module: str, name: str, *arguments: Any, **settings: Any) -> Any:
    """An instance of a peer's class."""
    return getattr(import_module(module), name)(*arguments, **settings)


def lightly(module: str, name: str, **settings: Any) -> Callable[[], Step]:
    """Losses of lightly are modules of two views; each normalises them where the loss wants it."""

    def build() -> Step:
        loss = theirs(f"lightly.loss.{module}", name, **settings)
        return lambda batch: loss(batch.u, batch.v)

    return build


def lightly_queue() -> Step:
    """The module has a queue of its own, which is replaced before each call; keys come without a gradient."""
    loss = theirs("lightly.loss.ntx_ent_loss", "NTXentLoss", temperature=TAU, memory_bank_size=(1, 1))
    bank = loss.memory_bank

    def step(batch: Batch) -> Tensor:
        bank.size, bank.bank = tuple(batch.queue.shape), batch.queue
        bank.bank_ptr.zero_()
        return loss(batch.u, batch.v.detach())

    return step


def open_clip(name: str, *scale_and_bias: float) -> Callable[[], Step]:
    """Losses of open_clip take the logit scale, and the bias, with the features."""

    def build() -> Step:
        loss = theirs("open_clip.loss", name)
        return lambda batch: loss(batch.u, batch.v, *scale_and_bias)

    return build


def metric_learning(
    name: str, *, symmetric: bool, reducer: str | None = None, **settings: Any
) -> Callable[[], Step]:
    """Losses of pytorch-metric-learning are of labelled rows; its wrapper makes labels from two views."""

    def build() -> Step:
        if reducer is not None:
            settings["reducer"] = theirs("pytorch_metric_learning.reducers", reducer)
        inner = theirs("pytorch_metric_learning.losses", name, **settings)
        loss = theirs("pytorch_metric_learning.losses", "SelfSupervisedLoss", inner, symmetric=symmetric)
        return lambda batch: loss(batch.u, batch.v)

    return build


def metric_learning_labelled(name: str, *, classes: bool, **settings: Any) -> Callable[[], Step]:
    """The same without the wrapper: both views of a pair carry its class, or its number."""

    def build() -> Step:
        loss = theirs("pytorch_metric_learning.losses", name, **settings)

        def step(batch: Batch) -> Tensor:
            labels = batch.labels if classes else torch.arange(len(batch.u), device=batch.u.device)
            return loss(torch.cat([batch.u, batch.v]), labels.repeat(2))

        return step

    return build


def metric_learning_vicreg() -> Step:
    """The one loss of two views there that the wrapper refuses."""
    loss = theirs("pytorch_metric_learning.losses", "VICRegLoss")
    return lambda batch: loss(batch.u, ref_emb=batch.v)


def sentence_transformers(name: str, *, negatives: bool = False, **settings: Any) -> Callable[[], Step]:
    """Losses of sentence-transformers hold a model, which is not called where embeddings are given."""

    def build() -> Step:
        loss = theirs("sentence_transformers.sentence_transformer.losses", name, nn.Identity(), **settings)

        def step(batch: Batch) -> Tensor:
            columns = [batch.u, batch.v, batch.v.roll(1, 0)] if negatives else [batch.u, batch.v]
            return loss.compute_loss_from_embeddings(columns, batch.scores)

        return step

    return build


_LIGHTLY, _OPEN_CLIP, _PML, _ST = PEERS
_MNRL = "MultipleNegativesRankingLoss"
_BOTH_WAYS = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}

# fmt: off
CASES = (
    Case("info_nce", _ST, ours(info_nce, temperature=TAU),
         sentence_transformers(_MNRL, scale=1 / TAU), f"{_MNRL}, scale 1/tau"),
    Case("info_nce", _PML, ours(info_nce, temperature=TAU),
         metric_learning("NTXentLoss", symmetric=False, temperature=TAU),
         "SelfSupervisedLoss(NTXentLoss, symmetric=False): a matrix of positives x negatives, B^3 numbers"),
    Case("moco", _LIGHTLY, lambda batch: moco(batch.u, batch.v, batch.queue, temperature=TAU),
         lightly_queue, f"NTXentLoss with a memory bank of {QUEUE}"),
    Case("clip", _OPEN_CLIP, ours(clip, temperature=TAU),
         open_clip("ClipLoss", 1 / TAU), "ClipLoss, logit scale 1/tau"),
    Case("clip", _ST, ours(clip, temperature=TAU),
         sentence_transformers(_MNRL, scale=1 / TAU, **_BOTH_WAYS), f"{_MNRL}, both directions, per_direction"),
    Case("nt_xent", _LIGHTLY, ours(nt_xent, temperature=TAU),
         lightly("ntx_ent_loss", "NTXentLoss", temperature=TAU), "NTXentLoss"),
    Case("nt_xent", _PML, ours(nt_xent, temperature=TAU),
         metric_learning("NTXentLoss", symmetric=True, temperature=TAU),
         "SelfSupervisedLoss(NTXentLoss): a matrix of positives x negatives, 8 B^3 numbers"),
    Case("dcl", _LIGHTLY, ours(dcl, temperature=TAU), lightly("dcl_loss", "DCLLoss", temperature=TAU), "DCLLoss"),
    Case("dclw", _LIGHTLY, ours(dclw, temperature=TAU, sigma=0.5),
         lightly("dcl_loss", "DCLWLoss", temperature=TAU, sigma=0.5), "DCLWLoss"),
    Case("supcon", _PML, lambda batch: supcon(batch.u, batch.v, labels=batch.labels, temperature=TAU),
         metric_learning_labelled("SupConLoss", classes=True, temperature=TAU), "SupConLoss on the 2B rows"),
    Case("n_pair", _PML, ours(n_pair),
         metric_learning_labelled("NPairsLoss", classes=False), "NPairsLoss on the 2B rows"),
    Case("siglip", _OPEN_CLIP, ours(siglip, temperature=TAU, bias=-10.0),
         open_clip("SigLipLoss", 1 / TAU, -10.0), "SigLipLoss, logit scale 1/tau"),
    Case("vicreg", _LIGHTLY, ours(vicreg), lightly("vicreg_loss", "VICRegLoss"), "VICRegLoss"),
    Case("vicreg", _PML, ours(vicreg), metric_learning_vicreg, "VICRegLoss, the second view as ref_emb"),
    Case("barlow_twins", _LIGHTLY, ours(barlow_twins, weight=0.0051),
         lightly("barlow_twins_loss", "BarlowTwinsLoss", lambda_param=0.0051), "BarlowTwinsLoss"),
    Case("align_uniform", _LIGHTLY, ours(align_uniform, t=2.0),
         lightly("hypersphere_loss", "HypersphereLoss", t=2.0), "HypersphereLoss"),
    Case("triplet", _PML, ours(triplet, margin=1.0),
         metric_learning("TripletMarginLoss", symmetric=False, reducer="MeanReducer", margin=1.0),
         "SelfSupervisedLoss(TripletMarginLoss, symmetric=False), MeanReducer"),
    Case("triplet", _ST,
         lambda batch: triplet(batch.u, batch.v, negatives=batch.v.roll(1, 0), margin=1.0),
         sentence_transformers("TripletLoss", negatives=True, triplet_margin=1.0),
         "TripletLoss, one given negative an anchor"),
    Case("cosent", _ST, lambda batch: cosent(batch.u, batch.v, batch.scores, temperature=0.05),
         sentence_transformers("CoSENTLoss", scale=20.0), "CoSENTLoss"),
    Case("angle", _ST, lambda batch: angle(batch.u, batch.v, batch.scores, temperature=0.05),
         sentence_transformers("AnglELoss", scale=20.0), "AnglELoss"),
)
# fmt: on


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
        for step, mine in zip(steps, times, strict=True):
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
    context.set_forkserver_preload(["benchmarks.record", *MODULES])
    for number in numbers:
        for size in sizes:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                yield pool.submit(measure_apart, number, size, **settings).result()


def main(arguments: Sequence[str] | None = None) -> None:
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
    parser.add_argument("--out", type=Path, default=RESULTS / "peers.csv")
    options = vars(parser.parse_args(arguments))
    numbers = [n for n, case in enumerate(CASES) if case.loss in (options["only"] or names)]
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
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own chatter
    out = options.pop("out")
    del options["only"]
    done: list[Row] = []
    try:
        for row in rows(numbers, options.pop("sizes"), **options):
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


def line(row: Row) -> str:
    """For reading; the notes are in the file."""
    narrow = {"size": 5, "dim": 4, "factor": 6, "agree": 5, "gap": 6, "ratio": 7, "loss": 14, "peer": 24}
    cells = {name: "" if cell is None else str(cell) for name, cell in row.items() if name != "note"}
    return " ".join(f"{cell:>{narrow.get(name, 13)}}" for name, cell in cells.items())


if __name__ == "__main__":
    main()
