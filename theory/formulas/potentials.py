"""Potentials: functions of the cosine of two points that kernel-sum losses add up, with all their derivatives.

Every one is absolutely monotone on [-1, 1), which is what universal optimality asks for: all derivatives of order
1, 2, ... are non-negative there (adding a constant changes no minimiser). As functions of the squared distance
r = 2 - 2 s they are the completely monotone ones.

| potential                       | h(s)                              | is                                       |
|---------------------------------|-----------------------------------|------------------------------------------|
| `Exponential(temperature)`      | e^((s - 1) / tau)                 | the terms of InfoNCE, DCL, DHEL          |
| `kernel_potential("gaussian")`  | e^(-t r)                          | `Exponential(1 / (2 t))`                 |
| `kernel_potential("imq")`       | c / sqrt(c^2 + r)                 | a `Power` of a - s                       |
| `kernel_potential("log")`       | -1/2 log(1 + s r)                 | a `Logarithm` of a - s                   |
| `kernel_potential("riesz")`     | sign(s) (r + epsilon)^(-s / 2)    | a `Power` of a - s                       |

References:
    Cohn and Kumar, 2007, "Universally optimal distribution of points on spheres", J. Amer. Math. Soc. 20, arXiv
    math/0607446. Koromilas et al., 2024, arXiv 2405.18045 (the kernels).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from typing_extensions import override

KERNELS = ("gaussian", "imq", "log", "riesz")
_RANGES = {"gaussian": (1e-6, 1e6), "imq": (1e-3, 1e6), "log": (1e-6, 1e6)}
"""Parameters for which float64 holds the kernel and its derivatives, and tells 0 from small distances."""
_STEEPEST = 100.0
"""The largest s of riesz: 1e200 at distance 0."""


class Potential(ABC):
    """h(s) of a cosine s in [-1, 1], all of whose derivatives are non-negative and increase with s."""

    @abstractmethod
    def __call__(self, s: Float[np.ndarray, "*shape"], order: int = 0) -> Float[np.ndarray, "*shape"]:
        """h, or its derivative of this order, at every s; infinite where it has a pole at s = 1."""

    @property
    def at_one(self) -> float:
        """h(1), the potential of two coinciding points; infinite for singular ones."""
        return float(self(np.array(1.0)))


@dataclass(frozen=True)
class Exponential(Potential):
    """h(s) = e^((s - 1) / tau).

    Raises:
        ValueError: if tau is not positive.
    """

    temperature: float

    def __post_init__(self) -> None:
        """Check the temperature."""
        _check_positive("temperature", self.temperature)

    @override
    def __call__(self, s: Float[np.ndarray, "*shape"], order: int = 0) -> Float[np.ndarray, "*shape"]:
        return np.asarray(np.exp((s - 1) / self.temperature) / self.temperature**order)


@dataclass(frozen=True)
class Power(Potential):
    """h(s) = factor (a - s)^(-p), a >= 1: p > 0 with a positive factor, or -1 < p < 0 with a negative one."""

    a: float
    p: float
    factor: float = 1.0

    @override
    def __call__(self, s: Float[np.ndarray, "*shape"], order: int = 0) -> Float[np.ndarray, "*shape"]:
        rising = math.prod(self.p + k for k in range(order))
        with np.errstate(divide="ignore"):
            return np.asarray(self.factor * rising * np.power(self.a - s, -self.p - order))


@dataclass(frozen=True)
class Logarithm(Potential):
    """h(s) = -factor log(a - s) + constant, a >= 1, factor > 0."""

    a: float
    factor: float = 1.0
    constant: float = 0.0

    @override
    def __call__(self, s: Float[np.ndarray, "*shape"], order: int = 0) -> Float[np.ndarray, "*shape"]:
        with np.errstate(divide="ignore"):
            if order == 0:
                return np.asarray(self.constant - self.factor * np.log(self.a - s))
            return np.asarray(self.factor * math.factorial(order - 1) * np.power(self.a - s, -float(order)))


def kernel_potential(kernel: str, parameter: float, *, smoothing: float = 1e-4) -> Potential:
    """A kernel of the distance as a potential of the cosine.

    Args:
        kernel: gaussian (parameter t, 1e-6 to 1e6), imq (c, 1e-3 to 1e6), log (s, 1e-6 to 1e6) or riesz (s, above
            -2 and at most 100, and at least 1e-6 from 0).
        parameter: as above.
        smoothing: of riesz: epsilon, added to the squared distance; 0 for the kernel proper, infinite at s = 1.

    Raises:
        ValueError: if there is no such kernel or its parameter is out of range.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}; received {kernel!r}")
    if kernel == "riesz":
        if not (-2 < parameter <= _STEEPEST and abs(parameter) >= 1e-6):
            raise ValueError(
                f"the parameter s of the riesz kernel must be above -2 and not 0 (1e-6 from it), and at most "
                f"{_STEEPEST:g}, received {parameter}; 2 is usual"
            )
        sign = math.copysign(1.0, parameter)
        return Power(1 + smoothing / 2, parameter / 2, sign * 2 ** (-parameter / 2))
    _check_positive("parameter", parameter)
    least, most = _RANGES[kernel]
    if not least <= parameter <= most:
        raise ValueError(
            f"the parameter of the {kernel} kernel must lie between {least:g} and {most:g}, received {parameter}; "
            "beyond, float64 does not hold the kernel and its derivatives"
        )
    if kernel == "gaussian":
        return Exponential(1 / (2 * parameter))
    if kernel == "imq":
        return Power(1 + parameter**2 / 2, 0.5, parameter / math.sqrt(2))
    return Logarithm(1 + 1 / (2 * parameter), 0.5, -0.5 * math.log(2 * parameter))


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be positive and finite, received {value}")
