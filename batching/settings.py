"""What selections are set by, in one place for all methods and all command lines."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from batching.algorithms.swaps import Swaps
from batching.engines.engine import Engine
from batching.engines.graph import Graph
from batching.plan import Embed
from batching.rules.guards import Guards
from batching.rules.partition import Partitioned
from losses import Loss
from losses.distributed import Group


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the methods are set by; each names in `Method.heeds` those that it heeds beside the last four.

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
        communities: Batches of B / communities pairs that are joined at random to one, see `Adjusted`; None for the
            method's own way, which is 1 but for "communities".
        random_fraction: Part of each batch that is dealt anew at random.
        guards: Which pairs must not meet.
        refresh: Times that a plan is used, a partition's for an epoch each.
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
    communities: int | None = None
    random_fraction: float = 0.0
    guards: Guards = field(default_factory=Guards)
    refresh: int = 1

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

    @property
    def graph(self) -> Graph:
        """Of the nearest neighbours."""
        return Graph(self.temperature, neighbours=self.neighbours, window_start=self.window_start)

    @property
    def swaps(self) -> Swaps:
        """Exchanges that make batches harder."""
        return Swaps(self.temperature)

    @property
    def pairing_neighbours(self) -> int | None:
        """None where all pairs of a pool may meet, else those of the graph."""
        return None if self.batches_per_pool is not None and self.batches_per_pool <= 1000 else self.neighbours


def settings_in(config: object, **others: Any) -> dict[str, Any]:
    """The settings that a configuration has under their names, and others that it has in another form."""
    named = {field.name: getattr(config, field.name) for field in fields(Settings) if hasattr(config, field.name)}
    return named | others
