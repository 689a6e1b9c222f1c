"""Changes to batches that are made already: rows dealt anew at random, and rows that must not meet kept apart."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from batching.algorithms.swaps import Swaps, bar, swap_refine
from batching.embeddings import Embeddings
from batching.rules.guards import Relation
from batching.seeded import Seed, permutation, words

Batches = Int[Tensor, "*replicates k batch"]

_TURNS = 8
"""Groupings of batches in which conflicts are looked for; those that outlast them have no way out as a rule."""
_TRIES = 32
"""Random candidates for a place in a batch."""
_SHARD = 1024
"""Rows that are exchanged with each other, where hardness plays no part."""
_LARGEST = 16_384
"""Rows of which it is written down who must not meet whom; beyond them conflicts are undone one by one."""


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
    harder: bool = False,
    seed: Seed,
    epoch: int,
) -> Batches:
    """Exchange rows between disjoint batches until none are together that must not be, as far as possible.

    Batches are grouped into runs, in the given order first and then at random; within a run `swap_refine` makes
    the exchanges that undo most conflicts and, with `swaps`, cost the least hardness. What outlasts that is
    undone one by one if labels alone say who must not meet whom (`parted`), so that none is left where no label
    has more rows than there are batches. Sizes stay, nobody is lost.

    Args:
        batches: No pair twice.
        relation: Who must not meet whom.
        swaps: Weights of the rows that may meet; None for no preference.
        embeddings: Of all pairs, for these.
        harder: Make exchanges that only raise what `swaps` counts, too.
        seed: Of the groupings, with `epoch`.
        epoch: A counter.
    """
    lead, device = batches.shape[:-2], batches.device
    k, size = batches.shape[-2:]
    per_run = max(2, min(k, _SHARD // size))
    for turn in range(_TURNS):
        open_ = relation.conflicts(batches).any(-1).any(-1)[..., None, None]
        if k < 2 or not open_.any():
            return batches
        before = batches
        if turn:
            order = permutation(seed, f"kept apart {turn}", epoch, k, device=device)
            batches = batches.gather(-2, order[..., None].expand_as(batches))
        if swaps is not None and embeddings is not None:
            u, v = (x.reshape(-1, *x.shape[-2:]) for x in embeddings)
            own = batches.reshape(-1, k, size).to(u.device)
            found, _ = swaps.refine(
                u,
                v,
                own,
                forbidden=lambda index, *_: relation(_like(index, lead)).flatten(0, -3),
                only_conflicts=not harder,
            )
            batches = found.reshape(*lead, k, size).to(device)
        elif per_run * size <= _LARGEST:
            runs = [_without_weights(run, relation) for run in batches.split(per_run, -2)]
            batches = torch.cat(runs, -2)
        batches = torch.where(open_, batches, before)  # a replicate that is done stays as it would alone
    if relation.by_key_alone:
        sets = [parted(one, relation.keys[0]) for one in batches.reshape(-1, k, size)]
        batches = torch.stack(sets).reshape(batches.shape)
    return batches


def parted(batches: Int[Tensor, "k batch"], labels: Int[Tensor, " n_pairs"]) -> Int[Tensor, "k batch"]:
    """Exchange rows one by one until no batch holds a label twice; possible if no label has more than k rows.

    Let batch a hold x twice or more, and b hold none. As both are of one size, some label y is more frequent in b
    than in a. Exchanging an x of a with a y of b lowers the sum over batches and labels of (count)^2 by 2 or more,
    and adds no conflict to b: so this ends, with no label twice.

    Cost: O(N) for each conflict.
    """
    batches, labels = batches.clone(), labels.to(batches.device)
    own = labels[batches]
    for a in (own.sort(-1).values.diff() == 0).any(-1).nonzero()[:, 0].tolist():
        while True:
            twice = (own[a, :, None] == own[a]).sum(-1) > 1
            i = int(twice.int().argmax())
            without = (own != own[a, i]).all(-1)
            if not twice.any() or not without.any():
                break
            b = int(without.int().argmax())
            surplus = (own[b, :, None] == own[b]).sum(-1) - (own[b, :, None] == own[a]).sum(-1)
            j = int(surplus.argmax())
            for table in (batches, own):
                table[a, i], table[b, j] = table[b, j].clone(), table[a, i].clone()
    return batches


def with_room(
    batches: Batches, left: Int[Tensor, "*replicates left"], n_batches: int, labels: Int[Tensor, " n_pairs"]
) -> tuple[Batches, Int[Tensor, "*replicates left"]]:
    """Leave other rows out, so that no label has more rows in the batches than there will be batches.

    Args:
        batches: No pair twice.
        left: The pairs in none of them.
        n_batches: How many there will be, when these are joined.
        labels: Of all pairs.
    """
    flat = batches.reshape(-1, batches.shape[-2] * batches.shape[-1]).clone()
    spare = left.reshape(len(flat), -1).to(flat.device, copy=True)
    labels = labels.to(flat.device).unique(return_inverse=True)[1]
    for rows, others in zip(flat, spare, strict=True):
        own, theirs = labels[rows], labels[others]
        count = own.bincount(minlength=int(labels.max()) + 1)
        for x in (count > n_batches).nonzero()[:, 0].tolist():
            for place in (own == x).nonzero()[n_batches:, 0].tolist():
                fits = count[theirs] < n_batches
                if not fits.any():
                    break
                other = int(fits.int().argmax())
                count[theirs[other]] += 1
                theirs[other] = x
                rows[place], others[other] = others[other].clone(), rows[place].clone()
            count[x] = n_batches
    return flat.reshape(batches.shape), spare.reshape(left.shape).to(left.device)


def _like(index: Int[Tensor, "sets n"], lead: torch.Size) -> Int[Tensor, "*replicates runs n"]:
    return index.reshape(*lead, -1, index.shape[-1])


def _without_weights(run: Batches, relation: Relation) -> Batches:
    """The exchanges that undo most conflicts, among the rows of these batches."""
    k, size = run.shape[-2:]
    index = run.flatten(-2)
    forbidden = relation(index[..., None, :]).reshape(-1, k * size, k * size)
    weights = torch.zeros(forbidden.shape, device=forbidden.device)
    least = bar(weights, forbidden, size)
    label = torch.arange(k, device=weights.device).repeat_interleave(size).expand(len(weights), -1)
    label, _ = swap_refine(weights, label, k, sweeps=4, least=least)
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

    For batches that overlap, where exchanging rows could bring a row twice into a batch. Candidates are random;
    where none fits, all pairs are looked through, unless it takes embeddings to say who may meet whom. A place
    that nobody fits keeps its row.
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
    if places.any() and (relation is None or not relation.by_similarity):
        keys = () if relation is None else relation.keys
        order = permutation(seed, "replaced at last", epoch, n_pairs, device=batches.device)
        batches = _from_all(batches, places, order, keys)
    return batches


def _from_all(
    batches: Batches,
    places: Bool[Tensor, "*replicates k batch"],
    order: Int[Tensor, "*replicates n_pairs"],
    keys: tuple[Int[Tensor, " n_pairs"], ...],
) -> Batches:
    """Into each place the first pair in this order that may be there, if there is one."""
    k, size = batches.shape[-2:]
    flat, orders = batches.reshape(-1, size).clone(), order.to(batches.device).reshape(-1, order.shape[-1])
    for at, place in places.reshape(-1, size).nonzero().tolist():
        candidates = orders[at // k]
        others = torch.cat([flat[at, :place], flat[at, place + 1 :]])
        fits = ~torch.isin(candidates, flat[at])
        for values in keys:
            mine = values.to(flat.device)
            fits &= ~torch.isin(mine[candidates], mine[others])
        if fits.any():
            flat[at, place] = candidates[fits.int().argmax()]
    return flat.reshape(batches.shape)
