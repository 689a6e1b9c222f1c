"""Clusters of exactly equal size: the assignment of least total cost."""

import heapq
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

_HAS_TRITON = find_spec("triton") is not None  # not every build of torch brings it
_SMALL = 64
"""Problems up to this size are solved side by side on a GPU; larger ones one by one on the CPU."""
_LARGE = 512
"""From this size on transfers between clusters are cheaper than a column for each place in one ..."""
_MOST_CLUSTERS = 128
"""... unless there are more clusters than this."""
_FEW = 4
"""Problems that are solved here before other processes have them."""
_PRICINGS = 6
"""Of each cluster before items move."""


def balanced_assignment(
    cost: Float[Tensor, "*replicates items clusters"], size: int
) -> Int[Tensor, "*replicates items"]:
    """Which cluster each item goes to, `size` items to every cluster, at the least total cost; exact.

    minimise sum_i cost[i, c(i)] subject to #{i : c(i) = c} = size for every cluster c: a linear assignment
    problem in which every cluster's column is repeated `size` times, or a flow between the clusters.

    Args:
        cost: Finite costs; items = size * clusters.
        size: Items in a cluster.

    Raises:
        ValueError: If items != size * clusters.

    Cost: O(items^3) at worst for each replicate; as `transport` for hundreds of items in few clusters.

    References:
        Crouse, 2016, "On implementing 2D rectangular assignment algorithms" (scipy's solver).
    """
    items, clusters = cost.shape[-2:]
    if items != size * clusters:
        raise ValueError(f"items must equal size * clusters, got {items} items, size {size}, {clusters} clusters")
    flat = cost.reshape(-1, items, clusters)
    if cost.is_cuda and items <= _SMALL and _HAS_TRITON:
        return augmenting_paths(flat, size).reshape(cost.shape[:-1])
    # A quarter of a second that starting need not wait for.
    from scipy.optimize import linear_sum_assignment

    table = flat.cpu().numpy()
    if items > _LARGE and clusters <= _MOST_CLUSTERS:
        labels = transports(table, size, workers=_idle_cores() if cost.is_cuda else 1)
    else:
        labels = [linear_sum_assignment(problem.repeat(size, -1))[1] // size for problem in table]
    return torch.from_numpy(np.stack(labels)).to(cost.device).reshape(cost.shape[:-1])


def augmenting_paths(cost: Float[Tensor, "problems items clusters"], size: int) -> Int[Tensor, "problems items"]:
    """The same for many small problems side by side on a GPU, in one Triton kernel.

    Rows enter one after the other, each along the shortest augmenting path in reduced costs, found by Dijkstra's
    algorithm: about items^2 / 2 steps over the items at worst, in registers.

    References:
        Jonker and Volgenant, 1987, "A shortest augmenting path algorithm for dense and sparse linear
        assignment problems" (its augmentation phase).
    """
    kernel: Any = import_module("batching.algorithms.augmenting_paths").assignment_kernel

    problems, items, clusters = cost.shape
    labels = torch.zeros(problems, items, dtype=torch.long, device=cost.device)
    places = max(16, 1 << (items - 1).bit_length())
    with torch.cuda.device_of(cost):
        kernel[(problems,)](cost.contiguous(), labels, items, clusters, size, PLACES=places, num_warps=1)
    return labels


def transports(
    table: Float[np.ndarray, "replicates items clusters"], size: int, *, workers: int
) -> list[Int[np.ndarray, " items"]]:
    """`transport` for many problems, shared out to processes that stay for the next time.

    While embeddings are computed on a GPU the cores are idle; on a CPU they are not, so there it is one process.
    """
    if workers == 1 or len(table) < _FEW:
        return [transport(problem, size) for problem in table]
    from joblib import Parallel, delayed  # a tenth of a second that starting need not wait for

    found: Any = Parallel(n_jobs=min(workers, len(table)))(delayed(transport)(problem, size) for problem in table)
    return list(found)


def _idle_cores() -> int:
    """Cores that this process may use, 16 at most."""
    from joblib import cpu_count

    return min(16, cpu_count())


def transport(cost: Float[np.ndarray, "items clusters"], size: int) -> Int[np.ndarray, " items"]:
    """The same by successive shortest paths between clusters, for one problem.

    Every item begins in its cheapest cluster, which is optimal but for the sizes; prices of the clusters, that add
    the same to every balanced placement, make most clusters nearly full at once. While a cluster is overfull, items
    move along the cheapest chain of transfers from an overfull cluster to one with room: a transfer from a
    to b takes the item of a for which cost[i, b] - cost[i, a] is least. Each chain is found by Bellman and Ford's
    iteration over the clusters (a transfer may pay, a cycle of them cannot) and keeps the placement optimal for
    the sizes that it has.

    Cost: O(clusters^2) and some heap operations for each item that does not fit where it would go first.

    References:
        Ahuja, Magnanti and Orlin, 1993, "Network flows", Section 9.7 (successive shortest paths).
    """
    cost = cost.astype(np.float64)
    cost += _prices(cost, size)
    clusters = cost.shape[1]
    least = 1e-13 * np.abs(cost).max()  # a shorter way by less is rounding, and could close a cycle
    label = cost.argmin(1)
    count = np.bincount(label, minlength=clusters)
    waiting = [_sorted_transfers(cost, np.flatnonzero(label == a), a) for a in range(clusters)]
    price = np.array([[heap[0][0] if heap else np.inf for heap in heaps] for heaps in waiting])
    while (count > size).any():
        distance = np.where(count > size, 0.0, np.inf)
        before = np.full(clusters, -1)
        for _ in range(clusters):
            through = distance[:, None] + price
            by = through.argmin(0)
            nearer = through[by, range(clusters)]
            better = nearer < distance - least
            if not better.any():
                break
            distance[better], before[better] = nearer[better], by[better]
        end = int(np.where(count < size, distance, np.inf).argmin())
        count[end] += 1
        while (start := int(before[end])) >= 0:
            item = waiting[start][end][0][1]
            label[item] = end
            change = cost[item] - cost[item, end]
            for heap, value in zip(waiting[end], change.tolist(), strict=True):
                heapq.heappush(heap, (value, item))
            np.minimum(price[end], change, out=price[end])
            for b, heap in enumerate(waiting[start]):
                if heap and heap[0][1] == item:
                    while heap and label[heap[0][1]] != start:  # gone since it was listed
                        heapq.heappop(heap)
                    price[start, b] = heap[0][0] if heap else np.inf
            end = start
        count[end] -= 1
    return label


def _prices(cost: Float[np.ndarray, "items clusters"], size: int) -> Float[np.ndarray, " clusters"]:
    """Prices at which each cluster would be the cheapest for about `size` items: coordinate ascent of the dual.

    One cluster after the other gets the price at which exactly `size` items prefer it to all others at theirs.
    """
    n, clusters = cost.shape
    priced, price = cost.copy(), np.zeros(clusters)
    for _ in range(_PRICINGS if clusters > 1 else 0):
        for c in range(clusters):
            priced[:, c] = np.inf
            margin = priced.min(1) - cost[:, c]
            price[c] = np.partition(margin, (n - size - 1, n - size))[n - size - 1 : n - size + 1].mean()
            priced[:, c] = cost[:, c] + price[c]
    return price


def _sorted_transfers(cost: np.ndarray, members: np.ndarray, start: int) -> list[list[tuple[float, int]]]:
    """For each cluster what it costs to move each member there, the cheapest first; sorted lists are heaps."""
    change = cost[members] - cost[members, start, None]
    return [sorted(zip(column.tolist(), members.tolist(), strict=True)) for column in change.T]
