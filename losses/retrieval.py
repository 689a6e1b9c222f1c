"""Retrieval measures of paired embeddings: where does each query find its own partner?"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from losses.numerics import in_full_precision


def positive_ranks(
    queries: Float[Tensor, "n dim"],
    documents: Float[Tensor, "m dim"],
    positives: Int[Tensor, " n"] | None = None,
    *,
    chunk_size: int = 1024,
) -> Int[Tensor, " n"]:
    """The rank (1 is best) of each query's positive among all documents, by exact search.

    Ties count against the query: its rank is 1 plus the number of other documents at least as similar, so that
    a collapsed encoder, to which everything is equally similar, scores 0 and not 1.

    Args:
        queries: Unit rows.
        documents: Unit rows.
        positives: Row of `documents` that answers each query; row i answers query i where it is left out.
        chunk_size: Queries at a time; memory is chunk_size x m.

    Cost: n m dim multiplications.
    """
    documents = in_full_precision(documents)
    queries = in_full_precision(queries)
    if positives is None:
        positives = torch.arange(len(queries), device=queries.device)
    ranks = []
    for rows, right in zip(queries.split(chunk_size), positives.split(chunk_size), strict=True):
        with torch.autocast(rows.device.type, enabled=False):  # half precision would make ties
            scores = rows @ documents.mT
        # The positive itself is one of those not less similar, which makes the best rank 1; what is not a number
        # is less than nothing, so that an encoder that has diverged ranks last.
        ranks.append((~(scores < scores.gather(1, right[:, None]))).sum(1))
    return torch.cat(ranks)


def recall_at(ranks: Int[Tensor, " n"], k: int) -> float:
    """Fraction of queries, in [0, 1], whose positive is among the first k; k = 1 is top-1 accuracy."""
    return (ranks <= k).double().mean().item()


def mean_reciprocal_rank(ranks: Int[Tensor, " n"], cutoff: int = 10) -> float:
    """Mean of 1/rank, counting 0 beyond `cutoff` (MRR@10 is MS MARCO's official measure)."""
    return torch.where(ranks <= cutoff, 1.0 / ranks.double(), 0.0).mean().item()
