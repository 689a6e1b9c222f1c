"""Infinitely many pairs: what InfoNCE tends to (Wang and Isola), and how close N pairs come to it.

For aligned embeddings, u = v, distributed uniformly on the sphere S^(d-1)::

    InfoNCE - log N  ->  -1 / tau + log E e^(s / tau),      s = x.y of two independent uniform points,

the minimum of the limit over all distributions: perfect alignment and uniformity minimise its two terms (Theorem 1
of Wang and Isola, who give O(N^(-1/2)) for the error of random negatives). The expectation is a Bessel function,

    E e^(s / tau) = Gamma(d/2) (2 tau)^(d/2 - 1) I_(d/2-1)(1 / tau) = 0F1(; d/2; 1 / (4 tau^2)).

The *optimum* of N pairs comes closer. Let ``c = E e^((s - 1) / tau)``. Then for every N, d and tau

    log max(1, N c)  <=  min over u = v of InfoNCE  <=  log(1 + (N - 1) c),

whose ends differ by at most 1 / (N c). *Lower*: `theory.certificates.logarithms`. *Upper*: the expected loss of N
independent uniform points is E log(1 + sum_j e^((s_j - 1) / tau)), at most this by Jensen, and some points are no
worse than the expectation. Both ends hold for free u and v, too, the lower by `theory.certificates.logarithms`.

References:
    Wang and Isola, 2020, "Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere", Theorem 1, arXiv 2005.10242. DLMF 10.39.9 and 10.25.2 (the Bessel function). The bounds at finite
    N are this project's own.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SMALLEST_TEMPERATURE = 1e-6
"""The series has 1 / tau terms."""


class FiniteRange(NamedTuple):
    """Bounds of the smallest InfoNCE of N pairs, in nats."""

    lower: float
    upper: float


def log_uniform_mean(dim: int, temperature: float = 1.0) -> float:
    """``log E e^(s / tau)``, s the cosine of two independent uniform points on S^(d-1), in nats.

    By the series ``0F1(; d/2; z) = sum_k z^k / (k! (d/2)_k)``, z = 1 / (4 tau^2), all of whose terms are positive:
    no cancellation, and no underflow in many dimensions, where the scaled Bessel function has one. Terms fall by a
    factor of 4 and more beyond k = 1 / tau; O(1 / tau) time. For d = 1 it is log cosh(1 / tau).

    Raises:
        ValueError: if d is below 1, or tau is not positive or below 1e-6.
    """
    if dim < 1:
        raise ValueError(f"dim must be at least 1, received {dim}; pass the embedding dimension")
    if not SMALLEST_TEMPERATURE <= temperature < math.inf:
        raise ValueError(
            f"temperature must be finite and at least 1e-6, received {temperature}; typical values are 0.01 to 1"
        )
    from scipy.special import gammaln

    k = np.arange(math.ceil(1 / temperature) + 60, dtype=np.float64)
    logs: Float[np.ndarray, " terms"] = -2 * math.log(2 * temperature) * k - gammaln(k + 1)
    logs = logs + gammaln(dim / 2) - gammaln(dim / 2 + k)
    return float(np.logaddexp.reduce(logs))


def population_limit(dim: int, temperature: float = 1.0) -> float:
    """What InfoNCE - log N tends to at its optimum, ``log E e^((s - 1) / tau) = log c``, in nats; see the module.

    Raises:
        ValueError: as `log_uniform_mean`.
    """
    return log_uniform_mean(dim, temperature) - 1 / temperature


def finite_range(n_pairs: int, dim: int, temperature: float = 1.0) -> FiniteRange:
    """Bounds of the smallest full-batch InfoNCE among N pairs with u = v; statement and proof in the module.

    Raises:
        ValueError: if N is below 2; and as `log_uniform_mean`.
    """
    if n_pairs < 2:
        raise ValueError(f"n_pairs must be at least 2, received {n_pairs}; one pair has no negative")
    limit = population_limit(dim, temperature)
    upper = float(np.logaddexp(0, math.log(n_pairs - 1) + limit))
    return FiniteRange(max(0.0, math.log(n_pairs) + limit), upper)
