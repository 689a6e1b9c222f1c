"""Which rows have the largest products with each row: among all, in nearby shards, in inverted lists."""

from dataclasses import dataclass
from math import ceil, isqrt, log2

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from batching.seeded import derived_seed, words

_SHARD = 128
"""Rows of a shard at most."""
_PROBES = 20
"""Shards that are looked at, with the own one; of more than 400 shards the square root of their number."""
_SAMPLE = 128
"""Rows of a part that the direction of its cut is found from, at least."""
_SAMPLES = 2**14
"""Rows of all parts that the directions of their cuts are found from, where there are few parts."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest pairs of each, nearest first; -1 and -inf where there are not so many."""

    index: Int[Tensor, "*pools n k"]
    similarity: Float[Tensor, "*pools n k"]


def among_all(x: Float[Tensor, "pools n dim"], count: int) -> Neighbours:
    """All products, some rows or some pools at a time."""
    pools, n, _ = x.shape
    entries = _entries(x)
    index = torch.empty(pools, n, count, dtype=torch.long, device=x.device)
    similarity = x.new_empty(index.shape)
    together, rows = max(1, entries // n**2), min(n, max(1, entries // n))
    padded, blocks = _padded(x, count)
    for first in range(0, pools, together):
        some = slice(first, first + together)
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            product = x[some, part] @ padded[some].mT
            product.diagonal(start, 1, 2).fill_(-torch.inf)  # a pair is not its own neighbour
            product[..., n:] = -torch.inf
            similarity[some, part], index[some, part] = _largest(product, count, blocks)
    return Neighbours(index, similarity)


def _padded(x: Float[Tensor, "pools n dim"], count: int) -> tuple[Float[Tensor, "pools m dim"], int]:
    """Rows of zeros so that the n columns fall into blocks, and how many blocks `_largest` should make of them."""
    n = x.shape[-2]
    height = isqrt(n // count)
    if height < 2:
        return x, n
    blocks = -(-n // height)
    return functional.pad(x, (0, 0, 0, blocks * height - n)), blocks


def _largest(
    product: Float[Tensor, "*lead m"], count: int, blocks: int
) -> tuple[Float[Tensor, "*lead count"], Int[Tensor, "*lead count"]]:
    """The largest entries of each row, in descending order, and where they are.

    They lie in the `count` blocks of largest maximum; a block is what columns congruent modulo `blocks` hold.
    """
    if product.shape[-1] == blocks:
        values, at = product.topk(count)
        return values, at
    table = product.unflatten(-1, (-1, blocks))
    best = table.amax(-2).topk(count, sorted=False).indices
    among = table.gather(-1, best[..., None, :].expand(*table.shape[:-1], count)).flatten(-2)
    values, at = among.topk(count)
    return values, (at // count) * blocks + best.gather(-1, at % count)


def in_shards(x: Float[Tensor, "n dim"], count: int, seed: int) -> Neighbours:
    """The nearest among the rows of the nearest shards: one product for each shard with all that it looks at."""
    n = len(x)
    levels = max(0, ceil(log2(n / max(_SHARD, count))))
    probes = max(_PROBES, isqrt(1 << levels))
    if 1 << levels <= probes:
        found = among_all(x[None], count)
        return Neighbours(found.index[0], found.similarity[0])
    shards = _balanced_tree(x, levels, seed)
    rows = functional.pad(x, (0, 0, 0, 1))[shards]
    centres = functional.normalize(rows.sum(1), dim=-1)
    others = among_all(centres[None], probes - 1).index[0]
    near = torch.cat([torch.arange(len(shards), device=x.device)[:, None], others], 1)
    index = torch.empty(n + 1, count, dtype=torch.long, device=x.device)
    similarity = x.new_empty(index.shape)
    size = shards.shape[1]
    for some in torch.arange(len(shards), device=x.device).split(max(1, _entries(x) // (size**2 * probes))):
        candidates = shards[near[some]].flatten(1)
        padded, blocks = _padded(rows[near[some]].flatten(1, 2), count)
        product = rows[some] @ padded.mT
        product.diagonal(0, 1, 2).fill_(-torch.inf)  # each shard looks at itself first
        product[..., candidates.shape[1] :] = -torch.inf
        product[..., : candidates.shape[1]].masked_fill_((candidates == n)[:, None], -torch.inf)
        values, at = _largest(product, count, blocks)
        similarity[shards[some]] = values
        index[shards[some]] = candidates[:, None].expand(-1, size, -1).gather(2, at)
    return Neighbours(index[:n], similarity[:n])


def _balanced_tree(x: Float[Tensor, "n dim"], levels: int, seed: int) -> Int[Tensor, "parts size"]:
    """2^levels shards of one size, halved again and again; row n stands for no row."""
    n, parts = len(x), 1 << levels
    members = torch.arange(parts * -(-n // parts), device=x.device).clamp(max=n)[None]
    x = functional.pad(x, (0, 0, 0, 1))
    for level in range(levels):
        rows = x[members]
        size = min(max(_SAMPLE, _SAMPLES // len(rows)), members.shape[1])
        draws = words(seed, "shards", level, len(rows) * size, device=x.device)
        sample = draws.reshape(len(rows), size) % members.shape[1]
        direction = _direction(rows.gather(1, sample[..., None].expand(-1, -1, x.shape[1])))
        order = (rows @ direction[..., None])[..., 0].argsort(dim=1, stable=True)
        members = members.gather(1, order).reshape(2 * len(rows), -1)
    return members


def _direction(sample: Float[Tensor, "parts rows dim"]) -> Float[Tensor, "parts dim"]:
    """Between the means of two halves: balanced 2-means, begun with two rows that are far apart."""
    each = torch.arange(len(sample), device=sample.device)
    start = end = sample[:, 0]
    for _ in range(2):
        start, end = end, sample[each, (sample @ end[..., None])[..., 0].argmin(1)]
    direction = end - start
    for _ in range(8):
        along = (sample @ direction[..., None])[..., 0]
        high = (along > along.median(dim=1, keepdim=True).values).to(sample)
        share = high.mean(1, keepdim=True)
        direction = ((high - share)[:, None] @ sample)[:, 0]  # of the means' difference, but for its length
    return direction


def _entries(x: Tensor) -> int:
    """Products that are held at once."""
    return 2**26 if x.is_cuda else 2**22


def in_lists(x: Float[Tensor, "n dim"], count: int, seed: int) -> Neighbours:
    """Inverted lists over 2 sqrt(n) cells, of which 8 are looked at."""
    try:
        import faiss  # pyright: ignore
    except ImportError as error:
        raise ValueError("method 'faiss' needs faiss; pip install faiss-cpu, or use 'shards'") from error
    n, dim = x.shape
    rows = x.float().cpu().contiguous().numpy()
    cells = max(1, min(2 * isqrt(n), n // 39))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = derived_seed(seed, "faiss") % 2**31
    index.train(rows)
    index.add(rows)
    index.nprobe = 8
    similarity, found = index.search(rows, count + 1)
    similarity, found = torch.from_numpy(similarity), torch.from_numpy(found)
    similarity.masked_fill_((found == torch.arange(n)[:, None]) | (found < 0), -torch.inf)
    similarity, at = similarity.topk(count)
    return Neighbours(found.gather(1, at).to(x.device), similarity.to(x.device))
