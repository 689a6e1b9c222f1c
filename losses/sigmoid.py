"""Losses that ask of every (u_i, v_j) by itself whether it is a pair: a sum of binary decisions, no softmax.

No row needs the others, so the B x B matrix may be computed in chunks of rows, and a rank needs the rows of its own
u only. Both losses are one core with a different bias:

    name      bias added to u_i.v_j / tau
    siglip    a number, learned
    nce       -log(k q(v_j)), what the noise would give
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from losses.checks import check_alone, check_positive, check_views
from losses.distributed import Group, gather
from losses.numerics import beside, row_sum, softplus
from losses.pairs import Batches, Reduction, at_batches, paired, reduced
from losses.walk import Exclusion, Walk, first_derivative


def siglip(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    bias: float | Float[Tensor, ""] = -10.0,
    chunk_size: int | None = None,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """The sigmoid loss of SigLIP: is this text the text of this image, asked of all B^2 combinations.

    L = -(1/B) sum_{i,j} log sigmoid( y_ij (u_i.v_j / tau + b) ),   y_ii = 1, y_ij = -1.

    Divided by B, not B^2, as in the paper, big_vision and open_clip. The defaults are the paper's values at the
    start of training, t = 1/tau = 10 and b = -10, with b added as in its Algorithm 1; both are meant to be learned,
    and with a fixed b the optimum depends on it. open_clip's `SigLipLoss` is this with logit_scale = 1/tau.

    Symmetric in u and v. The value of a pair ("none") is the sum over its anchor's row, u_i against all v_j. A
    single pair has no negatives: -log sigmoid(u_1.v_1 / tau + b).

    Args:
        u: Unit rows, the anchors.
        v: Unit rows; row i is the positive of row i of `u`, the others are its negatives.
        temperature: tau > 0; a tensor where it is learned.
        bias: b; a tensor where it is learned.
        chunk_size: Anchors at a time: chunk_size x B logits are held instead of B x B, and computed once more in
            the backward pass. Value and gradient are the same up to rounding.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.
        group: Processes that share the batch: the rank's own rows of u against the v of all, which alone are
            gathered.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, the temperature or chunk_size is not positive, or `group` comes with
            batches or leading dimensions.

    References:
        Zhai et al., 2023, Section 3.2 and Algorithm 1, arXiv 2303.15343.
    """
    check_positive(temperature=temperature)
    check_views(u, v)
    check_alone(u, batches, chunk_size=chunk_size)
    u, v, first = _anchors_and_keys(u, v, batches, group)
    return reduced(_decisions(u, v, first, temperature, bias, chunk_size), reduction)


def nce(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    log_noise: float | Float[Tensor, "*keys"] | None = None,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """Noise-contrastive estimation in a batch: tell the positive of an anchor from k = B - 1 samples of noise.

    L = -(1/B) sum_i [ log sigmoid(z_ii) + sum_{j != i} log sigmoid(-z_ij) ],  z_ij = u_i.v_j / tau - log(k q(v_j)).

    sigmoid(z) is the probability that a key came from the model e^{u.v / tau}, not from q, when there are k keys of
    noise for each of the model. Binary, and not InfoNCE: its optimum is u_i.v_j / tau = log p(v_j | u_i),
    normalised, where InfoNCE leaves a constant of each anchor free. Equal to `siglip` with bias = -log(k q) for a
    constant q; for the default q = 1/B that is log(B / (B - 1)). The paper has no temperature; 0.1 is that of
    `siglip`.

    The value of a pair ("none") is that of its anchor u_i. Without noise (a single pair) there is nothing to tell
    apart: 0.

    Args:
        u: Unit rows, the anchors.
        v: Unit rows, the keys; row i is the positive of row i of `u`, the others are its noise.
        temperature: tau > 0; a tensor where it is learned.
        log_noise: log q: a number, or one for each row of `v` (shared by leading dimensions or not); by default
            uniform over the B keys of a batch, -log B.
        reduction: As in `siglip`.
        batches: As in `siglip`; the table picks from `log_noise` too.
        group: As in `siglip`; `log_noise` is that of the rank's own rows, and B counts the rows of all.

    Raises:
        ValueError: As `siglip`; or if `log_noise` does not have one entry for each row of `v`.

    References:
        Gutmann and Hyvarinen, 2010, Noise-contrastive estimation, AISTATS, Section 2.1 (k = 1); 2012, JMLR 13 (any
        k).
    """
    check_positive(temperature=temperature)
    log_q = _per_key(log_noise, v, batches, group)
    u, v, first = _anchors_and_keys(u, v, batches, group)
    size = v.shape[-2]
    if size == 1:
        return reduced((u * v).sum(-1) * 0, reduction)
    bias = -math.log(size - 1) - (-math.log(size) if log_q is None else log_q)
    return reduced(_decisions(u, v, first, temperature, bias), reduction)


def _decisions(
    u: Float[Tensor, "*lead rows dim"],
    v: Float[Tensor, "*lead keys dim"],
    first: int,
    temperature: float | Tensor,
    bias: float | Tensor,
    chunk_size: int | None = None,
) -> Float[Tensor, "*lead rows"]:
    """-log sigmoid of the positive - sum of log sigmoid(-negative): the positive of row i is key `first` + i."""
    scale, bias = (beside(u, x) for x in (1 / temperature, bias))
    with torch.autocast(u.device.type, enabled=False):
        if u.dim() == 2 and bias.dim() == 0:
            walk = Walk.through(u, v, Exclusion(first, 0.0), chunk_size, bias.detach())
            return _Decisions.apply(u, v, scale, bias, walk)  # pyright: ignore[reportReturnType]
        logits = scale * u @ v.mT + bias
    row, key = (torch.arange(size, device=u.device) for size in logits.shape[-2:])
    is_pair = row[:, None] + first == key
    return row_sum(softplus(torch.where(is_pair, -logits, logits)))


class _Decisions(torch.autograd.Function):
    """The same by blocks: the sum of log(1 + e^wrong), wrong = -logit of the positive and logit of the others."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, scale: Tensor, bias: Tensor, walk: Walk) -> Tensor:
        rows = x.new_empty(x.shape[0])
        kept, blocks = walk.first(x, y, scale)
        for part, logits, _ in blocks:
            walk.on_diagonal(logits, part.start).neg_()
            rows[part] = softplus(logits).sum(1)
        ctx.walk, ctx.kept = walk, kept
        ctx.save_for_backward(x, y, scale, bias)
        return rows

    @staticmethod
    @first_derivative
    def backward(ctx: Any, d_rows: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, y, scale, bias = ctx.saved_tensors
        _, _, of_scale, of_bias, _ = ctx.needs_input_grad
        dx, dy, d_bias = torch.empty_like(x), torch.empty_like(y), torch.zeros_like(bias)
        factors = (d_rows * scale)[:, None]
        with torch.autocast(x.device.type, enabled=False):
            for part, logits, scratch in ctx.walk.again(x, y, scale, ctx.kept):
                if ctx.kept is None:
                    ctx.walk.on_diagonal(logits, part.start).neg_()
                slope = torch.sigmoid(logits, out=scratch).mul_(factors[part])
                ctx.walk.on_diagonal(slope, part.start).neg_()
                if of_bias:
                    d_bias += slope.sum() / scale
                torch.mm(slope, y, out=dx[part])
                dy.addmm_(slope.mT, x[part], beta=int(part.start > 0))
        d_scale = torch.linalg.vecdot(x, dx).sum() / scale if of_scale else None
        return dx, dy, d_scale, d_bias, None


def _anchors_and_keys(
    u: Tensor, v: Tensor, batches: Batches | None, group: Group | None
) -> tuple[Float[Tensor, "*lead rows dim"], Float[Tensor, "*lead keys dim"], int]:
    """As `paired`, but u stays with its rank; and the number of the first positive among the keys."""
    if group is None:
        return *paired(u, v, batches), 0
    u, v = paired(u, v)
    check_alone(u, batches, group=group)
    return u, gather(v, group), group.rank() * u.shape[0]


def _per_key(
    log_noise: float | Tensor | None, v: Tensor, batches: Batches | None, group: Group | None
) -> float | Tensor | None:
    """The log q of the keys of every batch, as a row; a number stays one."""
    if not isinstance(log_noise, Tensor) or log_noise.dim() == 0:
        return log_noise
    if log_noise.shape[-1] != v.shape[-2]:
        raise ValueError(
            f"log_noise must have one entry for each row of v; got {tuple(log_noise.shape)} for "
            f"{tuple(v.shape)}: pass log q(v_j) for every j, or a number"
        )
    log_noise = log_noise.to(torch.float64 if v.dtype == torch.float64 else torch.float32)
    if group is not None:
        log_noise = gather(log_noise, group)
    elif batches is not None:
        log_noise = at_batches(log_noise, batches)
    return log_noise[..., None, :]
