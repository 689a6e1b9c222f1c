"""Balanced k-means: Lloyd's iteration in which every centre gets exactly B pairs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.algorithms.assignment import balanced_assignment
from batching.algorithms.bisection import bisect
from batching.engines.bisection import middles
from batching.engines.engine import Cut, Engine

_LARGEST = 2048
"""Rows that are assigned at once: the assignment's cost grows with the third power."""


@dataclass(frozen=True)
class BalancedKMeans(Engine):
    """Means of the rows [u; v] and the assignment of exactly B rows to each, in turns.

    minimise sum_i |[u_i; v_i] - [c_i; c'_i]|^2 over assignments of B rows to every centre (exact, for the centres
    at hand) and over the centres (the means). Starts from balanced bisection; stops when no row moves. Pools of
    more than 2,048 rows are first bisected into shards that are not, or have two batches.

    Args:
        iterations: At most so many.

    Cost: O(n^3) at worst for each iteration and shard of n rows.

    References:
        Malinen and Fränti, 2014, "Balanced k-means for clustering".
    """

    iterations: int = 6

    @override
    def cut(
        self,
        u: Float[Tensor, "pools n dim"],
        v: Float[Tensor, "pools n dim"],
        batch_size: int,
        *,
        seed: Int[Tensor, " pools"],
        epoch: int,
    ) -> Cut:
        batches = bisect(middles(u, v), u.shape[1] // batch_size)
        rows = torch.cat([u, v], -1)
        per_shard = max(2, _LARGEST // batch_size)
        runs = [self._lloyd(rows, part) for part in batches.split(per_shard, 1)]
        return Cut(torch.cat(runs, 1))

    def _lloyd(
        self, rows: Float[Tensor, "pools n dim"], batches: Int[Tensor, "pools k batch"]
    ) -> Int[Tensor, "pools k batch"]:
        """Move rows among these batches."""
        pools, k, size = batches.shape
        index = batches.reshape(pools, k * size)
        x = rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))
        label = torch.arange(k, device=x.device).repeat_interleave(size).expand(pools, -1)
        for _ in range(self.iterations):
            order = label.argsort(dim=1, stable=True)
            centres = x.gather(1, order[..., None].expand_as(x)).unflatten(1, (k, size)).mean(2)
            latest = balanced_assignment(centres.square().sum(-1)[:, None] / 2 - x @ centres.mT, size)
            if torch.equal(latest, label):
                break
            label = latest
        return index.gather(1, label.argsort(dim=1, stable=True)).reshape(pools, k, size)
