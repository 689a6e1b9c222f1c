"""What a data set is, whichever files it came in: queries, passages, and which passage answers which query."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int64

from text.data.texts import Lists, Texts


@dataclass(frozen=True, kw_only=True, eq=False)
class TextSet:
    """A part (train, test, ...) of a data set. Rows, not names, tie queries and passages together."""

    name: str
    """Data set and part, "scifact test"."""
    queries: Texts
    passages: Texts
    query_ids: Texts
    """The publisher's name of each."""
    passage_ids: Texts
    relevant: Lists
    """For each query the passages that answer it, with grades where the publisher gives them."""
    threshold: float = 0.0
    """A passage of a larger grade answers the query; the others of positive grade count for nDCG only."""
    negatives: Lists | None = None
    """For each query hard negatives, the hardest first."""
    candidates: Lists | None = None
    """For each query passages to re-rank."""
    ranked: bool = True
    """Whether candidates are in the order of the first retriever; if not, their order means nothing."""
    own: Int64[np.ndarray, " n_queries"] | None = None
    """For each query the passage that is the query itself, which is never retrieved for it; -1 where none is."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """What was left out of the files, and how often: "empty passages": 3. Empty unless asked to skip."""

    def of_queries(self, index: Int64[np.ndarray, " n"]) -> "TextSet":
        """With these queries only; all passages stay."""
        return replace(
            self,
            queries=self.queries.take(index),
            query_ids=self.query_ids.take(index),
            relevant=self.relevant.take(index),
            negatives=None if self.negatives is None else self.negatives.take(index),
            candidates=None if self.candidates is None else self.candidates.take(index),
            own=None if self.own is None else self.own[index],
        )

    def of_passages(self, index: Int64[np.ndarray, " n"]) -> "TextSet":
        """With these passages only, renumbered; all queries stay, and what their lists have beside them leaves."""
        number = np.full(len(self.passages), -1, np.int64)
        number[index] = np.arange(len(index))
        return replace(
            self,
            passages=self.passages.take(index),
            passage_ids=self.passage_ids.take(index),
            relevant=self.relevant.renumbered(number),
            negatives=None if self.negatives is None else self.negatives.renumbered(number),
            candidates=None if self.candidates is None else self.candidates.renumbered(number),
            own=None if self.own is None else np.where(self.own < 0, -1, number[self.own]),
        )
