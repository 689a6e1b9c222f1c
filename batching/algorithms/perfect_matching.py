"""Perfect matchings of large weight: exact solvers, a core-only approximation, exchanges, a bound."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# scipy is imported where it is used: it takes a third of a second, which starting need not wait for.

Weigh = Callable[[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]], Float[np.ndarray, " edges"]]
"""The weights of any edges, whether or not they are among a graph's."""


class WeightedEdges(NamedTuple):
    """Rows 0 .. n - 1 and the weighted edges among which a matching is looked for, i < j, each once."""

    n: int
    i: Int[np.ndarray, " edges"]
    j: Int[np.ndarray, " edges"]
    weight: Float[np.ndarray, " edges"]

    @property
    def complete(self) -> bool:
        """Whether every two rows have an edge."""
        return len(self.i) == self.n * (self.n - 1) // 2

    def listed(self, i: Int[np.ndarray, " some"], j: Int[np.ndarray, " some"]) -> Float[np.ndarray, " some"]:
        """The weights of some edges of a complete graph, whose edges come row by row."""
        i, j = np.minimum(i, j), np.maximum(i, j)
        return self.weight[i * (2 * self.n - i - 1) // 2 + j - i - 1]

    @property
    def cost(self) -> Float[np.ndarray, " edges"]:
        """The weights upside down, between 1 and 2, so that no edge is longer than a way around it."""
        spread = np.ptp(self.weight)
        return 1 + (self.weight.max() - self.weight) / (spread if spread > 0 else 1.0)


def pairing_bound(weights: Float[Tensor, "*pools n n"]) -> Float[Tensor, "*pools"]:
    """At least the weight of every perfect matching: half the largest sum_i w_i,p(i) over permutations p(i) != i.

    A matching is such a permutation that is its own inverse, and so counts each of its weights twice.

    Args:
        weights: Symmetric; the diagonal means nothing; n >= 2.

    Cost: O(n^3) at worst for each pool; 0.1 s for 1,000 rows.
    """
    from scipy.optimize import linear_sum_assignment

    cost = -weights.detach().double().cpu()
    cost.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
    flat = cost.reshape(-1, *cost.shape[-2:]).numpy()
    best = [-one[linear_sum_assignment(one)].sum() / 2 for one in flat]
    return torch.tensor(best, dtype=weights.dtype, device=weights.device).reshape(weights.shape[:-2])


def sparse_blossom(graph: WeightedEdges) -> Int[np.ndarray, " n"]:
    """Each row's partner in the perfect matching of largest weight, by pymatching.

    pymatching pairs up "detection events" by shortest paths of least total cost. With an event at every row and
    costs between 1 and 2 the shortest path between neighbours is their edge: on a complete graph these are the
    perfect matchings. On a sparse one it may also pair two rows without an edge, by way of a third.

    Cost: nearly linear in the edges on sparse graphs; 0.8 CPU seconds for 1,000 rows of a complete one.
    """
    from pymatching import Matching as Decoder
    from scipy.sparse import csc_matrix

    edges = len(graph.i)
    ends = np.stack([graph.i, graph.j], axis=1).ravel()
    check_matrix = csc_matrix(
        (np.ones(2 * edges, np.uint8), ends, np.arange(0, 2 * edges + 1, 2)), shape=(graph.n, edges)
    )
    decoder = Decoder.from_check_matrix(check_matrix, weights=graph.cost)
    pairs = decoder.decode_to_matched_dets_array(np.ones(graph.n, np.uint8))
    mate = np.empty(graph.n, np.int64)
    mate[pairs[:, 0]], mate[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    return mate


def blossom(graph: WeightedEdges) -> Int[np.ndarray, " n"]:
    """Each row's partner in the perfect matching of largest weight, by networkx; O(n^3) in Python."""
    import networkx

    edges: Any = networkx.Graph()
    edges.add_weighted_edges_from(zip(graph.i.tolist(), graph.j.tolist(), graph.weight.tolist(), strict=True))
    mate = np.empty(graph.n, np.int64)
    for a, b in networkx.max_weight_matching(edges, maxcardinality=True):
        mate[a], mate[b] = b, a
    return mate


def assigned(graph: WeightedEdges) -> tuple[Int[np.ndarray, " n"], float]:
    """The permutation p of largest sum_i w_i,p(i) along edges, p(i) != i, and half that sum.

    Half, because it then is a bound on the weight of any matching in the graph, see `pairing_bound`.
    """
    if graph.complete:
        from scipy.optimize import linear_sum_assignment

        cost = np.full((graph.n, graph.n), np.inf)
        cost[graph.i, graph.j] = cost[graph.j, graph.i] = -graph.weight
        after = linear_sum_assignment(cost)[1]
        return after, -float(cost[np.arange(graph.n), after].sum()) / 2
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    both = np.concatenate([graph.i, graph.j]), np.concatenate([graph.j, graph.i])
    shape = (graph.n, graph.n)
    after = min_weight_full_bipartite_matching(csr_array((np.tile(graph.cost, 2), both), shape=shape))[1]
    weights = csr_array((np.tile(graph.weight, 2), both), shape=shape)
    return after.astype(np.int64), float(weights[np.arange(graph.n), after].sum()) / 2


def split_cycles(
    after: Int[np.ndarray, " n"], weight: Float[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " left"]]:
    """Batches of two along the cycles of a permutation.

    Args:
        after: The permutation, without fixed points.
        weight: Of the edge {i, after[i]}.

    Returns:
        Each row's partner, and the rows that have none: one for each odd cycle. Even cycles take the heavier
        half of their edges; odd ones the heaviest of the matchings that leave one row out.
    """
    mate = np.arange(len(after))
    left: list[int] = []
    step = after.tolist()
    seen = [False] * len(step)
    for start in range(len(step)):
        if seen[start]:
            continue
        cycle = []
        row = start
        while not seen[row]:
            seen[row] = True
            cycle.append(row)
            row = step[row]
        ring = np.array(cycle)
        edge = weight[ring]  # edge t joins rows t and t + 1 of the ring
        if len(ring) % 2:
            # Every second edge, twice around: without row d these are edges d + 1, d + 3, .., d - 2.
            around = np.concatenate([edge[1::2], edge[0::2]])  # the edges 1, 3, .., 0, 2, .., in steps of 2
            sums = np.concatenate([[0.0], np.concatenate([around, around]).cumsum()])
            half = len(ring) // 2
            place = int((sums[half : half + len(ring)] - sums[: len(ring)]).argmax())
            dropped = 2 * place % len(ring)
            left.append(int(ring[dropped]))
            ring = np.roll(ring, -dropped - 1)[:-1]
        elif edge[1::2].sum() > edge[0::2].sum():
            ring = np.roll(ring, -1)
        mate[ring[0::2]], mate[ring[1::2]] = ring[1::2], ring[0::2]
    return mate, np.array(left, np.int64)


def improved(graph: WeightedEdges, mate: Int[np.ndarray, " n"], weigh: Weigh) -> tuple[Int[np.ndarray, " n"], int]:
    """Exchange partners along edges {i, j} while w_ij + w_i'j' - w_ii' - w_jj' > 0 (i' is the partner of i).

    In each round those exchanges are made that gain most for both batches that they touch, so that no gain is
    spoilt by another. Only edges near what changed are looked at again. Returns the partners and the number of
    exchanges.
    """
    mate = mate.copy()
    rows = np.arange(graph.n)
    tolerance = 1e-12 * float(graph.weight.max())
    active = np.ones(len(graph.i), bool)
    now = weigh(rows, mate)
    made = 0
    while active.any():
        at = np.flatnonzero(active & (mate[graph.i] != graph.j))
        i, j = graph.i[at], graph.j[at]
        gain = graph.weight[at] - now[i] - now[j] + weigh(mate[i], mate[j])
        order = np.argsort(-gain, kind="stable")
        order = order[gain[order] > tolerance]
        i, j = i[order], j[order]
        first = _first_at_both(np.minimum(i, mate[i]), np.minimum(j, mate[j]), graph.n)
        a, b = np.concatenate([i[first], mate[i[first]]]), np.concatenate([j[first], mate[j[first]]])
        mate[a], mate[b] = b, a
        now[a] = now[b] = weigh(a, b)
        touched = np.zeros(graph.n, bool)
        touched[a] = touched[b] = True
        active = touched[graph.i] | touched[graph.j]
        active[at[order]] = True
        made += int(first.sum())
    return mate, made


def _first_at_both(
    a: Int[np.ndarray, " swaps"], b: Int[np.ndarray, " swaps"], n: int
) -> Bool[np.ndarray, " swaps"]:
    """Which of the exchanges of batches a and b, best first, come first at both their batches."""
    rank = np.arange(len(a))
    first = np.full(n, len(a))
    np.minimum.at(first, a, rank)
    np.minimum.at(first, b, rank)
    return (first[a] == rank) & (first[b] == rank)
