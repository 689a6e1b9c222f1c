"""The one sum that most contrastive losses are made of: logsumexp of an anchor's similarities to its negatives.

    log_sums(x, y, scale=1/tau)    rows_i = log sum_{j != i} e^{x_i.y_j / tau}, and if asked
                                   columns_j = log sum_{i != j} e^{x_i.y_j / tau}

The matrix of similarities is walked through by blocks of rows. Its gradient is in closed form,

    d rows_i / d x_i = (1/tau) sum_j p_ij y_j,    d rows_i / d y_j = (1/tau) p_ij x_i,
    p_ij = e^{x_i.y_j / tau - rows_i},

so the backward pass needs the sums alone and computes each block again, unless the whole matrix is small enough
to be kept.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from losses.fused import fused_log_sums, takes
from losses.walk import Exclusion, Walk


def log_sums(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    *,
    scale: Float[Tensor, ""],
    exclusion: Exclusion,
    columns: bool = False,
    chunk_size: int | None = None,
    operands: torch.dtype | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"] | None]:
    """Log-sums of the rows of e^{scale x y^T}, and of its columns; -inf where everything is excluded.

    If `x` is `y`, and rows alone are wanted, the exclusion is taken to be symmetric: a third of the work less.

    Args:
        x: Anchors.
        y: Keys.
        scale: 1 / temperature.
        exclusion: Which entries do not count.
        columns: Whether the sums of the columns are wanted too.
        chunk_size: Rows at a time; nothing larger than chunk_size x m is then held, in either pass. None keeps
            the matrix where it is small (2^22 entries on a CPU) and chooses the rows else.
        operands: A half precision that holds the values of x and y exactly, as they came; on a GPU products are
            then of such numbers, in one fused kernel (`losses.fused`).

    Cost: n m dim multiplications forward; backward twice as many (once where x is y), and once more where the
    matrix is not kept.
    """
    if operands is not None and takes(x, exclusion, operands, chunk_size):
        return fused_log_sums(x, y, scale=scale, exclusion=exclusion, columns=columns, operands=operands)
    walk = Walk.through(x, y, exclusion, chunk_size)
    with torch.autocast(x.device.type, enabled=False):
        sums = _LogSums.apply(x, y, scale, walk, columns, x is y and not columns)
    return sums if columns else (sums, None)  # pyright: ignore[reportReturnType]


def guarded_logsumexp(x: Float[Tensor, "*lead m"]) -> Float[Tensor, "*lead"]:
    """x.logsumexp(-1), with a gradient of 0 instead of NaN where every entry is -inf."""
    peak = _finite(x.detach().amax(-1, keepdim=True))
    total = (x - peak).exp().sum(-1)
    empty = total == 0
    return torch.where(empty, -torch.inf, total.masked_fill(empty, 1).log() + peak.squeeze(-1))


def _finite(x: Tensor) -> Tensor:
    return x.masked_fill(x == -torch.inf, 0)


class _LogSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, scale: Tensor, walk: Walk, with_columns: bool, symmetric: bool
    ) -> Any:
        rows = x.new_empty(x.shape[0])
        peak, total = x.new_full((y.shape[0],), -torch.inf), x.new_zeros(y.shape[0])
        kept, blocks = walk.first(x, y, scale)
        for part, logits, scratch in blocks:
            if with_columns:  # the sums so far, rescaled to the larger of the old peak and the block's
                higher = torch.maximum(peak, logits.amax(0))
                shift = _finite(higher)
                block = (logits - shift).exp_().sum(0)
                total.mul_((peak - shift).exp_()).add_(block)
                peak = higher
            row_peak = _finite(logits.amax(1))
            rows[part] = torch.sub(logits, row_peak[:, None], out=scratch).exp_().sum(1).log_().add_(row_peak)
        columns = total.log_().add_(_finite(peak)) if with_columns else None
        ctx.walk, ctx.kept, ctx.symmetric = walk, kept, symmetric
        ctx.save_for_backward(x, y, scale, rows, columns)
        return rows if columns is None else (rows, columns)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_rows: Tensor, d_columns: Tensor | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, y, scale, rows, columns = ctx.saved_tensors
        wants_dy = ctx.needs_input_grad[1] and not ctx.symmetric
        if ctx.symmetric:
            columns, d_columns = rows, d_rows
        with torch.autocast(x.device.type, enabled=False):
            blocks = ctx.walk.again(x, y, scale, ctx.kept)
            dx, dy = _slopes(blocks, x, y, (rows, d_rows), (columns, d_columns), wants_dy=wants_dy)
            dx, dy = dx.mul_(scale), None if dy is None else dy.mul_(scale)
        # An entry of the matrix is scale x_i.y_j, so what its slope does to scale is what it does along x.
        d_scale = torch.linalg.vecdot(x, dx).sum() / scale
        return dx, dy, d_scale / 2 if ctx.symmetric else d_scale, None, None, None


def _slopes(
    blocks: Iterator[tuple[slice, Tensor, Tensor]],
    x: Tensor,
    y: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor | None, Tensor | None],
    *,
    wants_dy: bool,
) -> tuple[Tensor, Tensor | None]:
    """From the slopes of the sums to those of x and y, but for the scale; where x is y, all of it is x's."""
    row_sums, d_rows = _finite(rows[0])[:, None], rows[1][:, None]
    dx = torch.empty_like(x)
    dy = torch.zeros_like(y) if wants_dy else None
    for part, logits, scratch in blocks:
        if columns[0] is None or columns[1] is None:
            p = torch.sub(logits, row_sums[part], out=scratch).exp_()
            torch.mm(p, y, out=dx[part]).mul_(d_rows[part])
            if dy is not None:
                dy.addmm_(p.mT, x[part] * d_rows[part])
            continue
        q = (logits - _finite(columns[0])).exp_().mul_(columns[1])
        p = torch.sub(logits, row_sums[part], out=scratch).exp_()
        q.addcmul_(p, d_rows[part])
        torch.mm(q, y, out=dx[part])
        if dy is not None:
            dy.addmm_(q.mT, x[part])
    return dx, dy
