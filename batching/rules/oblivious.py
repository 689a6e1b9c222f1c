"""Rules that never look at the embeddings: full, all, fixed, shuffled, random."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from batching.combinations import Combinations
from batching.plan import Embed, Plan, Selection, everyone, none_left
from batching.seeded import Seed, permutation, words


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

    disjoint = False

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
class Random(Selection):
    """Every batch drawn by itself, uniformly among all C(N, B): the sampling that theory assumes.

    Its expected gradient is that of the mean over all batches. Over an epoch of N // B batches some pairs come
    often and about one in e never, which is what `Shuffled` is better at.
    """

    disjoint = False

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        k = n_pairs // batch_size
        return Plan(random_sets(seed, "random", epoch, k, batch_size, n_pairs), none_left(seed), "subset")


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


def random_sets(
    seed: Seed, purpose: str, epoch: int, k: int, size: int, n_pairs: int
) -> Int[Tensor, "*replicates k size"]:
    """Random subsets of `size` of n_pairs numbers, k, each drawn by itself; O(k size^2), whatever n_pairs is.

    Floyd's algorithm: for j = n - size .. n - 1 draw t from 0..j and take t, or j where t is taken already.
    (Bentley and Floyd, 1987, "A sample of brilliance".) The set is uniform; its order is not, and is shuffled.
    """
    draws = words(seed, purpose, epoch, 2 * k * size).unflatten(-1, (2, k, size))
    rank, order = (draws[..., i, :, :] for i in (0, 1))
    chosen = torch.full_like(rank, -1)
    for column in range(size):
        last = n_pairs - size + column
        drawn = rank[..., column] % (last + 1)
        taken = (chosen == drawn[..., None]).any(-1)
        chosen[..., column] = torch.where(taken, last, drawn)
    return chosen.gather(-1, order.argsort(-1))
