"""The nearest neighbours of pairs, which graph engines cut up and negatives are mined from."""

from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from batching.algorithms.search import Neighbours, among_all, in_lists, in_shards
from batching.seeded import Seed

if TYPE_CHECKING:
    import scipy.sparse  # a fifth of a second that starting need not wait for

Search = Literal["auto", "exact", "shards", "faiss"]

_EXACT = 16_384
"""Pairs up to which "auto" looks at all of them on a CPU."""


def nearest(
    u: Float[Tensor, "*pools n dim"],
    v: Float[Tensor, "*pools n dim"],
    k: int,
    *,
    window_start: int = 0,
    max_similarity: float | None = None,
    method: Search = "auto",
    seed: Seed = 0,
) -> Neighbours:
    """The k nearest pairs of each pair by x_i.x_j, where x = (u + v) / |u + v|.

    Args:
        u: Unit rows; v likewise. Pools are searched each on its own, with a seed of its own where they are many.
        v: Row i of v is the positive of row i of u.
        k: Neighbours of each.
        window_start: Skip so many of the nearest, which may be false negatives: ranks p .. p + k - 1.
        max_similarity: Of those, drop j with max(u_i.v_j, u_j.v_i) > s_ii - (1 - r)|s_ii|, s_ii = u_i.v_i: too
            similar to i for a negative. 0.95 in NV-Retriever.
        method: "exact"; "shards": among the rows of the nearest shards (20, or the square root of their number)
            of at most 128 rows, found by balanced bisection; "faiss": inverted lists (needs the extra `graph`);
            "auto": exact for up to 16,384 pairs or on a GPU, else shards.
        seed: Of "shards" and "faiss".

    Raises:
        ValueError: If k or window_start is out of range, or faiss is missing.

    Cost: O(n^2 dim) exact, in chunks that keep memory at O(n k); O(n^1.5 dim) for shards and for faiss.

    References:
        Thirukovalluru et al., 2025, "Breaking the batch barrier (B3)", arXiv 2505.11293 (the window).
        Moreira et al., 2024, "NV-Retriever", arXiv 2407.15831 (TopK-PercPos; theirs looks at u_i.v_j only).
    """
    _check(k, window_start, max_similarity)
    n = u.shape[-2]
    x = _rows(u, v)
    if method == "auto":
        method = "exact" if n <= _EXACT or u.is_cuda else "shards"
    count = min(window_start + k, n - 1)
    if count <= window_start:
        index = torch.full((*u.shape[:-1], k), -1, device=u.device)
        return Neighbours(index, torch.full(index.shape, -torch.inf, device=u.device))
    flat = x.reshape(-1, *x.shape[-2:])
    if method == "exact":
        found = among_all(flat, count)
    else:
        search = in_shards if method == "shards" else in_lists
        seeds = seed.tolist() if isinstance(seed, Tensor) else [seed] * len(flat)
        each = [search(pool, count, one) for pool, one in zip(flat, seeds, strict=True)]
        found = Neighbours(torch.stack([one.index for one in each]), torch.stack([one.similarity for one in each]))
    index = found.index[..., window_start:].reshape(*x.shape[:-1], -1)
    similarity = found.similarity[..., window_start:].reshape(index.shape).float()
    if max_similarity is not None:
        similarity = similarity.masked_fill(_too_similar(u, v, index, max_similarity), -torch.inf)
        similarity, order = similarity.sort(dim=-1, descending=True, stable=True)
        index = index.gather(-1, order)
    index = index.masked_fill(similarity == -torch.inf, -1)
    short = k - index.shape[-1]
    return Neighbours(
        functional.pad(index, (0, short), value=-1), functional.pad(similarity, (0, short), value=-torch.inf)
    )


def cross_similarities(
    u: Float[Tensor, "*pools n dim"], v: Float[Tensor, "*pools n dim"], index: Int[Tensor, "*pools n k"]
) -> tuple[Float[Tensor, "*pools n k"], Float[Tensor, "*pools n k"]]:
    """(u_i.v_j, u_j.v_i) for each i and its listed j; those of -1 mean nothing."""
    n, k = index.shape[-2:]
    shift = torch.arange(index[..., 0, 0].numel(), device=index.device)[:, None, None] * n
    flat = (index.reshape(-1, n, k).clamp(min=0) + shift).reshape(-1, k)
    us, vs = u.reshape(-1, u.shape[-1]), v.reshape(-1, v.shape[-1])
    out, back = us.new_empty(flat.shape), us.new_empty(flat.shape)
    step = max(1, (2**24 if u.is_cuda else 2**19) // (k * u.shape[-1]))
    for start in range(0, len(flat), step):
        part = slice(start, start + step)
        out[part] = (vs[flat[part]] @ us[part, :, None])[..., 0]
        back[part] = (us[flat[part]] @ vs[part, :, None])[..., 0]
    return out.reshape(index.shape), back.reshape(index.shape)


def k_nearest_graph(
    index: Int[Tensor, "n k"], weights: Float[Tensor, "n k"], *, mutual: bool = False
) -> "scipy.sparse.csr_array":
    """The undirected graph in which i and j are joined if either lists the other, by the larger of the weights.

    Args:
        index: The neighbours of each; -1 for none.
        weights: Of these edges, positive.
        mutual: Join only those that list each other, and each with the first of its list, so that few are alone.
    """
    from scipy.sparse import csr_array

    listed = _directed(index, weights)
    if not mutual:
        return csr_array(listed.maximum(listed.T.tocsr()))
    first = _directed(index[:, :1], weights[:, :1])
    return csr_array(listed.minimum(listed.T.tocsr()).maximum(first).maximum(first.T.tocsr()))


def _directed(index: Int[Tensor, "n k"], weights: Float[Tensor, "n k"]) -> "scipy.sparse.csr_array":
    from scipy.sparse import csr_array

    n = len(index)
    listed = index >= 0
    starts = functional.pad(listed.sum(1).cumsum(0), (1, 0))
    parts = (weights[listed], index[listed].int(), starts.int())
    return csr_array(tuple(part.cpu().numpy() for part in parts), shape=(n, n))


def _check(k: int, window_start: int, max_similarity: float | None) -> None:
    if k < 1 or window_start < 0:
        raise ValueError(f"neighbours must be at least 1 and window_start at least 0, got {k} and {window_start}")
    if max_similarity is not None and not 0 < max_similarity <= 1:
        raise ValueError(
            "max_similarity is relative to that of the positive and lies in (0, 1], got "
            f"{max_similarity}; None drops none"
        )


def _rows(u: Float[Tensor, "*pools n dim"], v: Float[Tensor, "*pools n dim"]) -> Float[Tensor, "*pools n dim"]:
    x = u + v
    return functional.normalize(x if x.dtype == torch.float64 else x.float(), dim=-1)


def _too_similar(u: Tensor, v: Tensor, index: Tensor, ratio: float) -> Bool[Tensor, "*pools n k"]:
    positive = (u * v).sum(-1, keepdim=True)
    return torch.maximum(*cross_similarities(u, v, index)) > positive - (1 - ratio) * positive.abs()
