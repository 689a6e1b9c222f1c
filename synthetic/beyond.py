"""More points than d + 1: the best that is found, and how far above a proved bound it is at most."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from losses import make_loss
from synthetic.minimisers import everyone, mean_loss, settled
from synthetic.rows import Row, kept_rows
from theory.codes import find_code
from theory.ledger.certify import certify
from training import Run


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """For N = d + 2 .. `most`, the lowest of several starts and its certificate.

    As many starts have independent views as have u = v: in few dimensions, descents of a kernel's sum from
    independent views often stop where the views lie differently around the sphere.

    The relative gap is (value - lower bound) / (value - what the positives alone have): InfoNCE without negatives
    is 0, KCL without its energy -1 for the Gaussian kernel; the denominator is what the negatives cost.
    """

    kind: ClassVar[str] = "beyond"
    loss: str
    dim: int
    most: int = 14
    temperature: float = 0.5
    starts: int = 8
    """Of each of the two kinds."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.loss not in ("info_nce", "kcl"):
            raise ValueError(f"loss must be info_nce or kcl, for which there are bounds, got {self.loss!r}")
        if not 2 <= self.dim <= self.most - 2:
            raise ValueError(f"dim must lie between 2 and most - 2 = {self.most - 2}, got {self.dim}")

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each N."""
        del device  # L-BFGS of scipy
        sizes = range(self.dim + 2, self.most + 1)
        return kept_rows(run, f"{self.loss}, d = {self.dim}", sizes, lambda n: [self._row(n)])

    def _row(self, n: int) -> Row:
        loss = make_loss(self.loss, temperature=self.temperature)
        found = [
            settled(loss, everyone(n), n_pairs=n, dim=self.dim, seed=seed, equal=equal)
            for equal in (False, True)
            for seed in range(self.starts)
        ]
        values = [mean_loss(loss, views, everyone(n)) for views in found]
        lowest = min(values)
        led_there = [value <= lowest + 1e-9 for value in values]
        certificate = certify(*found[values.index(lowest)], self.loss, self.temperature, local=False)
        gap = lowest - certificate.lower_bound
        return {
            "loss": self.loss,
            "n_pairs": n,
            "dim": self.dim,
            "temperature": self.temperature,
            "value": lowest,
            "lower_bound": certificate.lower_bound,
            "bound": certificate.bound,
            "attained": certificate.attained,
            "gap": gap,
            "relative": gap / (lowest + (self.loss == "kcl")),
            "code": find_code(n, self.dim) is not None,
            "n_best": sum(led_there),
            "n_best_independent": sum(led_there[: self.starts]),
            "n": len(values),
        }
