"""Searches in the plane for what is lower than the regular polygon."""

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch

from losses import make_loss
from synthetic.minimisers import everyone, mean_loss
from synthetic.rows import Row, kept_rows
from theory.certificates import log_bound
from theory.codes import regular_polygon
from theory.formulas.family import FAMILY
from theory.ledger.candidates import plane_cluster
from theory.ledger.search import SearchResult, search
from training import Run


@dataclass(frozen=True, kw_only=True)
class Polygons:
    """The least value of a loss that is found in two dimensions, against that of the regular N-gon.

    Searched from random starts with u = v and with both free, and from N - m + 1 points at one vertex of an m-gon
    and one at each other. What is found is attained (its value is computed anew by `losses`); that there is
    nothing lower is proved only where the lower bound is the polygon's value.
    """

    kind: ClassVar[str] = "polygons"
    loss: str
    sizes: tuple[int, ...] = (5, 6, 7, 8, 9, 10, 11, 12)
    temperatures: tuple[float, ...] = (0.05, 0.07, 0.1, 0.2, 0.5)
    starts: int = 12
    """Random starts of each of the two kinds."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.loss not in FAMILY:
            raise ValueError(f"loss must be one of {', '.join(FAMILY)}, got {self.loss!r}")

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each N and temperature."""
        del device  # L-BFGS of scipy
        items = product(self.sizes, self.temperatures)
        return kept_rows(run, f"polygons, {self.loss}", items, lambda item: [self._row(*item)])

    def _row(self, n: int, temperature: float) -> Row:
        x = regular_polygon(n).coordinates
        loss = make_loss(self.loss, temperature=temperature)
        polygon = mean_loss(loss, (x, x), everyone(n))
        bound = log_bound(self.loss, n, 2, temperature=temperature)
        free, aligned, clusters = self._searched(n, temperature)
        found = min(free, aligned, clusters, key=lambda one: one.value)
        lowest = min(polygon, mean_loss(loss, (found.u, found.v), everyone(n)))
        ends = np.concatenate([free.values, aligned.values])
        return {
            "loss": self.loss,
            "n_pairs": n,
            "temperature": temperature,
            "polygon": polygon,
            "found": lowest,
            "below": polygon - lowest,
            "below_aligned": max(0.0, polygon - min(aligned.value, clusters.value)),
            "similarity": float((found.u * found.v).sum(1).mean()),
            "lower_bound": bound.value,
            "proved": bool(polygon - bound.value <= 1e-9 * max(1.0, abs(polygon))),
            "n_below": int((ends < polygon - 1e-9 * max(1.0, abs(polygon))).sum()),
            "n": len(ends),
        }

    def _searched(self, n: int, temperature: float) -> tuple[SearchResult, SearchResult, SearchResult]:
        """The best with both views free, of u = v, and of u = v from clusters."""
        free, aligned = (
            search(self.loss, n, 2, temperature=temperature, aligned=same, starts=self.starts)
            for same in (False, True)
        )
        clusters = [
            search(self.loss, n, 2, temperature=temperature, aligned=True, starts=0, start=(x, x))
            for x in (plane_cluster(n, m) + 1e-3 * _noise(n) for m in range(3, min(n, 7)))
        ]
        return free, aligned, min(clusters, key=lambda one: one.value)


def _noise(n: int) -> np.ndarray:
    """Off a point of rest that need not be a minimum."""
    return np.random.default_rng(n).standard_normal((n, 2))
