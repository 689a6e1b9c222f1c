"""The losses of the ledger as functions that can be minimised: value and gradient, in float64 numpy.

`objective` is written from the formulas, without a line of the package `losses`, so that a test that compares the
two is evidence. s_ij = u_i.v_j, a_ij = u_i.u_j, b_ij = v_i.v_j; all negatives and energies are functions of these,
and the attraction of `kcl` and `align_uniform` is one of |u_i - v_i|^2.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from theory.formulas.batch_losses import BatchFunction, Products, Slopes, batch_function
from theory.formulas.family import check_temperature
from theory.formulas.settings import chosen_settings

Points = Float[np.ndarray, "n dim"]
Batches = Int[np.ndarray, "n_batches batch_size"]


@runtime_checkable
class Objective(Protocol):
    """A loss of u and v, averaged over batches, with its gradient."""

    def __call__(self, u: Points, v: Points, batches: Batches | None = None) -> tuple[float, Points, Points]:
        """The value, and its derivatives with respect to u and v."""
        ...


def objective(loss: str, temperature: float = 1.0, **settings: Any) -> Objective:
    """A loss as a function ``(u, v, batches=None) -> (value, du, dv)``.

    The value is the mean over the batches, rows of pair numbers, of the loss of each; without batches it is that of
    the full batch. du and dv are derivatives with respect to free vectors, not projected onto the sphere; the
    formulas are those for unit vectors, so that only their tangential parts have a meaning beyond this function.

    For `flatnce`, value and gradient are those of `nt_xent`, whose value it shows; it trains with the gradient of
    `dcl`, for which one asks by that name. `supcon` takes consecutive pairs as a class, N / C of each (`n_classes`;
    None for a class of its own for every pair). `log_noise` of `nce` is one number; None is -log B.

    Args:
        loss: a name in `theory.formulas.settings`.
        temperature: tau > 0; `kcl`, `align_uniform` and `spectral_contrastive` have none and take no notice.
        **settings: those of `theory.formulas.settings`.

    Returns:
        The function. It needs O(n_batches B^2) time and memory, plus O(N^2 d).

    Raises:
        ValueError: if there is no such loss or setting, or one is out of its range; when called, if shapes
            differ or batches are not rows of at least two pair numbers.
    """
    chosen = chosen_settings(loss, settings)
    check_temperature(temperature)
    return _Mean(batch_function(loss, temperature, chosen), chosen.get("n_classes"))


@dataclass(frozen=True)
class _Mean:
    """The mean over batches of a function of the products within a batch."""

    function: BatchFunction
    n_classes: int | None

    def __call__(self, u: Points, v: Points, batches: Batches | None = None) -> tuple[float, Points, Points]:
        """See `Objective`."""
        n = len(u)
        if u.shape != v.shape or n < 2:
            raise ValueError(f"u and v must be alike, of at least two rows; received {u.shape} and {v.shape}")
        rows = np.arange(n)[None] if batches is None else np.asarray(batches)
        if rows.ndim != 2 or rows.shape[1] < 2 or not rows.size or rows.min() < 0 or rows.max() >= n:
            raise ValueError(
                f"batches must be rows of at least two numbers of pairs, 0 to {n - 1}; received shape {rows.shape}"
            )
        apart = u - v
        labels = np.arange(n) if self.n_classes is None else class_labels(n, self.n_classes)
        where = rows[:, :, None] * n + rows[:, None, :]
        taken = ((x @ y.T).ravel()[where] for x, y in ((u, v), (u, u), (v, v)))
        s, a, b = taken
        x = Products(s, a, b, (apart**2).sum(1)[rows], labels[rows])
        slopes = Slopes(x)
        value = float(self.function(x, slopes).mean())
        s, a, b = (
            np.bincount(where.ravel(), part.ravel(), n * n).reshape(n, n) / len(rows)
            for part in (slopes.s, slopes.a, slopes.b)
        )
        pull = 2 * np.bincount(rows.ravel(), slopes.apart.ravel(), n)[:, None] / len(rows) * apart
        return value, s @ v + (a + a.T) @ u + pull, s.T @ u + (b + b.T) @ v - pull


def class_labels(n_pairs: int, n_classes: int) -> Int[np.ndarray, " n_pairs"]:
    """The class of each pair, N / C consecutive pairs in each.

    Raises:
        ValueError: if C does not divide N.
    """
    if n_classes < 1 or n_pairs % n_classes:
        raise ValueError(
            f"n_classes must divide n_pairs, for classes of equal size, received {n_classes} and {n_pairs}; "
            f"the divisors are {', '.join(str(c) for c in range(1, n_pairs + 1) if n_pairs % c == 0)}"
        )
    return np.arange(n_pairs) // (n_pairs // n_classes)
