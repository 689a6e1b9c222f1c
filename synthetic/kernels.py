"""Losses trained at the sizes of universally optimal codes: is the code what one arrives at?"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from losses import make_loss
from synthetic.minimisers import everyone, mean_loss, settled
from synthetic.rows import Row, kept_rows, spread
from theory import optimum
from theory.codes import find_code
from training import Run

_KERNELS: dict[str, float] = {"gaussian": 2.0, "imq": 1.0, "log": 1.0}
_REACHED = 1e-8
"""Above the minimum, in the loss's unit, and of a descent that has reached it."""


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Minimisers from random starts, against the proved minimum: that of the code of N points in d dimensions."""

    kind: ClassVar[str] = "kernels"
    n_pairs: int
    dim: int
    temperature: float = 0.5
    """Of InfoNCE and NT-Xent."""
    starts: int = 12

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if find_code(self.n_pairs, self.dim) is None:
            raise ValueError(
                f"no universally optimal code of {self.n_pairs} points in {self.dim} dimensions is known; "
                "take (12, 3), (8, 4), (16, 5), (27, 6), or any number of points in 2"
            )

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each loss."""
        del device  # L-BFGS of scipy
        items = [("kcl", kernel) for kernel in _KERNELS] + [("info_nce", ""), ("nt_xent", "")]
        return kept_rows(run, f"N = {self.n_pairs}, d = {self.dim}", items, lambda item: [self._row(*item)])

    def _row(self, name: str, kernel: str) -> Row:
        N = self.n_pairs
        of_kernel: dict[str, Any] = {"kernel": kernel, "parameter": _KERNELS[kernel]} if kernel else {}
        loss = make_loss(name, temperature=self.temperature, **of_kernel)
        known = optimum(name, N, self.dim, temperature=self.temperature, **of_kernel)
        found = [settled(loss, everyone(N), n_pairs=N, dim=self.dim, seed=seed) for seed in range(self.starts)]
        gaps = [mean_loss(loss, views, everyone(N)) - known.value for views in found]
        code = find_code(N, self.dim)
        row: Row = {"n_pairs": N, "dim": self.dim, "loss": name, "kernel": kernel, "temperature": self.temperature}
        row |= {"code": "" if code is None else code.name, "status": known.status, "value": known.value}
        return row | spread("gap", gaps) | {"reached": sum(gap <= _REACHED for gap in gaps), "n": self.starts}
