"""Exact search: for each query the best passages of all, block by block, so that passages need not fit anywhere.

Order: by score, the highest first. Among equal scores, passages that answer the query come last, those of a lower
grade before those of a higher; then by row. So an encoder that maps everything to one point finds nothing, and the
order does not depend on how the passages are cut into blocks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from text.data.texts import Lists
from text.evaluate.keys import (
    MISSING,
    NOT_RELEVANT,
    ROW_BITS,
    keys_of,
    levels_of,
    only_relevant,
    rows_in,
    scores_in,
)

Block = tuple[int, int, Float32[Tensor, "some width"]]
"""The number of its first query, of its first passage, and a score for each query and passage."""

_AT_ONCE = {"cpu": 2**24, "cuda": 2**28}
"""Scores of one block: 64 MB, and 1 GB."""
_TIED_AT_ONCE = 2**22


def search(
    queries: Float[Tensor, "n dim"],
    passages: Float[Tensor, "m dim"] | Iterable[Float[Tensor, "_ dim"]],
    k: int,
    *,
    relevant: Lists | None = None,
    own: Int64[np.ndarray, " n_queries"] | None = None,
    queries_at_once: int = 1024,
    passages_at_once: int | None = None,
) -> tuple[Float32[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """The k passages of largest inner product with each query, by comparing all.

    Products are of float32 numbers and never of half precision, which would make ties.

    Args:
        queries: On the device where to search.
        passages: On any device, of any precision; rows of a file that is mapped into memory travel block by block.
            Or blocks of them, in order, as they are computed or read.
        k: Passages for each query.
        relevant: What answers each query, to put it last among equal scores; None for order by row alone.
        own: For each query a passage that it must not find; -1 for none.
        queries_at_once: Of one product.
        passages_at_once: Likewise; None for as many as make 64 MB of scores on a CPU, 1 GB on a GPU.

    Returns:
        Scores and rows, the best first; -inf and -1 where there are fewer than k passages. On the queries' device.

    Raises:
        ValueError: If k or a size is not positive, there are more than 268 million passages, or a score is not a
            number.

    Cost: n m dim multiplications; memory 8 n k bytes and about twice a block of scores.
    """
    best = Best(len(queries), k, queries.device, relevant, own)
    for block in products(queries, passages, queries_at_once=queries_at_once, passages_at_once=passages_at_once):
        best.add(*block)
    return best.result()


def products(
    queries: Float[Tensor, "n dim"],
    passages: Float[Tensor, "m dim"] | Iterable[Float[Tensor, "_ dim"]],
    *,
    queries_at_once: int = 1024,
    passages_at_once: int | None = None,
) -> Iterator[Block]:
    """All inner products, block by block; see `search`. Each passage travels to the queries' device once."""
    if min(queries_at_once, passages_at_once or 1) < 1:
        raise ValueError(f"sizes must be positive, got {queries_at_once} and {passages_at_once}; leave them out")
    queries = queries.float()
    room = _AT_ONCE.get(queries.device.type, 2**24) // max(1, min(queries_at_once, len(queries)))
    first_row = 0
    for part in [passages] if isinstance(passages, Tensor) else passages:
        for block in part.split(passages_at_once or max(1, room)) if len(part) else ():
            moved = block.to(queries.device).float()
            for first_query in range(0, len(queries), queries_at_once):
                with torch.autocast(queries.device.type, enabled=False):
                    yield first_query, first_row, queries[first_query : first_query + queries_at_once] @ moved.mT
            first_row += len(block)


class Best:
    """The k best passages of each query so far, while scores come in, block by block.

    Args:
        n_queries: Number of queries.
        k: Passages to keep for each.
        device: Of the scores.
        relevant: What comes last among equal scores. More than 15 different grades are told apart to 15 levels.
        own: For each query a passage that it must not find; -1 for none.

    Raises:
        ValueError: If k is not positive, or the lists are of other queries.
    """

    def __init__(
        self,
        n_queries: int,
        k: int,
        device: torch.device,
        relevant: Lists | None = None,
        own: Int64[np.ndarray, " n_queries"] | None = None,
    ) -> None:
        """See the class."""
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}; choose how many passages each query finds")
        if relevant is not None and len(relevant) != n_queries:
            raise ValueError(
                f"relevant must have a list for each of the {n_queries} queries, got {len(relevant)}; take the "
                "lists of the same queries"
            )
        if own is not None and len(own) != n_queries:
            raise ValueError(
                f"own must have a passage or -1 for each of the {n_queries} queries, got {len(own)}; take those of "
                "the same queries"
            )
        self.k, self.own = k, own
        self.relevant = only_relevant(Lists.of([[]] * n_queries) if relevant is None else relevant)
        self.levels = levels_of(self.relevant)
        self.keys = torch.full((n_queries, k), MISSING, dtype=torch.int64, device=device)
        self.broken = torch.zeros((), dtype=torch.bool, device=device)

    def add(self, first_query: int, first_row: int, scores: Float32[Tensor, "some width"]) -> None:
        """Take the scores of these queries and passages; the tensor is overwritten.

        Raises:
            ValueError: If there are more than 268 million passages.
        """
        n, width = scores.shape
        if first_row + width > 2**ROW_BITS:
            raise ValueError(f"at most {2**ROW_BITS:,} passages can be searched, got more; search them in parts")
        if self.own is not None:
            column = self.own[first_query : first_query + n] - first_row
            query = np.flatnonzero((column >= 0) & (column < width))
            place = (torch.from_numpy(x).to(scores.device) for x in (query, column[query]))
            scores[tuple(place)] = -torch.inf
        apart = self._take_relevant(first_query, first_row, scores)
        # One more than is kept shows whether equal scores are cut apart, of which topk takes any.
        found, column = scores.topk(min(self.k + 1, width))
        self.broken |= found.isnan().any()
        known = self.keys[first_query : first_query + n]
        keys = keys_of(found[:, : self.k], first_row + column[:, : self.k], NOT_RELEVANT)
        if width > self.k:
            tied = (
                (found[:, -1] == found[:, -2])
                & (found[:, -1] > -torch.inf)
                & (scores_in(known[:, -1]) <= found[:, -1])
            )
            rows = torch.arange(first_row, first_row + width, device=scores.device)
            for some in tied.nonzero()[:, 0].split(max(1, _TIED_AT_ONCE // width)):
                keys[some] = keys_of(scores[some], rows, NOT_RELEVANT).topk(self.k).values
        self.keys[first_query : first_query + n] = torch.cat([known, keys, apart], 1).topk(self.k).values

    def result(self) -> tuple[Float32[Tensor, "n k"], Int64[Tensor, "n k"]]:
        """Scores and rows, the best first.

        Raises:
            ValueError: If a score was not a number.
        """
        check_numbers(self.broken)
        return scores_in(self.keys), rows_in(self.keys)

    def _take_relevant(
        self, first_query: int, first_row: int, scores: Float32[Tensor, "some width"]
    ) -> Int64[Tensor, "some most"]:
        """Keys of the relevant passages of this block, which leave it: they have places of their own."""
        n, width = scores.shape
        start, *_, end = offsets = self.relevant.offsets[first_query : first_query + n + 1]
        column = self.relevant.items[start:end] - first_row
        inside = np.flatnonzero((column >= 0) & (column < width))
        query = np.repeat(np.arange(n), np.diff(offsets))[inside]
        place = np.arange(len(query)) - np.searchsorted(query, query)
        most = 1 + int(place.max(initial=-1))
        keys = scores.new_full((n, most), MISSING, dtype=torch.int64)
        queries, columns, places, levels = (
            torch.from_numpy(x).to(scores.device)
            for x in (query, column[inside], place, self.levels[start:end][inside])
        )
        values = scores[queries, columns]
        self.broken |= values.isnan().any()
        keys[queries, places] = keys_of(values, first_row + columns, levels)
        scores[queries, columns] = -torch.inf
        return keys


def ordered(
    scores: Float32[Tensor, " total"], candidates: Lists, relevant: Lists
) -> Int64[np.ndarray, "n longest"]:
    """The candidates of each query in the order of their scores, -1 where there are fewer; ties as in a search.

    Args:
        scores: Of each candidate of the first query, of the second, ...
        candidates: Rows of passages.
        relevant: What comes last among equal scores.

    Raises:
        ValueError: If a score is not a number.
    """
    check_numbers(scores.isnan().any())
    relevant = only_relevant(relevant)
    width = 1 + max(int(candidates.items.max(initial=0)), int(relevant.items.max(initial=0)))
    code = relevant.rows * width + relevant.items
    order = np.argsort(code)
    asked = candidates.rows * width + candidates.items
    level = np.full(len(asked), NOT_RELEVANT)
    if len(code):
        place = np.minimum(np.searchsorted(code[order], asked), len(code) - 1)
        level = np.where(code[order][place] == asked, levels_of(relevant)[order][place], level)
    keys = torch.full((len(candidates), int(candidates.lengths.max(initial=0))), MISSING)
    place = np.arange(len(asked)) - np.repeat(candidates.offsets[:-1], candidates.lengths)
    items = torch.from_numpy(np.ascontiguousarray(candidates.items))
    keys[torch.from_numpy(candidates.rows), torch.from_numpy(place)] = keys_of(
        scores.cpu(), items, torch.from_numpy(level)
    )
    return rows_in(keys.sort(1, descending=True).values).numpy()


def check_numbers(broken: Tensor) -> None:
    """Refuse scores that are not numbers.

    Raises:
        ValueError: If this flag is set.
    """
    if broken:
        raise ValueError(
            "an encoder must give finite numbers to be measured, but this one gives NaN or infinity: its training "
            "has diverged; take earlier weights, or train with a lower learning rate"
        )
