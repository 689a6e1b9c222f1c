"""The full batch's gap against the fraction of pairs that ever meet."""

from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from losses import make_loss
from synthetic.minimisers import Batches, everyone, mean_loss, settled
from synthetic.rows import Row, kept_rows
from synthetic.sufficiency import batches_of
from synthetic.trajectories import Problem
from theory.designs import pair_coverage, schedule
from training import Run


@dataclass(frozen=True, kw_only=True)
class Coverage(Problem):
    """The minimisers of the mean loss over sets of batches of growing size, d >= N - 1.

    Families: `classes`, k parallel classes of a design; `shuffles`, k random partitions; `random`, the batches of k
    random partitions' number, drawn each for itself among all C(N, B), no batch twice.
    """

    kind: ClassVar[str] = "coverage"
    family: Literal["classes", "shuffles", "random"]
    counts: tuple[int, ...] = ()
    """k; none for every number of classes."""
    seeds: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        N, B = self.n_pairs, self.batch_size
        if self.dim < N - 1 or N % B:
            raise ValueError(
                f"dim must be at least n_pairs - 1 and batch_size divide n_pairs, got {self.dim}, {N} and {B}"
            )
        if self.family == "random" and max(self.counts, default=0) * N // B > comb(N, B):
            raise ValueError(
                f"there are no more than C({N}, {B}) = {comb(N, B):,} batches, got counts up to {max(self.counts)}"
            )

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each k and seed."""
        del device  # L-BFGS of scipy
        counts = self.counts or tuple(range(1, schedule(self.n_pairs, self.batch_size).n_classes + 1))
        return kept_rows(run, f"{self.family}, N = {self.n_pairs}", counts, self._rows)

    def _rows(self, k: int) -> list[Row]:
        N, loss = self.n_pairs, make_loss(self.loss, temperature=self.temperature)
        rows = []
        for seed in range(self.seeds):
            batches = self._batches(k, seed)
            cover = pair_coverage(batches, N)
            views = settled(loss, batches, n_pairs=N, dim=self.dim, seed=seed)
            row: Row = {"loss": self.loss, "temperature": self.temperature, "n_pairs": N, "dim": self.dim}
            row |= {"batch_size": self.batch_size, "family": self.family, "k": k, "seed": seed}
            row |= {"n_batches": len(batches), "met": cover.met, "least": cover.least, "most": cover.most}
            gap = mean_loss(loss, views, everyone(N)) - self.best_loss()
            rows.append(row | {"design": cover.is_design, "gap": gap})
        return rows

    def _batches(self, k: int, seed: int) -> Batches:
        if self.family != "random":
            return batches_of(self.family, self.n_pairs, self.batch_size, k, seed)
        rng = np.random.default_rng([seed, k])
        wanted = k * self.n_pairs // self.batch_size
        drawn: dict[tuple[int, ...], None] = {}
        while len(drawn) < wanted:
            drawn[tuple(sorted(rng.choice(self.n_pairs, self.batch_size, replace=False).tolist()))] = None
        return np.array(list(drawn))
