"""Batches from the clusters of a k-means: cut from their concatenation, or drawn from one at a time."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from batching.algorithms.kmeans import kmeans_centres, nearest_centres
from batching.embeddings import checked
from batching.plan import Embed, Plan, Selection, none_left
from batching.seeded import Seed, as_seeds, permutation, uniforms, words

_ITERATIONS = 20
_POINTS_PER_CENTRE = 256
"""A random sample so large finds centres that hardly differ from those of all points."""
_KEYS_AT_ONCE = 2**23
_BATCHES_PER_CLUSTER = 8
"""Pairs of a cluster by default, in batches."""

_Found = tuple[Float[Tensor, "replicates k dim"], Int[Tensor, "replicates n"]]


@dataclass(frozen=True)
class _Clustered(Selection):
    """What rules that plan on clusters share: the number of clusters, and when they are found."""

    pairs_per_cluster: int | None = None
    features: Embed | None = None
    _found: dict[tuple[object, ...], _Found] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Current embeddings are not needed where there are features."""
        object.__setattr__(self, "uses_embeddings", self.features is None)

    @property
    @override
    def rounded(self) -> bool:
        return True

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        if batch_size < 2:
            raise ValueError(f"choosing by cluster needs batches of at least 2 pairs, got batch_size {batch_size}")
        if self.pairs_per_cluster is not None and self.pairs_per_cluster < batch_size:
            raise ValueError(
                f"pairs_per_cluster must be at least the batch_size {batch_size}, got {self.pairs_per_cluster}; "
                f"None takes {_BATCHES_PER_CLUSTER} batches"
            )

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @abstractmethod
    def _points(
        self, u: Float[Tensor, "replicates n dim"], v: Float[Tensor, "replicates n dim"]
    ) -> tuple[Float[Tensor, "replicates points point"], bool]:
        """What is clustered, a point of each pair first, and whether centres have unit length."""

    def _of(self, n_pairs: int, batch_size: int, seed: Seed, epoch: int, embed: Embed) -> _Found:
        """The clusters of this plan: of the current embeddings, or of the features, once."""
        replicates = len(seed) if isinstance(seed, Tensor) else 1

        def find(source: Embed, number: int) -> _Found:
            # One teacher may serve all replicates.
            u, v = (x.reshape(-1, *x.shape[-2:]).expand(replicates, -1, -1) for x in checked(*source(None)))
            points, spherical = self._points(u, v)
            centres = kmeans_centres(
                points,
                max(1, round(n_pairs / (self.pairs_per_cluster or _BATCHES_PER_CLUSTER * batch_size))),
                seed=_seeds(seed, points.device),
                epoch=number,
                iterations=_ITERATIONS,
                spherical=spherical,
                points_per_centre=_POINTS_PER_CENTRE,
            )
            return centres, nearest_centres(points[:, :n_pairs], centres)

        if self.features is None:
            return find(embed, epoch)
        key = n_pairs, batch_size, tuple(seed.tolist()) if isinstance(seed, Tensor) else seed
        if key not in self._found:
            self._found[key] = find(self.features, 0)
        return self._found[key]


@dataclass(frozen=True)
class Clusters(_Clustered):
    """A partition cut from clusters laid end to end, as in contextual document embeddings.

    1. Spherical k-means on the rows [u; v] and [v; u] together, so that neither side is special; each pair goes
       to the centre nearest to its [u; v].
    2. The clusters one after the other, in random or greedy order, each shuffled inside.
    3. That order is cut into consecutive batches, which are planned in random order. The last N mod B pairs of
       the order are the remainder.

    Batches are not pure: one in `pairs_per_cluster` / B or so spans two clusters, which are near each other in
    the greedy order. The published code clusters once, by the best of 3 runs of faiss with 100 iterations; here
    centres come from one greedy k-means++ start and 20 iterations, on 256 points for each.

    Args:
        pairs_per_cluster: The mean; None for 8 batches.
        order: "random", or "greedy": a chain from a random cluster to the nearest centre not yet visited.
        features: Cluster these embeddings, a teacher's for instance, and not the current ones. They do not
            change, so clusters are found once; orders still are new in every epoch.

    Cost: O(N^2 dim / pairs_per_cluster) for the clusters.

    References:
        Morris and Rush, 2024, "Contextual document embeddings", Section 4.1, arXiv 2410.02525.
    """

    order: Literal["random", "greedy"] = "random"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in ("random", "greedy"):
            raise ValueError(f"order must be 'random' or 'greedy', got {self.order!r}")

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        centres, label = self._of(n_pairs, batch_size, seed, epoch, embed)
        seeds = _seeds(seed, label.device)
        k = centres.shape[1]
        first = permutation(seeds, "cluster-order", epoch, k)
        ranking = first if self.order == "random" else _chain(centres, first[:, 0])
        place = ranking.argsort(-1)  # of each cluster
        shuffled = permutation(seeds, "cluster-members", epoch, n_pairs)
        by_cluster = place.gather(1, label.gather(1, shuffled)).argsort(dim=-1, stable=True)
        order = shuffled.gather(1, by_cluster)
        used = n_pairs - n_pairs % batch_size
        batches = order[:, :used].unflatten(-1, (-1, batch_size))
        turn = permutation(seeds, "cluster-batches", epoch, batches.shape[1])
        batches = batches.gather(1, turn[..., None].expand_as(batches))
        alone = not isinstance(seed, Tensor)
        return Plan(
            batches[0] if alone else batches,
            order[0, used:] if alone else order[:, used:],
            "partition",
            info={"engine": "clusters", "clusters": k},
        )

    @override
    def _points(
        self, u: Float[Tensor, "replicates n dim"], v: Float[Tensor, "replicates n dim"]
    ) -> tuple[Float[Tensor, "replicates points point"], bool]:
        both = torch.cat([torch.cat([u, v], -1), torch.cat([v, u], -1)], 1)
        return functional.normalize(both, dim=-1), True


@dataclass(frozen=True)
class ClusterDraws(_Clustered):
    """Every batch is drawn from one cluster of the anchors u, as in topic-aware sampling (TAS).

    k-means on u; clusters of fewer than B pairs join the nearest one until all have enough. Each of N // B
    batches then draws a cluster with probability proportional to its size, and B distinct pairs from it, each
    set of B being equally likely: a pair is in as many batches as any other on average, but is left out of a
    plan or met twice by chance.

    Args:
        pairs_per_cluster: The mean; None for 8 batches. The publication has 400,000 queries in 2,000 clusters.
        features: Cluster these embeddings, a teacher's for instance, and not the current ones. They do not
            change, so clusters are found once; draws still are new in every epoch.

    Cost: O(N^2 dim / pairs_per_cluster) for the clusters; N / B times the size of the largest for the draws.

    References:
        Hofstätter et al., 2021, "Efficiently teaching an effective dense retriever with balanced topic aware
        sampling", Section 3, arXiv 2104.06967.
    """

    disjoint = False

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        found = zip(*self._of(n_pairs, batch_size, seed, epoch, embed), strict=True)
        label = torch.stack([_merged(centres, own, batch_size) for centres, own in found])
        seeds = _seeds(seed, label.device).tolist()
        batches = torch.stack([_draw(*one, batch_size, epoch) for one in zip(label, seeds, strict=True)])
        return Plan(
            batches if isinstance(seed, Tensor) else batches[0],
            none_left(seed),
            "subset",
            info={"engine": "cluster draws", "clusters": int(label.amax(1).add(1).sum())},
        )

    @override
    def _points(
        self, u: Float[Tensor, "replicates n dim"], v: Float[Tensor, "replicates n dim"]
    ) -> tuple[Float[Tensor, "replicates points point"], bool]:
        return u, False


def _seeds(seed: Seed, device: torch.device) -> Int[Tensor, " replicates"]:
    return as_seeds(seed).to(device)


def _chain(
    centres: Float[Tensor, "replicates k dim"], first: Int[Tensor, " replicates"]
) -> Int[Tensor, "replicates k"]:
    """The order in which one goes from the first centre to the nearest unvisited, and on."""
    distance = torch.cdist(centres, centres)
    each = torch.arange(len(first), device=first.device)
    chain = [first]
    for _ in range(centres.shape[1] - 1):
        distance[each, :, chain[-1]] = torch.inf
        chain.append(distance[each, chain[-1]].argmin(-1))
    return torch.stack(chain, 1)


def _merged(centres: Float[Tensor, "k dim"], label: Int[Tensor, " n"], least: int) -> Int[Tensor, " n"]:
    """Labels 0, 1, .. of clusters that have `least` members: the smallest joins the nearest as long as it must."""
    size = torch.bincount(label, minlength=len(centres)).tolist()
    kept = [c for c in range(len(size)) if size[c]]
    goes_to = list(range(len(size)))
    middle = centres.double().cpu().clone()
    while len(kept) > 1 and min(size[c] for c in kept) < least:
        small = min(kept, key=lambda c: size[c])
        kept.remove(small)
        near = kept[int(torch.cdist(middle[[small]], middle[kept]).argmin())]
        total = size[small] + size[near]
        middle[near] = (middle[small] * size[small] + middle[near] * size[near]) / total
        size[near] = total
        goes_to = [near if c == small else c for c in goes_to]
    number = {c: i for i, c in enumerate(kept)}
    return torch.tensor([number.get(c, 0) for c in goes_to], device=label.device)[label]


def _draw(label: Int[Tensor, " n"], seed: int, batch_size: int, epoch: int) -> Int[Tensor, "k batch"]:
    """Batches from one random cluster each: those members to whom random words give the first places."""
    n = len(label)
    members = label.argsort(stable=True)
    size = torch.bincount(label)
    start = size.cumsum(0) - size
    # The cluster of a random pair has probability proportional to its size.
    at = uniforms(seed, "cluster-choice", epoch, n // batch_size, device=label.device)
    cluster = label[(at * n).long()]
    widest = int(size.max())
    column = torch.arange(widest, device=label.device)
    batches = []
    for number, part in enumerate(cluster.split(max(1, _KEYS_AT_ONCE // widest))):
        key = words(seed, f"cluster-draw-{number}", epoch, len(part) * widest, device=label.device) >> 1
        key = key.view(-1, widest).masked_fill(column >= size[part, None], torch.iinfo(torch.long).max)
        drawn = key.topk(batch_size, largest=False).indices
        batches.append(members[start[part, None] + drawn])
    return torch.cat(batches)
