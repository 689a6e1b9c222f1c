"""Difference matrices: slopes for the lines of a net, as many as can be had for a number of rows and columns.

A family of w classes over a group G of m elements gives row r of class s the shift f_s(r) in G, so that for any
two rows and any two classes ``f_s(r) - f_s(r') != f_t(r) - f_t(r')``: two points of different rows, shifted with
their rows, come to lie in one column in at most one class. w <= m, since the differences are distinct.

Building blocks, and what they are worth with B rows:

* `Field`, m a prime power >= B: f_s(r) = s r in the field of m elements, w = m (the affine plane and its parts).
* `Cyclic`, any m: f_s(r) = s r modulo m for s < w, with w the smallest divisor of m for which m / w < B (m if
  there is none). Were (s - t)(r - r') a multiple of m, then m / gcd(m, s - t) would divide r - r' and so be
  smaller than B, with gcd(m, s - t) <= s - t < w a smaller such divisor.
* `SideBySide`, m = m1 m2: classes are pairs of classes, shifts pairs of shifts, w = w1 w2 (MacNeish).
* `Stacked`, m = m1 m2, the same with the parts of rows and classes exchanged: rows are pairs of rows, B <= B1 B2,
  and w = min(w1, w2).

References:
    MacNeish, 1922, "Euler squares", Ann. Math. 23. Bose and Bush, 1952, "Orthogonal arrays of strength two and
    three", Ann. Math. Stat. 23 (difference matrices). Beth, Jungnickel, Lenz, 1999, "Design theory", Ch. VIII.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import isqrt

import numpy as np
from jaxtyping import Int
from typing_extensions import override

from theory.galois import GaloisField, prime_factors, prime_power


@dataclass(frozen=True)
class Differences(ABC):
    """Shifts of rows by elements 0 .. columns - 1 of a group.

    Attributes:
        columns: m, the order of the group.
        rows: B.
    """

    columns: int
    rows: int

    @property
    @abstractmethod
    def classes(self) -> int:
        """The number of classes, w."""

    @abstractmethod
    def shift(self, s: int) -> Int[np.ndarray, " rows"]:
        """f_s(r) for every row r, in class s < classes."""

    @abstractmethod
    def add(self, x: Int[np.ndarray, "*left"], y: Int[np.ndarray, "*right"]) -> Int[np.ndarray, "*shape"]:
        """The sum in the group, elementwise, with broadcasting."""


@dataclass(frozen=True)
class Field(Differences):
    """f_s(r) = s r in the field of `columns` elements: as many classes as columns."""

    @property
    def classes(self) -> int:
        """All m slopes."""
        return self.columns

    @cached_property
    def _field(self) -> GaloisField:
        return GaloisField(self.columns)

    @override
    def shift(self, s: int) -> Int[np.ndarray, " rows"]:
        return self._field.multiply(s, np.arange(self.rows))

    @override
    def add(self, x: Int[np.ndarray, "*left"], y: Int[np.ndarray, "*right"]) -> Int[np.ndarray, "*shape"]:
        return self._field.add(x, y)


@dataclass(frozen=True)
class Cyclic(Differences):
    """f_s(r) = s r modulo `columns`, for as many steps s as no pair meets twice with."""

    @cached_property
    def _classes(self) -> int:
        """The smallest divisor w of m with m / w < B; m if there is none."""
        m = self.columns
        return next((g for g in divisors(m) if m < g * self.rows), m)

    @property
    @override
    def classes(self) -> int:
        return self._classes

    @override
    def shift(self, s: int) -> Int[np.ndarray, " rows"]:
        return s * np.arange(self.rows) % self.columns

    @override
    def add(self, x: Int[np.ndarray, "*left"], y: Int[np.ndarray, "*right"]) -> Int[np.ndarray, "*shape"]:
        return (x + y) % self.columns


@dataclass(frozen=True)
class _Product(Differences):
    """Over the product of two groups, whose elements are numbered (x1, x2) -> x1 m2 + x2."""

    first: Differences
    second: Differences

    @override
    def add(self, x: Int[np.ndarray, "*left"], y: Int[np.ndarray, "*right"]) -> Int[np.ndarray, "*shape"]:
        m2 = self.second.columns
        return self.first.add(x // m2, y // m2) * m2 + self.second.add(x % m2, y % m2)


@dataclass(frozen=True)
class SideBySide(_Product):
    """Pairs of classes over the same rows: w = w1 w2."""

    @property
    def classes(self) -> int:
        """Two classes differ in the first or in the second part, and there any two rows differ as well."""
        return self.first.classes * self.second.classes

    @override
    def shift(self, s: int) -> Int[np.ndarray, " rows"]:
        s1, s2 = divmod(s, self.second.classes)
        return self.first.shift(s1) * self.second.columns + self.second.shift(s2)


@dataclass(frozen=True)
class Stacked(_Product):
    """Pairs of rows in the same classes: w = min(w1, w2)."""

    @property
    def classes(self) -> int:
        """Two rows differ in the first or in the second part, and there any two classes differ as well."""
        return min(self.first.classes, self.second.classes)

    @override
    def shift(self, s: int) -> Int[np.ndarray, " rows"]:
        r1, r2 = np.divmod(np.arange(self.rows), self.second.rows)
        return self.first.shift(s)[r1] * self.second.columns + self.second.shift(s)[r2]


def divisors(m: int) -> list[int]:
    """All divisors of m >= 1, in ascending order."""
    small = [g for g in range(1, isqrt(m) + 1) if m % g == 0]
    return sorted({*small, *(m // g for g in small)})


@lru_cache(maxsize=4096)
def differences(columns: int, rows: int) -> Differences:
    """The family with most classes that the building blocks give; ties go to the simpler one.

    Fields are split off m one prime power at a time, so that all ways to compose them are tried. For rows <= the
    smallest prime power of m this gives m classes, the most there can be. With rows > m it is one class, as any
    second one would repeat a pair: B points in m < B batches.
    """
    if columns < 1 or rows < 1:
        raise ValueError(f"differences need at least 1 column and 1 row, received {columns} and {rows}")
    found: list[Differences] = [Cyclic(columns, rows)]
    if prime_power(columns) and columns >= rows:
        found.insert(0, Field(columns, rows))
    for p, a in prime_factors(columns):
        q = p**a
        if q < columns and found[0].classes < columns:
            rest, above = columns // q, -(-rows // q)
            found.append(SideBySide(columns, rows, differences(q, rows), differences(rest, rows)))
            found.append(Stacked(columns, rows, Field(q, q), differences(rest, above)))
    return max(found, key=lambda some: some.classes)
