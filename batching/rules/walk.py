"""Batches gathered by random walks on a graph of similar pairs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from batching.embeddings import checked
from batching.plan import Embed, Plan, Selection, none_left
from batching.seeded import Seed, permutation, uniforms

_ENTRIES_AT_ONCE = 2**24
"""Similarities of candidates that are held at once."""
_BLOCK = 64
"""Pairs that share their candidates, so that similarities are matrix products."""
_PATIENCE = 8
"""Steps of a walk for each pair that it is to gather, after which what is missing is filled in."""


@dataclass(frozen=True)
class ProximityWalk(Selection):
    """Batches of pairs that short random walks meet on a graph of similar pairs ("BatchSampler").

    1. Graph: `candidates` random pairs for each pair i, of which the `edges` most similar by
       (u_i.u_j + v_i.v_j) / 2, the cosine of [u; v], become its neighbours. Few candidates make softer batches
       and spare false negatives: the nearest of M random ones is about the (N / M)-th nearest of all.
    2. N // B walks, from starts drawn without replacement: back to the start with probability `restart`, else to
       a random neighbour of where it is, until B distinct pairs were met. All walks go in lock-step.
    3. A walk that has not met B pairs after 8 B + 64 steps takes its start's most similar neighbours that it has
       not met, then random pairs; `Plan.info` counts both as "filled".

    Batches overlap, and some pairs are left out of a plan by chance. The published code starts each walk from a
    pair that no batch has had, makes as many batches as it takes to use every pair, lowers `restart` as training
    goes on (to 0.05), and keeps embeddings of earlier steps. Here all walks start at once, there are N // B, and
    all pairs are embedded anew for every plan; 64 random pairs at a time share their candidates.

    Args:
        edges: K; at most `candidates` or N - 1.
        candidates: M; at most N - 1 are taken.
        restart: Probability of going back at each step, in [0, 1); the larger, the closer to the start.

    Cost of a plan: one embedding of all pairs, N M dim for the graph, 8 N B in the worst case for the walks.

    References:
        Yang et al., 2023, "BatchSampler: sampling mini-batches for contrastive learning in vision, language, and
        graphs", Section 4, arXiv 2306.03355.
    """

    edges: int = 100
    candidates: int = 1000
    restart: float = 0.1
    uses_embeddings = True
    disjoint = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.edges <= self.candidates:
            raise ValueError(f"edges must lie between 1 and candidates = {self.candidates}, got {self.edges}")
        if not 0 <= self.restart < 1:
            raise ValueError(f"restart is a probability below 1, got {self.restart}; 0.1 is usual")

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        if batch_size < 2:
            raise ValueError(f"a walk needs batches of at least 2 pairs, got batch_size {batch_size}")

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return n_pairs // batch_size

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        u, v = checked(*embed(None))
        x = functional.normalize(torch.cat([u, v], -1), dim=-1)
        seeds = seed.tolist() if isinstance(seed, Tensor) else [seed]
        made = [
            self._batches(one, batch_size, own, epoch)
            for one, own in zip(x.reshape(-1, *x.shape[-2:]).expand(len(seeds), -1, -1), seeds, strict=True)
        ]
        batches = torch.stack([batches for batches, _ in made])
        return Plan(
            batches if isinstance(seed, Tensor) else batches[0],
            none_left(seed),
            "subset",
            info={"engine": "walk", "filled": sum(filled for _, filled in made)},
        )

    def _batches(
        self, x: Float[Tensor, "n dim"], batch_size: int, seed: int, epoch: int
    ) -> tuple[Int[Tensor, "k batch"], int]:
        neighbours = proximity_graph(x, self.edges, self.candidates, seed=seed, epoch=epoch)
        n = len(x)
        starts = permutation(seed, "walk-starts", epoch, n, device=x.device)[: n // batch_size]
        met, count = walks(neighbours, starts, batch_size, self.restart, seed=seed, epoch=epoch)
        filled = int((batch_size - count).sum())
        if filled:
            short = (count < batch_size).nonzero()[:, 0]
            rest, reached = _fill(met[short], count[short], neighbours[starts[short]])
            # Of twice as many random pairs as a batch holds, enough are none of its own.
            order = permutation(seed, "walk-fill", epoch, n, device=x.device)
            first = uniforms(seed, "walk-fill-at", epoch, len(starts), device=x.device)[short].mul(n).long()
            at = first[:, None] + torch.arange(min(2 * batch_size, n), device=x.device)
            met[short] = _fill(rest, reached, order[at % n])[0]
        return met, filled


def proximity_graph(
    x: Float[Tensor, "n dim"], edges: int, candidates: int, *, seed: int, epoch: int
) -> Int[Tensor, "n edges"]:
    """The most similar of some random others for each row, most similar first.

    Rows come in blocks of a random order. A block's candidates are one random row from each of `candidates` + 1
    strata of another random order: distinct, each row equally likely, and all others if there are no more. A row
    is no candidate of its own.

    Args:
        x: Unit rows.
        edges: Neighbours of each row; at most n - 1 are given.
        candidates: Rows looked at for each row; at most n - 1.
        seed: Of the candidates.
        epoch: A counter for the random numbers.

    Cost: n * candidates * dim, in chunks of 2^24 similarities.
    """
    n = len(x)
    taken = min(candidates, n - 1) + 1
    rows = permutation(seed, "walk-blocks", epoch, n, device=x.device)
    shuffled = permutation(seed, "walk-strata", epoch, n, device=x.device)
    border = torch.arange(taken + 1, device=x.device) * n // taken
    found = torch.empty(n, min(edges, n - 1), dtype=torch.long, device=x.device)
    chunk = max(1, _ENTRIES_AT_ONCE // taken // _BLOCK)
    blocks = -(-n // _BLOCK)
    for number, start in enumerate(range(0, blocks, chunk)):
        # A last block that is not full is filled with the first rows, whose neighbours are not taken from here.
        several = torch.arange(start * _BLOCK, min(start + chunk, blocks) * _BLOCK, device=x.device) % n
        mine = rows[several].unflatten(0, (-1, _BLOCK))
        draws = uniforms(seed, f"walk-candidates-{number}", epoch, len(mine) * taken, device=x.device)
        place = border[:-1] + (draws.unflatten(0, (-1, taken)) * border.diff()).long()
        those = shuffled[place]
        similarity = x[mine] @ x[those].mT
        own = mine[:, :, None] == those[:, None, :]
        own[:, :, -1] |= ~own.any(-1)  # the others are one too many
        similarity.masked_fill_(own, -torch.inf)
        best = similarity.topk(found.shape[1], -1).indices
        chosen = those[:, None, :].expand(-1, _BLOCK, -1).gather(2, best).flatten(0, 1)
        real = min(n - start * _BLOCK, len(several))
        found[rows[start * _BLOCK :][:real]] = chosen[:real]
    return found


def walks(
    neighbours: Int[Tensor, "n edges"],
    starts: Int[Tensor, " k"],
    batch_size: int,
    restart: float,
    *,
    seed: int,
    epoch: int,
) -> tuple[Int[Tensor, "k batch"], Int[Tensor, " k"]]:
    """The distinct pairs that each walk meets, in the order of meeting, and how many; -1 where it met too few."""
    n_walks, edges = len(starts), neighbours.shape[1]
    each = torch.arange(n_walks, device=starts.device)
    # A column for what is met when the batch is full already, or met again.
    met = starts.new_full((n_walks, batch_size + 1), -1)
    met[:, 0] = starts
    count = torch.ones_like(starts)
    here = starts
    limit = _PATIENCE * batch_size + 64
    for step in range(limit):
        if step % 16 == 0 and bool((count == batch_size).all()):
            break
        draw = uniforms(seed, f"walk-step-{step}", epoch, n_walks, device=starts.device)
        edge = ((draw - restart) / (1 - restart) * edges).long().clamp_(0, edges - 1)
        here = torch.where(draw < restart, starts, neighbours[here, edge])
        new = (count < batch_size) & (met[:, :batch_size] != here[:, None]).all(1)
        met[each, torch.where(new, count, batch_size)] = here
        count += new
    return met[:, :batch_size], count


def _fill(
    met: Int[Tensor, "k batch"], count: Int[Tensor, " k"], those: Int[Tensor, "k more"]
) -> tuple[Int[Tensor, "k batch"], Int[Tensor, " k"]]:
    """Append to each row those, from left to right, that it does not have, until it is full."""
    batch_size = met.shape[1]
    fresh = (those[:, :, None] != met[:, None, :]).all(2)
    place = count[:, None] + fresh.cumsum(1) - 1
    place = torch.where(fresh & (place < batch_size), place, batch_size)
    wide = functional.pad(met, (0, 1)).scatter(1, place, those)
    return wide[:, :batch_size], (count + fresh.sum(1)).clamp(max=batch_size)
