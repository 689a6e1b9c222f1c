"""Do fewer than all batches suffice? The smallest 2-design built here, and bounds for smaller ones."""

from dataclasses import dataclass
from typing import Literal

from theory.designs.block_design import BlockDesign, count
from theory.designs.blocks import known_designs
from theory.designs.conditions import fewest_batches, why_not_resolvable
from theory.designs.nearest import nearest_classes, nearest_design
from theory.designs.nets import Batches, Schedule
from theory.designs.resolvable import balanced_schedules

_OPEN = (45, 345, 465, 645)
"""Sizes left open by Abel, Ge, Greig and Zhu for B = 5."""


@dataclass(frozen=True, eq=False)
class Sufficient:
    """The smallest set built here of B-batches whose mean has the full batch's minimisers (pair-design theorem).

    Attributes:
        n_points: N.
        batch_size: B.
        n_batches: how many.
        meetings: how often every pair meets, lambda.
        name: the construction.
        resolvable: whether it falls into epochs that use every point once.
        at_least: no 2-design of N and B has fewer batches.
        because: what excludes fewer.
        nearest: where only all C(N, B) batches are built here, the nearest sizes with fewer, and how far was
            looked; else empty.
        design: how to build it: `design.batches()`, or epoch by epoch with `design.schedule`.
    """

    n_points: int
    batch_size: int
    n_batches: int
    meetings: int
    name: str
    resolvable: bool
    at_least: int
    because: str
    nearest: str
    design: BlockDesign

    @property
    def is_smallest(self) -> bool:
        """Whether no 2-design of these sizes has fewer batches, proved."""
        return self.n_batches == self.at_least

    def batches(self) -> Batches:
        """All batches; see `BlockDesign.batches`."""
        return self.design.batches()

    def __str__(self) -> str:
        """The answer in a sentence or two."""
        kind = "resolvable 2-design" if self.resolvable else "2-design"
        sizes = f"{count(self.n_batches)} batches of {self.batch_size} suffice for N = {self.n_points}"
        known = f"{sizes}: {self.name}, a {kind}"
        end = (
            "no 2-design has fewer"
            if self.is_smallest
            else f"the fewest built here; no 2-design has fewer than {count(self.at_least)}"
        )
        return f"{known} (lambda = {count(self.meetings)}); {end} ({self.because})" + (
            f". {self.nearest}" if self.nearest else ""
        )


@dataclass(frozen=True, eq=False)
class Resolvable:
    """Whether a resolvable 2-(N, B, lambda) design exists.

    Attributes:
        status: `known` (built here), `exists` (by a theorem; not built here), `impossible`, or `not known here`.
        reason: the construction, the theorem, or what is missing.
        nearest: the nearest sizes with one that can be built here; empty if these can.
        schedule: its classes, where it is known.
    """

    n_points: int
    batch_size: int
    meetings: int
    status: Literal["known", "exists", "impossible", "not known here"]
    reason: str
    nearest: str
    schedule: Schedule | None


def sufficient(n: int, batch_size: int) -> Sufficient:
    """The smallest 2-design of N points in batches of B that is built here.

    The literature may have smaller ones, where `is_smallest` is False: `at_least` is what is proved.

    >>> str(sufficient(7, 3))[:47]
    '7 batches of 3 suffice for N = 7: hyperplanes o'

    Raises:
        ValueError: if batch_size does not lie between 2 and n.

    Cost: no batch is made; the search for base blocks takes milliseconds.
    """
    _check(n, batch_size)
    known, bound = known_designs(n, batch_size), fewest_batches(n, batch_size)
    best, all_of_them = known[0], known[-1].n_batches
    nearest = nearest_design(n, batch_size) if bound.n_batches < best.n_batches == all_of_them else ""
    return Sufficient(
        n,
        batch_size,
        best.n_batches,
        best.meetings,
        best.name,
        best.resolvable,
        bound.n_batches,
        bound.because,
        nearest,
        best,
    )


def resolvable(n: int, batch_size: int, meetings: int = 1) -> Resolvable:
    """Whether N points can meet lambda times each in epochs of disjoint B-batches that use all of them.

    Raises:
        ValueError: if a size is out of range.

    References:
        The conditions: `theory.designs.conditions`. Existence for all N: Ray-Chaudhuri and Wilson, 1971 (B = 3,
        lambda = 1); Hanani, Ray-Chaudhuri and Wilson, 1972 (B = 4, lambda = 1). Baranyai, 1975 (all C(N, B)
        batches, B | N). Reported: Abel, Ge, Greig, Zhu, 2001, "Resolvable balanced incomplete block designs with
        block size 5", J. Statist. Plann. Inference 95.
    """
    _check(n, batch_size)
    if meetings < 1:
        raise ValueError(f"meetings must be at least 1, received {meetings}; a pair that never meets is no design")
    B = batch_size
    if found := _built(n, B, meetings):
        return Resolvable(n, B, meetings, "known", found.name, "", found)
    nearest = nearest_classes(n, B, meetings)
    if reason := why_not_resolvable(n, B, meetings):
        return Resolvable(n, B, meetings, "impossible", reason, nearest, None)
    theorem = {(3, 1): "Ray-Chaudhuri and Wilson, 1971", (4, 1): "Hanani, Ray-Chaudhuri and Wilson, 1972"}
    if source := theorem.get((B, meetings)):
        return Resolvable(n, B, meetings, "exists", f"one exists ({source})", nearest, None)
    if (B, meetings) == (5, 1) and n not in _OPEN:
        reason = "reported for N = 5 modulo 20 but 45, 345, 465, 645 (Abel, Ge, Greig, Zhu, 2001); not built here"
        return Resolvable(n, B, meetings, "not known here", reason, nearest, None)
    reason = "no condition here excludes it, and no construction here gives it; the literature may"
    return Resolvable(n, B, meetings, "not known here", reason, nearest, None)


def _built(n: int, B: int, meetings: int) -> Schedule | None:
    if n % B:
        return None
    known = balanced_schedules(n, B)
    return next((some for some in known if not some.left_out and some.meetings == meetings), None)


def _check(n: int, batch_size: int) -> None:
    if not 2 <= batch_size <= n:
        raise ValueError(f"batch_size must lie between 2 and the number of points, {n}, received {batch_size}")
