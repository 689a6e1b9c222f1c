"""A rule's batches for one epoch of a file of pairs, and what they are like and cost."""

import re
import resource
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from tqdm import trange

from batching.combinations import Combinations
from batching.files import PairFile
from batching.plan import Embed, Plan, Selection
from batching.report import coverage, hardness, purity
from batching.rules.oblivious import All
from batching.rules.osgd import OrderedSGD

MOST_LISTED = 100_000
"""Batches of "all" that are written down."""
_LARGEST = 2**15
"""Pairs in a batch beyond which its loss takes too long to be worth knowing."""
_ROWS_AT_ONCE = 2**16
_COUNTS = ("conflicts", "fallbacks", "swaps", "filled")
"""Counts in `Plan.info`; they add up over plans."""


@dataclass(frozen=True)
class Measured:
    """The batches that a method made, and the row of the table that they are worth."""

    batches: Int[Tensor, "n_batches batch"]
    remainder: Int[Tensor, " left"]
    info: Mapping[str, Any]
    """`Plan.info`; seconds and peak_mib of planning; hardness in nats, purity and coverage as in `planned`."""
    notes: tuple[str, ...]
    """What planning warned of."""


def measured(
    rule: Selection,
    pairs: PairFile,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    temperature: float,
    before: float,
) -> Measured:
    """Plan, and say what came out.

    Args:
        rule: Sizes are checked already, see `check_fits`.
        pairs: What is planned, by these embeddings.
        batch_size: Pairs in a batch.
        seed: Of all that is random.
        epoch: Number of the plan, or of the epoch where a plan is less than one.
        temperature: Of the loss that hardness is.
        before: Hardness of random batches.

    Raises:
        ValueError: If there are no batches.
    """
    with warnings.catch_warnings(record=True) as caught, PeakMemory(pairs.device) as memory, torch.no_grad():
        warnings.simplefilter("always", UserWarning)
        start = time.perf_counter()
        plan = _epoch(rule, pairs, batch_size, seed, epoch, pairs.embed)
        if pairs.device.type == "cuda":
            torch.cuda.synchronize(pairs.device)
        seconds = time.perf_counter() - start
    batches = plan.batches.rows() if isinstance(plan.batches, Combinations) else plan.batches.cpu()
    info: dict[str, Any] = {**plan.info, "kind": plan.kind, "reduction": plan.reduction}
    info |= {"seconds": seconds, "peak_mib": memory.mib, "coverage": coverage(batches, pairs.n_pairs)}
    if batches.shape[-1] <= _LARGEST:
        now = hardness_in(pairs, batches, temperature)
        info |= {"hardness_before": before if batches.shape[-1] == batch_size else now, "hardness": now}
    if pairs.label is not None:
        info["purity"] = purity(batches, pairs.label)
    return Measured(batches, plan.remainder.cpu(), info, _notes([str(warning.message) for warning in caught]))


def check_fits(rule: Selection, n_pairs: int, batch_size: int) -> None:
    """Refuse what has no batches that can be written down.

    Raises:
        ValueError: With requirement, received values and a remedy.
    """
    rule.check(n_pairs, batch_size)
    if isinstance(rule, All):
        count = len(Combinations(n_pairs, batch_size))
        if count > MOST_LISTED:
            raise ValueError(
                f"a file lists at most {MOST_LISTED:,} batches, got C({n_pairs}, {batch_size}) = {count:,}; take "
                "'random', whose expectation is the same"
            )


def hardness_in(pairs: PairFile, batches: Int[Tensor, "k batch"], temperature: float) -> float:
    """`batching.hardness` of batches whose rows are read a few at a time."""
    total = 0.0
    for part in batches.split(max(1, _ROWS_AT_ONCE // batches.shape[1])):
        local = torch.arange(part.numel()).view_as(part)
        total += len(part) * hardness(pairs.embed(part.flatten()), local, temperature)
    return total / len(batches)


def _epoch(rule: Selection, pairs: PairFile, batch_size: int, seed: int, epoch: int, embed: Embed) -> Plan:
    """The plan with this number; or, where plans are shorter, those of this epoch, the last one cut.

    They are numbered as by `PlannedBatchSampler`: k plans an epoch, epoch e has e k, .. e k + k - 1.
    """
    size = pairs.n_pairs, batch_size
    first = rule.plan(*size, seed=seed, epoch=epoch, embed=embed)
    if not first.n_batches:
        raise ValueError(f"there are no batches of {batch_size} in a plan for {pairs.n_pairs} pairs; lower either")
    wanted = rule.updates_per_epoch(*size)
    if isinstance(rule, OrderedSGD) and rule.candidates is None:
        wanted = first.n_batches  # all of its plans are the same while the embeddings are
    if isinstance(first.batches, Combinations) or first.reduction != "step" or first.n_batches >= wanted:
        return first
    k = -(-wanted // first.n_batches)
    plans = [first if epoch == 0 else rule.plan(*size, seed=seed, epoch=epoch * k, embed=embed)]
    for i in trange(1, k, disable=None, leave=False, desc="plans"):
        plans.append(rule.plan(*size, seed=seed, epoch=epoch * k + i, embed=embed))
    batches = torch.cat([plan.batches for plan in plans if isinstance(plan.batches, Tensor)])[:wanted]
    counts = {name: sum(float(plan.info[name]) for plan in plans) for name in _COUNTS if name in first.info}
    return Plan(batches, first.remainder[:0], "subset", info={**first.info, **counts, "plans": k})


def _notes(messages: Sequence[str]) -> tuple[str, ...]:
    """Messages that differ in their numbers alone, one for each plan, as one."""
    alike: dict[str, list[str]] = {}
    for message in messages:
        alike.setdefault(re.sub(r"\d+", "", message), []).append(message)
    return tuple(
        first + (f" (the first of {1 + len(others)} such warnings)" if others else "")
        for first, *others in alike.values()
    )


class PeakMemory:
    """Most memory that was in use in a block beyond what was in use before: `with PeakMemory(device) as memory`.

    On a GPU what torch has allocated there. On a CPU what the process had in memory; on Linux its high-water mark
    is set back first, elsewhere a block that stays below an earlier peak counts as 0.

    Args:
        device: Where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        """See the class."""
        self._device = device
        self.mib = 0.0

    def __enter__(self) -> "PeakMemory":
        """Start to measure."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _set_back()
        self._before = self._peak()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Measure."""
        self.mib = (self._peak() - self._before) / 2**20

    def _peak(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        status = Path("/proc/self/status")
        if status.exists():
            lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
            if lines:
                return int(lines[0].split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _set_back() -> None:
    """Set the high-water mark of memory to what is in use now, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
