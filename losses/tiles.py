"""The Triton kernels of `losses.fused`. A tile of logits lives and dies in registers."""

# Kernels are traced by Triton, which has its own idea of types: parameters in capitals are compile-time constants.
# pyright: basic, reportPossiblyUnboundVariable=false

from typing import no_type_check

import triton
from triton import language as tl


@triton.jit
@no_type_check
def tile_of_logits(x, y, row, col, scale, ids, key_ids, n, m, diagonal, HAS_DIAGONAL, HAS_IDS):
    """One tile; -inf where a key does not count."""
    logits = tl.dot(x, tl.trans(y)) * scale
    counts = (row[:, None] < n) & (col[None, :] < m)
    if HAS_DIAGONAL:
        counts = counts & (col[None, :] != row[:, None] + diagonal)
    if HAS_IDS:
        own = tl.load(ids + row, mask=row < n, other=-1)
        other = tl.load(key_ids + col, mask=col < m, other=-2)
        counts = counts & (own[:, None] != other[None, :])
    return tl.where(counts, logits, -float("inf"))


@triton.jit
@no_type_check
def sums_kernel(
    x_at,
    y_at,
    scale_at,
    out_at,
    ids,
    key_ids,
    n,
    m,
    dim,
    diagonal,
    HAS_DIAGONAL: tl.constexpr,
    HAS_IDS: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    DIM: tl.constexpr,
):
    """Log-sums of `ROWS` rows, `KEYS` keys at a time."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    axis = tl.arange(0, DIM)
    scale = tl.load(scale_at).to(tl.float32)
    inside = (row[:, None] < n) & (axis[None, :] < dim)
    x = tl.load(x_at + row[:, None].to(tl.int64) * dim + axis[None, :], mask=inside, other=0.0)
    peak = tl.full((ROWS,), -float("inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    for start in range(0, m, KEYS):
        col = start + tl.arange(0, KEYS)
        there = (col[:, None] < m) & (axis[None, :] < dim)
        y = tl.load(y_at + col[:, None].to(tl.int64) * dim + axis[None, :], mask=there, other=0.0)
        logits = tile_of_logits(x, y, row, col, scale, ids, key_ids, n, m, diagonal, HAS_DIAGONAL, HAS_IDS)
        higher = tl.maximum(peak, tl.max(logits, 1))
        shift = tl.where(higher == -float("inf"), 0.0, higher)
        total = total * tl.exp(peak - shift) + tl.sum(tl.exp(logits - shift[:, None]), 1)
        peak = higher
    shift = tl.where(peak == -float("inf"), 0.0, peak)
    tl.store(out_at + row, tl.log(total) + shift, mask=row < n)


@triton.jit
@no_type_check
def slopes_kernel(
    x_at,
    y_at,
    scale_at,
    out_at,
    rows_at,
    d_rows_at,
    columns_at,
    d_columns_at,
    ids,
    key_ids,
    n,
    m,
    dim,
    diagonal,
    HAS_ROWS: tl.constexpr,
    HAS_COLUMNS: tl.constexpr,
    HAS_DIAGONAL: tl.constexpr,
    HAS_IDS: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    DIM: tl.constexpr,
):
    """The slopes of `ROWS` rows, but for the scale."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    axis = tl.arange(0, DIM)
    scale = tl.load(scale_at).to(tl.float32)
    inside = (row[:, None] < n) & (axis[None, :] < dim)
    x = tl.load(x_at + row[:, None].to(tl.int64) * dim + axis[None, :], mask=inside, other=0.0)
    slope = tl.zeros((ROWS, DIM), tl.float32)
    if HAS_ROWS:
        row_sum = tl.load(rows_at + row, mask=row < n, other=0.0)
        row_sum = tl.where(row_sum == -float("inf"), 0.0, row_sum)
        d_row = tl.load(d_rows_at + row, mask=row < n, other=0.0)
    for start in range(0, m, KEYS):
        col = start + tl.arange(0, KEYS)
        there = (col[:, None] < m) & (axis[None, :] < dim)
        y = tl.load(y_at + col[:, None].to(tl.int64) * dim + axis[None, :], mask=there, other=0.0)
        logits = tile_of_logits(x, y, row, col, scale, ids, key_ids, n, m, diagonal, HAS_DIAGONAL, HAS_IDS)
        weights = tl.zeros((ROWS, KEYS), tl.float32)
        if HAS_ROWS:
            weights += tl.exp(logits - row_sum[:, None]) * d_row[:, None]
        if HAS_COLUMNS:
            column_sum = tl.load(columns_at + col, mask=col < m, other=0.0)
            column_sum = tl.where(column_sum == -float("inf"), 0.0, column_sum)
            d_column = tl.load(d_columns_at + col, mask=col < m, other=0.0)
            weights += tl.exp(logits - column_sum[None, :]) * d_column[None, :]
        slope += tl.dot(weights.to(y.dtype), y)
    inside = (row[:, None] < n) & (axis[None, :] < dim)
    tl.store(out_at + row[:, None].to(tl.int64) * dim + axis[None, :], slope, mask=inside)
