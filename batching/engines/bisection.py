"""Balanced bisection, the engine that needs no graph and no seed; and its opposite."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from batching.algorithms.bisection import bisect
from batching.engines.engine import Cut, Engine
from batching.seeded import permutation


def middles(u: Float[Tensor, "*any n dim"], v: Float[Tensor, "*any n dim"]) -> Float[Tensor, "*any n dim"]:
    """One point for each pair: (u + v) / |u + v|, and 0 for opposite ones."""
    return functional.normalize(u + v, dim=-1)


@dataclass(frozen=True)
class Bisection(Engine):
    """Halve the pool along the direction in which its pairs spread, until the parts are batches.

    Followed by `Swaps` the default of this project: hardly less hard than a graph partition, from torch alone,
    and all pools of all replicates side by side on their device.

    Args:
        iterations: Of balanced 2-means at each split.

    Cost: O(n dim iterations log k) for each pool.

    References:
        Dahiya et al., 2023, "NGAME", arXiv 2207.04452.
    """

    iterations: int = 4

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
        return Cut(bisect(middles(u, v), u.shape[1] // batch_size, iterations=self.iterations))


@dataclass(frozen=True)
class Spread(Engine):
    """Batches of pairs that are far from each other: one from each of B clusters of equal size.

    The opposite objective: easy batches, hardly any false negatives, and a large effective rank (Ochieng, 2025,
    "Diversity is all you need for contrastive learning", arXiv 2510.05767, argues for some of it). Clusters come
    from balanced bisection, as in G-SimCLR (Chakraborty et al., 2020, arXiv 2009.12007), which keeps members of
    a cluster apart too; which members of different clusters meet is random.

    Args:
        iterations: Of balanced 2-means at each split.
    """

    iterations: int = 4

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
        clusters = bisect(middles(u, v), batch_size, iterations=self.iterations)  # [pools, B, k]
        k = clusters.shape[-1]
        within = permutation(seed, "spread", epoch, batch_size * k).reshape(clusters.shape)
        return Cut(clusters.gather(-1, within.argsort(-1)).mT.contiguous())
