"""Arithmetic that keeps its digits: precisions, sums of exponentials that may be empty, log(1 + e^x)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

_SHORT = 16
"""Entries of a row that is added by BLAS."""


def in_full_precision(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """float32, or float64 where the input has it."""
    return x if x.dtype == torch.float64 else x.float()


def beside(x: Float[Tensor, "..."], value: float | Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A number as a tensor of the precision and on the device of x.

    It is written there and not sent from the host, which could not be recorded as part of a CUDA graph.
    """
    if isinstance(value, Tensor):
        return value.to(device=x.device, dtype=x.dtype)
    return torch.full((), value, dtype=x.dtype, device=x.device)


def row_sum(x: Float[Tensor, "*lead keys"]) -> Float[Tensor, "*lead"]:
    """x.sum(-1). On a CPU, rows of a few entries go through BLAS, which adds them 20 times faster."""
    if x.shape[-1] > _SHORT or x.device.type != "cpu":
        return x.sum(-1)
    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return row_sum(x)
    return (x.reshape(-1, x.shape[-1]) @ x.new_ones(x.shape[-1])).reshape(x.shape[:-1])


def finite(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """-inf becomes 0, where a sum of nothing shall not spoil a difference."""
    return x.masked_fill(x == -torch.inf, 0)


def guarded_logsumexp(x: Float[Tensor, "*lead m"]) -> Float[Tensor, "*lead"]:
    """x.logsumexp(-1), with a gradient of 0 instead of NaN where every entry is -inf."""
    peak = finite(x.detach().amax(-1, keepdim=True))
    total = (x - peak).exp().sum(-1)
    empty = total == 0
    return torch.where(empty, -torch.inf, total.masked_fill(empty, 1).log() + peak.squeeze(-1))


def log_one_plus_sum_exp(
    x: Float[Tensor, "*lead keys"], keep: Bool[Tensor, "*lead keys"]
) -> Float[Tensor, "*lead"]:
    """log(1 + sum of e^x over what is kept): exact where the sum is tiny; 0, without slope, where it is empty."""
    some = keep.any(-1)
    kept = x.masked_fill(~keep & some[..., None], -torch.inf)  # a row of nothing but -inf has a slope of NaN
    total = torch.logsumexp(kept, -1)
    return torch.where(some, torch.logaddexp(total, torch.zeros_like(total)), 0)


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + e^x); torch's own is wrong by 2e-9 from x = 20 on, which float64 can tell."""
    return functional.softplus(x, threshold=40)
