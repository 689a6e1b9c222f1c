"""Batches as the parts of a nearest-neighbour graph, cut by METIS (the best quality for its time)."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from batching.algorithms.neighbours import Neighbours, Search, cross_similarities, k_nearest_graph, nearest
from batching.engines.bandwidth import near_order
from batching.engines.engine import Cut, Engine
from batching.seeded import derived_seed

if TYPE_CHECKING:
    import scipy.sparse  # a fifth of a second that starting need not wait for

_HEAVIEST = 1000
"""Integer weights lie between 1 and this; METIS has crashed on extreme ratios."""
_PATIENCE = 3600.0
"""Seconds that a process with METIS in it may take."""
_AT_ONCE = 2048
"""Rows that are assigned to free places at once, in O(rows^3)."""


@dataclass(frozen=True)
class Graph(Engine):
    """METIS' recursive bisection of the nearest-neighbour graph, mended to exact sizes.

    1. Join each pair with its nearest, by what two pairs add to each other's sums of negatives,
       w_ij = e^{(s_ij - s_ii)/tau} + e^{(s_ji - s_ii)/tau} + e^{(s_ij - s_jj)/tau} + e^{(s_ji - s_jj)/tau},
       s_ij = u_i.v_j, as integers 1..1000 of which the largest tenth is 1000.
    2. Cut into n / B parts of nearly one size that lose the least weight, by halving again and again.
    3. Parts that are too large give their most weakly attached rows to those that are too small: to the nearest
       by an assignment of least total cosine distance to the parts' means.

    Consecutive batches are siblings of the recursion. Where METIS fails (an exception, a partition that is
    incomplete or out of range, with `isolated` also a crash), the pool is cut along `near_order` instead, and
    counted in info["fallbacks"]; info["moved"] counts the rows of step 3.

    Args:
        temperature: tau.
        neighbours: Of each pair.
        window_start: So many of the nearest are skipped, see `nearest`.
        max_similarity: Neighbours too similar to be negatives get no edge, see `nearest`; `Guards` keep such pairs
            out of a batch altogether.
        method: How neighbours are found, see `nearest`.
        isolated: Run METIS in a process of its own, which alone dies if METIS does. About 0.2 s for each pool.

    Raises:
        ValueError: If a number is out of range, or pymetis missing.

    Cost: that of `nearest`; O(n neighbours dim) for weights; O(n neighbours log(n / B)) for METIS. On 49,984
        pairs of 128 dimensions about 1.5, 0.7 and 0.7 s of one CPU core.

    References:
        Karypis and Kumar, 1998, "A fast and high quality multilevel scheme for partitioning irregular graphs".
        Thirukovalluru et al., 2025, "Breaking the batch barrier (B3)", arXiv 2505.11293 (METIS on ranks of a
        teacher; see `window_start`).
    """

    temperature: float
    neighbours: int = 16
    window_start: int = 0
    max_similarity: float | None = None
    method: Search = "auto"
    isolated: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if self.neighbours < 1 or self.window_start < 0:
            raise ValueError(
                "neighbours must be at least 1 and window_start at least 0, got "
                f"{self.neighbours} and {self.window_start}"
            )
        if self.max_similarity is not None and not 0 < self.max_similarity <= 1:
            raise ValueError(f"max_similarity must lie in (0, 1], got {self.max_similarity}; None drops none")

    @override
    def check(self, pool: int, batch_size: int) -> None:
        if find_spec("pymetis") is None:
            raise ValueError("graph needs METIS, which is missing; pip install pymetis, or choose another engine")

    @override
    def cut(
        self,
        u: Float[Tensor, "pools n dim"],
        v: Float[Tensor, "pools n dim"],
        batch_size: int,
        *,
        seed: Int[Tensor, " pools"],
        epoch: int,
    ) -> Cut:
        self.check(u.shape[1], batch_size)
        found = nearest(
            u,
            v,
            self.neighbours,
            window_start=self.window_start,
            max_similarity=self.max_similarity,
            method=self.method,
            seed=seed,
        )
        weights = _edge_weights(u, v, found, self.temperature)
        rows = functional.normalize((u + v).float(), dim=-1).cpu().numpy()
        info = {"moved": 0.0, "fallbacks": 0.0}
        batches: list[Int[np.ndarray, "k batch"]] = []
        for pool, one in enumerate(seed.tolist()):
            graph = k_nearest_graph(found.index[pool], weights[pool])
            graph.data = _integers(graph.data)
            parts = len(rows[pool]) // batch_size
            labels = _partition(graph, parts, derived_seed(one, "metis", epoch) % 2**31, isolated=self.isolated)
            if labels is None:
                info["fallbacks"] += 1
                batches.append(near_order(found.index[pool]).reshape(parts, batch_size))
                continue
            exact = exact_sizes(labels, graph, rows[pool], batch_size)
            info["moved"] += float((exact != labels).sum())
            batches.append(exact.argsort(kind="stable").reshape(parts, batch_size))
        return Cut(torch.from_numpy(np.stack(batches)).to(u.device), info)


def exact_sizes(
    labels: Int[np.ndarray, " n"], graph: "scipy.sparse.csr_array", rows: Float[np.ndarray, "n dim"], size: int
) -> Int[np.ndarray, " n"]:
    """Labels of which each occurs `size` times, that differ from the given ones in as few places as possible.

    Too large parts release the rows with the least weight of edges to their own part; these go where they are
    nearest to the mean, the total cosine distance being the least (for more than 2,048 rows: piece by piece, in
    the order of the labels).
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import csr_array

    n, parts = len(labels), len(labels) // size
    edges = graph.tocoo()
    inside = labels[edges.row] == labels[edges.col]
    attachment = np.bincount(edges.row[inside], edges.data[inside], minlength=n)
    counts = np.bincount(labels, minlength=parts)
    order = np.lexsort((-attachment, labels))
    place = np.arange(n) - np.repeat(counts.cumsum() - counts, counts)
    released = order[place >= size]
    free = np.repeat(np.arange(parts), np.maximum(size - counts, 0))
    member = csr_array((np.ones(n, rows.dtype), labels, np.arange(n + 1)), shape=(n, parts))
    means = member.T @ rows
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(rows.dtype).tiny)
    result = labels.copy()
    for start in range(0, len(released), _AT_ONCE):
        some, slots = released[start : start + _AT_ONCE], free[start : start + _AT_ONCE]
        at, to = linear_sum_assignment(rows[some] @ means[slots].T, maximize=True)
        result[some[at]] = slots[to]
    return result


def _edge_weights(
    u: Float[Tensor, "pools n dim"], v: Float[Tensor, "pools n dim"], found: Neighbours, temperature: float
) -> Float[Tensor, "pools n k"]:
    """What listed neighbours add to each other's sums of negatives (see the class)."""
    out, back = cross_similarities(u, v, found.index)
    positive = (u * v).sum(-1)
    theirs = positive.gather(1, found.index.clamp(min=0).flatten(1)).reshape(out.shape)
    differences = [a - b for a in (out, back) for b in (positive[..., None], theirs)]
    return sum(((d / temperature).clamp(max=30).exp() for d in differences), torch.zeros_like(out))


def _integers(weights: Float[np.ndarray, " edges"]) -> Int[np.ndarray, " edges"]:
    if len(weights) == 0:
        return weights.astype(np.int64)
    heavy = np.quantile(weights, 0.9, method="lower")
    scaled = weights / max(heavy, np.finfo(weights.dtype).tiny)
    return np.clip(np.rint(scaled * _HEAVIEST), 1, _HEAVIEST).astype(np.int64)


def _partition(
    graph: "scipy.sparse.csr_array", parts: int, seed: int, *, isolated: bool
) -> Int[np.ndarray, " n"] | None:
    """The part of each vertex, or None where METIS fails."""
    n = len(graph.indptr) - 1
    if parts <= 1 or parts == n:  # nothing to cut, and METIS is not safe there
        return np.arange(n) if parts == n else np.zeros(n, dtype=np.int64)
    run = _metis_apart if isolated else _metis
    try:
        labels = np.asarray(run(graph, parts, seed))
    except (RuntimeError, ValueError, MemoryError, EOFError, OSError, subprocess.SubprocessError):
        return None
    if labels.shape != (n,) or labels.dtype.kind != "i" or labels.min() < 0 or labels.max() >= parts:
        return None
    return labels.astype(np.int64) if np.bincount(labels, minlength=parts).all() else None


def _metis(graph: "scipy.sparse.csr_array", parts: int, seed: int) -> Sequence[int]:
    import pymetis

    adjacency = pymetis.CSRAdjacency(*_adjacency(graph))
    options = pymetis.Options(seed=seed, ufactor=1)
    return pymetis.part_graph(parts, adjacency, eweights=graph.data, recursive=True, options=options)[1]


_SCRIPT = """
import sys, io, numpy, pymetis
g = numpy.load(io.BytesIO(sys.stdin.buffer.read()))
adjacency = pymetis.CSRAdjacency(g["starts"], g["ends"])
options = pymetis.Options(seed=int(g["seed"]), ufactor=1)
labels = pymetis.part_graph(int(g["parts"]), adjacency, eweights=g["weights"], recursive=True, options=options)[1]
numpy.save(sys.stdout.buffer, numpy.asarray(labels))
"""


def _metis_apart(graph: "scipy.sparse.csr_array", parts: int, seed: int) -> Int[np.ndarray, " n"]:
    """The same in a process of its own."""
    sent = BytesIO()
    starts, ends = _adjacency(graph)
    np.savez(sent, starts=starts, ends=ends, weights=graph.data, parts=parts, seed=seed)
    command = [sys.executable, "-c", _SCRIPT]
    done = subprocess.run(command, input=sent.getvalue(), capture_output=True, check=True, timeout=_PATIENCE)
    return np.load(BytesIO(done.stdout))


def _adjacency(graph: "scipy.sparse.csr_array") -> tuple[Int[np.ndarray, " starts"], Int[np.ndarray, " edges"]]:
    return np.asarray(graph.indptr, dtype=np.int64), np.asarray(graph.indices, dtype=np.int64)
