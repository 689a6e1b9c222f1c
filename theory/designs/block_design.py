"""Lists of batches that are 2-designs, and those that come of them: complements, residuals, derived designs.

References:
    Bose, 1939, "On the construction of balanced incomplete block designs", Ann. Eugenics 9 (residual and derived
    designs). Beth, Jungnickel, Lenz, 1999, "Design theory", Ch. II.8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log10

import numpy as np

from theory.designs.nets import Batches, Schedule

_LISTED = 2**27
"""Numbers that a list of batches may have: 1 GiB."""


@dataclass(frozen=True, eq=False)
class BlockDesign:
    """Batches of B of N points in which every pair meets equally often.

    Attributes:
        n_points: N.
        batch_size: B.
        n_batches: how many.
        name: the construction.
        resolvable: whether the batches, in their order, fall into partitions of the points.
        make: lists them.
        schedule: the classes of a resolvable one, and of one whose classes leave out a point in turn.
    """

    n_points: int
    batch_size: int
    n_batches: int
    name: str
    resolvable: bool
    make: Callable[[], Batches]
    schedule: Schedule | None = None

    @property
    def meetings(self) -> int:
        """How often every pair meets: lambda."""
        return self.n_batches * self.batch_size * (self.batch_size - 1) // (self.n_points * (self.n_points - 1))

    def batches(self) -> Batches:
        """All batches.

        Raises:
            ValueError: if they are too many to list.
        """
        if self.n_batches * self.batch_size > _LISTED:
            raise ValueError(
                f"a list of batches must have at most {_LISTED} numbers, received {count(self.n_batches)} batches "
                f"of {self.batch_size}; take the classes of `schedule` one at a time, or a smaller N"
            )
        return self.make()


def complement(design: BlockDesign) -> BlockDesign:
    """What the batches leave out: pairs are missed by b - 2 r + lambda of them."""
    N, B = design.n_points, design.n_points - design.batch_size

    def make() -> Batches:
        left = np.ones((design.n_batches, N), dtype=bool)
        np.put_along_axis(left, design.batches(), values=False, axis=1)
        return np.nonzero(left)[1].reshape(-1, B)

    return BlockDesign(N, B, design.n_batches, f"complement of {design.name}", resolvable=False, make=make)


def residual(design: BlockDesign) -> BlockDesign:
    """Batches of a symmetric 2-(v, k, lambda) design outside the first: 2-(v - k, k - lambda, lambda).

    Any two batches of a symmetric design share lambda points, so that each other batch has k - lambda points
    outside the first; two points outside meet in lambda batches, none of which is the first.
    """
    return _beside(design, inside=False)


def derived(design: BlockDesign) -> BlockDesign:
    """What the batches of a symmetric 2-(v, k, lambda) design share with the first: 2-(k, lambda, lambda - 1)."""
    return _beside(design, inside=True)


def count(value: int) -> str:
    """A whole number of any size as text: above 15 digits as 1.2e345."""
    if value < 10**15:
        return str(value)
    exponent = floor(log10(value))
    lead = f"{10 ** (log10(value) - exponent):.1f}"
    return f"1.0e{exponent + 1}" if lead == "10.0" else f"{lead}e{exponent}"


def _beside(design: BlockDesign, *, inside: bool) -> BlockDesign:
    v, k, shared = design.n_points, design.batch_size, design.meetings
    N, B = (k, shared) if inside else (v - k, k - shared)

    def make() -> Batches:
        first, *others = design.batches()
        points = np.zeros(v, dtype=bool)
        points[first] = True
        points, rest = points == inside, np.stack(others)
        number = np.cumsum(points) - 1
        return number[rest[points[rest]]].reshape(-1, B)

    name = f"{'derived' if inside else 'residual'} of {design.name}"
    return BlockDesign(N, B, v - 1, name, resolvable=False, make=make)
