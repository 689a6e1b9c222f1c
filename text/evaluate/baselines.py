"""Retrieval without training, by shared words: what an encoder must beat."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from text.data.textset import TextSet
from text.evaluate.protocols import check_measures, scored
from text.evaluate.search import Block

Baseline = Literal["tfidf", "bm25"]
_SCORES_AT_ONCE = 2**23


def tfidf(
    texts: TextSet,
    measures: Sequence[str],
    *,
    stop_words: Literal["english"] | None = None,
    threshold: float | None = None,
) -> dict[str, float]:
    """The cosine of word weights (1 + log count) * idf, idf = 1 + log((1 + m) / (1 + passages with the word)).

    Words are runs of two or more letters and digits, in lower case; idf is that of all m passages of the set, also
    where fewer of them are searched.

    Args:
        texts: The set to measure on.
        measures: full, relevant, rerank.
        stop_words: Leave out scikit-learn's English stop words.
        threshold: What a grade must exceed to be relevant; None for what the set says.

    Returns:
        As `evaluate`.

    Raises:
        ValueError: As `scored`; or if no passage has a word.

    References:
        Salton and Buckley, 1988, "Term-weighting approaches in automatic text retrieval".
    """
    check_measures(texts, measures)
    return scored(Tfidf(texts, stop_words), texts, measures, threshold=threshold) if measures else {}


def bm25(
    texts: TextSet, measures: Sequence[str], *, k1: float = 1.5, b: float = 0.75, threshold: float | None = None
) -> dict[str, float]:
    """Okapi BM25 as Lucene computes it, by the library bm25s; words as in `tfidf`, without some stop words.

    score = sum over the query's words of log(1 + (m - n + 0.5) / (n + 0.5)) f / (f + k1 (1 - b + b length / mean)),
    for a word that n of m passages have, and this one f times.

    Args:
        texts: The set to measure on.
        measures: full, relevant, rerank.
        k1: How late the count of a word saturates; tuned for MS MARCO, Anserini takes 0.82 and b = 0.68.
        b: How much long passages are discounted, 0 to 1.
        threshold: What a grade must exceed to be relevant; None for what the set says.

    Returns:
        As `evaluate`.

    Raises:
        ValueError: As `scored`; or if bm25s is not installed.

    References:
        Robertson and Zaragoza, 2009, "The probabilistic relevance framework", Section 3; Kamphuis et al., 2020,
        "Which BM25 do you mean?"; Lù, 2024, arXiv 2407.03618 (bm25s).
    """
    check_measures(texts, measures)
    return scored(Bm25(texts, k1=k1, b=b), texts, measures, threshold=threshold) if measures else {}


BASELINES: dict[str, Callable[..., dict[str, float]]] = {"tfidf": tfidf, "bm25": bm25}
"""By the names of `Baseline`; each takes the texts, the measures, and threshold."""


class Tfidf:
    """A system; see `tfidf`. Weights stay sparse, scores are dense for some queries at a time."""

    def __init__(self, texts: TextSet, stop_words: Literal["english"] | None = None) -> None:
        """Weigh all texts."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # a second that --help need not wait for

        self.device = torch.device("cpu")
        kind: Any = np.float32  # half the memory; annotated as float64
        vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words=stop_words, dtype=kind)
        try:
            self.passages: Any = vectorizer.fit_transform(texts.passages)
        except ValueError as error:
            raise ValueError(f"passages must have words, but those of {texts.name} have none ({error})") from error
        self.queries: Any = vectorizer.transform(texts.queries)

    def blocks(self, pool: Int64[np.ndarray, " m"] | None) -> Iterator[Block]:
        """See `System`."""
        columns = (self.passages if pool is None else self.passages[pool]).T.tocsr()
        size = max(1, _SCORES_AT_ONCE // max(1, columns.shape[1]))
        for first in range(0, self.queries.shape[0], size):
            yield first, 0, torch.from_numpy((self.queries[first : first + size] @ columns).toarray())

    def couples(
        self, queries: Int64[np.ndarray, " total"], passages: Int64[np.ndarray, " total"]
    ) -> Float32[Tensor, " total"]:
        """See `System`."""
        at_once = 2**16
        parts = [
            np.asarray(
                self.queries[queries[i : i + at_once]].multiply(self.passages[passages[i : i + at_once]]).sum(1)
            )
            for i in range(0, len(queries), at_once)
        ]
        return torch.from_numpy(np.concatenate([np.empty((0, 1), np.float32), *parts])[:, 0])


class Bm25:
    """A system; see `bm25`."""

    def __init__(self, texts: TextSet, *, k1: float, b: float) -> None:
        """Index the passages."""
        try:
            import bm25s
        except ImportError as error:
            raise ValueError("bm25 needs the library bm25s, which is not installed; pip install bm25s") from error

        self.device, self.n_passages = torch.device("cpu"), len(texts.passages)
        self.index = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
        self.queries: Any = bm25s.tokenize(
            list(texts.queries), stopwords="en", return_ids=False, show_progress=False
        )
        tokens = bm25s.tokenize(list(texts.passages), stopwords="en", show_progress=False)
        self.index.index(tokens, show_progress=False)

    def blocks(self, pool: Int64[np.ndarray, " m"] | None) -> Iterator[Block]:
        """See `System`."""
        m = self.n_passages if pool is None else len(pool)
        size = max(1, _SCORES_AT_ONCE // max(1, m))
        for first in range(0, len(self.queries), size):
            scores = [self._scores(query) for query in range(first, min(first + size, len(self.queries)))]
            yield first, 0, torch.from_numpy(np.stack([x if pool is None else x[pool] for x in scores]))

    def couples(
        self, queries: Int64[np.ndarray, " total"], passages: Int64[np.ndarray, " total"]
    ) -> Float32[Tensor, " total"]:
        """See `System`."""
        found = np.empty(len(queries), np.float32)
        order = np.argsort(queries, kind="stable")
        for some in np.split(order, np.flatnonzero(np.diff(queries[order])) + 1) if len(order) else ():
            found[some] = self._scores(int(queries[some[0]]))[passages[some]]
        return torch.from_numpy(found)

    def _scores(self, query: int) -> Float32[np.ndarray, " m"]:
        """Of all passages; 0 for a query without a known word."""
        words = self.queries[query]
        known = [word for word in words if word in self.index.vocab_dict]
        return self.index.get_scores(known) if known else np.zeros(self.n_passages, np.float32)
