"""Every method of selection: what it does, whose it is, and how it is put together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from batching.algorithms.swaps import Swaps
from batching.engines.balanced_kmeans import BalancedKMeans
from batching.engines.bandwidth import Bandwidth
from batching.engines.bisection import Bisection, Spread
from batching.engines.matching import Matching
from batching.engines.spectral import Spectral
from batching.pickers.diversity import EffectiveRank
from batching.pickers.jest import Jest
from batching.pickers.picker import OrderedSamples, RhoLoss
from batching.plan import Selection
from batching.rules.clusters import ClusterDraws, Clusters
from batching.rules.curriculum import Curriculum
from batching.rules.designs import Design, PooledDesign
from batching.rules.oblivious import All, Fixed, Full, Random, Shuffled
from batching.rules.osgd import OrderedSGD
from batching.rules.partition import Partitioned
from batching.rules.picked import Picked
from batching.rules.walk import ProximityWalk
from batching.settings import Settings

_POOLS = ("batches_per_pool", "replan", "teacher", "group")


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`."""

    make: Callable[[Settings], Selection]
    summary: str
    """What a plan is, in a few words."""
    source: str
    heeds: tuple[str, ...] = ()
    """The settings that it heeds beside the knobs that all share."""
    aliases: tuple[str, ...] = ()
    """Other names, those of the published code among them."""
    scope: Literal["epoch", "step"] = "epoch"
    """epoch: batches are planned ahead; step: each is chosen from a fresh pool with the weights of the moment."""
    towards: Literal["hard", "easy", "neither"] = "neither"
    """What batches are chosen for; guards preserve it where they exchange pairs."""
    joined: bool = False
    """Whether batches are made of several communities unless told otherwise."""


CHO = "Cho et al. 2024, 2307.05906"

METHODS: dict[str, Method] = {
    "fixed": Method(lambda _: Fixed(), "one random partition, for ever", CHO, aliases=("f",)),
    "shuffled": Method(lambda _: Shuffled(), "a new random partition every epoch", CHO, aliases=("s",)),
    "random": Method(lambda _: Random(), "every batch drawn by itself", CHO),
    "full": Method(lambda _: Full(), "one batch of everything", CHO),
    "all": Method(lambda _: All(), "the mean over all C(N, B) batches, listed lazily", CHO, aliases=("NcB",)),
    "design": Method(
        lambda _: Design(),
        "classes of a design in turn: every two pairs meet equally often, or as nearly so as is known",
        "Kirkman 1847; Bose 1938",
    ),
    "pooled-design": Method(
        lambda s: PooledDesign(Bisection(), batches_per_pool=s.batches_per_pool),
        "a design inside each pool of near pairs; the pool's size is the hardness",
        "this project",
        ("batches_per_pool",),
    ),
    "osgd": Method(
        lambda s: OrderedSGD(s.loss, candidates=s.candidates, keep=s.keep),
        "the hardest of all batches, or the hardest q of k random ones",
        CHO,
        ("loss", "candidates", "keep"),
        aliases=("osgd_NcB",),
        towards="hard",
    ),
    "spectral": Method(
        lambda s: s.partition(Spectral(s.temperature)),
        "even-sized spectral clustering of the pairwise losses, as published",
        CHO,
        ("temperature", *_POOLS),
        aliases=("sc_even",),
        towards="hard",
    ),
    "balanced": Method(
        lambda s: s.partition(Bisection(), s.swaps),
        "balanced bisection, then exchanges that raise the same objective",
        "this project; bisection: Dahiya et al. 2023, 2207.04452",
        ("temperature", *_POOLS),
        towards="hard",
    ),
    "kmeans": Method(
        lambda s: s.partition(BalancedKMeans(), s.swaps),
        "balanced k-means, then exchanges",
        "Malinen and Fränti 2014",
        ("temperature", *_POOLS),
        towards="hard",
    ),
    "graph": Method(
        lambda s: s.partition(s.graph, s.swaps),
        "partition of the nearest-neighbour graph by METIS, then exchanges",
        "Karypis and Kumar 1998",
        ("temperature", "neighbours", "window_start", *_POOLS),
        aliases=("metis",),
        towards="hard",
    ),
    "communities": Method(
        lambda s: s.partition(s.graph),
        "a few communities of the neighbour graph in each batch, by a teacher's ranks if there is one",
        "Thirukovalluru et al. 2025 (B3), 2505.11293",
        ("temperature", "neighbours", "window_start", *_POOLS),
        aliases=("b3",),
        towards="hard",
        joined=True,
    ),
    "bandwidth": Method(
        lambda s: s.partition(Bandwidth(neighbours=s.neighbours)),
        "reverse Cuthill-McKee order of the neighbour graph, cut into batches",
        "Sachidananda et al. 2023 (GCBS), 2210.12874",
        ("neighbours", *_POOLS),
        aliases=("gcbs",),
        towards="hard",
    ),
    "matching": Method(
        lambda s: s.partition(Matching(s.temperature, neighbours=s.pairing_neighbours)),
        "B = 2: the partition of largest loss, a perfect matching of largest weight",
        "Edmonds 1965",
        ("temperature", "neighbours", *_POOLS),
        towards="hard",
    ),
    "curriculum": Method(
        lambda s: Curriculum(Partitioned(Bisection(), features=s.teacher, group=s.group)),
        "random unions of clusters whose size doubles at given epochs",
        "Dahiya et al. 2023 (NGAME), 2207.04452",
        ("teacher", "group"),
        aliases=("ngame",),
        towards="hard",
    ),
    "clusters": Method(
        lambda s: Clusters(features=s.teacher),
        "k-means clusters laid end to end and cut",
        "Morris and Rush 2024 (CDE), 2410.02525",
        ("teacher",),
        aliases=("cde",),
        towards="hard",
    ),
    "cluster-draws": Method(
        lambda s: ClusterDraws(features=s.teacher),
        "every batch drawn from one k-means cluster of the anchors",
        "Hofstätter et al. 2021 (TAS-B), 2104.06967",
        ("teacher",),
        aliases=("tas-b",),
        towards="hard",
    ),
    "walk": Method(
        lambda s: ProximityWalk(candidates=s.walk_candidates, edges=max(1, s.walk_candidates // 10)),
        "random walks with restart on a graph of near pairs, which are looked for among random candidates",
        "Yang et al. 2023 (BatchSampler), 2306.03355",
        ("walk_candidates",),
        aliases=("batchsampler",),
        towards="hard",
    ),
    "spread": Method(
        lambda s: s.partition(Spread(), Swaps(s.temperature, towards="easy")),
        "far pairs: one from each of B clusters, then exchanges that make batches easier",
        "Chakraborty et al. 2020 (G-SimCLR), 2009.12007",
        ("temperature", *_POOLS),
        towards="easy",
    ),
    "effective-rank": Method(
        lambda s: Picked(EffectiveRank(), s.pool_factor),
        "each batch picked from a pool for a large effective rank",
        "Ochieng 2025, 2510.05767",
        ("pool_factor",),
        scope="step",
    ),
    "ordered": Method(
        lambda s: Picked(OrderedSamples(s.loss), s.pool_factor),
        "the pairs of largest loss in a pool",
        "Kawaguchi and Lu 2020, 1907.04371",
        ("loss", "pool_factor"),
        scope="step",
    ),
    "rho": Method(
        lambda s: Picked(RhoLoss(s.loss), s.pool_factor, s.reference),
        "the pairs of a pool whose loss exceeds a reference model's most",
        "Mindermann et al. 2022, 2206.07137",
        ("loss", "pool_factor", "reference"),
        scope="step",
    ),
    "jest": Method(
        lambda s: Picked(
            Jest(s.temperature, kind="hard" if s.reference is None else "learnability"), s.pool_factor, s.reference
        ),
        "a batch drawn jointly from a pool, by learnability where there is a reference model",
        "Evans et al. 2024, 2406.17711",
        ("temperature", "pool_factor", "reference"),
        scope="step",
    ),
}
"""All methods, in the order of their tables."""
