"""Training at several batch sizes for as many pairs seen: how near the optimum, and how spread the negatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from synthetic.rows import Row, kept_rows
from synthetic.trajectories import Problem, Trajectories, trajectories
from synthetic.tuning import FIRST_TUNING_SEED, best_exponents
from training import Run

SELECTIONS = ("fixed", "shuffled", "design", "osgd", "spectral", "balanced")


@dataclass(frozen=True, kw_only=True)
class BatchSizes:
    """Every selection at every batch size, after the same number of epochs, that is of pairs seen.

    A batch of all N pairs leaves nothing to select; there the selection is `full`. Each has the constant learning
    rate, a power of two of `Problem.unit_rate`, that has the least median gap at the end on seeds of its own.
    Ordered SGD chooses among ten times as many random batches as it trains on, as in Cho et al., 2024,
    arXiv 2307.05906 (150 of 1,500); what it looks at and does not train on is not counted as seen.
    """

    kind: ClassVar[str] = "batch-sizes"
    temperature: float
    loss: str = "clip_sum"
    n_pairs: int = 32
    dim: int = 32
    batch_sizes: tuple[int, ...] = (2, 4, 8, 16, 32)
    selections: tuple[str, ...] = SELECTIONS
    epochs: int = 62
    """Two cycles of the 31 classes that each design of 32 pairs has."""
    seeds: int = 32
    tuning_seeds: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.seeds < 2 or self.tuning_seeds < 1:
            raise ValueError(
                f"it takes at least 2 seeds and 1 tuning seed, got {self.seeds} and {self.tuning_seeds}"
            )
        for size, selection in self._cases():
            if self.n_pairs % size:
                raise ValueError(
                    f"every batch size must divide n_pairs = {self.n_pairs}, so that epochs see as many pairs at "
                    f"each, got {size}"
                )
            candidates, keep = self._candidates(size, selection)
            rule = self._problem(size).rule(selection, candidates=candidates, keep=keep)
            if (found := rule.updates_per_epoch(self.n_pairs, size)) != self.n_pairs // size:
                raise ValueError(
                    f"an epoch must be {self.n_pairs // size} batches of {size} pairs, got {found} with "
                    f"{selection!r}; leave it out"
                )

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each B, selection and seed."""
        what = f"batch sizes, temperature {self.temperature:g}"
        return kept_rows(run, what, self._cases(), lambda case: self._rows(*case, device))

    def _cases(self) -> list[tuple[int, str]]:
        smaller = [size for size in self.batch_sizes if size < self.n_pairs]
        whole = [(size, "full") for size in self.batch_sizes if size >= self.n_pairs]
        return [*product(smaller, self.selections), *whole]

    def _problem(self, batch_size: int) -> Problem:
        return Problem(
            n_pairs=self.n_pairs,
            dim=self.dim,
            batch_size=batch_size,
            loss=self.loss,
            temperature=self.temperature,
        )

    def _candidates(self, batch_size: int, selection: str) -> tuple[int | None, int]:
        """How many batches Ordered SGD looks at, and how many of them make an epoch."""
        per_epoch = self.n_pairs // batch_size
        return (10 * per_epoch, per_epoch) if selection == "osgd" else (None, 1)

    def _rows(self, batch_size: int, selection: str, device: torch.device) -> list[Row]:
        problem = self._problem(batch_size)
        candidates, keep = self._candidates(batch_size, selection)

        def train(exponents: Sequence[int], seeds: range) -> Trajectories:
            return trajectories(
                problem,
                selection,
                rates=[problem.unit_rate * 2.0**e for e in exponents],
                seeds=seeds,
                epochs=self.epochs,
                device=device,
                points_per_doubling=0,
                watch={"variance": variance_of_negatives},
                candidates=candidates,
                keep=keep,
            )

        tuning = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.tuning_seeds)
        (best,) = best_exponents(lambda tried: [train(tried, tuning).medians[-1].tolist()], range(-2, 7))
        found = train([best], range(self.seeds))
        row: Row = {
            name: getattr(problem, name) for name in ("loss", "temperature", "n_pairs", "dim", "batch_size")
        }
        row |= {"selection": selection, "epochs": self.epochs, "updates": int(found.updates[-1])}
        row |= {"rate": problem.unit_rate * 2.0**best}
        last = zip(found.gaps[-1, 0].tolist(), found.watched["variance"][-1, 0].tolist(), strict=True)
        return [row | {"seed": seed, "gap": gap, "variance": spread} for seed, (gap, spread) in enumerate(last)]


def variance_of_negatives(
    u: Float[Tensor, "replicates n dim"], v: Float[Tensor, "replicates n dim"]
) -> Float[Tensor, " replicates"]:
    """The variance of the negative similarities, 0 at the simplex ETF.

        1 / (N (N - 1)) sum_{i != j} (u_i . v_j - m)^2,     m their mean

    References:
        Lee et al., 2025, Definition and Theorem 5.5, arXiv 2506.09781.
    """
    n = u.shape[-2]
    apart = ~torch.eye(n, dtype=torch.bool, device=u.device)
    return (u @ v.mT)[:, apart].var(-1, correction=0)
