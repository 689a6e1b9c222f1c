"""Batches that are flats of an affine space: N = p^a points in batches of B = p^b, whatever b < a.

References:
    Bose, 1939, "On the construction of balanced incomplete block designs", Ann. Eugenics 9. Singer, 1938, "A
    theorem in finite projective geometry", Trans. AMS 43 (the cyclic group that moves the flats).
"""

from functools import lru_cache
from math import gcd

import numpy as np
from jaxtyping import Int

from theory.designs.cyclotomy import cyclotomy
from theory.designs.nets import Batches, Schedule, hyperplanes
from theory.galois import prime_power


def flats(n: int, batch_size: int) -> Schedule | None:
    """A 2-design of N = q^m points, B = q^s, s and m without common factor; None for other sizes.

    The points are the field of N elements, a space over the field of q = p^gcd(a, b) elements; W is a subspace of B
    elements, and class i < (N - 1) / (q - 1) has the cosets of x^-i W, x a generator of the multiplicative group.
    Multiples of y by elements of the smaller field are in the same of these subspaces as y, and x^-i runs over all
    elements modulo these, so that every y != 0 lies in lambda = (B - 1) / (q - 1) of the subspaces: the number of
    W's own elements, modulo these. For s = 1 they are lines (lambda = 1), for s = m - 1 hyperplanes. As r = lambda
    (N - 1) / (B - 1) must be a whole number, and N - 1 and B - 1 have no common factor but q - 1, no smaller lambda
    is possible.

    W is where the traces of w, x w .. x^(m - s - 1) w over the smaller field are 0.
    """
    points, batch = prime_power(n), prime_power(batch_size)
    if not points or not batch or points[0] != batch[0] or not batch[1] < points[1]:
        return None
    a, b = points[1], batch[1]
    f = gcd(a, b)
    q, m, s = points[0] ** f, a // f, b // f
    if s == m - 1:
        return hyperplanes(q, m)

    def make(number: int) -> Batches:
        group, small, label = cyclotomy(n), _traces(n, q), np.zeros(n, dtype=np.int64)
        for j in range(m - s):
            traced = np.full(n, small[0])
            traced[group.powers] = small[group.power(np.arange(n - 1) + number + j)]
            label = label * q + traced
        return label.argsort(kind="stable").reshape(-1, batch_size)

    return Schedule(n, batch_size, n // batch_size, (n - 1) // (q - 1), "2-design", f"flats of AG({m}, {q})", make)


@lru_cache(maxsize=4)
def _traces(n: int, q: int) -> Int[np.ndarray, " n"]:
    """The traces x + x^q + x^(q^2) .. of all elements of a field, numbered 0 .. q - 1."""
    group, trace, power = cyclotomy(n), np.zeros(n, dtype=np.int64), 1
    while power < n:
        conjugate = group.power(np.arange(n - 1) * power % (n - 1))
        trace[group.powers] = group.field.add(trace[group.powers], conjugate)
        power *= q
    return np.unique(trace, return_inverse=True)[1]
