"""Which batches suffice: embeddings that minimise the mean loss of a few batches, held against the full batch."""

from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Int

from batching import Combinations
from losses import make_loss
from synthetic.minimisers import Views, settled
from synthetic.trajectories import Problem
from theory import distance_to_simplex_etf
from theory.designs import pair_coverage, schedule
from training import Progress, Run

Family = Literal["classes", "shuffles", "all"]
_FEW = 20_000
"""Batches that are minimised over at most."""


@dataclass(frozen=True, kw_only=True)
class Sufficiency(Problem):
    """The minimisers of the mean loss over a family of batches, from several starts.

    Families: `classes`, the first k parallel classes of `theory.designs.schedule`, for every k (k = 1 is a fixed
    partition, all of them a 2-design where one is known); `shuffles`, k independent random partitions; `all`, the
    C(N, B) batches.
    """

    kind: ClassVar[str] = "sufficiency"
    family: Family
    counts: tuple[int, ...] = ()
    """k; none for every number of classes. Of `all` there is one."""
    seeds: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.dim < self.n_pairs - 1:
            raise ValueError(
                f"dim must be at least n_pairs - 1 = {self.n_pairs - 1}, where the optimum is known to be the "
                f"simplex ETF, got {self.dim}"
            )
        if self.n_pairs % self.batch_size:
            raise ValueError(f"batch_size must divide n_pairs, got {self.batch_size} and {self.n_pairs}")
        if self.family == "all" and comb(self.n_pairs, self.batch_size) > _FEW:
            raise ValueError(
                f"'all' takes at most {_FEW:,} batches, got C({self.n_pairs}, {self.batch_size}) = "
                f"{comb(self.n_pairs, self.batch_size):,}; leave it out or take smaller sizes"
            )

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """Minimise over each family; what is finished is not done again after an interruption.

        Returns:
            The content of result.json: `points`, one for every k. The similarities U V^T of the first seed go to
            arrays.npz.
        """
        del device  # L-BFGS of scipy
        saved = run.restore() or {"points": [], "grams": {}}
        points, grams, counts = saved["points"], saved["grams"], self._counts()
        with Progress(f"{self.family}, N = {self.n_pairs}", len(counts)) as progress:
            for k in counts[len(points) :]:
                found = [minimised(self, self._batches(k, seed), seed) for seed in range(self.seeds)]
                points.append(self._point(k, found))
                u, v = found[0]
                grams[f"gram_{k}"] = torch.from_numpy(u @ v.T)
                run.checkpoint({"points": points, "grams": grams})
                progress.show(len(points), None)
        run.save_arrays(**{name: gram.numpy() for name, gram in grams.items()})
        return {"points": points}

    def _counts(self) -> tuple[int, ...]:
        if self.family == "all":
            return (1,)
        return self.counts or tuple(range(1, schedule(self.n_pairs, self.batch_size).n_classes + 1))

    def _batches(self, k: int, seed: int) -> Int[np.ndarray, "n_batches batch"]:
        return batches_of(self.family, self.n_pairs, self.batch_size, k, seed)

    def _point(self, k: int, found: list[Views]) -> dict[str, Any]:
        """What the minimisers over k classes are like."""
        full = make_loss(self.loss, temperature=self.temperature)
        gaps = [full(*map(torch.from_numpy, views)).item() - self.best_loss() for views in found]
        distances = [float(distance_to_simplex_etf(*views)) for views in found]
        batches = self._batches(k, 0)
        cover = pair_coverage(batches, self.n_pairs)
        told: dict[str, Any] = {"k": k, "n_batches": len(batches), "met": cover.met, "design": cover.is_design}
        for name, values in (("gap", gaps), ("distance", distances)):
            told |= {f"{name}_{what.__name__}": float(what(values)) for what in (np.min, np.median, np.max)}
        return told | {"n": self.seeds}


def batches_of(
    family: Family, n_pairs: int, batch_size: int, k: int, seed: int
) -> Int[np.ndarray, "n_batches batch"]:
    """A family of batches; see `Sufficiency`. Only `shuffles` depend on the seed."""
    if family == "classes":
        chosen = schedule(n_pairs, batch_size)
        return np.concatenate([chosen.parallel_class(i) for i in range(k)])
    if family == "shuffles":
        rng = np.random.default_rng([seed, k])
        return np.concatenate([rng.permutation(n_pairs).reshape(-1, batch_size) for _ in range(k)])
    return Combinations(n_pairs, batch_size).rows().numpy()


def minimised(problem: Problem, batches: Int[np.ndarray, "n_batches batch"], seed: int) -> Views:
    """Unit embeddings that minimise the mean loss over these batches; see `minimisers.settled`."""
    loss = make_loss(problem.loss, temperature=problem.temperature)
    return settled(loss, batches, n_pairs=problem.n_pairs, dim=problem.dim, seed=seed)
