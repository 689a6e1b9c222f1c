"""Diversity: a batch whose embeddings span as many directions as possible."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.pickers.picker import Picker, Views
from batching.seeded import Seed, uniforms

_LARGEST_EXACT = 64
"""Batch size up to which the eigenvalues of every candidate's batch are affordable."""


@dataclass(frozen=True)
class EffectiveRank(Picker):
    """Greedy diversity: pairs whose embeddings span as many directions as possible, the opposite of hardness.

    1. The first pair is random.
    2. Draw m random candidates among the others of the pool; add the one with which the batch has the largest
       effective rank (ties: the first of the pool). Repeat.

    The effective rank is `spectral_rank` of the rows of the batch. Order 2 is updated with each pair, and with
    unit rows the best candidate is the one of least sum of squared similarities to the pairs chosen so far. Order 1
    needs the eigenvalues of every candidate batch.

    The most diverse batches are not always the best ones: the paper finds training to be fastest at moderate
    diversity. Fewer candidates, or a smaller pool, are the knob.

    Args:
        candidates: m; None for all of the pool.
        order: Of the effective rank.
        views: Rows u, or rows [u, v] / sqrt(2), whose Gram matrix is the mean of those of u and v.

    Cost: order 2, batch_size * pool * dim; order 1, m batch_size min(batch_size, dim)^3, for batch_size <= 64.

    References:
        Ochieng, 2025, "Greedy-m" with m = 64, arXiv 2510.05767 (the abstract was at hand, not the pseudocode).
    """

    candidates: int | None = 64
    order: Literal[1, 2] = 2
    views: Literal["u", "both"] = "u"

    def __post_init__(self) -> None:
        """Check the number of candidates."""
        if self.candidates is not None and self.candidates < 1:
            raise ValueError(f"candidates must be at least 1, got {self.candidates}; 64 in the paper, None for all")

    @override
    def check(self, pool: int, batch_size: int) -> None:
        super().check(pool, batch_size)
        if self.order == 1 and batch_size > _LARGEST_EXACT:
            raise ValueError(
                f"effective rank of order 1 takes eigenvalues of every candidate batch, of at most "
                f"{_LARGEST_EXACT} pairs, got batch_size {batch_size}; use order=2"
            )

    @override
    def _choose(
        self, u: Tensor, v: Tensor, batch_size: int, reference: Views | None, seed: Seed, epoch: int
    ) -> Int[Tensor, "*replicates batch"]:
        x = u if self.views == "u" else torch.cat([u, v], -1) / 2**0.5
        pool = x.shape[-2]
        squares = x.square().sum(-1).double()  # small differences of large sums decide
        overlap = torch.zeros_like(squares)
        trace = frobenius = torch.zeros_like(squares[..., :1])
        chosen = torch.empty(*x.shape[:-2], 0, dtype=torch.long, device=x.device)
        for step in range(batch_size):
            draw = uniforms(seed, "effective rank", epoch * batch_size + step, pool, device=x.device)
            draw = draw.expand(*x.shape[:-1]).scatter(-1, chosen, -1.0)
            some = draw.topk(1 if step == 0 else min(self.candidates or pool, pool - step)).indices.sort().values
            own = squares.gather(-1, some)
            if self.order == 2:
                rank = (trace + own).square() / (frobenius + 2 * overlap.gather(-1, some) + own.square())
            else:
                rank = spectral_rank(_with_each(x, chosen, some), order=1)
            best = rank.argmax(-1, keepdim=True)
            new = some.gather(-1, best)
            own = own.gather(-1, best)
            trace = trace + own
            frobenius = frobenius + 2 * overlap.gather(-1, new) + own.square()
            overlap = overlap + (x @ _rows(x, new).mT).squeeze(-1).double().square()
            chosen = torch.cat([chosen, new], -1)
        return chosen


def spectral_rank(x: Float[Tensor, "*lead n dim"], *, order: Literal[1, 2] = 2) -> Float[Tensor, "*lead"]:
    """Effective rank of rows x with Gram matrix K = x x^T: e^H, H the Renyi entropy of K's spectrum.

    Order 1: e^{-sum_i p_i log p_i}, p the eigenvalues of K over their sum. Order 2: 1 / sum_i p_i^2, which is
    (tr K)^2 / |K|_F^2 and needs no eigenvalues. Between 1 and min(n, dim); order 2 is at most order 1.
    `losses.effective_rank` is order 1 of the singular values of x, the roots of the eigenvalues.

    References:
        Roy and Vetterli, 2007, "The effective rank", EUSIPCO. Friedman and Dieng, 2023, arXiv 2210.02410 (order 1).
    """
    gram = x.mT @ x if x.shape[-2] > x.shape[-1] else x @ x.mT
    if order == 2:
        trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
        return trace.square() / gram.square().sum((-2, -1))
    shares = torch.linalg.eigvalsh(gram).clamp_min(0)
    return torch.special.entr(shares / shares.sum(-1, keepdim=True)).sum(-1).exp()


def _with_each(x: Tensor, chosen: Tensor, some: Tensor) -> Float[Tensor, "*replicates m b dim"]:
    """The rows of the batch with each of some candidates."""
    batches = torch.cat([chosen[..., None, :].expand(*some.shape, chosen.shape[-1]), some[..., None]], -1)
    return _rows(x, batches.flatten(-2)).unflatten(-2, batches.shape[-2:])


def _rows(x: Tensor, index: Tensor) -> Float[Tensor, "*replicates k dim"]:
    return x.gather(-2, index[..., None].expand(*index.shape, x.shape[-1]))
