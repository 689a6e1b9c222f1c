"""Training at several temperatures and batch sizes, each at its best learning rate and at one for all."""

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float

from losses import Loss, make_loss
from synthetic.pairs import FreePairs
from synthetic.rows import Row, kept_rows
from synthetic.trajectories import Problem
from theory import optimum
from training import GradientDescent, Run

_EXPONENTS = range(-10, 9)
"""Learning rates as powers of two of the problem's unit."""
_FIRST_TUNING_SEED = 1_000_000


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
        unit = Problem(n_pairs=self.n_pairs, dim=self.dim, batch_size=batch_size).unit_rate
        rates = [unit * 2.0**e for e in _EXPONENTS]
        loss = make_loss(self.loss, temperature=temperature)
        tuning = range(_FIRST_TUNING_SEED, _FIRST_TUNING_SEED + self.tuning_seeds)
        medians = np.median(self._gaps(loss, batch_size, rates, tuning, device), axis=1)
        best = rates[int(medians.argmin())]
        found = self._gaps(loss, batch_size, [best, self.fixed_rate], range(self.seeds), device)
        row: Row = {"loss": self.loss, "n_pairs": self.n_pairs, "dim": self.dim, "batch_size": batch_size}
        row |= {"temperature": temperature, "updates": self.updates}
        edge = best in (rates[0], rates[-1])
        told = [
            {"tuned": True, "rate": best, "edge": edge},
            {"tuned": False, "rate": self.fixed_rate, "edge": False},
        ]
        return [
            {**row, **rate, "seed": seed, "gap": float(gap)}
            for rate, gaps in zip(told, found, strict=True)
            for seed, gap in enumerate(gaps)
        ]

    def _gaps(
        self, loss: Loss, batch_size: int, rates: list[float], seeds: range, device: torch.device
    ) -> Float[np.ndarray, "rates seeds"]:
        """After the last update, every seed at every rate; a seed has the same start and batches at all rates."""
        N, n = self.n_pairs, len(seeds)
        task = FreePairs(
            torch.tensor(seeds, device=device).repeat(len(rates)),
            n_pairs=N,
            dim=self.dim,
            equal=False,
            batch_size=batch_size,
            rates=torch.tensor(rates, device=device).repeat_interleave(n),
        )
        step = GradientDescent([task.raw], 1.0)
        random = torch.Generator().manual_seed(seeds[0])
        per_epoch = N // batch_size
        for _ in range(self.updates // per_epoch):
            order = torch.rand(n, N, generator=random).argsort(-1).to(device).repeat(len(rates), 1)
            for batch in order.unflatten(-1, (per_epoch, batch_size)).unbind(1):
                step.zero_grad()
                task.accumulate(batch[:, None], loss, 1.0)
                step.step()
        yardstick = make_loss("clip_sum", temperature=1.0)
        best = optimum("clip_sum", N, self.dim).value
        return yardstick(*task.embed(None)).cpu().numpy().reshape(len(rates), n) - best
