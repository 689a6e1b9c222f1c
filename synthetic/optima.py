"""Every loss of the theory's ledger, minimised: is its smallest value, and what attains it, as the ledger says?"""

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, ClassVar

import numpy as np
import torch

from losses import Loss, make_loss
from synthetic.minimisers import Views, everyone, mean_loss, settled
from synthetic.rows import Row, kept_rows, spread
from theory import Optimum, distance_to_cross_polytope, optimum
from theory.formulas.family import FAMILY
from theory.formulas.settings import SETTINGS
from training import Run

_GRADIENT_OF = {"flatnce": "dcl"}
"""Losses that train with the gradient of another one's value: they are held against that."""


@dataclass(frozen=True, kw_only=True)
class Optima:
    """The minimisers of a loss over all C(N, B) batches, from several starts, for every d, B and temperature.

    `flatnce`, which has the gradient of `dcl`, is held against the values of `dcl`.
    """

    kind: ClassVar[str] = "optima"
    loss: str
    n_pairs: int = 8
    dims: tuple[int, ...] = (8, 4)
    batch_sizes: tuple[int, ...] = (8, 4, 2)
    temperatures: tuple[float, ...] = (1.0, 0.3)
    starts: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.loss not in SETTINGS:
            raise ValueError(f"loss must be one of {', '.join(SETTINGS)}, got {self.loss!r}")
        if not all(2 <= size <= self.n_pairs for size in self.batch_sizes):
            raise ValueError(f"batch_sizes must lie between 2 and n_pairs = {self.n_pairs}, got {self.batch_sizes}")

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each d, B and temperature."""
        del device  # L-BFGS of scipy
        items = product(self.dims, self.batch_sizes, self.temperatures)
        return kept_rows(run, self.loss, items, lambda item: [self._row(*item)])

    def _row(self, dim: int, batch_size: int, temperature: float) -> Row:
        N, name = self.n_pairs, _GRADIENT_OF.get(self.loss, self.loss)
        loss = make_loss(name, temperature=temperature)
        batches = np.array(list(combinations(range(N), batch_size)))
        found = [settled(loss, batches, n_pairs=N, dim=dim, seed=seed) for seed in range(self.starts)]
        known = optimum(name, N, dim, batch_size, temperature=temperature)
        full = optimum(name, N, dim, temperature=temperature)
        row: Row = {
            "loss": self.loss,
            "n_pairs": N,
            "dim": dim,
            "batch_size": batch_size,
            "temperature": temperature,
        }
        row |= {"status": known.status, "configuration": known.configuration or "", "value": known.value}
        row |= spread("gap", (mean_loss(loss, views, batches) - known.value for views in found))
        row |= spread("full_gap", (mean_loss(loss, views, everyone(N)) - full.value for views in found))
        distances = [distance for views in found if (distance := distance_to(full, views)) is not None]
        row |= spread("distance", distances) if distances else {}
        return row | {"sole": is_sole(name, known, full, batch_size), "n": self.starts}


def distance_to(known: Optimum, views: Views) -> float | None:
    """|U V^T - Z|_F to the optimum Z, up to relabelling; None where several Z that differ by more are optimal."""
    if known.configuration == "cross_polytope":
        return float(distance_to_cross_polytope(*views))
    if known.make is None:
        return None
    gram = known.gram()
    apart = gram[~np.eye(len(gram), dtype=bool)]
    if np.ptp(apart) > 1e-9:  # a relabelling would change it
        return None
    return float(np.linalg.norm(views[0] @ views[1].T - gram))


def is_sole(loss: str, known: Optimum, full: Optimum, batch_size: int) -> bool:
    """Whether the minimisers over all C(N, B) batches are the full batch's alone, as is proved for d >= N - 1.

    Not so of log xi and of `align_uniform` at B = 2: the logarithm of one term is linear, and every u = v with
    sum u = 0 minimises its mean over all pairs. Nor of the sigmoid losses where the best similarity of positives
    depends on B.
    """
    linear = loss == "align_uniform" or (loss in FAMILY and not FAMILY[loss].positive_in_denominator)
    if (linear and batch_size == 2) or {known.status, full.status} != {"proved"}:
        return False
    u, _ = full.embeddings()
    if u.shape[1] < len(u) - 1:
        return False
    return bool(np.abs(known.gram() - full.gram()).max() < 1e-9)


def with_temperature(loss: str) -> bool:
    """Whether a temperature changes the loss."""
    bound: Loss = make_loss(loss, temperature=0.5)
    return "temperature" in getattr(bound, "keywords", {})
