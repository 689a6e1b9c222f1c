"""Batches spread over processes: every rank sees all embeddings as negatives, and owns its anchors.

Each rank gathers the embeddings of all (with gradients), and its loss is the mean over its own pairs. Then the
mean of the losses over the ranks is the loss of the whole batch, and the average of the gradients, which is what
DistributedDataParallel takes, *is* the gradient of the whole batch in one process: neither W times too small, as
where gathered embeddings are constants, nor in another direction, as where constants meet a local loss.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.autograd.function import once_differentiable

Group = dist.ProcessGroup
"""Processes that share a batch; `torch.distributed.group.WORLD` is all of them. Equally many pairs on each."""


def gather(x: Shaped[Tensor, "n ..."], group: Group) -> Shaped[Tensor, "all ..."]:
    """The rows of all ranks, in the order of the ranks.

    In the backward pass every rank receives the sum of what the ranks want of its rows. Cost: one all-gather
    forward, one reduce-scatter backward.
    """
    return _Gather.apply(x, group)  # pyright: ignore[reportReturnType]


def own(x: Float[Tensor, "*lead all"], group: Group | None) -> Float[Tensor, "*lead n"]:
    """This rank's part of values of all ranks; everything where there is no group."""
    if group is None:
        return x
    n = x.shape[-1] // group.size()
    return x.narrow(-1, group.rank() * n, n)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        out = x.new_empty(group.size() * x.shape[0], *x.shape[1:])
        dist.all_gather_into_tensor(out, x.contiguous(), group=group)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        out = slope.new_empty(slope.shape[0] // ctx.group.size(), *slope.shape[1:])
        dist.reduce_scatter_tensor(out, slope.contiguous(), group=ctx.group)
        return out, None
