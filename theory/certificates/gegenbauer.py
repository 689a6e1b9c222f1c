"""Gegenbauer polynomials of the sphere in d dimensions, scaled to P_k(1) = 1: its positive definite functions.

For points x_1 .. x_N on the unit sphere of R^d and every k,

    sum_ij P_k(x_i.x_j) >= 0,

because P_k(x.y) is a positive multiple of sum_m Y_km(x) Y_km(y), the spherical harmonics of degree k (Schoenberg
1942). Every bound of this package rests on that one inequality. P_k is orthogonal to all polynomials of smaller
degree under the weight (1 - t^2)^((d - 3) / 2) of one coordinate of a uniformly random point. For d = 2 these are
the Chebyshev polynomials, P_k(cos x) = cos k x; for d = 3 the Legendre polynomials.

References:
    Schoenberg, 1942, "Positive definite functions on spheres", Duke Math. J. 9. Delsarte, Goethals and Seidel,
    1977, "Spherical codes and designs", Geom. Dedicata 6.
"""

import numpy as np
from jaxtyping import Float


def gegenbauer(t: Float[np.ndarray, "*shape"], dim: int, degree: int) -> Float[np.ndarray, "{degree}+1 *shape"]:
    """P_0 .. P_degree at every t.

    By ``(k + d - 2) P_(k+1) = (2 k + d - 2) t P_k - k P_(k-1)``, with P_0 = 1 and P_1 = t; stable on [-1, 1], where
    |P_k| <= 1.

    Args:
        t: cosines.
        dim: d >= 2.
        degree: the largest k, at least 0.

    Raises:
        ValueError: if d < 2 or the degree is negative.
    """
    _check(dim, degree)
    values = np.ones((degree + 1, *t.shape))
    if degree:
        values[1] = t
    for k in range(1, degree):
        values[k + 1] = ((2 * k + dim - 2) * t * values[k] - k * values[k - 1]) / (k + dim - 2)
    return values


def gegenbauer_derivative(
    t: Float[np.ndarray, "*shape"], dim: int, degree: int, order: int = 1
) -> Float[np.ndarray, "{degree}+1 *shape"]:
    """The derivatives of this order (at least 0) of P_0 .. P_degree at every t.

    The derivative of order m of P_k is a multiple of the P_(k-m) of d + 2 m dimensions: differentiating raises both
    exponents of the weight by one. The multiple is its value at 1, see `derivative_at_one`.
    """
    scale = derivative_at_one(dim, degree, order)
    values = np.zeros((degree + 1, *t.shape))
    if degree >= order:
        values[order:] = gegenbauer(t, dim + 2 * order, degree - order)
    return values * scale.reshape(-1, *[1] * t.ndim)


def derivative_at_one(dim: int, degree: int, order: int = 1) -> Float[np.ndarray, "{degree}+1"]:
    """The derivatives of this order of P_0 .. P_degree at t = 1: the largest in absolute value on [-1, 1].

    ``P_k^(m)(1) = prod_(j < m) (k - j) (k + j + d - 2) / (d - 1 + 2 j)``; the largest, as the derivative is this
    times a P_(k-m) of another dimension, and those stay within [-1, 1].
    """
    _check(dim, degree)
    k = np.arange(degree + 1.0)
    values = np.ones(degree + 1)
    for j in range(order):
        values *= (k - j) * (k + j + dim - 2) / (dim - 1 + 2 * j)
    return values


def _check(dim: int, degree: int) -> None:
    if dim < 2:
        raise ValueError(
            f"dim must be at least 2 for Gegenbauer polynomials, received {dim}; "
            "points of fewer dimensions are points of the plane: take 2"
        )
    if degree < 0:
        raise ValueError(f"degree must be at least 0, received {degree}")
