"""What a system of retrieval is worth: three ways to measure, each with a name that its numbers carry.

    full        among all passages of the set: the benchmark, if the set is the whole benchmark
    relevant    among the passages that answer at least one query of the set: a small pool without distractors,
                whose numbers are far higher, and which a published comparison of losses uses
    rerank      among the candidates of each query, which a first retriever has chosen; what it missed stays missed

The set says which passages count: `TextSet.threshold` is the grade that a relevant passage exceeds, `TextSet.own`
the passage that is the query itself, and is not retrieved for it by any of the three. nDCG takes all positive
grades, and so does the pool of relevant.

The pool of relevant is that of the queries that are measured: with fewer queries it is smaller (`pool_size`), and
all numbers are higher. So only numbers on the same queries compare.

Numbers are means over all judged queries (see `text.evaluate.metrics`) under flat names: full_mrr_at_10,
relevant_recall_at_1, rerank_ndcg_at_10. MAP is that of the first 1,000 passages, where TREC's runs end, too.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int64
from torch import nn

from text.data.texts import Lists
from text.data.textset import TextSet
from text.evaluate.embedding import embedded
from text.evaluate.metrics import Judged, average_precision, judge, ndcg, recall, reciprocal_rank
from text.evaluate.search import Best, ordered
from text.evaluate.systems import Embedded, System
from text.tokens import Tokens

QuickMeasure = Literal["full", "relevant", "rerank"]
DEPTH = 1000
"""Places of a list that are looked at."""

_Number = Callable[[Judged], Float[np.ndarray, " n"]]
_FIRST: dict[str, _Number] = {
    "mrr_at_10": lambda judged: reciprocal_rank(judged, 10),
    "ndcg_at_10": lambda judged: ndcg(judged, 10),
    "map": average_precision,
    "recall_at_1": lambda judged: recall(judged, 1),
    "recall_at_10": lambda judged: recall(judged, 10),
}
NUMBERS: dict[str, dict[str, _Number]] = {
    "full": _FIRST
    | {"recall_at_100": lambda judged: recall(judged, 100), "recall_at_1000": lambda judged: recall(judged, 1000)},
    "relevant": _FIRST | {"recall_at_100": lambda judged: recall(judged, 100)},
    "rerank": _FIRST,
}
"""What each measure gives."""


def evaluate(
    encoder: nn.Module,
    texts: TextSet,
    queries: Tokens,
    passages: Tokens,
    measures: Sequence[str],
    *,
    batch_size: int = 256,
    threshold: float | None = None,
) -> dict[str, float]:
    """Numbers of an encoder by flat names, ready for a log; for the end of a run and on the way.

    Args:
        encoder: Tokens to unit rows, on its device; left as it is. No passage goes through it twice.
        texts: The set to measure on.
        queries: Its queries in tokens, all of them.
        passages: Its passages in tokens, all of them, on any device or mapped from a file.
        measures: full, relevant, rerank.
        batch_size: Texts at a time, of like length.
        threshold: What a grade must exceed to be relevant; None for what the set says.

    Raises:
        ValueError: If there is no such measure, the set has no candidates to re-rank or no judged query, the tokens
            are of other texts, or the encoder gives numbers that are not finite.

    Cost: a forward pass over the texts that are needed; n m dim multiplications for full.
    """
    check_measures(texts, measures)
    if (len(queries), len(passages)) != (len(texts.queries), len(texts.passages)):
        raise ValueError(
            f"queries and passages must be the tokens of {texts.name}, {len(texts.queries)} and "
            f"{len(texts.passages)}, got {len(queries)} and {len(passages)}; tokenise these texts"
        )
    if not measures:
        return {}
    needed = _needed(texts, measures)
    number = None
    if needed is not None:
        number = np.full(len(passages), -1, np.int64)
        number[needed] = np.arange(len(needed))
    system = Embedded(
        embedded(encoder, queries, batch_size=batch_size),
        embedded(encoder, passages, needed, batch_size=batch_size, may_stay=True),
        number,
    )
    return scored(system, texts, measures, threshold=threshold)


def scored(
    system: System, texts: TextSet, measures: Sequence[str], *, threshold: float | None = None
) -> dict[str, float]:
    """The same numbers of any system: of given embeddings, `Embedded(u, v)`, or of word counts.

    Args:
        system: Made for these texts.
        texts: The set to measure on.
        measures: full, relevant, rerank.
        threshold: What a grade must exceed to be relevant; None for what the set says.

    Raises:
        ValueError: As `evaluate`.
    """
    check_measures(texts, measures)
    threshold = texts.threshold if threshold is None else threshold
    found: dict[str, float] = {}
    for measure in dict.fromkeys(measures):
        rows, relevant = _retrieved(system, texts, measure)
        found |= numbers(measure, rows, relevant, threshold=threshold)
    return found


def first_order(texts: TextSet, *, threshold: float | None = None) -> dict[str, float]:
    """What the first retriever's own order of the candidates is worth, under the names of rerank.

    Raises:
        ValueError: If the set has no candidates, or they are in no order.
    """
    check_measures(texts, ["rerank"])
    if not texts.ranked:
        raise ValueError(
            f"the first order must be known to be measured, but candidates of {texts.name} are in no order; take a "
            "run, whose passages have ranks"
        )
    candidates = _to_rerank(texts)
    rows = np.full((len(candidates), int(candidates.lengths.max(initial=0))), -1)
    rows[
        candidates.rows, np.arange(len(candidates.items)) - np.repeat(candidates.offsets[:-1], candidates.lengths)
    ] = candidates.items
    return numbers("rerank", rows, texts.relevant, threshold=texts.threshold if threshold is None else threshold)


def numbers(
    measure: str, rows: Int64[np.ndarray, "n k"], relevant: Lists, *, threshold: float = 0.0
) -> dict[str, float]:
    """The means of a measure's numbers over the judged queries, under its name."""
    judged = judge(rows, relevant, threshold=threshold)
    return {f"{measure}_{name}": float(number(judged).mean()) for name, number in NUMBERS[measure].items()}


def check_measures(texts: TextSet, measures: Sequence[str]) -> None:
    """Refuse what cannot be measured on these texts.

    Raises:
        ValueError: If there is no such measure, no candidates for rerank, or no judged query.
    """
    if unknown := set(measures) - set(get_args(QuickMeasure)):
        raise ValueError(
            f"measures must be of {', '.join(get_args(QuickMeasure))}, got {', '.join(sorted(unknown))}; choose "
            "among these"
        )
    if "rerank" in measures and (texts.candidates is None or not len(texts.candidates.items)):
        raise ValueError(
            f"rerank needs candidates for the queries, but {texts.name} brings none; leave it out, or take a set "
            "with candidates such as msmarco-sample:dev600"
        )
    if measures and not len(relevant_pool(texts)):
        raise ValueError(
            f"some query must have a relevant passage, but no query of {texts.name} has one; take another part of "
            "the data set"
        )


def relevant_pool(texts: TextSet) -> Int64[np.ndarray, " m"]:
    """The passages that answer at least one query, in order."""
    judged = texts.relevant
    return np.unique(judged.items if judged.grades is None else judged.items[judged.grades > 0])


def pool_size(texts: TextSet, measure: str) -> int:
    """How many passages are searched for a query; with rerank, where they differ, the most for one query."""
    if measure == "full":
        return len(texts.passages)
    if measure == "relevant":
        return len(relevant_pool(texts))
    if measure == "rerank" and texts.candidates is not None:
        return int(_to_rerank(texts).lengths.max(initial=0))
    raise ValueError(
        f"measure must be full, relevant, or, with candidates, rerank, got {measure!r} for {texts.name}; choose "
        "among these"
    )


def _needed(texts: TextSet, measures: Sequence[str]) -> Int64[np.ndarray, " some"] | None:
    """The passages to encode; None for all."""
    if "full" in measures:
        return None
    candidates = texts.candidates
    pool = relevant_pool(texts) if "relevant" in measures else np.empty(0, np.int64)
    listed = candidates.items if "rerank" in measures and candidates is not None else np.empty(0, np.int64)
    return np.union1d(pool, listed)


def _retrieved(system: System, texts: TextSet, measure: str) -> tuple[Int64[np.ndarray, "n k"], Lists]:
    """The best passages of each query, and those that answer it, by the same numbers."""
    if measure == "rerank":
        candidates = _to_rerank(texts)
        scores = system.couples(candidates.rows, candidates.items)
        return ordered(scores, candidates, texts.relevant)[:, :DEPTH], texts.relevant
    pool, relevant, own, m = None, texts.relevant, texts.own, len(texts.passages)
    if measure == "relevant":
        pool = relevant_pool(texts)
        number, m = np.full(m, -1, np.int64), len(pool)
        number[pool] = np.arange(m)
        relevant = relevant.renumbered(number)
        own = None if own is None else np.where(own < 0, -1, number[own])
    best = Best(len(texts.queries), min(DEPTH, m), system.device, relevant, own)
    for block in system.blocks(pool):
        best.add(*block)
    return best.result()[1].cpu().numpy(), relevant


def _to_rerank(texts: TextSet) -> Lists:
    """The candidates of each query, without the query itself."""
    candidates = texts.candidates
    assert candidates is not None  # see `check_measures`
    if texts.own is None:
        return candidates
    kept = texts.own[candidates.rows] != candidates.items
    return Lists.grouped(candidates.rows[kept], candidates.items[kept], len(candidates))
