"""Do fewer than all batches suffice? The smallest 2-design known for N and B, and what is known of smaller ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from theory.designs.blocks import BlockDesign, known_designs
from theory.designs.conditions import fewest_batches, why_not_resolvable
from theory.designs.nets import Batches, Schedule
from theory.designs.resolvable import balanced_schedules

_NEAR = 64
"""How far away sizes are looked at for the nearest that has a design."""


@dataclass(frozen=True, eq=False)
class Sufficient:
    """The smallest known set of B-batches whose mean has the full batch's minimisers (pair-design theorem).

    Attributes:
        n_points: N.
        batch_size: B.
        n_batches: how many.
        meetings: how often every pair meets, lambda.
        name: the construction.
        resolvable: whether it falls into epochs that use every point once.
        at_least: no 2-design of N and B has fewer batches.
        because: what excludes fewer.
        nearest: the nearest sizes with a smaller one, where only all C(N, B) batches are known; else empty.
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
        known = (
            f"{self.n_batches} batches of {self.batch_size} suffice for N = {self.n_points}: {self.name}, a {kind}"
        )
        end = "no 2-design has fewer" if self.is_smallest else f"no 2-design has fewer than {self.at_least}"
        return f"{known} (lambda = {self.meetings}); {end} ({self.because})" + (
            f". {self.nearest}" if self.nearest else ""
        )


@dataclass(frozen=True, eq=False)
class Resolvable:
    """Whether a resolvable 2-(N, B, lambda) design exists.

    Attributes:
        status: `known` (built here), `exists` (by a theorem; not built here), `impossible`, or `not known`.
        reason: the construction, the theorem, or what is missing.
        nearest: the nearest sizes with one that can be built here; empty if these can.
        schedule: its classes, where it is known.
    """

    n_points: int
    batch_size: int
    meetings: int
    status: Literal["known", "exists", "impossible", "not known"]
    reason: str
    nearest: str
    schedule: Schedule | None


def sufficient(n: int, batch_size: int) -> Sufficient:
    """The smallest known 2-design of N points in batches of B, among all constructions here.

    >>> str(sufficient(7, 3))[:47]
    '7 batches of 3 suffice for N = 7: hyperplanes o'

    Raises:
        ValueError: if batch_size does not lie between 2 and n.

    Cost: no batch is made; the search for base blocks takes milliseconds.
    """
    _check(n, batch_size)
    best, bound = known_designs(n, batch_size)[0], fewest_batches(n, batch_size)
    nearest = ""
    if best.n_batches > bound.n_batches and best.name.startswith("all "):
        fewer = lambda N, B: B <= N and not known_designs(N, B)[0].name.startswith("all ")  # noqa: E731
        nearest = _nearest(n, batch_size, fewer, "Fewer than all batches are known to suffice for")
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
        batches, B | N).
    """
    _check(n, batch_size)
    if meetings < 1:
        raise ValueError(f"meetings must be at least 1, received {meetings}; a pair that never meets is no design")
    B = batch_size
    if found := _built(n, B, meetings):
        return Resolvable(n, B, meetings, "known", found.name, "", found)
    built = lambda N, size: _built(N, size, meetings) is not None  # noqa: E731
    lead = f"Known for lambda = {meetings}:"
    nearest = _nearest(n, B, built, lead)
    if reason := why_not_resolvable(n, B, meetings):
        return Resolvable(n, B, meetings, "impossible", reason, nearest, None)
    theorem = {(3, 1): "Ray-Chaudhuri and Wilson, 1971", (4, 1): "Hanani, Ray-Chaudhuri and Wilson, 1972"}
    if source := theorem.get((B, meetings)):
        return Resolvable(n, B, meetings, "exists", f"one exists ({source})", nearest, None)
    reason = "no condition here excludes it, and no construction here gives it"
    return Resolvable(n, B, meetings, "not known", reason, nearest, None)


def _built(n: int, B: int, meetings: int) -> Schedule | None:
    if n % B:
        return None
    known = balanced_schedules(n, B)
    return next((some for some in known if not some.left_out and some.meetings == meetings), None)


def _nearest(n: int, B: int, has: Callable[[int, int], bool], lead: str) -> str:
    """The nearest N' with this B, above and below, and the nearest B' with this N."""
    steps = range(1, max(_NEAR, B * B))
    up = next((n + i for i in steps if has(n + i, B)), None)
    down = next((n - i for i in steps if n - i > B and has(n - i, B)), None)
    size = next((b for i in steps for b in (B - i, B + i) if 2 <= b < n and has(n, b)), None)
    sizes = [f"N = {N}" for N in (down, up) if N]
    parts = [f"{' and '.join(sizes)} with B = {B}"] if sizes else []
    parts += [f"B = {size} with N = {n}"] if size else []
    return f"{lead} {'; '.join(parts)}" if parts else ""


def _check(n: int, batch_size: int) -> None:
    if not 2 <= batch_size <= n:
        raise ValueError(f"batch_size must lie between 2 and the number of points, {n}, received {batch_size}")
