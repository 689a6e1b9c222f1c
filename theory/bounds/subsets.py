"""The mean loss over all batches of a size against the full batch, at the same embeddings.

Let L_B be the mean of a loss of the log-sum-exp family over all C(N, B) batches, which is also the expected loss of
a shuffled batch. An anchor i with terms ``x_j = sum over the negatives in pair j of e^((negative - positive) /
tau)`` contributes ``E log(c + sum_{j in S} x_j)`` to it, S a random set of B - 1 of its N - 1 partners, and c = 1
with the positive in the denominator, else 0. Then, for B >= 2:

1. *L_B increases with B*: a larger S has a larger sum. (N, B = N: the full batch.)
2. *L_B is concave in B*: with j, k two more partners drawn after S, the increments
   ``E log(1 + x_j / (c + sum_S x))`` and ``E log(1 + x_j / (c + sum_S x + x_k))`` decrease. So L_B lies above the
   chord from B = 2, where it is a mean over pairs, to N; and for c = 1 above (B - 1) / (N - 1) L_N, as L_1 = 0.
3. *Jensen*: log is concave, so that L_B is at most the mean of ``log(c + (B - 1) / (N - 1) sum_j x_j)``.

So O(N^2) bounds replace C(N, B) batches. Both are equalities for B = N, the chord for B = 2, too, and Jensen's
wherever an anchor has equal terms, as at the simplex ETF.

References:
    The bounds are this project's own. van den Oord, Li, Vinyals, 2018, arXiv 1807.03748 (InfoNCE and information).
    Poole et al., 2019, "On variational bounds of mutual information", arXiv 1905.06922 (its ceiling, log B).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.formulas.batch_losses import DIRECTIONS
from theory.formulas.family import member
from theory.formulas.optima import simplex_etf_value

Points = Float[np.ndarray, "n dim"]


class AllBatches(NamedTuple):
    """Bounds of the mean loss over all batches of size B, and the full-batch loss, in nats."""

    lower: float
    upper: float
    full: float


def all_batches_bounds(
    u: Points, v: Points, batch_size: int, *, loss: str = "clip_sum", temperature: float = 1.0
) -> AllBatches:
    """Bounds of the mean loss over all C(N, B) batches, by the chord and by Jensen (module's docstring).

    Args:
        u: unit embeddings of one view.
        v: of the other.
        batch_size: B.
        loss: a name of `theory.formulas.family`.
        temperature: tau > 0.

    Returns:
        ``lower <= L_B <= upper <= full``. O(N^2 d) time.

    Raises:
        ValueError: if the shapes differ, B does not lie between 2 and N, tau is not positive or the loss is not
            known.
    """
    n, kind = len(u), member(loss)
    if u.shape != v.shape:
        raise ValueError(f"u and v must be alike, received {u.shape} and {v.shape}")
    simplex_etf_value(n, batch_size, loss=loss, temperature=temperature)  # the checks
    terms = _log_terms(u, v, loss, temperature)
    unused = (kind.logs - kind.positives) / temperature * float(np.einsum("id,id->i", u, v).mean())

    def value(logs: Float[np.ndarray, "..."]) -> float:
        inside = np.logaddexp(0, logs) if kind.positive_in_denominator else logs
        return kind.logs * float(inside.mean()) + unused

    sums = np.logaddexp.reduce(np.where(np.eye(n, dtype=bool), -np.inf, terms), axis=-1)
    full = value(sums)
    pairs = value(terms[:, ~np.eye(n, dtype=bool)])
    along = 1.0 if n == 2 else (batch_size - 2) / (n - 2)
    share = math.log((batch_size - 1) / (n - 1))
    return AllBatches(pairs + along * (full - pairs), value(sums + share), full)


def _log_terms(u: Points, v: Points, loss: str, temperature: float) -> Float[np.ndarray, "views n n"]:
    """Log x_ij for every anchor i and other pair j; the diagonal means nothing."""
    products = {"s": u @ v.T, "s^T": v @ u.T, "a": u @ u.T, "b": v @ v.T}
    positive = np.diagonal(products["s"])[:, None]
    return np.stack(
        [np.logaddexp.reduce([(products[k] - positive) / temperature for k in where]) for where in DIRECTIONS[loss]]
    )


def information_bound(info_nce: float, batch_size: int) -> float:
    """The mutual information that an InfoNCE loss certifies, ``I >= log B - L``, in nats.

    It holds for the expectation of `info_nce` (one direction, or the mean of both) over batches of B pairs drawn
    independently from the joint distribution. As the loss is positive it never certifies more than log B, however
    large the information is (`information_ceiling` is the sharper limit for cosines).

    Raises:
        ValueError: if B is below 2 or the loss not positive.

    References:
        van den Oord et al., 2018, arXiv 1807.03748. Poole et al., 2019, arXiv 1905.06922.
    """
    if batch_size < 2:
        raise ValueError(f"batch_size must be at least 2, received {batch_size}; one pair has no negative")
    if not info_nce > 0:
        raise ValueError(f"info_nce must be positive, as log(1 + ...) is, received {info_nce}")
    return math.log(batch_size) - info_nce


def information_ceiling(batch_size: int, temperature: float = 1.0) -> float:
    """The most that InfoNCE of cosines can certify with batches of B, in nats.

    It is::

        log B - log(1 + (B - 1) e^(-B / ((B - 1) tau)))

    by the smallest loss of any batch (`simplex_etf_value`). It is below log B and below 1 / tau, to which it tends
    for B -> infinity: at tau = 1 no batch of any size certifies more than 1 nat. (The mean of e^x over one x = 0
    and B - 1 others of -B / ((B - 1) tau) is at least e^(-1 / tau), by Jensen.)

    Raises:
        ValueError: if B is below 2 or tau not positive.
    """
    return math.log(batch_size) - simplex_etf_value(max(batch_size, 0), loss="info_nce", temperature=temperature)
