"""The knobs of every rule: communities, random pairs, guards against false negatives, refresh period."""

import warnings
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from batching.algorithms.swaps import Swaps
from batching.embeddings import Embeddings, Remembered
from batching.plan import Embed, Plan, Selection
from batching.rules.guards import Guards, Relation
from batching.rules.partition import Partitioned
from batching.rules.separation import Batches, dealt_anew, kept_apart, random_places, replaced, with_room
from batching.seeded import Seed, permutation


@dataclass(frozen=True)
class Adjusted(Selection):
    """Another rule's batches: less hard, without false negatives, or used for several epochs.

    In this order: `communities` batches of B / communities pairs of the rule are joined at random to one batch of
    B; a part of each batch is dealt anew; pairs that must not meet are exchanged with others. All of it anew for
    each of the epochs that a plan is used for, in a new order of batches: a plan of `refresh` epochs has so many
    times the batches, one epoch after the other.

    Args:
        rule: Makes the batches.
        communities: Groups of near pairs in a batch, from different places (B3, NGAME); None for about as many as
            each has pairs, which is the published 32 of 32 for batches of 1,024. Those left over when batches
            are joined are left out, others in every plan.
        random_fraction: From 0 (as the rule made it) to 1 (nothing left of it): part of each batch that is dealt
            anew, or, where batches overlap, replaced by random pairs.
        guards: Who must not meet whom. What cannot be fulfilled is counted in `Plan.info["conflicts"]`, and
            warned of.
        refresh: Times that a plan is used, before the rule is asked again, with the weights of then.
        swaps: With guards: by which hardness exchanges are chosen; None where it does not matter. Only what must
            be is exchanged, unless the rule ends with such exchanges itself and nothing makes it less hard.
        features: Embeddings for the guards and the exchanges, a teacher's for instance; None for the current ones.
            These need those of all pairs, in every process.

    Raises:
        ValueError: If a setting is out of its range, or communities are asked of a rule whose batches overlap.

    References:
        Thirukovalluru et al., 2025, "Breaking the batch barrier (B3)", arXiv 2505.11293 (communities).
        Yang et al., 2023, "BatchSampler", arXiv 2306.03355 (hardness as a knob).
    """

    rule: Selection
    communities: int | None = 1
    random_fraction: float = 0.0
    guards: Guards = field(default_factory=Guards)
    refresh: int = 1
    swaps: Swaps | None = None
    features: Embed | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("communities", "refresh"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.random_fraction <= 1:
            raise ValueError(f"random_fraction must lie between 0 and 1, got {self.random_fraction}")
        if self.communities != 1 and not self.rule.disjoint:
            raise ValueError(
                f"communities need a rule whose batches share no pairs, got {type(self.rule).__name__}; "
                "leave communities at 1, or choose a partition"
            )
        needs = self.rule.uses_embeddings or (self.guards.by_similarity and self.features is None)
        object.__setattr__(self, "uses_embeddings", needs)
        object.__setattr__(self, "by_epoch", self.rule.by_epoch)
        object.__setattr__(self, "disjoint", self.rule.disjoint and self.refresh == 1)

    @property
    @override
    def rounded(self) -> bool:
        return self.rule.rounded or self.guards.by_similarity

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        groups = self.groups(batch_size)
        if batch_size % groups:
            raise ValueError(
                f"communities must divide batch_size, got {self.communities} and {batch_size}; "
                f"possible are {', '.join(str(c) for c in range(1, batch_size + 1) if batch_size % c == 0)}"
            )
        self.rule.check(n_pairs, batch_size // groups)
        if self.random_fraction and round(self.random_fraction * batch_size) == 0:
            raise ValueError(
                f"random_fraction must be a pair of each batch at least, got {self.random_fraction} of "
                f"{batch_size}; raise it to {1 / batch_size:.2g}, or set it to 0"
            )
        k = self.updates_per_epoch(n_pairs, batch_size)
        if k < 1:
            raise ValueError(
                f"a plan needs {groups} batches of {batch_size // groups} pairs for one of {batch_size}, got fewer "
                f"from {n_pairs} pairs in pools; change batches_per_pool, or lower communities"
            )
        self.guards.check(n_pairs, batch_size, n_batches=k, disjoint=self.rule.disjoint)

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        groups = self.groups(batch_size)
        return self.rule.updates_per_epoch(n_pairs, batch_size // groups) // groups

    def groups(self, batch_size: int) -> int:
        """The communities in a batch of this size."""
        if self.communities is not None:
            return self.communities
        return max(c for c in range(1, batch_size + 1) if batch_size % c == 0 and c * c <= batch_size)

    @property
    def _as_hard_as_can_be(self) -> bool:
        refined = isinstance(self.rule, Partitioned) and self.rule.refine is not None
        return refined and self.communities == 1 and self.random_fraction == 0

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        memory, groups = Remembered(embed, n_pairs), self.groups(batch_size)
        number = epoch * self.refresh if self.rule.by_epoch else epoch
        base = self.rule.plan(n_pairs, batch_size // groups, seed=seed, epoch=number, embed=memory)
        if not isinstance(base.batches, Tensor):
            raise ValueError("the batches of 'all' are every batch there is, and cannot be adjusted; set no knobs")
        if self.features is not None:
            memory = Remembered(self.features, n_pairs)
        relation = None
        if self.guards.active:
            relation = self.guards.relation(n_pairs, _of_all(memory, seed) if self.guards.by_similarity else None)
        small, left = _joinable(base.batches, groups, seed, epoch)
        left = torch.cat([base.remainder.to(left.device), left], -1)
        if relation is not None and self.rule.disjoint:
            for labels in relation.keys:
                small, left = with_room(small, left, small.shape[-2] // groups, labels)
        epochs: list[Batches] = []
        for moment in range(epoch * self.refresh, (epoch + 1) * self.refresh):
            joined = _joined(small, groups, seed, moment) if groups > 1 or self.refresh > 1 else small
            adjust = self._exchanged if self.rule.disjoint else self._replaced
            epochs.append(adjust(joined, n_pairs, relation, memory, seed=seed, epoch=moment))
        batches = torch.cat(epochs, -2)
        return Plan(
            batches,
            left,
            base.kind if self.refresh == 1 else ("subset" if base.kind == "subset" else "cover"),
            base.reduction,
            {**base.info, **_conflicts(batches, relation)},
        )

    def _exchanged(
        self,
        batches: Batches,
        n_pairs: int,
        relation: Relation | None,
        memory: Remembered,
        *,
        seed: Seed,
        epoch: int,
    ) -> Batches:
        """Where no pair is in two batches, rows change places."""
        del n_pairs
        if self.random_fraction:
            batches = dealt_anew(batches, self.random_fraction, seed=seed, epoch=epoch)
        if relation is None:
            return batches
        known = self.uses_embeddings or self.features is not None
        swaps = self.swaps if known and self.random_fraction < 1 else None
        embeddings = None if swaps is None else _of_all(memory, seed)
        return kept_apart(
            batches,
            relation,
            swaps=swaps,
            embeddings=embeddings,
            harder=self._as_hard_as_can_be,
            seed=seed,
            epoch=epoch,
        )

    def _replaced(
        self,
        batches: Batches,
        n_pairs: int,
        relation: Relation | None,
        memory: Remembered,
        *,
        seed: Seed,
        epoch: int,
    ) -> Batches:
        """Where batches overlap, rows give way to random ones."""
        del memory
        if self.random_fraction:
            places = random_places(batches, self.random_fraction, seed=seed, epoch=epoch)
            batches = replaced(batches, places, n_pairs, relation, seed=seed, epoch=epoch)
        if relation is not None:
            # Of two that must not meet the later one goes.
            places = relation(batches).tril(-1).any(-1).to(batches.device)
            batches = replaced(batches, places, n_pairs, relation, seed=seed, epoch=epoch)
        return batches


def _of_all(memory: Remembered, seed: Seed) -> Embeddings:
    """Embeddings of all pairs; one teacher may serve all replicates."""
    lead = (len(seed),) if isinstance(seed, Tensor) else ()
    return Embeddings(*(x.expand(*lead, *x.shape[-2:]) for x in memory.all()))


def _joinable(
    batches: Int[Tensor, "*replicates k batch"], groups: int, seed: Seed, epoch: int
) -> tuple[Int[Tensor, "*replicates kept batch"], Int[Tensor, "*replicates left"]]:
    """As many of the small batches as make whole ones, and the pairs of the others."""
    over = batches.shape[-2] % groups
    if not over:
        return batches, batches[..., :0, 0]
    order = permutation(seed, "communities left", epoch, batches.shape[-2], device=batches.device)
    batches = batches.gather(-2, order[..., None].expand_as(batches))
    return batches[..., over:, :], batches[..., :over, :].flatten(-2)


def _joined(
    batches: Int[Tensor, "*replicates many few"], groups: int, seed: Seed, epoch: int
) -> Int[Tensor, "*replicates k batch"]:
    """Small batches in a new order, so many at a time made one."""
    order = permutation(seed, "communities", epoch, batches.shape[-2], device=batches.device)
    return batches.gather(-2, order[..., None].expand_as(batches)).unflatten(-2, (-1, groups)).flatten(-2)


def _conflicts(batches: Batches, relation: Relation | None) -> dict[str, int]:
    """How many pairs are together that must not be, with a warning if any are."""
    if relation is None:
        return {}
    conflicts = int(relation.conflicts(batches).sum()) // 2
    if conflicts:
        warnings.warn(
            f"{conflicts} pairs that must not meet share a batch after all: too many are forbidden for batches of "
            f"{batches.shape[-1]}; lower the batch size, or relax the guards",
            stacklevel=3,
        )
    return {"conflicts": conflicts}
