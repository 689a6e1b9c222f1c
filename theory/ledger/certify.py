"""What can be said for certain about given embeddings: how far above the minimum of a loss they are at most."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.certificates.local import LARGEST, LocalCertificate, local_certificate
from theory.certificates.logarithms import log_bound
from theory.formulas.family import FAMILY
from theory.formulas.objectives import objective
from theory.ledger.log_sums import all_batches
from theory.ledger.lookup import optimum

_UNIT = 1e-5
"""How far from 1 the length of a row may be: float32 embeddings pass."""
_MOST_BATCHES = 1_000_000
"""Batches over which the mean is taken at most."""


@dataclass(frozen=True)
class Certificate:
    """A value and a proved lower bound of a loss.

    Attributes:
        value: the loss of the embeddings, averaged over all batches of the size asked for.
        lower_bound: what no unit embeddings u, v of this N and d go below, equal or not.
        bound: its kind: `closed form`, `universally optimal code`, `linear program`, `universal bound`, `pairs`,
            `simplex` or `lower bound`.
        source: theorem and work.
        attained: whether the bound is known to be the minimum; if not, even an optimum shows a gap.
        if_antipodal: a larger lower bound that holds among embeddings with u = v in which every point has its
            antipode, given if these embeddings are such; else None.
        local: first and second derivatives at the embeddings; None where it was not asked for or they are too many.
    """

    value: float
    lower_bound: float
    bound: str
    source: str
    attained: bool
    if_antipodal: float | None = None
    local: LocalCertificate | None = None

    @property
    def gap(self) -> float:
        """No unit embeddings have a value that is smaller by more than this; 0 up to rounding at a minimum."""
        return self.value - self.lower_bound


def certify(
    u: Float[np.ndarray, "..."],
    v: Float[np.ndarray, "..."],
    loss: str,
    temperature: float = 1.0,
    batch_size: int | None = None,
    *,
    local: bool = True,
    **settings: Any,
) -> Certificate:
    """The certified gap of embeddings: the best lower bound that is proved, and how far above it they are.

    Args:
        u: unit rows (to 1e-5; they are made so to float64).
        v: unit rows of the same shape.
        loss: a loss of `theory.formulas.settings`. `flatnce` is taken by its value, that of `nt_xent`.
        temperature: tau.
        batch_size: B: the loss is averaged over all C(N, B) batches; None for the full batch.
        local: whether to compute the local certificate if 2 N d <= 600 and d >= 2.
        **settings: of the loss, see `theory.formulas.settings`.

    Raises:
        ValueError: if shapes differ, a row is not finite or not a unit vector, the batches are too many, or a
            setting is out of range.

    Cost:
        The bound: up to 1 s. The local certificate: 4 N (d - 1) gradients, up to seconds.
    """
    function = objective(loss, temperature, **settings)
    u, v = checked_unit_rows(u, v)
    n, dim = u.shape
    known = optimum(loss, n, dim, batch_size, temperature, **settings)
    batches = None if batch_size in (None, n) else all_batches(n, batch_size, _MOST_BATCHES)
    value = function(u, v, batches)[0]
    kind = "closed form" if known.status == "proved" else _kind(known.source)
    bound, source, attained = known.lower_bound, known.source, known.status == "proved"
    if loss in FAMILY and not attained:
        found = log_bound(loss, n, dim, batch_size, temperature)
        if found.value >= bound:
            bound, kind, attained = found.value, found.name, found.attained
            source = (
                "Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
                if kind == "simplex"
                else "theory.certificates.logarithms"
            )
    assumed = known.status == "proved_if_symmetric_antipodal" and not attained and _antipodal(u, v)
    small = local and dim >= 2 and 2 * n * dim <= LARGEST
    return Certificate(
        value,
        bound,
        kind,
        source,
        attained,
        known.value if assumed else None,
        local_certificate(u, v, function, batches) if small else None,
    )


def _kind(source: str) -> str:
    """The kind of a bound of the ledger."""
    kinds = {"linear-programming": "linear program", "simplex": "simplex"}
    return next((kind for word, kind in kinds.items() if word in source), "lower bound")


def checked_unit_rows(
    u: Float[np.ndarray, "..."], v: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, "n dim"]]:
    """Both views in float64, of unit length to its precision.

    Raises:
        ValueError: if they are not two matrices of one shape with at least two rows, or a row is not finite or its
            length is not 1 to 1e-5.
    """
    u, v = np.asarray(u), np.asarray(v)
    if u.ndim != 2 or u.shape != v.shape or len(u) < 2:
        raise ValueError(
            f"u and v must be two matrices [n, dim] of one shape with n >= 2, received {u.shape} and {v.shape}"
        )
    ready = []
    for name, rows in (("u", u), ("v", v)):
        rows = np.asarray(rows, dtype=np.float64)
        lengths = np.linalg.norm(rows, axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT))
        if len(wrong):
            raise ValueError(
                f"every row of {name} must be a unit vector, received one of length {lengths[wrong[0]]} in row "
                f"{wrong[0]} ({len(wrong)} of {len(rows)} are not); divide each row by its length"
            )
        ready.append(rows / lengths[:, None])
    return ready[0], ready[1]


def _antipodal(u: Float[np.ndarray, "n dim"], v: Float[np.ndarray, "n dim"]) -> bool:
    """Whether u = v and every point has an antipode among the points."""
    return bool(np.abs(u - v).max() <= 1e-6 and ((u @ u.T).min(axis=1) <= -1 + 1e-10).all())
