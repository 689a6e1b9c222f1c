"""The smallest value of a loss that descent finds from many starts: a search, never a proof."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.formulas.family import check_integer
from theory.formulas.objectives import Batches, Objective, Points, objective

_ROUNDS = 8
"""How often a descent is taken up again where it stopped, as long as that helps."""
_GRADIENT = 1e-11
"""Riemannian gradient, in its largest entry, at which a point counts as stationary."""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        value: the smallest value, in the unit of the loss; attained, and so an upper bound of the minimum.
        u: unit rows that attain it.
        v: those of the other view.
        values: what every start led to, in the order of the starts.
        gradient: largest entry of the Riemannian gradient at (u, v): 1e-8 and below at a stationary point.
    """

    value: float
    u: Points
    v: Points
    values: Float[np.ndarray, " starts"]
    gradient: float

    @property
    def n_best(self) -> int:
        """How many starts ended within 1e-9 of the smallest value."""
        return int((self.values <= self.value + 1e-9).sum())


def search(
    loss: str,
    n_pairs: int,
    dim: int,
    *,
    batches: Batches | None = None,
    temperature: float = 1.0,
    aligned: bool = False,
    starts: int = 16,
    seed: int = 0,
    start: tuple[Points, Points] | None = None,
    **settings: Any,
) -> SearchResult:
    """Minimise a loss over unit embeddings by L-BFGS from random starts.

    The variables are vectors of any length, which the loss sees divided by their length. A descent that stops is
    taken up again from the unit vectors, with a fresh memory, until its gradient is below 1e-11 or nothing is
    gained. The k-th start depends on the seed and k alone.

    Args:
        loss: a name in `theory.formulas.settings`.
        n_pairs: N.
        dim: d, at least 2: in one dimension there are signs only, and no descent.
        batches: rows of pair numbers to average over; None for the full batch.
        temperature: tau.
        aligned: search among u = v only.
        starts: how many.
        seed: of the random starts, Gaussian vectors.
        start: embeddings to start from before the random ones; one more start.
        **settings: those of the loss.

    Returns:
        The best point, and the values that all starts led to.

    Raises:
        ValueError: if a size, the number of starts or an argument of `objective` is out of range.

    Cost: per step of descent that of `objective`; 10 to 1,000 steps a start.

    References:
        Liu and Nocedal, 1989, "On the limited memory BFGS method", Math. Programming 45.
    """
    for name, number in (("n_pairs", n_pairs), ("dim", dim), ("starts", starts)):
        check_integer(name, number)
    check_seed(seed)
    if n_pairs < 2 or dim < 2:
        raise ValueError(
            f"n_pairs and dim must be at least 2, received {n_pairs} and {dim}; "
            "in one dimension there are only signs, which `optimum` counts through"
        )
    if starts + (start is not None) < 1:
        raise ValueError(f"starts must be at least 1, received {starts}; or pass a start")
    function = objective(loss, temperature, **settings)
    raw = [np.random.default_rng([seed, k]).standard_normal((2, n_pairs, dim)) for k in range(starts)]
    if start is not None:
        raw.insert(0, np.stack(start))
    if aligned:
        raw = [x[:1] for x in raw]
    ends = [_descend(function, x, batches) for x in raw]
    values = np.array([value for value, _, _ in ends])
    value, x, gradient = ends[int(values.argmin())]
    return SearchResult(value, x[0], x[-1].copy(), values, gradient)


def check_seed(seed: int) -> None:
    """Check that a seed is an integer of at least 0.

    Raises:
        ValueError: if not.
    """
    check_integer("seed", seed)
    if seed < 0:
        raise ValueError(f"seed must not be negative, received {seed}; any whole number from 0 on will do")


def _descend(function: Objective, x: np.ndarray, batches: Batches | None) -> tuple[float, np.ndarray, float]:
    """Value, unit vectors [1 or 2, N, d] and gradient where descent from x ends."""
    from scipy.optimize import minimize  # a third of a second that starting need not wait for

    options = {"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "ftol": 0.0, "gtol": _GRADIENT}
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    best, slope = _value_and_gradient(x.ravel(), function, x.shape, batches, 1.0)
    for _ in range(_ROUNDS):
        unit = min(1.0, abs(best)) or 1.0  # a loss that vanishes at small temperatures is measured in its own size
        found = minimize(
            _value_and_gradient,
            x.ravel(),
            args=(function, x.shape, batches, unit),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        moved = found.x.reshape(x.shape)
        moved = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
        value, at_moved = _value_and_gradient(moved.ravel(), function, x.shape, batches, 1.0)
        gained = best - value
        if gained >= 0:
            x, best, slope = moved, value, at_moved
        if np.abs(slope).max() <= _GRADIENT * unit or gained <= 1e-14 * abs(best):
            break
    return best, x, float(np.abs(slope).max())


def _value_and_gradient(
    flat: np.ndarray, function: Objective, shape: tuple[int, ...], batches: Batches | None, unit: float
) -> tuple[float, np.ndarray]:
    """The loss over `unit` as a function of vectors of any length; one view stands for both."""
    raw = flat.reshape(shape)
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    x = raw / length
    value, du, dv = function(x[0], x[-1], batches)
    slope = np.stack([du, dv]) if len(raw) == 2 else (du + dv)[None]
    slope -= (slope * x).sum(-1, keepdims=True) * x
    return value / unit, (slope / length).ravel() / unit
