"""What a batch says about training, cheap enough to log with every step."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from losses.checks import check_positive
from losses.negatives import own_view_log_sums
from losses.pairs import paired


class Diagnostics(NamedTuple):
    """Numbers of a batch, without gradients; tensors, so that asking does not wait for the device."""

    accuracy: Float[Tensor, ""]
    """Fraction of anchors u_i that are closer to v_i than to any other v_j. Ties, up to rounding, count against it:
    where all embeddings are one point it is 0."""
    positive_probability: Float[Tensor, ""]
    """Mean over anchors of p_i = e^{s_ii/tau} / sum_j e^{s_ij/tau}. The gradient of InfoNCE is 1 - p_i times
    that of DCL: near 1 it has vanished."""
    effective_negatives: Float[Tensor, ""]
    """Mean over anchors of (sum_j w_j)^2 / sum_j w_j^2, w_j = e^{s_ij/tau}, j != i: how many of the B - 1 negatives
    have a say. Between 1 (the hardest alone) and B - 1 (all alike)."""
    negative_mean: Float[Tensor, ""]
    """Mean of s_ij over j != i."""
    negative_variance: Float[Tensor, ""]
    """Variance of s_ij over all i and j != i; the minimum of the full-batch loss has none."""
    alignment: Float[Tensor, ""]
    """Mean of |u_i - v_i|^2: 0 is perfect."""
    uniformity: Float[Tensor, ""]
    """Log of the mean of e^{-2 |x_i - x_j|^2} over i != j of a view, mean of both: lower is more uniform."""
    effective_rank: Float[Tensor, ""]
    """e^H of the normalised singular values of u, H their entropy: how many dimensions are in use."""

    def floats(self) -> dict[str, float]:
        """By name, ready for a log; waits for the device once."""
        return dict(zip(self._fields, torch.stack(list(self)).tolist(), strict=True))


@torch.no_grad()
def diagnostics(
    u: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], *, temperature: float, chunk_size: int | None = None
) -> Diagnostics:
    """Numbers of one batch of unit embeddings, as seen by the anchors of u.

    Args:
        u: Unit rows.
        v: Unit rows, pair by pair.
        temperature: tau of the weights.
        chunk_size: Anchors at a time; the matrix of similarities is not held.

    Raises:
        ValueError: If there are fewer than two pairs.

    Cost: three products of n^2 dim, and the singular values of u through its smaller Gram matrix.

    References:
        Chen et al., 2021, Section 4 (effective sample size, positive probability), arXiv 2107.01152. Wang and
        Isola, 2020, arXiv 2005.10242. Roy and Vetterli, 2007 (effective rank). Lee et al., 2025, Section 5
        (variance of negative similarities), arXiv 2506.09781.
    """
    check_positive(temperature=temperature)
    u, v = paired(u, v)
    if u.dim() != 2 or len(u) < 2:
        raise ValueError(
            f"diagnostics compare the pairs of a batch: u and v [n, dim], n >= 2, got {tuple(u.shape)}"
        )
    n = len(u)
    with torch.autocast(u.device.type, enabled=False):
        positive, hardest, log_sum, effective = _compared(u, v, temperature, chunk_size or max(1, 2**20 // n))
        rounding = 8 * torch.finfo(u.dtype).eps
        mean = (u.sum(0) @ v.sum(0) - positive.sum()) / (n * (n - 1))
        square = ((u.mT @ u) * (v.mT @ v)).sum()  # sum_ij (u_i.v_j)^2 = <U^T U, V^T V>
        variance = (square - positive.square().sum()) / (n * (n - 1)) - mean**2
        # For unit rows |x - y|^2 = 2 - 2 x.y, so that e^{-2 |x - y|^2} = e^{4 x.y - 4}.
        spread = [own_view_log_sums(x, 4.0, chunk_size).logsumexp(0) - 4 - math.log(n * (n - 1)) for x in (u, v)]
        return Diagnostics(
            accuracy=(positive - hardest > rounding).to(u.dtype).mean(),
            positive_probability=(positive / temperature - log_sum).sigmoid().mean(),
            effective_negatives=effective.mean(),
            negative_mean=mean,
            negative_variance=variance.clamp_min(0),
            alignment=(u - v).square().sum(-1).mean(),
            uniformity=(spread[0] + spread[1]) / 2,
            effective_rank=effective_rank(u),
        )


_SMALL = 256
"""Rows of a matrix whose eigenvalues a host finds before a GPU has begun."""


def effective_rank(x: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """e^H of the singular values divided by their sum, H the entropy; between 1 and min(n, dim).

    References:
        Roy and Vetterli, 2007, "The effective rank: a measure of effective dimensionality", EUSIPCO.
    """
    x, dtype = x.double(), x.dtype  # the root of a Gram matrix doubles the rounding error's share of the digits
    gram = x.mT @ x if x.shape[0] >= x.shape[1] else x @ x.mT
    gram, device = (gram.cpu() if len(gram) <= _SMALL else gram), x.device
    if not torch.isfinite(gram).all():
        return torch.full((), torch.nan, dtype=dtype, device=device)
    singular = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    share = singular / singular.sum().clamp_min(torch.finfo(singular.dtype).tiny)
    return torch.special.entr(share).sum().exp().to(device, dtype)


def _compared(u: Tensor, v: Tensor, temperature: float, rows: int) -> list[Float[Tensor, " n"]]:
    """Of each anchor: similarity to its positive, the largest to a negative, their log-sum, how many have a say.

    Both similarities come from one product, so that equal rows are equally similar.
    """
    found = []
    for start in range(0, len(u), rows):
        block = u[start : start + rows] @ v.mT
        positive = block.diagonal(start).clone()
        block.diagonal(start).fill_(-torch.inf)
        hardest = block.amax(1)
        weights = block.sub_(hardest[:, None]).div_(temperature).exp_()
        total = weights.sum(1)
        log_sum = total.log() + hardest / temperature
        found.append((positive, hardest, log_sum, total.square() / weights.square_().sum(1)))
    return [torch.cat(parts) for parts in zip(*found, strict=True)]
