"""Which pairs must not be negatives of each other: those that share a text, or are tied by others that do."""

import logging
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int64

from text.data.texts import Texts
from text.data.textset import TextSet

_MANY = 0.05
"""Part of the queries in one component from which on the loss loses too many negatives."""
_FEWEST_QUERIES = 100
"""Of fewer, a component soon holds that part, and it means nothing."""
_LOG = logging.getLogger("contrabatch")


def pair_groups(texts: TextSet) -> tuple[Int64[np.ndarray, " n_queries"] | None, Int64[np.ndarray, " n_passages"]]:
    """Number the connected components of queries and passages.

    Identical texts are one node, and a relevant passage (grade above 0) is tied to its query. Two queries of the
    same number are no negatives of each other, nor is a passage of a query with its number. A component's number is
    the smallest row in it, where passages are counted after the queries.

    Returns:
        The number of each query, and of each passage. None for the queries if every query has a component of its
        own and no text occurs twice: the number of a query is then its row.

    Cost: 9 million texts of 350 bytes take about 6 seconds on one core, 60 bytes of memory for each text, and the
        texts that occur twice.
    """
    n_queries, n_texts = len(texts.queries), len(texts.queries) + len(texts.passages)
    first = _first_of_its_kind(texts.queries, texts.passages)
    copies = np.flatnonzero(first != np.arange(n_texts))
    relevant = texts.relevant
    tied = slice(None) if relevant.grades is None else relevant.grades > 0
    row = np.concatenate([copies, relevant.rows[tied]])
    column = np.concatenate([first[copies], n_queries + relevant.items[tied]])
    from scipy.sparse import coo_array  # a fifth of a second that starting need not wait for
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(row), np.int8), (row, column)), shape=(n_texts, n_texts))
    _, label = connected_components(graph, directed=False)
    _, smallest, component = np.unique(label, return_index=True, return_inverse=True)
    group = smallest[component].astype(np.int64)
    queries = group[:n_queries]
    if not len(copies) and np.array_equal(queries, np.arange(n_queries)):
        return None, group[n_queries:]
    _warn_if_large(texts.name, queries)
    return queries, group[n_queries:]


def largest_component(groups: Int64[np.ndarray, " n_queries"] | None) -> int:
    """Queries in the largest component; 1 where each has its own."""
    if groups is None:
        return 1
    return int(np.unique(groups, return_counts=True)[1].max(initial=0))


def _warn_if_large(name: str, groups: Int64[np.ndarray, " n_queries"]) -> None:
    largest, n = largest_component(groups), len(groups)
    if n >= _FEWEST_QUERIES and largest > _MANY * n:
        _LOG.warning(
            "%s: %d of %d queries are tied together by texts that they share, and none of them is a negative of "
            "another; look for passages that answer too many queries",
            name,
            largest,
            n,
        )


def _first_of_its_kind(*parts: Texts) -> Int64[np.ndarray, " n"]:
    """For each text of all parts the smallest number of an identical one."""
    first = np.arange(sum(map(len, parts)))
    seen: dict[bytes, int] = {}
    for number in np.flatnonzero(_may_be_copies(np.concatenate([_hashes(part) for part in parts]))).tolist():
        part, row = 0, number
        while row >= len(parts[part]):
            row -= len(parts[part])
            part += 1
        texts = parts[part]
        content = texts.content[texts.offsets[row] : texts.offsets[row + 1]].tobytes()
        first[number] = seen.setdefault(content, number)
    return first


def _hashes(texts: Texts) -> Int64[np.ndarray, " n"]:
    """Python's hash of the bytes of each, which differs from process to process; what is made of it does not."""
    raw, ends = texts.content.data, texts.offsets.tolist()
    return np.fromiter((hash(raw[a:b].tobytes()) for a, b in pairwise(ends)), np.int64, len(texts))


def _may_be_copies(hashes: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which hashes occur more than once."""
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    found = np.zeros(len(hashes), bool)
    found[order[1:]] = same
    found[order[:-1]] |= same
    return found
