"""Rules that never look at the embeddings: full, all, fixed, shuffled."""

from dataclasses import dataclass

from typing_extensions import override

from batching.combinations import Combinations
from batching.plan import Embed, Plan, Selection, everyone, none_left
from batching.seeded import Seed, permutation


@dataclass(frozen=True)
class Full(Selection):
    """One batch of all pairs: gradient descent on the full-batch loss. `batch_size` plays no part."""

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return 1

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        return Plan(everyone(n_pairs, seed)[..., None, :], none_left(seed), "partition")


@dataclass(frozen=True)
class All(Selection):
    """The mean over all C(N, B) batches, one update each; the batches are listed lazily.

    Its minimisers are those of the full batch (Cho et al., 2024, Theorem 4, arXiv 2307.05906).
    Cost of an update: C(N, B) batch losses.
    """

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return 1

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        Combinations(n_pairs, batch_size)

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        return Plan(Combinations(n_pairs, batch_size), none_left(seed), "cover", reduction="mean")


@dataclass(frozen=True)
class Shuffled(Selection):
    """A new random partition every epoch: what mini-batch training does by default.

    N mod B pairs, others every epoch, are left out.
    """

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        order = permutation(seed, "shuffled", epoch, n_pairs)
        used = n_pairs - n_pairs % batch_size
        batches = order[..., :used].unflatten(-1, (-1, batch_size))
        return Plan(batches, order[..., used:], "partition")


@dataclass(frozen=True)
class Fixed(Selection):
    """One random partition, drawn once and used in every epoch.

    Pairs of different batches never meet, so that the minimisers are not those of the full batch (Cho et al.,
    2024, Theorem 5, arXiv 2307.05906). The partition is the one that `Shuffled` starts with.
    """

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        if n_pairs % batch_size:
            raise ValueError(
                f"a fixed partition needs a batch_size that divides the number of pairs, got {batch_size} and "
                f"{n_pairs}: {n_pairs % batch_size} pairs would never be seen; change either, or use 'shuffled'"
            )

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        return Shuffled().plan(n_pairs, batch_size, seed=seed, epoch=0, embed=embed)
