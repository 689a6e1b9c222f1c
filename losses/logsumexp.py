"""The one sum that most contrastive losses are made of: logsumexp of an anchor's similarities to its negatives.

    log_sums(x, y, scale=1/tau)    rows_i = log sum_{j != i} e^{x_i.y_j / tau}, and if asked
                                   columns_j = log sum_{i != j} e^{x_i.y_j / tau}

The matrix of similarities is walked through by blocks of rows. Its gradient is in closed form,

    d rows_i / d x_i = (1/tau) sum_j p_ij y_j,    d rows_i / d y_j = (1/tau) p_ij x_i,
    p_ij = e^{x_i.y_j / tau - rows_i},

so the backward pass needs the sums alone and computes each block again, unless the whole matrix is small enough
to be kept.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from losses.fused import fused_log_sums, takes
from losses.numerics import finite
from losses.walk import Exclusion, Walk, first_derivative


class LogSums(NamedTuple):
    """What `log_sums` finds."""

    rows: Float[Tensor, " n"]
    """-inf where everything is excluded."""
    columns: Float[Tensor, " m"] | None
    partners: Float[Tensor, " n"] | None
    """scale x_i.y_(diagonal + i): the positives."""


def log_sums(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    *,
    scale: Float[Tensor, ""],
    exclusion: Exclusion,
    columns: bool = False,
    partners: bool = False,
    chunk_size: int | None = None,
    operands: torch.dtype | None = None,
) -> LogSums:
    """Log-sums of the rows of e^{scale x y^T}, and of its columns.

    If `x` is `y`, and rows alone are wanted, the exclusion is taken to be symmetric: a third of the work less.

    Args:
        x: Anchors.
        y: Keys.
        scale: 1 / temperature.
        exclusion: Which entries do not count.
        columns: Whether the sums of the columns are wanted too.
        partners: Whether the entries on the excluded diagonal are.
        chunk_size: Rows at a time; nothing larger than chunk_size x m is then held, in either pass. None keeps
            the matrix where it is small (2^22 entries on a CPU) and chooses the rows else.
        operands: A half precision that holds the values of x and y exactly, as they came; on a GPU products are
            then of such numbers, in fused kernels that hold no matrix, whatever the chunk_size (`losses.fused`).

    Cost: n m dim multiplications forward; backward twice as many (once where x is y), and once more where the
    matrix is not kept.
    """
    with torch.autocast(x.device.type, enabled=False):
        if operands is not None and takes(x, exclusion, operands):
            sums = fused_log_sums(x, y, scale=scale, exclusion=exclusion, columns=columns, operands=operands)
            first = exclusion.diagonal
            own = None if first is None or not partners else scale * (x * y[first : first + len(x)]).sum(-1)
            return LogSums(*sums, own)
        walk = Walk.through(x, y, exclusion, chunk_size)
        symmetric = x is y and not (columns or partners)
        return LogSums(*_LogSums.apply(x, None if symmetric else y, scale, walk, columns, partners))  # pyright: ignore


class _LogSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor | None,
        scale: Tensor,
        walk: Walk,
        with_columns: bool,
        with_partners: bool,
    ) -> tuple[Tensor | None, ...]:
        ctx.symmetric = y is None
        y = x if y is None else y
        rows = x.new_empty(x.shape[0])
        columns = x.new_full((y.shape[0],), -torch.inf) if with_columns else None
        partners = x.new_empty(x.shape[0]) if with_partners else None
        kept, blocks = walk.first(x, y, scale, partners)
        for part, logits, _ in blocks:
            rows[part] = logits.logsumexp(1)
            if columns is not None:
                columns = torch.logaddexp(columns, logits.logsumexp(0))
        ctx.walk, ctx.kept = walk, kept
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, y, scale, rows, columns)
        return rows, columns, partners

    @staticmethod
    @first_derivative
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, d_rows: Tensor | None, d_columns: Tensor | None, d_partners: Tensor | None
    ) -> Any:
        x, y, scale, rows, columns = ctx.saved_tensors
        if ctx.symmetric:
            columns, d_columns = rows, d_rows
        slopes = _Slopes(scale, (rows, d_rows), (columns, d_columns), d_partners)
        dx = torch.empty_like(x)
        dy = torch.empty_like(y) if ctx.needs_input_grad[1] and not ctx.symmetric else None
        with torch.autocast(x.device.type, enabled=False):
            for part, logits, scratch in ctx.walk.again(x, y, scale, ctx.kept):
                weights = slopes.of(part, logits, scratch, ctx.walk)
                torch.mm(weights, y, out=dx[part])
                if dy is not None:
                    dy.addmm_(weights.mT, x[part], beta=int(part.start > 0))
        d_scale = None
        if ctx.needs_input_grad[2]:
            # An entry of the matrix is scale x_i.y_j, so what its slope does to scale is what it does along x.
            d_scale = torch.linalg.vecdot(x, dx).sum() / (2 * scale if ctx.symmetric else scale)
        return dx, dy, d_scale, None, None, None


class _Slopes:
    """From the slopes of the sums to those of the products x_i.y_j, block by block."""

    def __init__(
        self,
        scale: Tensor,
        rows: tuple[Tensor, Tensor | None],
        columns: tuple[Tensor | None, Tensor | None],
        d_partners: Tensor | None,
    ) -> None:
        self.rows = None if rows[1] is None else (finite(rows[0])[:, None], (rows[1] * scale)[:, None])
        self.columns = None
        if columns[0] is not None and columns[1] is not None:
            self.columns = finite(columns[0]), columns[1] * scale
        self.d_partners = None if d_partners is None else d_partners * scale

    def of(self, part: slice, logits: Tensor, scratch: Tensor, walk: Walk) -> Float[Tensor, "rows m"]:
        weights = None
        if self.columns is not None:
            weights = (logits - self.columns[0]).exp_().mul_(self.columns[1])
        if self.rows is not None:
            p = torch.sub(logits, self.rows[0][part], out=scratch).exp_()
            d_rows = self.rows[1][part]
            weights = p.mul_(d_rows) if weights is None else weights.addcmul_(p, d_rows)
        if weights is None:
            weights = scratch.zero_()
        if self.d_partners is not None:
            walk.on_diagonal(weights, part.start).add_(self.d_partners[part])
        return weights
