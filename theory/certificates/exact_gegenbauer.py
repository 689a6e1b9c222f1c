"""Gegenbauer polynomials in exact arithmetic: P_k of the sphere in R^d with P_k(1) = 1; in the plane P_k = T_k.

All of it rests on the recurrence t P_k = ((k + d - 2) P_(k+1) + k P_(k-1)) / (2k + d - 2), with t P_0 = P_1.
"""

from fractions import Fraction

from theory.codes.exact import QuadraticNumber, exact

Coefficients = tuple[QuadraticNumber, ...]
"""Of P_0, P_1, ..., in a fixed dimension."""


def times_root(coefficients: Coefficients, root: QuadraticNumber, dim: int) -> Coefficients:
    """The coefficients of the polynomial times t - root."""
    out = [-(root * c) for c in coefficients] + [exact(0)]
    for k, c in enumerate(coefficients):
        up = Fraction(k + dim - 2, 2 * k + dim - 2) if k else Fraction(1)
        out[k + 1] = out[k + 1] + c * up
        if k:
            out[k - 1] = out[k - 1] + c * (1 - up)
    return tuple(out)


def gegenbauer_values(t: QuadraticNumber, dim: int, degree: int) -> list[QuadraticNumber]:
    """P_0(t), ..., P_degree(t)."""
    values = [exact(1), t][: degree + 1]
    for k in range(1, degree):
        step = t * values[k] * (2 * k + dim - 2) - values[k - 1] * k
        values.append(step * Fraction(1, k + dim - 2))
    return values
