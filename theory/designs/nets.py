"""Schedules of parallel classes, and those that finite fields give: nets, affine planes and spaces, hyperplanes.

Names as in `theory.designs`.

References:
    Bose, 1938, "On the application of the properties of Galois fields to the problem of construction of
    hyper-Graeco-Latin squares", Sankhya 3. MacNeish, 1922, "Euler squares", Ann. Math. 23. Beth, Jungnickel, Lenz,
    1999, "Design theory", Ch. I.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int

from theory.designs.differences import differences
from theory.galois import GaloisField

Status = Literal["2-design", "no pair twice", "as few repeats as found"]
Batches = Int[np.ndarray, "n_batches batch"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Parallel classes, made one at a time.

    Attributes:
        n_points: N; the points are numbered 0 .. N - 1.
        batch_size: B.
        n_batches: batches in a class.
        n_classes: classes in a cycle.
        status: `2-design` (every pair of the points used meets equally often), `no pair twice` (at most once) or
            `as few repeats as found`.
        name: the construction.
        make: the batches of a class, given its number.
        in_turn: whether every class leaves out another point (`left_out` = 1), each as often as any other.
    """

    n_points: int
    batch_size: int
    n_batches: int
    n_classes: int
    status: Status
    name: str
    make: Callable[[int], Batches]
    in_turn: bool = False

    @property
    def left_out(self) -> int:
        """Points that a class leaves out: the last ones, or another one each time where they take turns."""
        return self.n_points - self.n_batches * self.batch_size

    @property
    def n_used(self) -> int:
        """Points that occur in a cycle: all but the last ones where these are left out."""
        return self.n_points if self.in_turn else self.n_batches * self.batch_size

    @property
    def meetings(self) -> float:
        """How often a pair of the points used meets in a cycle, on average; lambda of a 2-design."""
        pairs = self.n_classes * self.n_batches * self.batch_size * (self.batch_size - 1)
        return pairs / max(1, self.n_used * (self.n_used - 1))

    def parallel_class(self, number: int) -> Batches:
        """The batches of class `number`: no point occurs twice.

        Raises:
            ValueError: if there is no such class.
        """
        if not 0 <= number < self.n_classes:
            raise ValueError(
                f"class must lie between 0 and {self.n_classes - 1}, received {number}; take it modulo"
            )
        return self.make(number)

    def classes(self) -> Int[np.ndarray, "n_classes n_batches batch"]:
        """All classes of a cycle, n_classes times the size of one."""
        return np.stack([self.make(number) for number in range(self.n_classes)])


def affine_plane(q: int) -> Int[np.ndarray, "classes {q} {q}"]:
    """The q^2 + q lines of the affine plane AG(2, q), as q + 1 parallel classes: a 2-design with lambda = 1.

    Point (x, y) has the number x q + y. Class s < q has the lines y = s x + b, class q the lines x = const.

    Raises:
        ValueError: if q is no prime power.
    """
    GaloisField(q)
    return net(q, q).classes()


def affine_lines(m: int, q: int) -> Schedule:
    """All lines of AG(m, q): N = q^m, B = q, (q^m - 1) / (q - 1) parallel classes, a 2-design with lambda = 1.

    The first q^(m - 1) classes are lines that meet each of q parallel hyperplanes, `rows`, in one point: a `net`
    over the field of q^(m - 1) elements. Those inside the hyperplanes follow, in parallel.

    Raises:
        ValueError: if q is no prime power or m < 1.
    """
    if m < 1:
        raise ValueError(f"an affine space needs at least m = 1 dimensions, received {m}")
    GaloisField(q)
    return replace(net(q, q ** (m - 1)), name=f"lines of AG({m}, {q})")


def net(batch_size: int, n_batches: int) -> Schedule:
    """Parallel classes of B m points in which no pair meets twice, as many as this construction gives.

    Point (r, c), in row r < B and column c < m, has the number r m + c. Class s has the batches
    {(r, b + f_s(r)) : r} for b < m, f_s the shifts of `theory.designs.differences`; a pair of two rows meets at
    most once, and exactly once if there are m classes (B <= the smallest prime power of m suffices). Pairs of one
    row do not meet there. If B divides m, nets inside all rows follow, in parallel; with m = B^(k-1), B a prime
    power, they complete a 2-design, the lines of AG(k, B).

    Raises:
        ValueError: if a size is out of range.
    """
    if batch_size < 2 or n_batches < 1:
        raise ValueError(
            f"a net needs a batch_size of at least 2 and at least 1 batch, received {batch_size} and {n_batches}"
        )
    B, m = batch_size, n_batches
    across = differences(m, B)
    inside = net(B, m // B) if m % B == 0 else None

    def make(number: int) -> Batches:
        rows = np.arange(B) * m
        if inside is None or number < across.classes:
            return rows + across.add(np.arange(m)[:, None], across.shift(number)[None, :])
        return (rows[:, None, None] + inside.parallel_class(number - across.classes)).reshape(m, B)

    n_classes = across.classes + (inside.n_classes if inside else 0)
    status = "2-design" if n_classes * (B - 1) == B * m - 1 else "no pair twice"
    return Schedule(B * m, B, m, n_classes, status, "net", make)


def hyperplanes(q: int, k: int) -> Schedule:
    """The hyperplanes of AG(k, q): N = q^k, B = q^(k-1), a 2-design with lambda = (q^(k-1) - 1) / (q - 1).

    Class s, a point of projective space, has the batches {x : s.x = b}. For q = 2 they are those of the
    Sylvester-Hadamard matrix.

    Raises:
        ValueError: if q is no prime power or k < 2.
    """
    if k < 2:
        raise ValueError(f"hyperplanes need k >= 2 dimensions, received {k}; points do not meet in fewer")
    field = GaloisField(q)
    points = np.arange(q**k)[:, None] // q ** np.arange(k) % q

    def make(number: int) -> Batches:
        lead, rest = 0, number  # coordinate `lead` is 1, those before it 0, those after it the digits of `rest`
        while rest >= q ** (k - 1 - lead):
            lead, rest = lead + 1, rest - q ** (k - 1 - lead)
        label = points[:, lead]
        for i in range(lead + 1, k):
            label = field.add(label, field.multiply(rest // q ** (i - lead - 1) % q, points[:, i]))
        return label.argsort(kind="stable").reshape(q, -1)

    return Schedule(q**k, q ** (k - 1), q, (q**k - 1) // (q - 1), "2-design", "hyperplanes", make)
