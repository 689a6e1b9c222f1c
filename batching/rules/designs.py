"""Rules that let pairs meet by plan, not by chance: combinatorial designs."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from typing_extensions import override

from batching.embeddings import checked
from batching.engines.engine import Engine
from batching.plan import Embed, Plan, Selection, everyone, none_left
from batching.seeded import Seed, as_seeds, permutation
from theory.designs import Schedule, schedule

_schedule = lru_cache(maxsize=64)(schedule)


@dataclass(frozen=True)
class Design(Selection):
    """The parallel classes of a combinatorial design, one an epoch: all pairs meet equally often, or nearly so.

    `theory.designs.schedule` gives the classes and says what they are worth. In a cycle of `n_classes` epochs of a
    2-design every two pairs meet equally often, so that its mean objective is that of the full batch up to
    minimisers (pair-design theorem), without the variance of a shuffle. Every cycle starts from a new random
    numbering of the pairs and plays the classes in a random order; the batches of an epoch come in random order.

    The remainder: the pairs whose numbers the class leaves out: each in its turn where the design has such classes
    (B = 2, N = 1 modulo B a prime power, and others), else the same for a cycle, and others in every cycle. Batches
    per epoch are N // B, or up to 1 % fewer where that gives a better schedule. What is played is in `info`: the
    construction, its status, and its number of classes.

    Cost of a plan: that of a few random permutations.

    References:
        `theory.designs`. Kirkman, 1847; Bose, 1938; Ray-Chaudhuri and Wilson, 1971.
    """

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        _check_batch(batch_size)

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return _schedule(n_pairs, batch_size).n_batches

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        chosen = _schedule(n_pairs, batch_size)
        cycle, turn = divmod(epoch, chosen.n_classes)
        classes = _classes(chosen, permutation(seed, "design-classes", cycle, chosen.n_classes)[..., turn])
        order = permutation(seed, "design-batches", epoch, chosen.n_batches)
        classes = classes.gather(-2, order[..., None].expand(classes.shape))
        number = permutation(seed, "design", cycle, n_pairs)
        left = _missing(classes.flatten(-2), n_pairs)
        info: dict[str, str | int | float] = {
            "design": chosen.name,
            "status": chosen.status,
            "classes": chosen.n_classes,
        }
        return Plan(_take(number, classes), number.gather(-1, left), "partition", info=info)


@dataclass(frozen=True)
class PooledDesign(Selection):
    """Designs inside pools of similar pairs: every batch is made of pool-mates, and these meet equally often.

    1. An engine cuts the data into pools of k B similar pairs, by the embeddings at the time of the plan.
    2. Each pool, numbered at random, runs the parallel classes of `theory.designs.schedule(k B, B)`, which for
       k = B, a prime power, are the B + 1 classes of an affine plane: every two pool-mates meet exactly once.
    3. The plan is a number of classes, in random order, one after the other; each class is an epoch of its own,
       its batches shuffled across pools.

    The size of a pool is the hardness: k = 1 is the engine's own partition, one pool of everything is `Design`.

    The remainder: N mod k B pairs, drawn at random for every plan; the engine does not see them.

    Args:
        engine: Cuts the data into pools.
        batches_per_pool: k; None for k = B.
        classes_per_plan: Classes for which the pools stay; None for all of a cycle. Fewer follow the embeddings
            more closely, and leave the cycle unfinished.

    Cost of a plan: the embeddings of all pairs and one cut; it lists N numbers for every class.
    """

    engine: Engine
    batches_per_pool: int | None = None
    classes_per_plan: int | None = None
    uses_embeddings = True
    disjoint = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("batches_per_pool", "classes_per_plan"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; leave it out for the default")

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        _check_batch(batch_size)
        pool = self._pool(batch_size)
        if pool > n_pairs:
            raise ValueError(
                f"a pool of batches_per_pool * batch_size = {pool} pairs needs at least as many pairs, got "
                f"{n_pairs}; set batches_per_pool to {n_pairs // batch_size} or less"
            )
        classes = self._schedule(batch_size).n_classes
        if (self.classes_per_plan or 1) > classes:
            raise ValueError(
                f"classes_per_plan must be at most the {classes} classes of pools of {pool} pairs in batches of "
                f"{batch_size}, got {self.classes_per_plan}; lower it, or leave it out for all"
            )
        self.engine.check(n_pairs - n_pairs % pool, pool)

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        pool = self._pool(batch_size)
        return n_pairs // pool * (pool // batch_size)

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        pool, chosen = self._pool(batch_size), self._schedule(batch_size)
        used = n_pairs - n_pairs % pool
        order = everyone(n_pairs, seed)
        if used < n_pairs:
            order = permutation(seed, "pooled-design-left", epoch, n_pairs)
        pools, counts = self._pools(order[..., :used], pool, seed, epoch, embed)
        count = self.classes_per_plan or chosen.n_classes
        which = permutation(seed, "pooled-design-classes", epoch, chosen.n_classes)[..., :count]
        parts: list[Tensor] = []
        for turn in range(count):
            classes = _classes(chosen, which[..., turn])
            batches = _take(pools, classes[..., None, :, :].expand(*pools.shape[:-1], -1, -1)).flatten(-3, -2)
            shuffle = permutation(seed, "pooled-design-batches", epoch * count + turn, batches.shape[-2])
            parts.append(batches.gather(-2, shuffle[..., None].expand(batches.shape)))
        left = order[..., used:] if used < n_pairs else none_left(seed)
        kind = "partition" if count == 1 else "cover"
        name = type(self.engine).__name__.lower()
        info = {"engine": name, **counts, "design": chosen.name, "status": chosen.status, "classes": count}
        return Plan(torch.cat(parts, -2), left, kind, info=info)

    def _pool(self, batch_size: int) -> int:
        return (self.batches_per_pool or batch_size) * batch_size

    def _schedule(self, batch_size: int) -> Schedule:
        """The classes of one pool; all of its pairs are used."""
        return _schedule(self._pool(batch_size), batch_size, spare=0.0)

    def _pools(
        self, index: Int[Tensor, "*replicates n"], pool: int, seed: Seed, epoch: int, embed: Embed
    ) -> tuple[Int[Tensor, "*replicates pools pool"], dict[str, float]]:
        """The members of each pool in random order, and what the engine says."""
        u, v = checked(*embed(index))
        if not isinstance(seed, Tensor):
            u, v = u[None], v[None]
        cut = self.engine.cut(u, v, pool, seed=as_seeds(seed).to(u.device), epoch=epoch)
        where = cut.batches.to(index.device)
        if not isinstance(seed, Tensor):
            where = where[0]
        # Sorting random numbers by pool shuffles the members of each one.
        shuffle = permutation(seed, "pooled-design", epoch, index.shape[-1])
        return _shuffled_rows(_take(index, where), shuffle), cut.info


def _check_batch(batch_size: int) -> None:
    if batch_size < 2:
        raise ValueError(f"a design needs batches of at least 2 pairs, got batch_size {batch_size}; raise it")


def _classes(chosen: Schedule, number: Int[Tensor, "*replicates"]) -> Int[Tensor, "*replicates n_batches batch"]:
    """The classes with these numbers; one that several replicates play is made once."""
    distinct, where = number.unique(return_inverse=True)
    made = torch.stack([torch.from_numpy(chosen.parallel_class(i)) for i in distinct.tolist()])
    return made.to(number.device)[where]


def _take(
    members: Int[Tensor, "*lead n"], position: Int[Tensor, "*lead n_batches batch"]
) -> Int[Tensor, "*lead n_batches batch"]:
    """members[position], row by row of the leading dimensions."""
    return members.gather(-1, position.flatten(-2)).unflatten(-1, position.shape[-2:])


def _missing(seen: Int[Tensor, "*replicates used"], n: int) -> Int[Tensor, "*replicates left"]:
    """The numbers below n that do not occur in rows of distinct ones, in ascending order."""
    absent: Bool[Tensor, "*replicates n"] = torch.ones(*seen.shape[:-1], n, dtype=torch.bool, device=seen.device)
    absent.scatter_(-1, seen, value=False)
    left = absent.nonzero()[:, -1]
    return left.reshape(*seen.shape[:-1], n - seen.shape[-1])


def _shuffled_rows(
    rows: Int[Tensor, "*lead pools pool"], order: Int[Tensor, "*lead n"]
) -> Int[Tensor, "*lead pools pool"]:
    """Each row in the order in which the random numbers beside it sort."""
    return rows.gather(-1, order.unflatten(-1, rows.shape[-2:]).argsort(dim=-1, stable=True))
