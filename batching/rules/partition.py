"""Partitions of pools by an engine: the rule behind every method that groups pairs by their embeddings."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from batching.algorithms.swaps import Swaps
from batching.embeddings import checked
from batching.engines.engine import Engine
from batching.plan import Embed, Plan, Selection, everyone
from batching.rules.pools import shared_out
from batching.seeded import Seed, as_seeds, permutation, words
from losses.distributed import Group

_ON_A_CPU, _ON_A_GPU = 2**21, 2**28
"""Entries of the pools' weight matrices that are worked on side by side."""


@dataclass(frozen=True)
class Partitioned(Selection):
    """Cut the pairs into pools, each pool into batches by an engine, and refine these.

    Pools are cut from a new random order every epoch; one pool of everything takes the first N - N mod B pairs of
    that order. What does not fill a pool is left out, others every epoch. Batches come in random order.

    Args:
        engine: The partition stage.
        refine: The refinement stage; None leaves batches as the engine made them.
        batches_per_pool: Batches made from one pool; None for one pool of everything.
        replan: "epoch" plans all pools at once; "pool" one after the other, each with the weights of when its
            turn comes, at the same cost.
        features: Plan on these embeddings, a teacher's for instance, and not on the current ones. They do not
            change, so the batches are made once: epochs differ in the batches' order alone.
        group: The processes to share the pools out to. Each asks `embed` for its own pools only; all end with
            the same plan. None for every process on its own.

    Cost: One embedding of the pairs, the engine's and the refinement's.
    """

    engine: Engine
    refine: Swaps | None = None
    batches_per_pool: int | None = None
    replan: Literal["epoch", "pool"] = "epoch"
    features: Embed | None = None
    group: Group | None = None
    _made: dict[tuple[object, ...], Plan] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the settings; a teacher's embeddings are at hand already."""
        if self.batches_per_pool is not None and self.batches_per_pool < 1:
            raise ValueError(
                f"batches_per_pool must be at least 1, got {self.batches_per_pool}; None makes one pool of all"
            )
        if self.replan not in ("epoch", "pool"):
            raise ValueError(f"replan must be 'epoch' or 'pool', got {self.replan!r}")
        object.__setattr__(self, "uses_embeddings", self.features is None)

    @property
    @override
    def rounded(self) -> bool:
        return True

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        if batch_size < 2:
            raise ValueError(f"choosing batches needs batches of at least 2 pairs, got batch_size {batch_size}")
        pool = self._pool_size(n_pairs, batch_size)
        if pool > n_pairs:
            raise ValueError(
                f"a pool of batches_per_pool * batch_size = {pool} pairs needs at least as many pairs, got "
                f"{n_pairs}; lower batches_per_pool to {n_pairs // batch_size} or less"
            )
        self.engine.check(pool, batch_size)

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        pool = self._pool_size(n_pairs, batch_size)
        return n_pairs // pool * (pool // batch_size)

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        if self.features is None:
            return in_random_order(self._cut(n_pairs, batch_size, seed, epoch, embed), seed, epoch)
        # What is made of embeddings that do not change is made once: in turns, if pool after pool.
        n_pools = n_pairs // self._pool_size(n_pairs, batch_size)
        turn = 0 if self.replan == "epoch" else epoch % n_pools
        key = n_pairs, batch_size, tuple(seed.tolist()) if isinstance(seed, Tensor) else seed, turn
        if key not in self._made:
            self._made[key] = self._cut(n_pairs, batch_size, seed, turn, self.features)
        return in_random_order(self._made[key], seed, epoch)

    def _pool_size(self, n_pairs: int, batch_size: int) -> int:
        return (self.batches_per_pool or n_pairs // batch_size) * batch_size

    def _cut(self, n_pairs: int, batch_size: int, seed: Seed, epoch: int, embed: Embed) -> Plan:
        pool = self._pool_size(n_pairs, batch_size)
        n_pools = n_pairs // pool
        turn = epoch if self.replan == "epoch" else epoch // n_pools
        whole = pool == n_pairs
        order = everyone(n_pairs, seed) if whole else permutation(seed, "pools", turn, n_pairs)
        numbers = list(range(n_pools)) if self.replan == "epoch" else [epoch % n_pools]
        pools = order[..., : n_pools * pool].unflatten(-1, (n_pools, pool))
        seeds = _pool_seeds(seed, n_pools).to(order.device)
        replicates = len(seed) if isinstance(seed, Tensor) else 1
        batches, counts = shared_out(
            lambda mine: self._some_pools(pools[..., mine, :], seeds[..., mine], batch_size, turn, embed),
            numbers,
            group=self.group,
            at_once=max(1, (_ON_A_GPU if torch.cuda.is_available() else _ON_A_CPU) // (pool**2 * replicates)),
        )
        if counts.get("fallbacks"):
            warnings.warn(
                f"the engine failed for {int(counts['fallbacks'])} of {len(numbers)} pools, which were cut by a "
                "simpler one: valid batches, but less hard",
                stacklevel=3,
            )
        return Plan(
            batches.flatten(-3, -2),
            order[..., n_pools * pool :],
            "partition" if self.replan == "epoch" or n_pools == 1 else "subset",
            info={"engine": self._name(), **counts},
        )

    def _some_pools(
        self,
        index: Int[Tensor, "*replicates pools n"],
        seeds: Int[Tensor, "*replicates pools"],
        batch_size: int,
        turn: int,
        embed: Embed,
    ) -> tuple[Int[Tensor, "*replicates pools k batch"], dict[str, float]]:
        """The batches of these pools, replicates and pools side by side."""
        asked = index.flatten(-2)
        u, v = (x.reshape(-1, index.shape[-1], x.shape[-1]) for x in checked(*embed(asked), asked))
        cut = self.engine.cut(u, v, batch_size, seed=seeds.flatten().to(u.device), epoch=turn)
        batches, info = cut.batches, dict(cut.info)
        if self.refine is not None:
            batches, swaps = self.refine.refine(u, v, batches)
            info["swaps"] = float(swaps)
        local = batches.to(index.device).reshape(*index.shape[:-1], -1)
        return index.gather(-1, local).unflatten(-1, (-1, batch_size)), info

    def _name(self) -> str:
        return type(self.engine).__name__.lower() + ("" if self.refine is None else " + swaps")


def in_random_order(plan: Plan, seed: Seed, epoch: int) -> Plan:
    """The same plan with its batches in a new order: near batches shall not follow each other in training."""
    assert isinstance(plan.batches, Tensor)
    order = permutation(seed, "batch order", epoch, plan.n_batches, device=plan.batches.device)
    return replace(plan, batches=plan.batches.gather(-2, order[..., None].expand_as(plan.batches)))


def _pool_seeds(seed: Seed, n_pools: int) -> Int[Tensor, "*replicates pools"]:
    """A seed for each pool, whichever others are planned beside it; a lone pool has the seed itself."""
    if n_pools > 1:
        return words(seed, "pools", 0, n_pools)
    return as_seeds(seed)[:, None] if isinstance(seed, Tensor) else as_seeds(seed)
