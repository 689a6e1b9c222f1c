"""What an update costs, and what of it is planning."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import NamedTuple

import torch
from typing_extensions import override

from batching import Embed, Plan, Seed, Wrapped


class Cost(NamedTuple):
    """Seconds of an update of one replicate, of many that are trained side by side."""

    planning: float
    """Selection, with the embeddings that it asks for."""
    stepping: float
    """Everything else: gradient, parameters, bookkeeping; not the measuring of gaps."""
    side_by_side: int
    """Replicates that share what a machine does once for all of them."""

    @property
    def update(self) -> float:
        """All of it."""
        return self.planning + self.stepping


def clock_of(device: torch.device | None) -> Callable[[], float]:
    """A clock that sees the work of this process alone.

    On a CPU processor seconds, of all threads: others who are at work there do not count. On a GPU wall seconds,
    the work that was sent there awaited.
    """
    if device is None or device.type == "cpu":
        return process_time

    def awaited() -> float:
        torch.cuda.synchronize(device)
        return perf_counter()

    return awaited


@dataclass(frozen=True)
class Timed(Wrapped):
    """Another rule's plans, and how long they took."""

    clock: Callable[[], float]
    spent: list[float] = field(default_factory=list[float])
    """Seconds of each plan, of all replicates together."""

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        begin = self.clock()
        plan = self.rule.plan(n_pairs, batch_size, seed=seed, epoch=epoch, embed=embed)
        self.spent.append(self.clock() - begin)
        return plan
