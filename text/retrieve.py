"""Exact retrieval: among all passages, where does each query find its own?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from losses import mean_reciprocal_rank, positive_ranks, recall_at
from training import aligned

METRICS: dict[str, str] = {
    "mrr_at_10": "MRR@10",
    "recall_at_1": "Recall@1",
    "recall_at_10": "Recall@10",
    "recall_at_100": "Recall@100",
}
"""Keys of a result, and what they are called in a table."""


def retrieval_metrics(queries: Float[Tensor, "n dim"], passages: Float[Tensor, "n dim"]) -> dict[str, float]:
    """MRR@10 and Recall@1, @10, @100, in [0, 1], of query i finding passage i among all n by inner product.

    Every passage is compared with every query, and ties count against the query: an encoder that maps all
    texts to one point scores 0.
    """
    ranks = positive_ranks(queries, passages)
    return {
        "mrr_at_10": mean_reciprocal_rank(ranks, 10),
        **{f"recall_at_{k}": recall_at(ranks, k) for k in (1, 10, 100)},
    }


def tfidf_embeddings(
    queries: Sequence[str], passages: Sequence[str]
) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "m dim"]]:
    """The classical baseline: unit vectors of word weights (1 + log count) * idf, idf from the passages.

    A query that shares no word with any passage is the zero vector.

    References:
        Salton and Buckley, 1988, "Term-weighting approaches in automatic text retrieval".
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # a second that --help need not wait for

    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(passages)

    def vectors(texts: Sequence[str]) -> Tensor:
        sparse: Any = vectorizer.transform(texts)
        return torch.from_numpy(sparse.astype(np.float32).toarray())

    return vectors(queries), vectors(passages)


def comparison(systems: Mapping[str, Mapping[str, float]]) -> str:
    """The metrics of several systems side by side."""
    rows = [[name, *(f"{metrics[key]:.4f}" for key in METRICS)] for name, metrics in systems.items()]
    return aligned(["", *METRICS.values()], rows)
