"""Exact numbers a + b sqrt(5) with rational a and b: the cosines of every code of the table.

Rationals are those with b = 0. Sums, products and comparisons are exact, so that "non-negative" and "vanishes" are
decided and not estimated.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering

from typing_extensions import override

Rational = int | Fraction


@total_ordering
@dataclass(frozen=True, eq=False)
class QuadraticNumber:
    """The number rational + root sqrt(5).

    >>> golden = QuadraticNumber(Fraction(1, 2), Fraction(1, 2))
    >>> golden * golden == golden + 1, golden > Fraction(8, 5), golden > Fraction(13, 8)
    (True, True, False)

    Attributes:
        rational: a.
        root: b, how often sqrt(5) is added.
    """

    rational: Fraction
    root: Fraction = Fraction(0)

    @property
    def sign(self) -> int:
        """-1, 0 or 1. Where a and b disagree, a^2 is compared with 5 b^2; they are equal for a = b = 0 only."""
        a, b = _sign(self.rational), _sign(self.root)
        if a * b >= 0:
            return a or b
        return a if self.rational**2 > 5 * self.root**2 else b

    def __add__(self, other: "QuadraticNumber | Rational") -> "QuadraticNumber":
        """The sum."""
        y = exact(other)
        return QuadraticNumber(self.rational + y.rational, self.root + y.root)

    def __neg__(self) -> "QuadraticNumber":
        """The number times -1."""
        return QuadraticNumber(-self.rational, -self.root)

    def __sub__(self, other: "QuadraticNumber | Rational") -> "QuadraticNumber":
        """The difference."""
        return self + -exact(other)

    def __mul__(self, other: "QuadraticNumber | Rational") -> "QuadraticNumber":
        """The product, (a + b sqrt 5) (c + e sqrt 5) = ac + 5 be + (ae + bc) sqrt 5."""
        y = exact(other)
        return QuadraticNumber(
            self.rational * y.rational + 5 * self.root * y.root, self.rational * y.root + self.root * y.rational
        )

    def __truediv__(self, other: "QuadraticNumber | Rational") -> "QuadraticNumber":
        """The quotient: times the conjugate c - e sqrt 5, over the norm c^2 - 5 e^2."""
        y = exact(other)
        norm = y.rational**2 - 5 * y.root**2
        return self * QuadraticNumber(y.rational / norm, -y.root / norm)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuadraticNumber | int | Fraction):
            return NotImplemented
        y = exact(other)
        return self.rational == y.rational and self.root == y.root

    def __lt__(self, other: "QuadraticNumber | Rational") -> bool:
        """Whether the number is the smaller one."""
        return (self - other).sign < 0

    @override
    def __hash__(self) -> int:
        return hash((self.rational, self.root)) if self.root else hash(self.rational)

    def __float__(self) -> float:
        """The nearest number of float64, but for rounding."""
        return float(self.rational) + float(self.root) * math.sqrt(5)

    @override
    def __str__(self) -> str:
        if not self.root:
            return str(self.rational)
        return f"{self.rational} {'+-'[self.root < 0]} {abs(self.root)} sqrt(5)"


def exact(value: QuadraticNumber | Rational, denominator: int = 1) -> QuadraticNumber:
    """The exact number value / denominator."""
    if isinstance(value, QuadraticNumber):
        return value if denominator == 1 else value / denominator
    return QuadraticNumber(Fraction(value, denominator))


def _sign(x: Fraction) -> int:
    return (x > 0) - (x < 0)
