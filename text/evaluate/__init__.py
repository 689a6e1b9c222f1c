"""What a system of retrieval is worth: pure functions of an encoder, of embeddings or of texts.

    evaluate        numbers of an encoder on a set of texts: full, relevant, rerank (see `protocols`)
    scored          the same of given embeddings, or any other system
    tfidf, bm25     the same without training; first_order: of the first retriever's own order
    pool_size       how many passages they search
    search          the best passages of each query, exactly, among any number
    judge           ranked lists against judgements; reciprocal_rank, recall, ndcg, ... of them, query by query
    similarity      Spearman's correlation of cosines with people's scores (STS)

`python -m text.evaluate` measures runs and models side by side on many sets.
"""

from text.evaluate.baselines import BASELINES, Baseline, bm25, tfidf
from text.evaluate.embedding import embedded
from text.evaluate.metrics import (
    Judged,
    accuracy,
    average_precision,
    judge,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from text.evaluate.protocols import QuickMeasure, evaluate, first_order, pool_size, scored
from text.evaluate.search import search
from text.evaluate.sts import similarity
from text.evaluate.systems import Embedded

__all__ = [
    "BASELINES",
    "Baseline",
    "Embedded",
    "Judged",
    "QuickMeasure",
    "accuracy",
    "average_precision",
    "bm25",
    "embedded",
    "evaluate",
    "first_order",
    "judge",
    "ndcg",
    "pool_size",
    "precision",
    "recall",
    "reciprocal_rank",
    "scored",
    "search",
    "similarity",
    "tfidf",
]
