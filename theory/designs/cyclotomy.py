"""Powers and logarithms in a finite field: what the designs from cosets of its multiplicative group need."""

from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Int

from theory.galois import GaloisField, prime_factors, prime_power

_PRIME, _POWER = 2**21, 2**15
"""The largest fields with tables: sums and products of a prime field are far cheaper."""


class Cyclotomy:
    """The multiplicative group of a field of q elements, as the powers of one element x.

    >>> Cyclotomy(7).powers.tolist()
    [1, 3, 2, 6, 4, 5]

    Attributes:
        field: its arithmetic; elements are the numbers 0 .. q - 1.

    Raises:
        ValueError: if q is no prime power.

    Cost: O(q log q) for the table of powers.
    """

    def __init__(self, q: int) -> None:
        """Make the field; the tables are made when asked for."""
        self.field, self.q = GaloisField(q), q

    @cached_property
    def powers(self) -> Int[np.ndarray, " order"]:
        """x^0 .. x^(q - 2), with x the smallest number whose powers are all elements but 0."""
        order = self.q - 1
        steps = [order // p for p, _ in prime_factors(order)]
        x = next(x for x in range(1, self.q) if all(self._power(x, step) != 1 for step in steps))
        table, step = np.ones(1, dtype=np.int64), x
        while len(table) < order:  # twice as many powers in every pass
            table = np.concatenate([table, self.field.multiply(table, step)])
            step = int(self.field.multiply(step, step))
        return table[:order]

    @cached_property
    def logs(self) -> Int[np.ndarray, " q"]:
        """The exponents of all elements, log x^i = i; that of 0 is -1."""
        table = np.full(self.q, -1, dtype=np.int64)
        table[self.powers] = np.arange(self.q - 1)
        return table

    @cached_property
    def negatives(self) -> Int[np.ndarray, " q"]:
        """-y for every element y."""
        minus_one = 1 if self.q % 2 == 0 else int(self.powers[(self.q - 1) // 2])
        return self.field.multiply(minus_one, np.arange(self.q))

    def subtract(self, y: Int[np.ndarray, "*left"], z: Int[np.ndarray, "*right"]) -> Int[np.ndarray, "*shape"]:
        """The difference y - z, elementwise, with broadcasting."""
        return self.field.add(y, self.negatives[z])

    def power(self, exponent: int | Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Powers of x, with any integer exponents."""
        return np.asarray(self.powers[np.asarray(exponent) % (self.q - 1)])

    def _power(self, x: int, exponent: int) -> int:
        result = 1
        while exponent:
            if exponent % 2:
                result = int(self.field.multiply(result, x))
            x, exponent = int(self.field.multiply(x, x)), exponent // 2
        return result


def has_tables(q: int) -> bool:
    """Whether q is a prime power, and small enough for `cyclotomy`: at most 2^21, or 2^15 if it is no prime."""
    return q <= _PRIME and (found := prime_power(q)) is not None and (found[1] == 1 or q <= _POWER)


@lru_cache(maxsize=16)
def cyclotomy(q: int) -> Cyclotomy:
    """The group of a field of q elements; its tables are kept."""
    return Cyclotomy(q)
