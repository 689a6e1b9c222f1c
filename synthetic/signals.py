"""What is left of the gradient of InfoNCE, where DCL (in gradient FlatNCE) has all of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from losses import dcl_cross, diagnostics, info_nce
from synthetic.rows import Row, kept_rows
from theory import simplex_etf
from training import Run

Spread = Literal["random", "etf"]
OneLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Gradients at given embeddings, for every batch size and temperature.

    u: uniform on the sphere (`random`), or a simplex ETF (`etf`, B <= d + 1), as after training. v_i has the given
    similarity to u_i: v = c u + sqrt(1 - c^2) w, w random and orthogonal to u.

    Measured, for the anchors u: the share 1 - p of the softmax that is not the positive's; the effective number of
    negatives; |gradient of InfoNCE| over |gradient of the same loss without the positive in the denominator|,
    which anchor by anchor is 1 - p; and the relative error of the gradient at embeddings in float32 and
    bfloat16, against float64 at the same embeddings, of three formulas: InfoNCE as cross-entropy of the logits in
    that precision, InfoNCE of `losses`, and DCL of `losses`.
    """

    kind: ClassVar[str] = "signals"
    spread: Spread
    dim: int = 128
    batch_sizes: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256, 512)
    temperatures: tuple[float, ...] = (0.05, 0.07, 0.1, 0.2, 0.5, 1.0)
    alignments: tuple[float, ...] = (0.0, 0.5, 0.9, 0.99)
    seeds: int = 16

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.spread == "etf" and max(self.batch_sizes) > self.dim + 1:
            raise ValueError(
                f"a simplex ETF needs batch sizes up to dim + 1 = {self.dim + 1}, got {max(self.batch_sizes)}"
            )
        if not all(0 <= c <= 1 for c in self.alignments):
            raise ValueError(f"alignments are similarities between 0 and 1, got {self.alignments}")

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """The content of result.json: `rows`, one for each size, alignment and temperature."""
        del device  # small
        items = product(self.batch_sizes, self.alignments, self.temperatures)
        return kept_rows(run, f"gradients, {self.spread}", items, lambda item: [self._row(*item)])

    def _row(self, batch_size: int, alignment: float, temperature: float) -> Row:
        measured = [
            _measured(*views(self.spread, batch_size, self.dim, alignment, seed), temperature)
            for seed in range(self.seeds)
        ]
        row: Row = {"spread": self.spread, "dim": self.dim, "batch_size": batch_size, "alignment": alignment}
        row |= {"temperature": temperature, "n": self.seeds}
        for name in measured[0]:
            values = np.array([of_seed[name] for of_seed in measured])
            row |= {name: float(np.median(values)), f"{name}_low": float(np.quantile(values, 0.1))}
            row |= {f"{name}_high": float(np.quantile(values, 0.9))}
        return row


def views(
    spread: Spread, n: int, dim: int, alignment: float, seed: int
) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
    """Embeddings u and v as `Signals` has them, in float64."""
    rng = np.random.default_rng([seed, n])
    u = normalize(torch.from_numpy(rng.standard_normal((n, dim))), dim=-1)
    if spread == "etf":
        u = torch.from_numpy(simplex_etf(n, dim))
    w = torch.from_numpy(rng.standard_normal((n, dim)))
    w = normalize(w - (w * u).sum(-1, keepdim=True) * u, dim=-1)
    return u, alignment * u + (1 - alignment**2) ** 0.5 * w


def _measured(u: Tensor, v: Tensor, temperature: float) -> dict[str, float]:
    found = diagnostics(u, v, temperature=temperature)
    infonce, dcl = (partial(loss, temperature=temperature) for loss in (info_nce, dcl_cross))
    told = {
        "missing": _missing(u, v, temperature),
        "effective_negatives": found.effective_negatives.item(),
        "signal": (_gradient(infonce, u, v).norm() / _gradient(dcl, u, v).norm()).item(),
    }
    logits = partial(_of_logits, temperature=temperature)
    for dtype in (torch.float32, torch.bfloat16):
        x, y = u.to(dtype), v.to(dtype)
        name = str(dtype).removeprefix("torch.")
        for formula, loss, exact in (
            ("cross_entropy", logits, infonce),
            ("info_nce", infonce, infonce),
            ("dcl", dcl, dcl),
        ):
            want = _gradient(exact, x.double(), y.double())
            told[f"error_{formula}_{name}"] = ((_gradient(loss, x, y).double() - want).norm() / want.norm()).item()
    return told


def _missing(u: Tensor, v: Tensor, temperature: float) -> float:
    """The mean of 1 - p, without the cancellation of taking p from 1."""
    logits = u @ v.mT / temperature
    positive = logits.diagonal().clone()
    others = logits.fill_diagonal_(-torch.inf).logsumexp(-1)
    return (others - positive).sigmoid().mean().item()


def _of_logits(u: Tensor, v: Tensor, *, temperature: float) -> Tensor:
    """InfoNCE as is usual: log-softmax of the logits minus the positive's, all in the precision of u."""
    return cross_entropy(u @ v.mT / temperature, torch.arange(len(u)))


def _gradient(loss: OneLoss, u: Tensor, v: Tensor) -> Tensor:
    u = u.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(u, v), u)[0]
