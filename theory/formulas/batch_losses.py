"""The losses of one batch as functions of the similarities in it, with their slopes: the formulas of `objectives`.

| loss                            | value of a batch of size B, with means over i and over j != i                  |
|---------------------------------|--------------------------------------------------------------------------------|
| log-sum-exp family              | table in `family`                                                              |
| `siglip`, `nce`                 | mean_i [log(1 + e^-(s_ii/tau + b)) + sum_j log(1 + e^(s_ij/tau + b))]          |
| `spectral_contrastive`          | mean s_ij^2 - 2 mean s_ii                                                      |
| `kcl`                           | gamma (mean k(u_i, u_j) + mean k(v_i, v_j)) / 2 - mean k(u_i, v_i)             |
| `align_uniform`                 | mean |u_i - v_i|^alpha + weight (log mean e^(-t |u_i - u_j|^2) + that of v) / 2|
| `supcon`                        | mean over the 2B rows z of log sum_k e^(z.z_k/tau) - mean_p z.z_p/tau          |
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from theory.formulas.family import FAMILY

RIESZ_SMOOTHING = 1e-4
"""What the Riesz kernel of `kcl` adds to the squared distance."""


class Products(NamedTuple):
    """The similarities s, a, b of batches [n_batches, B, B], and |u_i - v_i|^2 [n_batches, B]; or gradients."""

    s: np.ndarray
    a: np.ndarray
    b: np.ndarray
    apart: np.ndarray
    labels: np.ndarray


class Slopes:
    """The gradient with respect to `Products`, summed up as the terms of a loss go by."""

    def __init__(self, x: Products) -> None:
        """Zeros."""
        self.s, self.a, self.b, self.apart = (np.zeros_like(part) for part in x[:4])

    def positive(self, slope: np.ndarray) -> None:
        """Add to the slopes of s_ii."""
        own = np.arange(self.s.shape[-1])
        self.s[:, own, own] += slope


BatchFunction = Callable[[Products, Slopes], np.ndarray]
"""Values of batches; the slopes of their sum are added to the second argument."""


def batch_function(loss: str, temperature: float, chosen: dict[str, Any]) -> BatchFunction:
    """The formula of a loss whose settings are complete and checked."""
    if loss in DIRECTIONS:
        return _log_sum_exp(loss, temperature)
    if loss in ("siglip", "nce"):
        return _decisions(temperature, chosen)
    if loss == "supcon":
        return _supervised(temperature, chosen["base_temperature"])
    if loss == "kcl":
        return _kernel_contrast(**chosen)
    return _alignment_uniformity(**chosen) if loss == "align_uniform" else _spectral


# ---- the log-sum-exp family

_BOTH_CROSS, _BOTH_ALL, _BOTH_OWN = (("s",), ("s^T",)), (("s", "a"), ("s^T", "b")), (("a",), ("b",))
DIRECTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("info_nce", "mnrl", "simcse", "dcl_cross"), (("s",),)),
    **dict.fromkeys(("clip", "clip_sum"), _BOTH_CROSS),
    **dict.fromkeys(("nt_xent", "flatnce", "dcl"), _BOTH_ALL),
    "dcl_one_way": (("s", "a"),),
    "dhel_anchor": (("a",),),
    **dict.fromkeys(("dhel_mean", "dhel_product"), _BOTH_OWN),
}
"""For the anchors u, and v where they are anchors too, where the negatives stand."""


def _log_sum_exp(loss: str, temperature: float) -> BatchFunction:
    kind, directions = FAMILY[loss], DIRECTIONS[loss]
    weight = kind.logs / len(directions)
    pull = kind.positives / kind.logs

    def function(x: Products, slopes: Slopes) -> np.ndarray:
        n_batches, size = x.s.shape[:2]
        positive, total = np.einsum("bii->bi", x.s) / temperature, np.zeros(n_batches)
        for negatives in directions:
            parts = {"s": x.s, "s^T": x.s.swapaxes(1, 2), "a": x.a, "b": x.b}
            logits = np.concatenate([_without_own(parts[name] / temperature) for name in negatives], -1)
            log, share = _log_sums(logits)
            if kind.positive_in_denominator:
                total += np.logaddexp(0, log - positive).sum(1)
                slope = weight * _sigmoid(log - positive) / (size * temperature)
            else:
                total += (log - pull * positive).sum(1)
                slope = np.full_like(log, weight / (size * temperature))
            slopes.positive(-pull * slope)
            targets = {"s": slopes.s, "s^T": slopes.s.swapaxes(1, 2), "a": slopes.a, "b": slopes.b}
            for name, part in zip(negatives, np.split(share * slope[..., None], len(negatives), -1), strict=True):
                targets[name] += part
        return weight * total / size

    return function


def _without_own(logits: np.ndarray) -> np.ndarray:
    own = np.arange(logits.shape[-1])
    logits[:, own, own] = -np.inf
    return logits


def _log_sums(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log sum_k e^x_k over the last axis, and its derivatives; one entry at least is finite."""
    largest = logits.max(-1, keepdims=True)
    terms = np.exp(logits - largest)
    sums = terms.sum(-1, keepdims=True)
    return (largest + np.log(sums))[..., 0], terms / sums


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


# ---- sums over pairs


def _decisions(temperature: float, chosen: dict[str, Any]) -> BatchFunction:
    def function(x: Products, slopes: Slopes) -> np.ndarray:
        size = x.s.shape[-1]
        noise = chosen.get("log_noise")
        bias = chosen.get("bias", -math.log(size - 1) - (-math.log(size) if noise is None else noise))
        sign = 1 - 2 * np.eye(size)
        wrong = sign * (x.s / temperature + bias)
        slopes.s += sign * _sigmoid(wrong) / (size * temperature)
        return np.logaddexp(0, wrong).sum((1, 2)) / size

    return function


def _spectral(x: Products, slopes: Slopes) -> np.ndarray:
    size = x.s.shape[-1]
    others = 1 - np.eye(size)
    slopes.s += 2 * x.s * others / (size * (size - 1))
    slopes.positive(np.full(x.s.shape[:2], -2 / size))
    return (x.s**2 * others).sum((1, 2)) / (size * (size - 1)) - 2 * np.einsum("bii->bi", x.s).mean(1)


def _kernel(name: str, parameter: float) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A kernel and its derivative as functions of the squared distance r."""
    p, sign = parameter, math.copysign(1.0, parameter)
    kernels: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
        "gaussian": lambda r: (np.exp(-p * r), -p * np.exp(-p * r)),
        "imq": lambda r: (p / np.sqrt(p**2 + r), -p / 2 * (p**2 + r) ** -1.5),
        "log": lambda r: (-0.5 * np.log1p(p * r), -0.5 * p / (1 + p * r)),
        "riesz": lambda r: (
            sign * (r + RIESZ_SMOOTHING) ** (-p / 2),
            -sign * p / 2 * (r + RIESZ_SMOOTHING) ** (-p / 2 - 1),
        ),
    }
    return kernels[name]


def _kernel_contrast(kernel: str, parameter: float, gamma: float) -> BatchFunction:
    k = _kernel(kernel, parameter)

    def function(x: Products, slopes: Slopes) -> np.ndarray:
        size = x.s.shape[-1]
        share = gamma / (2 * size * (size - 1)) * (1 - np.eye(size))
        attraction, pull = k(x.apart)
        slopes.apart -= pull / size
        total = -attraction.mean(1)
        for cosines, slope in ((x.a, slopes.a), (x.b, slopes.b)):
            values, change = k(np.maximum(2 - 2 * cosines, 0))
            total += (share * values).sum((1, 2))
            slope -= 2 * share * change
        return total

    return function


def _alignment_uniformity(alpha: float, t: float, weight: float) -> BatchFunction:
    def function(x: Products, slopes: Slopes) -> np.ndarray:
        n_batches, size = x.s.shape[:2]
        apart = np.where(x.apart > 0, x.apart, 1.0)
        together = x.apart == 0
        slopes.apart += np.where(together, float(alpha == 2), alpha / 2 * apart ** (alpha / 2 - 1)) / size
        total = np.where(together, 0, apart ** (alpha / 2)).mean(1)
        for cosines, slope in ((x.a, slopes.a), (x.b, slopes.b)):
            logits = _without_own(2 * t * (cosines - 1)).reshape(n_batches, -1)
            log, share = _log_sums(logits)
            total += weight / 2 * (log - math.log(size * (size - 1)))
            slope += weight * t * share.reshape(cosines.shape)
        return total

    return function


# ---- classes


def _supervised(temperature: float, base_temperature: float | None) -> BatchFunction:
    factor = 1.0 if base_temperature is None else temperature / base_temperature

    def function(x: Products, slopes: Slopes) -> np.ndarray:
        size = x.s.shape[-1]
        cosines = np.block([[x.a, x.s], [x.s.swapaxes(1, 2), x.b]])
        labels = np.concatenate([x.labels, x.labels], -1)
        positive = (labels[:, :, None] == labels[:, None, :]) & ~np.eye(2 * size, dtype=bool)
        share_of_positives = positive / positive.sum(-1, keepdims=True)
        log, share = _log_sums(_without_own(cosines / temperature))
        slope = factor * (share - share_of_positives) / (2 * size * temperature)
        slopes.a += slope[:, :size, :size]
        slopes.b += slope[:, size:, size:]
        slopes.s += slope[:, :size, size:] + slope[:, size:, :size].swapaxes(1, 2)
        return factor * (log - (share_of_positives * cosines).sum(-1) / temperature).mean(1)

    return function
