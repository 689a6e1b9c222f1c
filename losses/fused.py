"""`log_sums` for half-precision embeddings on a GPU: products, exponentials and sums in one Triton kernel.

By blocks of rows every logit still travels to memory and back several times, which takes longer than the products
themselves. Here a tile of logits lives and dies in registers:

    sums_kernel      rows_i = log sum_j e^{scale x_i.y_j}, by a running peak and a running sum
    slopes_kernel    dx_i = sum_j (e^{l_ij - rows_i} d_rows_i + e^{l_ij - columns_j} d_columns_j) y_j

Sums of the columns, and dy, are the same kernels with x and y in each other's place: five products in all where the
walk by blocks has four, and nothing of size n x m. Products are of half-precision numbers, added up in float32; the
weights of `slopes_kernel` are rounded to half precision before the second product, as in flash attention. The
kernels themselves are in `losses.tiles`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from losses.walk import Exclusion, first_derivative

_HAS_TRITON = find_spec("triton") is not None  # not every build of torch brings it
MOST_DIM = 256
"""A row of an embedding must fit into a tile."""


def takes(x: Float[Tensor, "n dim"], exclusion: Exclusion, operands: torch.dtype) -> bool:
    """Whether the kernels are for this: on a GPU, half precision, nothing but the diagonal and ids excluded."""
    return (
        _HAS_TRITON
        and x.is_cuda
        and operands in (torch.bfloat16, torch.float16)
        and x.shape[1] <= MOST_DIM
        and exclusion.mask is None
        and not exclusion.only
        and (exclusion.diagonal is None or exclusion.bias == -torch.inf)
    )


def fused_log_sums(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    *,
    scale: Float[Tensor, ""],
    exclusion: Exclusion,
    columns: bool,
    operands: torch.dtype,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"] | None]:
    """What `log_sums` returns, for x and y whose values `operands` can hold."""
    sums = _FusedLogSums.apply(x, None if x is y and not columns else y, scale, exclusion, columns, operands)
    return sums if columns else (sums, None)  # pyright: ignore[reportReturnType]


class _Excluded(NamedTuple):
    """The exclusion as the kernels take it."""

    diagonal: int | None
    ids: Tensor | None
    key_ids: Tensor | None

    def swapped(self) -> "_Excluded":
        """With anchors and keys in each other's place."""
        return _Excluded(None if self.diagonal is None else -self.diagonal, self.key_ids, self.ids)


class _FusedLogSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor | None,
        scale: Tensor,
        exclusion: Exclusion,
        with_columns: bool,
        operands: torch.dtype,
    ) -> Any:
        excluded = _Excluded(exclusion.diagonal, exclusion.anchor_ids, exclusion.key_ids)
        half_x = x.to(operands).contiguous()
        half_y = half_x if y is None else y.to(operands).contiguous()
        rows = _launch_sums(half_x, half_y, scale, excluded)
        columns = _launch_sums(half_y, half_x, scale, excluded.swapped()) if with_columns else None
        ctx.excluded, ctx.symmetric = excluded, y is None
        ctx.save_for_backward(half_x, half_y, scale, rows, columns)
        return rows if columns is None else (rows, columns)

    @staticmethod
    @first_derivative
    def backward(ctx: Any, d_rows: Tensor, d_columns: Tensor | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, y, scale, rows, columns = ctx.saved_tensors
        by_rows, by_columns = (rows, d_rows), (columns, d_columns)
        if ctx.symmetric:
            by_columns = by_rows
        dx = _launch_slopes(x, y, scale, by_rows, by_columns, ctx.excluded)
        d_scale = torch.linalg.vecdot(x.float(), dx).sum()
        dy = None
        if ctx.needs_input_grad[1] and not ctx.symmetric:
            dy = _launch_slopes(y, x, scale, by_columns, by_rows, ctx.excluded.swapped()) * scale
        return dx * scale, dy, d_scale / 2 if ctx.symmetric else d_scale, None, None, None


def _launch_sums(x: Tensor, y: Tensor, scale: Tensor, excluded: _Excluded) -> Float[Tensor, " n"]:
    kernel: Any = import_module("losses.tiles").sums_kernel

    (n, dim), m = x.shape, y.shape[0]
    out = torch.empty(n, dtype=torch.float32, device=x.device)
    ids, key_ids = (out if part is None else part for part in excluded[1:])
    with torch.cuda.device_of(x):
        kernel[(-(-n // 128),)](
            *(x, y, scale, out, ids, key_ids, n, m, dim, excluded.diagonal or 0),
            HAS_DIAGONAL=excluded.diagonal is not None,
            HAS_IDS=excluded.ids is not None,
            ROWS=128,
            KEYS=64,
            DIM=max(16, 1 << (dim - 1).bit_length()),
            num_warps=8,
            num_stages=3,
        )
    return out


def _launch_slopes(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    rows: tuple[Tensor | None, Tensor | None],
    columns: tuple[Tensor | None, Tensor | None],
    excluded: _Excluded,
) -> Float[Tensor, "n dim"]:
    kernel: Any = import_module("losses.tiles").slopes_kernel

    (n, dim), m = x.shape, y.shape[0]
    out = torch.empty(n, dim, dtype=torch.float32, device=x.device)
    ids, key_ids = (out if part is None else part for part in excluded[1:])
    numbers = [out if part is None else part.contiguous() for part in (*rows, *columns)]
    with torch.cuda.device_of(x):
        kernel[(-(-n // 64),)](
            *(x, y, scale, out, *numbers, ids, key_ids, n, m, dim, excluded.diagonal or 0),
            HAS_ROWS=rows[1] is not None,
            HAS_COLUMNS=columns[1] is not None,
            HAS_DIAGONAL=excluded.diagonal is not None,
            HAS_IDS=excluded.ids is not None,
            ROWS=64,
            KEYS=64,
            DIM=max(16, 1 << (dim - 1).bit_length()),
            num_warps=8,
            num_stages=2,
        )
    return out
