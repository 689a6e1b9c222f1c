"""From ranked lists to numbers: MRR, recall, precision, accuracy, nDCG and MAP, by the definitions of trec_eval.

    judged = judge(rows, relevant)              # rows [n, k] of `search`, -1 where a list has ended
    reciprocal_rank(judged, 10).mean()          # MRR@10
    recall(judged, 100) - recall(other, 100)    # query by query, for intervals and paired tests

Every measure gives one float64 for each query that counts: all whose list of judgements is not empty. A query that
was judged but has nothing relevant, or for which nothing was retrieved, counts 0, as in `trec_eval -c` and
ir_measures; a query without any judgement is left out, as it is there. `judged.queries` names those that count.

Where several passages score the same, these lists are in the order in which `search` puts them: passages that
answer the query come last. trec_eval orders them by name instead, and parts of ir_measures by name the other way
round; both give the same numbers as this file if they are given scores that fall by rank.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from text.data.texts import Lists


@dataclass(frozen=True, eq=False)
class Judged:
    """What stands where in the lists of all queries that count."""

    queries: Int64[np.ndarray, " n"]
    """Their numbers."""
    gains: Float64[np.ndarray, "n k"]
    """The grade of the passage at each place; 0 where it is not positive, not judged, or where there is none."""
    relevant: Int64[np.ndarray, " n"]
    """How many passages are relevant, retrieved or not."""
    ideal: Lists
    """The positive grades of each query, the best first."""
    threshold: float
    """What a grade must exceed to be relevant."""

    @property
    def hits(self) -> Float64[np.ndarray, "n k"]:
        """1 where the passage is relevant."""
        return (self.gains > self.threshold).astype(np.float64)


def judge(rows: Int64[np.ndarray, "queries k"], relevant: Lists, *, threshold: float = 0.0) -> Judged:
    """Look up what was retrieved.

    Args:
        rows: For each query passages, the best first; -1 fills lists that are shorter.
        relevant: For each query the judged passages, with their grades; without grades all are relevant.
        threshold: What a grade must exceed to be relevant: 0, or 1.0 for TREC Deep Learning, whose grade 1 is not
            relevant. nDCG takes every positive grade, as in trec_eval.

    Raises:
        ValueError: If there are not as many lists of judgements as queries, a passage is judged twice for one
            query, the threshold is negative, or no query was judged.

    Cost: n k log(judgements) comparisons.
    """
    if len(rows) != len(relevant):
        raise ValueError(
            f"relevant must have a list for each of the {len(rows)} queries, got {len(relevant)}; take the lists "
            "of the same queries"
        )
    if threshold < 0:
        raise ValueError(f"threshold must not be negative, got {threshold}; 0 takes every positive grade")
    width = 1 + max(int(rows.max(initial=0)), int(relevant.items.max(initial=0)))
    code = relevant.rows * width + relevant.items
    order = np.argsort(code, kind="stable")
    if (np.diff(code[order]) == 0).any():
        raise ValueError("a passage must be judged once for each query, got one that is judged twice; drop one")
    queries = np.flatnonzero(relevant.lengths)
    if not len(queries):
        raise ValueError("some query must have a relevant passage, got none; measure on other queries")
    grades = np.ones(len(code)) if relevant.grades is None else relevant.grades.astype(np.float64)

    asked = np.where(rows[queries] < 0, -1, queries[:, None] * width + rows[queries])
    place = np.minimum(np.searchsorted(code[order], asked), len(code) - 1)
    gains = np.where(code[order][place] == asked, grades[order][place], 0.0)
    counted = np.bincount(relevant.rows[grades > threshold], minlength=len(rows))
    best = np.lexsort((-grades, relevant.rows))
    best = best[grades[best] > 0]
    ideal = Lists.grouped(relevant.rows[best], best, len(rows), grades[best].astype(np.float32)).take(queries)
    return Judged(queries, np.maximum(gains, 0.0), counted[queries], ideal, threshold)


def reciprocal_rank(judged: Judged, k: int) -> Float64[np.ndarray, " n"]:
    """1 / rank of the first relevant passage, 0 beyond k; its mean is MRR@k."""
    hits = judged.hits[:, :k]
    found = np.zeros(len(hits))
    some = hits.any(1)
    found[some] = 1 / (1 + hits[some].argmax(1))
    return found


def recall(judged: Judged, k: int) -> Float64[np.ndarray, " n"]:
    """The part of the relevant passages that is among the first k."""
    return judged.hits[:, :k].sum(1) / np.maximum(judged.relevant, 1)


def precision(judged: Judged, k: int) -> Float64[np.ndarray, " n"]:
    """The part of k that is relevant; a list that is shorter than k is not excused."""
    return np.divide(judged.hits[:, :k].sum(1), k)


def accuracy(judged: Judged, k: int) -> Float64[np.ndarray, " n"]:
    """1 if anything relevant is among the first k (trec_eval's success)."""
    return np.minimum(judged.hits[:, :k].sum(1), 1.0)


def ndcg(judged: Judged, k: int) -> Float64[np.ndarray, " n"]:
    """DCG@k = sum_{r <= k} grade_r / log2(r + 1), over the largest that the judgements allow.

    References:
        Järvelin and Kekäläinen, 2002, Section 2.3; gain and discount as in trec_eval's ndcg_cut, which takes the
        grade itself (and not 2^grade - 1) and discounts from rank 2 on by log2(rank + 1).
    """
    gains = judged.gains[:, :k]
    found = (gains / np.log2(np.arange(gains.shape[1]) + 2)).sum(1)
    ideal = judged.ideal
    assert ideal.grades is not None
    place = np.arange(len(ideal.items)) - np.repeat(ideal.offsets[:-1], ideal.lengths)
    gain = np.where(place < k, ideal.grades / np.log2(place + 2), 0.0)
    largest = np.bincount(ideal.rows, gain, minlength=len(ideal))
    return np.divide(found, largest, out=np.zeros(len(found)), where=largest > 0)


def average_precision(judged: Judged, k: int | None = None) -> Float64[np.ndarray, " n"]:
    """The mean, over all relevant passages, of the precision where each stands; 0 for those that were not found.

    Args:
        judged: The lists.
        k: Count only the first k places (trec_eval's map_cut); None for the whole lists.
    """
    hits = judged.hits[:, :k]
    at_each = hits.cumsum(1) / (1 + np.arange(hits.shape[1]))
    return (hits * at_each).sum(1) / np.maximum(judged.relevant, 1)
