"""What a plan is like: how hard, how pure, how many pairs meet, and what it cost."""

import time
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from batching.combinations import Combinations
from batching.embeddings import Remembered
from batching.plan import Embed, Plan, Selection
from batching.rules.oblivious import random_sets
from batching.seeded import Seed, permutation
from losses import clip

_ENTRIES_AT_ONCE = 2**22
_LARGE, _CHUNK = 4096, 1024
_MOST_LISTED = 2**26


@dataclass(frozen=True, eq=False)
class Report:
    """What plans are measured by, see `planned`: the temperature of hardness, and the pairs' classes if known."""

    temperature: float
    labels: Int[Tensor, " n_pairs"] | None = None


def planned(
    rule: Selection,
    n_pairs: int,
    batch_size: int,
    *,
    seed: Seed,
    epoch: int,
    embed: Embed,
    temperature: float,
    labels: Int[Tensor, " n_pairs"] | None = None,
) -> Plan:
    """The rule's plan, and in its `info` what it is like.

    seconds          wall time of planning, the embeddings' included
    hardness_before  mean in-batch loss (`losses.clip` at this temperature, nats) of random batches, of the
                     same rows or, where batches overlap, of all rows that the rule looked at
    hardness         the same of the batches planned
    purity           share of the pairs within batches that have the same label, where there are labels
    coverage         part of all N(N-1)/2 pairs of pairs that meet in a batch of this plan

    Hardness is measured with the embeddings that the rule asked for, so it costs nothing that is worth a word, and
    is absent for rules that ask for none; where a rule shares its pools out to processes, each measures its own.
    With replicates numbers are means over them.
    """
    memory = Remembered(embed, n_pairs)
    start = time.perf_counter()
    plan = rule.plan(n_pairs, batch_size, seed=seed, epoch=epoch, embed=memory)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    info: dict[str, str | int | float] = {**plan.info, "seconds": time.perf_counter() - start}
    if isinstance(plan.batches, Combinations):
        return replace(plan, info={**info, "coverage": 1.0 if batch_size > 1 else 0.0})
    if memory.used:
        measured = _embedded(plan.batches, memory)
        kept = memory.holding(measured)
        info["hardness_before"] = hardness(kept, _at_random(rule, measured, memory, seed, epoch), temperature)
        info["hardness"] = hardness(kept, measured, temperature)
    if labels is not None:
        info["purity"] = purity(plan.batches, labels)
    info["coverage"] = coverage(plan.batches, n_pairs)
    return replace(plan, info=info)


def _embedded(batches: Int[Tensor, "*replicates k batch"], memory: Remembered) -> Tensor:
    """The batches whose embeddings are at hand, or all if there is none."""
    known = memory.knows(batches).all(-1)
    return batches[known.to(batches.device)] if batches.dim() == 2 and known.any() else batches


@torch.no_grad()
def hardness(
    embeddings: tuple[Float[Tensor, "*replicates n dim"], Float[Tensor, "*replicates n dim"]],
    batches: Int[Tensor, "*replicates k batch"],
    temperature: float,
) -> float:
    """Mean over batches of both directions' mean cross-entropy, in nats."""
    u, v = embeddings
    size = batches.shape[-1]
    index = batches.to(u.device)
    if size > _LARGE:  # one batch may be all there is: its matrix is not held, but chunks of it
        one_by_one = [
            clip(a[batch], b[batch], temperature=temperature, chunk_size=_CHUNK)
            for a, b, own in zip(_sets(u), _sets(v), _sets(index), strict=True)
            for batch in own
        ]
        return torch.stack(one_by_one).mean().item()
    parts = index.split(max(1, _ENTRIES_AT_ONCE // size**2), -2)
    return torch.cat([clip(u, v, temperature=temperature, batches=part) for part in parts], -1).mean().item()


def _sets(x: Tensor) -> Tensor:
    """One entry for each replicate, also where there are none."""
    return x.reshape(-1, *x.shape[-2:])


def purity(batches: Int[Tensor, "*replicates k batch"], labels: Int[Tensor, " n_pairs"]) -> float:
    """Share of the ordered pairs of different members of a batch that have the same label."""
    size = batches.shape[-1]
    if size < 2:
        return 0.0
    mine = labels.to(batches.device)[batches].reshape(-1, size).sort(-1).values
    # Sorted, equal labels are runs: a run of length r holds r (r - 1) pairs.
    new = torch.ones_like(mine, dtype=torch.bool)
    new[:, 1:] = mine[:, 1:] != mine[:, :-1]
    lengths = torch.bincount(new.flatten().cumsum(0) - 1).double()
    return (lengths * (lengths - 1)).sum().item() / (len(mine) * size * (size - 1))


def coverage(batches: Int[Tensor, "*replicates k batch"], n_pairs: int) -> float:
    """Part of all pairs of pairs that share a batch; the mean over replicates."""
    if n_pairs < 2:
        return 0.0
    sets = batches.reshape(-1, *batches.shape[-2:])
    return sum(_meetings(one, n_pairs) for one in sets) / len(sets) / (n_pairs * (n_pairs - 1) / 2)


def _meetings(batches: Int[Tensor, "k batch"], n_pairs: int) -> int:
    """How many different pairs meet; estimated from every m-th first member where there are too many to list."""
    k, size = batches.shape
    listed = k * size * (size - 1) // 2
    if len(batches.unique()) == batches.numel():  # nobody is in two batches: no pair meets twice
        return listed
    every = -(-listed // _MOST_LISTED)
    met = torch.empty(0, dtype=torch.long, device=batches.device)
    first, second = torch.triu_indices(size, size, 1, device=batches.device)
    for part in batches.sort(-1).values.split(max(1, _ENTRIES_AT_ONCE // max(1, len(first)))):
        a, b = part[:, first].flatten(), part[:, second].flatten()
        among = a % every == 0
        met = torch.cat([met, a[among] * n_pairs + b[among]]).unique()
    return len(met) * every


def _at_random(
    rule: Selection, batches: Int[Tensor, "*replicates k batch"], memory: Remembered, seed: Seed, epoch: int
) -> Tensor:
    """Random batches, as many and as large: of the same rows, or, where rows were chosen, of all that were seen."""
    if rule.disjoint:
        flat = batches.flatten(-2)
        order = permutation(seed, "hardness before", epoch, flat.shape[-1], device=flat.device)
        return flat.gather(-1, order).reshape(batches.shape)
    seen = memory.seen().to(batches.device)
    k, size = batches.shape[-2:]
    places = random_sets(seed, "hardness before", epoch, k, size, seen.shape[-1]).to(batches.device)
    return seen.gather(-1, places.flatten(-2)).reshape(batches.shape)
