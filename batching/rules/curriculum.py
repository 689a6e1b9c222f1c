"""A curriculum of hardness: batches of ever larger groups of near pairs, as in NGAME."""

from dataclasses import dataclass, replace

from typing_extensions import override

from batching.plan import Embed, Plan, Selection
from batching.rules.adjusted import Adjusted
from batching.rules.oblivious import Shuffled
from batching.rules.partition import Partitioned
from batching.seeded import Seed


@dataclass(frozen=True)
class Curriculum(Selection):
    """Batches joined at random from clusters whose size doubles as training goes on.

    In epoch e a batch of B is the union of B / c clusters of c near pairs, c = 2^(number of `doublings` <= e), or
    the largest divisor of B below that, at most B: random batches first, the rule's own at last.

    Args:
        rule: Makes the clusters; one whose batches share no pairs.
        doublings: Epochs at which the size doubles.

    References:
        Dahiya et al., 2023, "NGAME", arXiv 2207.04452, Section 3 (clusters by balanced bisection); the epochs are
        those of its published code, which makes new clusters every 5 epochs (`Adjusted(..., refresh=5)`).
    """

    rule: Selection
    doublings: tuple[int, ...] = (10, 20, 25, 50, 75, 100, 125, 150, 200)
    by_epoch = True

    def __post_init__(self) -> None:
        """Check the rule and the epochs."""
        object.__setattr__(self, "uses_embeddings", self.rule.uses_embeddings)
        Adjusted(self.rule, communities=2)  # says what is wrong with a rule whose batches overlap
        if isinstance(self.rule, Partitioned) and self.rule.replan == "pool":
            raise ValueError(
                "clusters are made of all pairs at the start of an epoch, got replan 'pool'; set 'epoch'"
            )
        if list(self.doublings) != sorted(set(self.doublings)) or min(self.doublings, default=0) < 0:
            raise ValueError(f"doublings must be epochs in ascending order, got {self.doublings}")

    def cluster_size(self, batch_size: int, epoch: int) -> int:
        """The pairs of a cluster, c, in this epoch."""
        most = min(batch_size, 2 ** sum(e <= epoch for e in self.doublings))
        return max(c for c in range(1, most + 1) if batch_size % c == 0)

    @property
    @override
    def rounded(self) -> bool:
        return self.rule.rounded

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        sizes = {self.cluster_size(batch_size, epoch) for epoch in (0, *self.doublings)}
        for size in sizes - {1}:
            self.rule.check(n_pairs, size)
            rule = Adjusted(self.rule, communities=batch_size // size)
            if (k := rule.updates_per_epoch(n_pairs, batch_size)) != n_pairs // batch_size:
                raise ValueError(
                    f"clusters of all sizes must give {n_pairs // batch_size} batches, got {k} from clusters of "
                    f"{size}, because pools leave pairs out; leave out batches_per_pool"
                )

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        size = self.cluster_size(batch_size, epoch)
        if size == 1:  # clusters of one are a shuffle, and need no embeddings
            plan = Shuffled().plan(n_pairs, batch_size, seed=seed, epoch=epoch, embed=embed)
        else:
            rule = Adjusted(self.rule, communities=batch_size // size)
            plan = rule.plan(n_pairs, batch_size, seed=seed, epoch=epoch, embed=embed)
        return replace(plan, info={**plan.info, "cluster_size": size})
