"""Finite fields: exact arithmetic with p^a elements, for the designs made from them.

An element is a number 0 .. q - 1; its digits in base p are the coefficients of a polynomial over the integers
modulo p, lowest first. Sums and products are those of the polynomials, modulo an irreducible one of degree a.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import chain, product

import numpy as np
from jaxtyping import Int


def prime_factors(n: int) -> list[tuple[int, int]]:
    """The primes p of n >= 1 with their exponents a, n = prod p^a, in ascending order of p."""
    if n < 1:
        raise ValueError(f"n must be at least 1 to have prime factors, received {n}")
    factors: list[tuple[int, int]] = []
    p = 2
    while p * p <= n:
        a = 0
        while n % p == 0:
            n, a = n // p, a + 1
        if a:
            factors.append((p, a))
        p += 1
    return [*factors, (n, 1)] if n > 1 else factors


def prime_power(q: int) -> tuple[int, int] | None:
    """(p, a) with q = p^a, p prime and a >= 1; None if q is no prime power."""
    factors = prime_factors(q) if q > 1 else []
    return factors[0] if len(factors) == 1 else None


class GaloisField:
    """The field of q = p^a elements, numbered 0 (zero), 1 (one) .. q - 1.

    >>> field = GaloisField(4)
    >>> field.multiply(np.array([1, 2, 3]), 2).tolist()
    [2, 3, 1]

    Args:
        q: a prime power.

    Raises:
        ValueError: if q is no prime power: there is no field of that size.

    Cost: finding the polynomial takes about a sqrt(q) divisions; a sum a, a product a^2 array operations.
    """

    def __init__(self, q: int) -> None:
        """Check the size."""
        found = prime_power(q)
        if found is None:
            raise ValueError(
                f"a finite field needs a prime power of elements, received {q}; take 2, 3, 4, 5, 7, ..."
            )
        self.q = q
        self.p, self.degree = found

    @cached_property
    def polynomial(self) -> list[int]:
        """Coefficients, lowest first, of the first monic polynomial of degree a that no smaller one divides."""
        p, a = self.p, self.degree
        for candidate in _monic(p, a):
            divisors = chain.from_iterable(_monic(p, k) for k in range(1, a // 2 + 1))
            if not any(_divides(divisor, candidate, p) for divisor in divisors):
                return candidate
        raise AssertionError(f"no irreducible polynomial of degree {a} modulo {p}")  # there always is one

    def add(
        self, x: int | Int[np.ndarray, "*left"], y: int | Int[np.ndarray, "*right"]
    ) -> Int[np.ndarray, "*shape"]:
        """The sum x + y, elementwise, with broadcasting."""
        return self._number((self._digits(x) + self._digits(y)) % self.p)

    def multiply(
        self, x: int | Int[np.ndarray, "*left"], y: int | Int[np.ndarray, "*right"]
    ) -> Int[np.ndarray, "*shape"]:
        """The product x y, elementwise, with broadcasting."""
        left, right, a = self._digits(x), self._digits(y), self.degree
        shape = np.broadcast_shapes(left.shape[:-1], right.shape[:-1])
        terms = np.zeros((*shape, 2 * a - 1), dtype=np.int64)
        for i in range(a):
            terms[..., i : i + a] += left[..., i : i + 1] * right
        terms %= self.p
        for k in range(2 * a - 2, a - 1, -1):  # x^k = -(lower terms of the polynomial) x^(k - a)
            terms[..., k - a : k] -= terms[..., k : k + 1] * np.array(self.polynomial[:-1])
            terms[..., k - a : k] %= self.p
        return self._number(terms[..., :a])

    def _digits(self, x: int | Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape degree"]:
        return np.asarray(x, dtype=np.int64)[..., None] // self.p ** np.arange(self.degree) % self.p

    def _number(self, digits: Int[np.ndarray, "*shape degree"]) -> Int[np.ndarray, "*shape"]:
        return np.asarray(digits @ self.p ** np.arange(self.degree))


def _monic(p: int, degree: int) -> Iterator[list[int]]:
    """All monic polynomials of a degree, coefficients lowest first."""
    for high in product(range(p), repeat=degree):
        yield [*reversed(high), 1]


def _divides(divisor: list[int], dividend: list[int], p: int) -> bool:
    """Whether a monic polynomial divides another, modulo p: long division from the highest term down."""
    rest = list(dividend)
    while len(rest) >= len(divisor):
        factor = rest.pop()
        for i, c in enumerate(reversed(divisor[:-1]), start=1):
            rest[-i] = (rest[-i] - factor * c) % p
    return not any(rest)
