"""Swap refinement: exchange rows between batches as long as the weight inside batches grows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from batching.algorithms.affinity import pair_weights

_BLOCK = 64
"""Rows whose best exchange is looked for at a time."""
_ROUNDS = 3
"""In which disjoint exchanges are picked: a fourth would find few more."""
_ON_A_CPU, _ON_A_GPU = 2**20, 2**28
"""Weights that are worked on side by side; of more than its caches hold a core is slower."""
_LARGEST = 16_384
"""Rows whose weights are held at most; batches too large for two to fit are left as they are."""

Forbidden = Callable[
    [Int[Tensor, "pools n"], Float[Tensor, "pools n dim"], Float[Tensor, "pools n dim"]], Bool[Tensor, "pools n n"]
]
"""Which rows (their positions in the pool, and their embeddings) must not share a batch."""


@dataclass(frozen=True)
class Swaps:
    """The refinement stage: raises the pair weight inside batches that any engine made, and keeps their sizes.

    Works on shards, runs of consecutive batches, whose weights are held; a second round takes runs that begin in
    the middle of those of the first. Engines list near batches one after the other, so that shards hold those
    that are worth an exchange.

    Args:
        temperature: tau of the weights, see `pair_weights`.
        sweeps: Over every row, unless nothing is left to gain before; a quarter as many in each round where there
            are several shards, which leave most gains to the first sweeps and the rest to the second round.
        rounds: Where there are several shards.
        shard: Rows; None for those of 32 batches, but at least 1,024 and at most 8,192. Pools of up to twice as
            many rows are one shard.
        towards: "hard" raises the weights inside batches, "easy" lowers them.

    Cost: O(shard (dim + sweeps)) for every row and round, and shard^2 numbers at a time.
    """

    temperature: float
    sweeps: int = 8
    rounds: int = 2
    shard: int | None = None
    towards: Literal["hard", "easy"] = "hard"

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; that of the loss is usual")
        if min(self.sweeps, self.rounds, 2 if self.shard is None else self.shard) < 1:
            raise ValueError(
                f"sweeps, rounds and shard must be at least 1, got {self.sweeps}, {self.rounds}, {self.shard}"
            )
        if self.towards not in ("hard", "easy"):
            raise ValueError(f"towards must be 'hard' or 'easy', got {self.towards!r}")

    def refine(
        self,
        u: Float[Tensor, "pools n dim"],
        v: Float[Tensor, "pools n dim"],
        batches: Int[Tensor, "pools k batch"],
        *,
        forbidden: Forbidden | None = None,
        only_conflicts: bool = False,
    ) -> tuple[Int[Tensor, "pools k batch"], int]:
        """Better batches of the same rows, and the number of exchanges.

        Args:
            u: Unit rows of the pools.
            v: Their positives.
            batches: Positions in the pools.
            forbidden: Pairs of rows whose sharing a batch outweighs any hardness.
            only_conflicts: Make no exchange but such as undo forbidden meetings: hardness is kept, not raised.
        """
        _, k, size = batches.shape
        shard = self.rows(size)
        per_shard = k if k * size <= 2 * shard else max(2, shard // size)
        if k < 2 or per_shard * size > _LARGEST:
            return batches, 0
        batches, made = batches.clone(), 0
        rounds, sweeps = (1, self.sweeps) if per_shard >= k else (self.rounds, -(-self.sweeps // 4))
        at_once = max(1, (_ON_A_GPU if u.is_cuda else _ON_A_CPU) // (len(u) * (per_shard * size) ** 2))
        for turn in range(rounds):
            for starts in _runs(k, per_shard, turn * (per_shard // 2), at_once):
                made += self._some_runs(u, v, batches, starts, per_shard, sweeps, forbidden, only_conflicts)
        return batches, made

    def rows(self, batch_size: int) -> int:
        """Of a shard."""
        return self.shard or min(max(1024, 32 * batch_size), 8192)

    def _some_runs(
        self,
        u: Float[Tensor, "pools n dim"],
        v: Float[Tensor, "pools n dim"],
        batches: Int[Tensor, "pools k batch"],
        starts: list[int],
        length: int,
        sweeps: int,
        forbidden: Forbidden | None,
        only_conflicts: bool,
    ) -> int:
        """Refine runs of consecutive batches that do not overlap, those of all pools side by side, in place."""
        pools, _, size = batches.shape
        where = torch.tensor(starts, device=batches.device)[:, None] + torch.arange(length, device=batches.device)
        index = batches[:, where].reshape(pools, len(starts), length * size)
        rows = index.flatten(1)[..., None].expand(-1, -1, u.shape[-1])
        a, b = (x.gather(1, rows).reshape(-1, length * size, x.shape[-1]) for x in (u, v))
        weights = pair_weights(a, b, batch_size=size, temperature=self.temperature)
        weights.diagonal(dim1=-2, dim2=-1).zero_()
        if self.towards == "easy":
            weights.neg_()
        index = index.flatten(0, 1)
        least = None
        if forbidden is not None:
            undoing = bar(weights, forbidden(index, a, b), size)
            least = undoing if only_conflicts else None
        label = torch.arange(length, device=index.device).repeat_interleave(size).expand(len(index), -1)
        label, made = swap_refine(weights, label, length, sweeps=sweeps, least=least)
        # A stable sort keeps the order of rows that stay.
        batches[:, where] = index.gather(1, label.argsort(dim=1, stable=True)).reshape(pools, *where.shape, size)
        return int(made.sum())


def bar(
    weights: Float[Tensor, "pools n n"], forbidden: Bool[Tensor, "pools n n"], size: int
) -> Float[Tensor, " pools"]:
    """Make every forbidden meeting cost more than whole batches of allowed ones can be worth, in place.

    An exchange changes the weight of what may meet by less than 2 size max|w|, all w of one sign; a forbidden
    meeting costs four times that, so that gains above twice that are those of exchanges that undo some.

    Returns:
        This bound of the gains.
    """
    most = 2 * size * weights.abs().masked_fill(forbidden, 0).amax((-2, -1)).clamp(min=1e-3)
    weights.copy_(torch.where(forbidden, -4 * most[:, None, None], weights))
    weights.diagonal(dim1=-2, dim2=-1).zero_()
    return 2 * most


def _runs(k: int, length: int, first: int, at_once: int) -> list[list[int]]:
    """Where runs of `length` batches begin, from `first` on, some at a time; the last run ends at k.

    It may overlap the one before it, and then comes alone, after it.
    """
    starts = list(range(first, k - length + 1, length))
    together = [starts[i : i + at_once] for i in range(0, len(starts), at_once)]
    return together if starts and starts[-1] + length == k else [*together, [k - length]]


def swap_refine(
    weights: Float[Tensor, "pools n n"],
    label: Int[Tensor, "pools n"],
    n_batches: int,
    *,
    sweeps: int,
    least: Float[Tensor, " pools"] | None = None,
) -> tuple[Int[Tensor, "pools n"], Int[Tensor, " pools"]]:
    """Exchange rows of different batches while that adds to the total weight inside batches.

    Exchanging i of batch a with j of batch b gains
        (W_ib - W_ia) + (W_ja - W_jb) - 2 w_ij,   W_ic = sum over m in c of w_im.
    Rows are looked at in blocks: each finds its best partner in all other batches, and of these exchanges those
    are made that gain most for both batches that they touch, so that no gain is spoilt by another exchange. A
    sweep looks at every row once; it ends when a sweep changes nothing, at a local optimum.

    Args:
        weights: Symmetric, with a zero diagonal.
        label: The batch of each row; sizes are kept whatever they are.
        n_batches: Labels are below it.
        sweeps: At most so many.
        least: Exchanges gain more than this; by default, more than nothing.

    Returns:
        The labels, and the number of exchanges in each pool.

    Cost: O(n^2) for each sweep and pool.

    References:
        Kernighan and Lin, 1970, "An efficient heuristic procedure for partitioning graphs" (the gain).
    """
    pools, n, _ = weights.shape
    label = label.clone()
    stride = -(-n // _BLOCK)  # rows of a block come from all batches, of which each can make one exchange
    member = torch.zeros(pools, n_batches, n, device=weights.device, dtype=weights.dtype)
    member.scatter_(1, label[:, None], 1)
    inside = member @ weights  # [pools, batch, row]: W
    made = label.new_zeros(pools)
    for _ in range(sweeps):
        before = made.sum()
        for first in range(stride):
            _exchange(weights, label, inside, made, slice(first, None, stride), least)
        if before == made.sum():
            break
    return label, made


def _exchange(
    weights: Tensor, label: Tensor, inside: Tensor, made: Tensor, block: slice, least: Tensor | None
) -> None:
    """Find and make the exchanges of one block of rows, in place."""
    _, n_batches, n = inside.shape
    own = inside.gather(1, label[:, None])  # [pools, 1, row]
    ours = label[:, block]
    rows = ours.shape[1]
    # The gain of (i, j): what i gains in j's batch, what j gains in i's, less their own weight counted twice.
    gain = inside.gather(1, ours[..., None].expand(-1, -1, n)).sub_(own)
    there = inside[:, :, block].mT - own[:, 0, block, None]  # [pools, i, batch]
    gain += there.gather(2, label[:, None].expand(-1, rows, -1))
    gain.sub_(weights[:, block], alpha=2)
    gain.masked_fill_(ours[..., None] == label[:, None], -torch.inf)
    best, partner = gain.max(-1)  # [pools, i]
    theirs = label.gather(1, partner)
    worthwhile = best > 1e-6 * own[:, 0, block].abs() + torch.finfo(best.dtype).tiny
    if least is not None:
        worthwhile &= best > least[:, None]
    chosen = _disjoint(best.where(worthwhile, -torch.inf), ours, theirs, n_batches)
    pool, i = chosen.nonzero(as_tuple=True)
    if len(pool) == 0:
        return
    j, a, b = partner[pool, i], ours[pool, i], theirs[pool, i]
    i = block.start + i * block.step
    change = weights[pool, j] - weights[pool, i]
    inside[pool, a] += change
    inside[pool, b] -= change
    label[pool, i], label[pool, j] = b, a
    made += chosen.sum(1)


def _disjoint(
    gain: Float[Tensor, "pools m"], a: Int[Tensor, "pools m"], b: Int[Tensor, "pools m"], n_batches: int
) -> Bool[Tensor, "pools m"]:
    """Exchanges of large gain of which no two touch the same batch; equal gains by their place.

    Greedy, in rounds: those that are the best of both their batches, then the same among what is still free.
    """
    m = gain.shape[1]
    rank = gain.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    open_ = gain > -torch.inf
    chosen = torch.zeros_like(open_)
    for _ in range(_ROUNDS):
        rank = rank.where(open_, m)
        first = rank.new_full((len(gain), n_batches), m)
        first.scatter_reduce_(1, a, rank, "amin").scatter_reduce_(1, b, rank, "amin")
        new = open_ & (first.gather(1, a) == rank) & (first.gather(1, b) == rank)
        chosen |= new
        taken = torch.zeros_like(first).scatter_reduce_(1, a, new.long(), "amax")
        taken.scatter_reduce_(1, b, new.long(), "amax")
        open_ &= (taken.gather(1, a) == 0) & (taken.gather(1, b) == 0)
    return chosen
