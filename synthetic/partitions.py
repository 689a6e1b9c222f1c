"""All C(N, B) batches against one fixed partition: the full batch's gap at the minimisers of each."""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from losses import make_loss
from synthetic.minimisers import Batches, everyone, mean_loss, settled
from synthetic.rows import Row, kept_rows
from theory import distance_to_optimum, fixed_partition_range, optimum
from training import Run

Family = Literal["all", "fixed"]
_FEW = 500
"""Batches that are minimised over at most."""


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """For every B and d, the minimisers over all batches of B pairs, and over N / B disjoint ones where B | N.

    Dimensions are N / 2, where the cross-polytope is optimal for the full batch, N - 1 and N, where the simplex ETF
    is. A fixed partition leaves the gap between `theory.fixed_partition_range`'s ends.
    """

    kind: ClassVar[str] = "partitions"
    n_pairs: int
    loss: str = "clip_sum"
    temperature: float = 1.0
    starts: int = 16

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.n_pairs < 4 or self.n_pairs % 2:
            raise ValueError(f"n_pairs must be even and at least 4, for dim = n_pairs / 2, got {self.n_pairs}")

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each family, B, d and start."""
        del device  # L-BFGS of scipy
        N = self.n_pairs
        families: tuple[Family, ...] = ("all", "fixed")
        sizes: list[tuple[Family, int]] = [
            (family, B) for B in range(2, N + 1) for family in families if self._takes(family, B)
        ]
        items = [(*case, dim) for case in sizes for dim in (N // 2, N - 1, N)]
        return kept_rows(run, f"partitions, N = {N}", items, lambda item: self._rows(*item))

    def _takes(self, family: Family, batch_size: int) -> bool:
        if family == "all":
            return comb(self.n_pairs, batch_size) <= _FEW
        return self.n_pairs % batch_size == 0 and batch_size < self.n_pairs

    def _rows(self, family: Family, batch_size: int, dim: int) -> list[Row]:
        N, loss = self.n_pairs, make_loss(self.loss, temperature=self.temperature)
        known = optimum(self.loss, N, dim, temperature=self.temperature)
        batches = _batches(family, N, batch_size)
        row: Row = {"loss": self.loss, "temperature": self.temperature, "n_pairs": N, "dim": dim}
        row |= {"batch_size": batch_size, "family": family, "status": known.status}
        if family == "fixed":
            ends = fixed_partition_range(N, batch_size, loss=self.loss, temperature=self.temperature)
            row |= {"least": ends.best - known.value, "most": ends.worst - known.value}
        rows = []
        for seed in range(self.starts):
            views = settled(loss, batches, n_pairs=N, dim=dim, seed=seed)
            gap = mean_loss(loss, views, everyone(N)) - known.value
            distance = float(distance_to_optimum(*views, known.configuration))
            rows.append(row | {"start": seed, "gap": gap, "distance": distance})
        return rows


def _batches(family: Family, n_pairs: int, batch_size: int) -> Batches:
    if family == "fixed":
        return np.arange(n_pairs).reshape(-1, batch_size)
    return np.array(list(combinations(range(n_pairs), batch_size)))
