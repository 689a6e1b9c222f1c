"""Changes to batches that are made already: rows dealt anew at random, and rows that must not meet kept apart."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from batching.embeddings import Embeddings
from batching.guards import Relation
from batching.seeded import Seed, permutation, words
from batching.swaps import Swaps, bar, swap_refine

Batches = Int[Tensor, "*replicates k batch"]

_TURNS = 8
"""Groupings of batches in which conflicts are looked for; those that outlast them have no way out as a rule."""
_TRIES = 32
"""Random candidates for a place in a batch."""
_SHARD = 1024
"""Rows that are exchanged with each other, where hardness plays no part."""


def dealt_anew(batches: Batches, fraction: float, *, seed: Seed, epoch: int) -> Batches:
    """Take a random round(fraction * B) rows out of each batch and deal all of these out again, at random."""
    k, size = batches.shape[-2:]
    count = round(fraction * size)
    places = words(seed, "dealt places", epoch, k * size).unflatten(-1, (k, size)).argsort(-1)[..., :count]
    places = places.to(batches.device)
    taken = batches.gather(-1, places).flatten(-2)
    order = permutation(seed, "dealt anew", epoch, k * count, device=taken.device)
    return batches.scatter(-1, places, taken.gather(-1, order).unflatten(-1, (k, count)))


def random_places(
    batches: Batches, fraction: float, *, seed: Seed, epoch: int
) -> Bool[Tensor, "*replicates k batch"]:
    """A random round(fraction * B) places of each batch."""
    k, size = batches.shape[-2:]
    rank = words(seed, "random places", epoch, k * size).unflatten(-1, (k, size)).argsort(-1).argsort(-1)
    return (rank < round(fraction * size)).to(batches.device)


def kept_apart(
    batches: Batches,
    relation: Relation,
    *,
    swaps: Swaps | None,
    embeddings: Embeddings | None,
    seed: Seed,
    epoch: int,
) -> Batches:
    """Exchange rows between disjoint batches until none are together that must not be, as far as possible.

    Batches are grouped into runs, in the given order first and then at random; within a run `swap_refine` makes
    the exchanges that undo most conflicts and, with `swaps`, cost the least hardness. Sizes stay, nobody is lost.

    Args:
        batches: No pair twice.
        relation: Who must not meet whom.
        swaps: Weights of the rows that may meet; None for no preference.
        embeddings: Of all pairs, for these.
        seed: Of the groupings, with `epoch`.
        epoch: A counter.
    """
    lead, device = batches.shape[:-2], batches.device
    k, size = batches.shape[-2:]
    per_run = max(2, min(k, _SHARD // size))
    for turn in range(_TURNS):
        if k < 2 or not relation.conflicts(batches).any():
            break
        if turn:
            order = permutation(seed, f"kept apart {turn}", epoch, k, device=device)
            batches = batches.gather(-2, order[..., None].expand_as(batches))
        if swaps is not None and embeddings is not None:
            u, v = (x.reshape(-1, *x.shape[-2:]) for x in embeddings)
            own = batches.reshape(-1, k, size).to(u.device)
            found, _ = swaps.refine(
                u, v, own, forbidden=lambda index, *_: relation(_like(index, lead)).flatten(0, -3)
            )
            batches = found.reshape(*lead, k, size).to(device)
        else:
            runs = [_without_weights(run, relation) for run in batches.split(per_run, -2)]
            batches = torch.cat(runs, -2)
    return batches


def _like(index: Int[Tensor, "pools n"], lead: torch.Size) -> Int[Tensor, "*replicates 1 n"]:
    return index.reshape(*lead, 1, index.shape[-1])


def _without_weights(run: Batches, relation: Relation) -> Batches:
    """The exchanges that undo most conflicts, among the rows of these batches."""
    k, size = run.shape[-2:]
    index = run.flatten(-2)
    forbidden = relation(index[..., None, :]).reshape(-1, k * size, k * size)
    weights = torch.zeros(forbidden.shape, device=forbidden.device)
    bar(weights, forbidden, size)
    label = torch.arange(k, device=weights.device).repeat_interleave(size).expand(len(weights), -1)
    label, _ = swap_refine(weights, label, k, sweeps=4)
    order = label.argsort(dim=1, stable=True).reshape(index.shape).to(index.device)
    return index.gather(-1, order).unflatten(-1, (k, size))


def replaced(
    batches: Batches,
    places: Bool[Tensor, "*replicates k batch"],
    n_pairs: int,
    relation: Relation | None,
    *,
    seed: Seed,
    epoch: int,
) -> Batches:
    """Put random pairs into these places, such as are not in the batch and may meet those that are.

    For batches that overlap, where exchanging rows could bring a row twice into a batch. A place for which no
    candidate fits keeps its row.
    """
    k, size = batches.shape[-2:]
    for turn in range(_TRIES):
        if not places.any():
            break
        drawn = words(seed, f"replaced {turn}", epoch, k * size, device=batches.device).unflatten(-1, (k, size))
        new = torch.where(places, (drawn % n_pairs).to(batches.device), batches)
        # A new row must differ from what the batch holds now, and from the new rows before it.
        same = (new[..., :, None] == batches[..., None, :]) | (new[..., :, None] == new[..., None, :]).tril(-1)
        if relation is not None:
            barred = relation(new).to(batches.device)
            settled = ~places[..., None, :] | torch.ones(size, size, dtype=torch.bool, device=new.device).tril(-1)
            same |= barred & settled
        fits = places & ~same.any(-1)
        batches = torch.where(fits, new, batches)
        places = places & ~fits
    return batches
