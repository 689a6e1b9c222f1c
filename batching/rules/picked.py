"""Step-scope selection: each batch is chosen from a fresh pool of candidates with the current weights."""

from dataclasses import dataclass

from typing_extensions import override

from batching.embeddings import checked
from batching.pickers.picker import Picker
from batching.plan import Embed, Plan, Selection, none_left
from batching.seeded import Seed, permutation


@dataclass(frozen=True)
class Picked(Selection):
    """Every batch is the picker's choice among the next `pool_factor * batch_size` pairs of a random order.

    A plan is one batch, of one update:
    1. Plan t belongs to order t // k, k = n_pairs // pool, and takes its pool number t mod k, so that every pair
       (but n_pairs mod pool of them, others in every order) is a candidate once in an order.
    2. The pairs of the pool, and no others, are embedded.
    3. The picker chooses.

    An epoch is n_pairs // batch_size updates as elsewhere; during it every pair is a candidate pool_factor times.

    Args:
        picker: See `batching.pickers.picker`.
        pool_factor: Size of the pool in batches, rounded to pairs; at 1 everything is picked, whatever the rule.
        reference: Embeddings of a fixed reference model by numbers of pairs, where the picker compares with one.

    Cost of an update: embedding the pool (a forward pass of pool_factor batches, and the reference's unless it is
    looked up), the picker's cost, and a random order of all pairs.
    """

    picker: Picker
    pool_factor: float = 4.0
    reference: Embed | None = None
    uses_embeddings = True
    disjoint = False  # of each other: plans hold one batch

    def __post_init__(self) -> None:
        """Check the pool, and that there is a reference if and only if it is used."""
        if not 1 <= self.pool_factor < float("inf"):
            raise ValueError(
                f"a pool holds at least one batch, so pool_factor must be at least 1, got {self.pool_factor}"
            )
        self.picker.check_reference(given=self.reference is not None)

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        pool = self._pool_size(batch_size)
        if pool > n_pairs:
            raise ValueError(
                f"a pool of pool_factor * batch_size = {pool} pairs needs at least as many pairs, got {n_pairs}; "
                f"lower pool_factor to {n_pairs / batch_size:.4g} or less"
            )
        self.picker.check(pool, batch_size)

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        self.check(n_pairs, batch_size)
        size = self._pool_size(batch_size)
        turn, number = divmod(epoch, n_pairs // size)
        pool = permutation(seed, "picked", turn, n_pairs)[..., number * size : (number + 1) * size]
        u, v = checked(*embed(pool), pool)
        reference = None
        if self.reference is not None:
            known_u, known_v = self.reference(pool)
            reference = known_u.to(u.device), known_v.to(u.device)
        picked = self.picker.pick(u, v, batch_size, reference=reference, seed=seed, epoch=epoch)
        batches = pool.gather(-1, picked.to(pool.device))[..., None, :]
        return Plan(batches, none_left(seed), "subset", info={"pool": size})

    def _pool_size(self, batch_size: int) -> int:
        return round(self.pool_factor * batch_size)
