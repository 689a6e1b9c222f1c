"""Training at several temperatures and batch sizes, each at its best learning rate and at one for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from losses import make_loss
from synthetic.rows import Row, kept_rows
from synthetic.trajectories import Problem, trajectories
from synthetic.tuning import FIRST_TUNING_SEED, best_exponents
from theory import optimum
from training import Run


@dataclass(frozen=True, kw_only=True)
class Temperatures:
    """How near to the simplex ETF a number of updates comes, for every B and temperature: shuffled plain SGD.

    All losses of the log-sum-exp family have the same minimiser at d >= N - 1, so that they can be compared by how
    far from it one measure of them all is: the gap of `clip_sum` at temperature 1 over all pairs. The best
    learning rate is the power of two of the unit d B / 16 with the least median gap on seeds of its own; that of
    Cho et al., 2024, arXiv 2307.05906, 0.5, is shown beside it.
    """

    kind: ClassVar[str] = "temperatures"
    loss: str
    n_pairs: int = 32
    dim: int = 32
    batch_sizes: tuple[int, ...] = (4, 8, 32)
    temperatures: tuple[float, ...] = (0.05, 0.1, 0.3, 1.0)
    updates: int = 256
    fixed_rate: float = 0.5
    seeds: int = 16
    tuning_seeds: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.dim < self.n_pairs - 1:
            raise ValueError(f"dim must be at least n_pairs - 1 = {self.n_pairs - 1}, got {self.dim}")
        for size in self.batch_sizes:
            if self.n_pairs % size or self.updates % (self.n_pairs // size):
                raise ValueError(
                    f"every batch size must divide n_pairs = {self.n_pairs} into a number of batches that divides "
                    f"updates = {self.updates}, got {size}"
                )

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each B, temperature, rate (best or fixed) and seed."""
        items = product(self.batch_sizes, self.temperatures)
        return kept_rows(run, f"temperatures, {self.loss}", items, lambda item: self._rows(*item, device))

    def _rows(self, batch_size: int, temperature: float, device: torch.device) -> list[Row]:
        problem = Problem(
            n_pairs=self.n_pairs, dim=self.dim, batch_size=batch_size, loss=self.loss, temperature=temperature
        )

        def gaps(rates: Sequence[float], seeds: range) -> Float[np.ndarray, "rates seeds"]:
            found = trajectories(
                problem,
                "shuffled",
                rates=rates,
                seeds=seeds,
                epochs=self.updates * batch_size // self.n_pairs,
                device=device,
                points_per_doubling=0,
                watch={"gap of all": self._gap_of_all},
            )
            return found.watched["gap of all"][-1]

        def score(exponents: Sequence[int]) -> list[list[float]]:
            tuning = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.tuning_seeds)
            return [np.median(gaps([problem.unit_rate * 2.0**e for e in exponents], tuning), axis=1).tolist()]

        (best,) = best_exponents(score, range(-4, 3))
        rates = [problem.unit_rate * 2.0**best, self.fixed_rate]
        row: Row = {"loss": self.loss, "n_pairs": self.n_pairs, "dim": self.dim, "batch_size": batch_size}
        row |= {"temperature": temperature, "updates": self.updates}
        return [
            {**row, "tuned": tuned, "rate": rate, "seed": seed, "gap": float(gap)}
            for tuned, rate, found in zip((True, False), rates, gaps(rates, range(self.seeds)), strict=True)
            for seed, gap in enumerate(found)
        ]

    def _gap_of_all(
        self, u: Float[Tensor, "replicates n dim"], v: Float[Tensor, "replicates n dim"]
    ) -> Float[Tensor, " replicates"]:
        """Of the loss by which all are measured."""
        return make_loss("clip_sum", temperature=1.0)(u, v) - optimum("clip_sum", self.n_pairs, self.dim).value
