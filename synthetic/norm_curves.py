"""How far the similarities are from those of the optimum, against updates, at one learning rate for all."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from synthetic.rows import Row, kept_rows
from synthetic.trajectories import Problem, crossing_interval, trajectories
from theory import distance_to_optimum, optimum
from theory.distance import CONFIGURATIONS
from training import Run


@dataclass(frozen=True, kw_only=True)
class NormCurves(Problem):
    """The distance min |U V^T - G|_F to the similarities G of an optimum, for several selections on one problem.

    The minimum is over the relabellings of the pairs, that is over G with rows and columns permuted *together*:
    `theory.distance_to_optimum`, which is 0 only at an optimum. The published code's `solution_norm` rearranges
    every row of U V^T by itself, greedily: it is 0 for a simplex ETF whose positives are wrong (v_i = u_(i - 1)),
    too, far from the minimum of the loss, and may lie below the distance on the way there.

    Cho et al. draw this with Ordered SGD, spectral clustering and shuffles, B = 2, at the learning rate 0.5, for
    500 steps of one start. A step is an epoch of N / B updates, also of Ordered SGD, which chooses the batch of
    largest loss among all C(N, B) anew for each; of the full batch and of the mean over all batches it is one
    update.

    References:
        Cho et al., 2024, arXiv 2307.05906.
    """

    kind: ClassVar[str] = "norm-curves"
    selections: tuple[str, ...] = ("fixed", "shuffled", "full", "all", "design", "osgd", "spectral")
    epochs: int = 500
    learning_rate: float = 0.5
    shares: tuple[float, ...] = (0.5, 0.1)
    """Of the median distance at the start: until when updates are counted."""
    seeds: int = 64
    points_per_doubling: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self._configuration() not in CONFIGURATIONS:
            raise ValueError(
                "n_pairs and dim must be such that a simplex ETF (dim >= n_pairs - 1) or a cross-polytope "
                f"(n_pairs = 2 dim) is optimal, got {self.n_pairs} and {self.dim}: there is nothing to be near to"
            )
        if self.seeds < 2 or not all(0 < share < 1 for share in self.shares):
            raise ValueError(
                f"at least 2 seeds are needed, and shares between 0 and 1, got {self.seeds} and {self.shares}"
            )
        for selection in self.selections:
            self.rule(selection)

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """Train with every selection; those that are finished are not trained again after an interruption.

        Returns:
            The content of result.json: `rows`, medians and middle 80 % at every update that was looked at, and
            `needed`, updates to each share of the distance at the start; None stands for more than were made.
        """
        rows = kept_rows(run, f"N = {self.n_pairs}", self.selections, lambda name: self._rows(name, device))["rows"]
        return {
            "rows": [row for row in rows if "share" not in row],
            "needed": [row for row in rows if "share" in row],
        }

    def _configuration(self) -> str | None:
        return optimum(self.loss, self.n_pairs, self.dim, temperature=self.temperature).configuration

    def _distance(self, u: Float[Tensor, "seeds n dim"], v: Float[Tensor, "seeds n dim"]) -> np.ndarray:
        return distance_to_optimum(u.cpu().numpy(), v.cpu().numpy(), self._configuration())

    def _rows(self, selection: str, device: torch.device) -> list[Row]:
        found = trajectories(
            self,
            selection,
            rates=[self.learning_rate],
            seeds=range(self.seeds),
            epochs=self.epochs,
            device=device,
            points_per_doubling=self.points_per_doubling,
            watch={"distance": self._distance},
        )
        gaps, distances = found.gaps[:, 0], found.watched["distance"][:, 0]
        row: Row = {name: getattr(self, name) for name in Problem.__dataclass_fields__}
        row |= {"learning_rate": self.learning_rate, "selection": selection, "n": self.seeds}
        rows = [
            row | {"update": int(update)} | _middle("distance", distances[i]) | _middle("gap", gaps[i])
            for i, update in enumerate(found.updates)
        ]
        start = float(np.median(self._distance(*self.start(torch.arange(self.seeds), None).embed(None))))
        for share in self.shares:
            interval = crossing_interval(found.updates, distances, share * start)
            told = {name: x if np.isfinite(x) else None for name, x in interval._asdict().items()}
            ends = {"first": int(found.updates[0]), "at_most": int(found.updates[-1])}
            rows.append(row | {"share": share, "start": start, "updates": told.pop("value"), **told, **ends})
        return rows


def _middle(name: str, values: Float[np.ndarray, " seeds"]) -> Row:
    """Median and middle 80 %."""
    low, median, high = (float(x) for x in np.quantile(values, [0.1, 0.5, 0.9]))
    return {f"{name}_low": low, f"{name}_median": median, f"{name}_high": high}
