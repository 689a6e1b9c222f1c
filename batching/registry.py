"""Every method of selection by its name: what it does, whose it is, and how it is put together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from batching.algorithms.swaps import Swaps
from batching.engines.balanced_kmeans import BalancedKMeans
from batching.engines.bandwidth import Bandwidth
from batching.engines.bisection import Bisection, Spread
from batching.engines.engine import Engine
from batching.engines.graph import Graph
from batching.engines.matching import Matching
from batching.engines.spectral import Spectral
from batching.pickers.diversity import EffectiveRank
from batching.pickers.jest import Jest
from batching.pickers.picker import OrderedSamples, RhoLoss
from batching.plan import Embed, Selection
from batching.rules.adjusted import Adjusted
from batching.rules.clusters import ClusterDraws, Clusters
from batching.rules.curriculum import Curriculum
from batching.rules.designs import Design, PooledDesign
from batching.rules.guards import Guards
from batching.rules.oblivious import All, Fixed, Full, Random, Shuffled
from batching.rules.osgd import OrderedSGD
from batching.rules.partition import Partitioned
from batching.rules.picked import Picked
from batching.rules.walk import ProximityWalk
from losses import Loss
from losses.distributed import Group


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the methods are set by; each names those that it heeds in `Method.heeds`.

    Args:
        loss: What batches and pairs are scored with, its settings bound, see `losses.make_loss`.
        temperature: Of weights between pairs.
        candidates: Random batches to choose from, None for all there are.
        walk_candidates: Random pairs for each pair, of which a tenth, the nearest, are its neighbours.
        keep: How many of them to train on.
        batches_per_pool: Batches made from one pool; None for one pool of all pairs.
        replan: Plan all pools at the start of an epoch, or each when its turn comes.
        neighbours: Edges of each pair in the graph of nearest neighbours.
        window_start: Nearest neighbours that are skipped in that graph.
        pool_factor: Pairs from which a batch is picked, in batches.
        teacher: Embeddings that do not change, to plan by instead of the current ones.
        reference: Embeddings of a reference model, to compare losses with.
        group: Processes that share the pools.
    """

    loss: Loss
    temperature: float
    candidates: int | None = None
    walk_candidates: int = 1000
    keep: int = 1
    batches_per_pool: int | None = None
    replan: Literal["epoch", "pool"] = "epoch"
    neighbours: int = 16
    window_start: int = 0
    pool_factor: float = 4.0
    teacher: Embed | None = None
    reference: Embed | None = None
    group: Group | None = None

    def partition(self, engine: Engine, refine: Swaps | None = None) -> Partitioned:
        """Pools cut by this engine."""
        return Partitioned(
            engine,
            refine,
            batches_per_pool=self.batches_per_pool,
            replan=self.replan,
            features=self.teacher,
            group=self.group,
        )

    def graph(self, window_start: int = 0) -> Graph:
        """Of the nearest neighbours."""
        return Graph(self.temperature, neighbours=self.neighbours, window_start=window_start)

    @property
    def swaps(self) -> Swaps:
        """Exchanges that make batches harder."""
        return Swaps(self.temperature)

    @property
    def pairing_neighbours(self) -> int | None:
        """None where all pairs of a pool may meet, else those of the graph."""
        return None if self.batches_per_pool is not None and self.batches_per_pool <= 1000 else self.neighbours


_POOLS = ("batches_per_pool", "replan", "teacher", "group")


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`."""

    make: Callable[[Settings], Selection]
    summary: str
    """What a plan is, in a few words."""
    source: str
    heeds: tuple[str, ...] = ()
    """The settings that it heeds beside the knobs that all have."""
    aliases: tuple[str, ...] = ()
    """Other names, those of the published code among them."""
    scope: Literal["epoch", "step"] = "epoch"
    """epoch: batches are planned ahead; step: each is chosen from a fresh pool with the weights of the moment."""
    towards: Literal["hard", "easy", "neither"] = "neither"
    """What guards preserve when they exchange pairs."""
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
        lambda s: s.partition(s.graph(s.window_start), s.swaps),
        "partition of the nearest-neighbour graph by METIS, then exchanges",
        "Karypis and Kumar 1998",
        ("temperature", "neighbours", "window_start", *_POOLS),
        aliases=("metis",),
        towards="hard",
    ),
    "communities": Method(
        lambda s: s.partition(s.graph(s.window_start)),
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

SELECTIONS: tuple[str, ...] = tuple(METHODS)
"""The names that every command line offers."""

ALIASES: dict[str, str] = {alias: name for name, method in METHODS.items() for alias in method.aliases}
"""Other names: those in the code of Cho et al. (f, s, NcB, osgd_NcB, sc_even), and those of papers."""


def make_selection(
    name: str,
    *,
    loss: Loss,
    temperature: float,
    communities: int | None = None,
    random_fraction: float = 0.0,
    guards: Guards | None = None,
    refresh: int = 1,
    candidates: int | None = None,
    walk_candidates: int = 1000,
    keep: int = 1,
    batches_per_pool: int | None = None,
    replan: Literal["epoch", "pool"] = "epoch",
    neighbours: int = 16,
    window_start: int = 0,
    pool_factor: float = 4.0,
    teacher: Embed | None = None,
    reference: Embed | None = None,
    group: Group | None = None,
) -> Selection:
    """The selection rule of this name, or of this alias, with its knobs.

    Args:
        name: One of `SELECTIONS` or `ALIASES`.
        loss: See `Settings`, as for all that is not below.
        temperature: See `Settings`.
        communities: Batches of B / communities pairs that are joined at random to one, see `Adjusted`; None for
            the method's own way, which is 1 but for "communities".
        random_fraction: Part of each batch that is dealt anew at random.
        guards: Which pairs must not meet.
        refresh: Epochs that a plan is used for.
        candidates: See `Settings`.
        walk_candidates: See `Settings`.
        keep: See `Settings`.
        batches_per_pool: See `Settings`.
        replan: See `Settings`.
        neighbours: See `Settings`.
        window_start: See `Settings`.
        pool_factor: See `Settings`.
        teacher: See `Settings`.
        reference: See `Settings`.
        group: See `Settings`.

    Raises:
        ValueError: If the name is unknown, or a setting does not fit it.
    """
    name = canonical_name(name)
    method = METHODS[name]
    by_similarity = guards is not None and guards.by_similarity
    for setting, value in (("teacher", teacher), ("reference", reference)):
        if value is not None and setting not in method.heeds and not (setting == "teacher" and by_similarity):
            others = [other for other in SELECTIONS if setting in METHODS[other].heeds]
            raise ValueError(
                f"{name} has no use for a {setting}; leave it out, or choose one of {', '.join(others)}"
            )
    if refresh > 1 and method.scope == "step":
        raise ValueError(f"{name} picks every batch with the weights of the moment, got refresh {refresh}; set 1")
    given = Settings(
        loss=loss,
        temperature=temperature,
        candidates=candidates,
        walk_candidates=walk_candidates,
        keep=keep,
        batches_per_pool=batches_per_pool,
        replan=replan,
        neighbours=neighbours,
        window_start=window_start,
        pool_factor=pool_factor,
        teacher=teacher,
        reference=reference,
        group=group,
    )
    rule = method.make(given)
    communities = 1 if communities is None and not method.joined else communities
    guards = guards or Guards()
    if communities == 1 and random_fraction == 0 and refresh == 1 and not guards.active:
        return rule
    if name in ("full", "all"):
        raise ValueError(f"{name!r} has nothing to adjust; leave out communities, random_fraction, guards, refresh")
    swaps = None if method.towards == "neither" else Swaps(temperature, towards=method.towards)
    return Adjusted(rule, communities, random_fraction, guards, refresh, swaps, features=teacher)


def canonical_name(name: str) -> str:
    """The name of a selection in this project, from itself or from an alias.

    Raises:
        ValueError: If there is none.
    """
    known = ALIASES.get(name, name)
    if known not in METHODS:
        raise ValueError(
            f"selection must be one of {', '.join(SELECTIONS)} (or the alias {', '.join(ALIASES)}), got {name!r}"
        )
    return known
