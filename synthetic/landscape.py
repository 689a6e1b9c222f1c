"""The loss against the angle of one embedding, all others where the full batch has its minimum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float

from batching import Combinations
from losses import make_loss
from synthetic.minimisers import Batches, everyone, mean_loss
from synthetic.rows import Row, kept_rows
from theory import simplex_etf
from theory.codes import regular_polygon
from training import Run

Family = Literal["full", "all", "fixed"]
_APART = 5.0
"""Degrees between the angles at which the search for a minimum begins."""


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """u_1 turns by phi towards u_2, in the plane of both, away from u = v = x, and nothing else moves.

        u_1(phi) = cos(phi) x_1 + sin(phi) w,   w = (x_2 - (x_1.x_2) x_1) / |x_2 - (x_1.x_2) x_1|

    x is the regular N-gon (d = 2) or the simplex ETF (d >= N - 1). Three losses are told for every angle: of the
    full batch; the mean over all C(N, B) batches, which is that over a round robin, too, for B = 2; the mean over
    one fixed partition. Of the last there is one for each partner k, 1 .. N / 2: its first batch holds the points
    1 and 1 + k and the next ones that are free, the others the rest in order. With `step` = 0 only 0
    degrees and the minima are told, which are found to 0.001 degrees.

    Nothing is random, and the values are exact up to rounding. The minima need no search: of InfoNCE with B = 2 and
    a partner at the angle alpha in the plane, u_1 meets v_1 and the partner's v alone, so that the partition's loss
    falls with u_1.(v_1 - v_(1 + k)) and is least at phi = alpha / 2 - 90 degrees.

    References:
        Cho et al., 2024, arXiv 2307.05906, Figure 1 (a): N = 10, B = 2, d = 2; drawn from the terms with u_1 ..
        u_N as anchors alone (`info_nce`), the mini-batch curve as 9/2 times the mean over all batches. Theorem 4
        there: the minimisers over all batches and over the full batch are the same, for d >= N - 1; the polygon is
        beyond that.
    """

    kind: ClassVar[str] = "landscape"
    points: Literal["polygon", "simplex"]
    loss: str
    n_pairs: int = 10
    dim: int = 2
    batch_size: int = 2
    temperature: float = 1.0
    step: float = 5.0
    """Degrees between two angles."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        N, d, B = self.n_pairs, self.dim, self.batch_size
        if self.points == "polygon" and (d != 2 or N < 3):
            raise ValueError(f"a polygon needs dim = 2 and n_pairs >= 3, got {d} and {N}")
        if self.points == "simplex" and d < N - 1:
            raise ValueError(f"a simplex needs dim >= n_pairs - 1 = {N - 1}, got {d}")
        if not 2 <= B < N or N % B:
            raise ValueError(f"batch_size must divide n_pairs = {N} into batches of at least 2, got {B}")
        if self.step < 0 or (self.step > 0 and 180 % self.step):
            raise ValueError(f"step must divide 180 degrees, or be 0 for the minima alone, got {self.step}")

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each family, partner and angle.

        `above` is what a loss has more than at its minimum, which is a row of its own (`lowest`).
        """
        del device  # N is small
        partners = range(1, self.n_pairs // 2 + 1) if self.points == "polygon" else (1, 2)  # others are like 2
        items: list[tuple[Family, int]] = [("full", 0), ("all", 0), *(("fixed", k) for k in partners)]
        return kept_rows(run, f"landscape, {self.points}", items, lambda item: self._rows(*item))

    def _rows(self, family: Family, partner: int) -> list[Row]:
        x = self._points()
        loss, batches = make_loss(self.loss, temperature=self.temperature), self._batches(family, partner)

        def value(degrees: float) -> float:
            return mean_loss(loss, (turned(x, degrees), x), batches)

        at, least = lowest(value)
        row: Row = {"points": self.points, "loss": self.loss, "n_pairs": self.n_pairs, "dim": self.dim}
        row |= {
            "batch_size": self.batch_size,
            "temperature": self.temperature,
            "family": family,
            "partner": partner,
        }
        row |= {"partner_degrees": float(np.rad2deg(np.arccos(np.clip(x[0] @ x[partner], -1, 1))))}
        angles = np.arange(-180, 180 + self.step, self.step).tolist() if self.step else [0.0]
        curve = {angle: value(angle) for angle in angles} | {at: least}
        return [
            row | {"degrees": angle, "value": curve[angle], "above": curve[angle] - least, "lowest": angle == at}
            for angle in sorted(curve)
        ]

    def _points(self) -> Float[np.ndarray, "n dim"]:
        if self.points == "polygon":
            return regular_polygon(self.n_pairs).coordinates
        return simplex_etf(self.n_pairs, self.dim)

    def _batches(self, family: Family, partner: int) -> Batches:
        if family == "full":
            return everyone(self.n_pairs)
        if family == "all":
            return Combinations(self.n_pairs, self.batch_size).rows().numpy()
        others = [i for i in range(1, self.n_pairs) if i != partner]
        return np.array([0, partner, *others]).reshape(-1, self.batch_size)


def turned(x: Float[np.ndarray, "n dim"], degrees: float) -> Float[np.ndarray, "n dim"]:
    """The points, the first one turned by so much towards the second; see `Landscape`."""
    aside = x[1] - (x[0] @ x[1]) * x[0]
    aside /= np.linalg.norm(aside)
    phi = np.deg2rad(degrees)
    return np.vstack([np.cos(phi) * x[0] + np.sin(phi) * aside, x[1:]])


def lowest(value: Callable[[float], float]) -> tuple[float, float]:
    """Where a smooth function of an angle is least, in degrees from -180 to 180 to 0.001, and its value.

    The best of 72 angles, then between its neighbours: a search, which misses a minimum narrower than 10 degrees.
    """
    from scipy.optimize import minimize_scalar  # a third of a second that starting need not wait for

    grid = np.arange(-180.0, 180.0, _APART)
    best = float(min(grid, key=value))
    found = minimize_scalar(value, bounds=(best - _APART, best + _APART), method="bounded", options={"xatol": 1e-7})
    at = round(float(found.x), 3) + 0.0  # no -0; near a minimum rounding hides the next digits
    return at, value(at)
