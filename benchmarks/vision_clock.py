"""The clock of the vision benchmark: wall time of a step, and processor time of all processes that work on it."""

import os
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from time import perf_counter, process_time
from typing import Protocol

import torch


@dataclass(frozen=True)
class Timing:
    """Steps that were taken with the clock running."""

    steps: int
    seconds: float
    cpu_seconds: float
    """Of this process and its workers."""


class Trainer(Protocol):
    """Something that takes training steps."""

    def take(self, steps: int) -> Timing:
        """So many on the clock, or a few more, after some that do not count."""
        ...


class Clock:
    """Starts when it is made.

    Args:
        device: Waited for whenever the clock is read.
    """

    def __init__(self, device: torch.device) -> None:
        """Start."""
        self.device = device
        self.begin = self._read()

    def stop(self, steps: int) -> Timing:
        """The time since the start, in which so many steps were taken."""
        wall, cpu = (now - then for now, then in zip(self._read(), self.begin, strict=True))
        return Timing(steps, wall, cpu)

    def _read(self) -> tuple[float, float]:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter(), process_time() + sum(_cpu_seconds(child.pid) for child in active_children())


def _cpu_seconds(pid: int | None) -> float:
    """Of another process, where the system tells (Linux)."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
