"""Clusters of exactly equal size: the assignment of least total cost."""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

_SMALL = 64
"""Problems up to this size are solved side by side on a GPU; larger ones one by one on the CPU."""


def balanced_assignment(
    cost: Float[Tensor, "*replicates items clusters"], size: int
) -> Int[Tensor, "*replicates items"]:
    """Which cluster each item goes to, `size` items to every cluster, at the least total cost; exact.

    minimise sum_i cost[i, c(i)] subject to #{i : c(i) = c} = size for every cluster c: a linear assignment
    problem in which every cluster's column is repeated `size` times.

    Args:
        cost: Finite costs; items = size * clusters.
        size: Items in a cluster.

    Raises:
        ValueError: If items != size * clusters.

    Cost: O(items^3) at worst for each replicate.

    References:
        Crouse, 2016, "On implementing 2D rectangular assignment algorithms" (scipy's solver).
    """
    items, clusters = cost.shape[-2:]
    if items != size * clusters:
        raise ValueError(f"items must equal size * clusters, got {items} items, size {size}, {clusters} clusters")
    square = cost.repeat_interleave(size, dim=-1)
    flat = square.reshape(-1, items, items)
    if cost.is_cuda and items <= _SMALL:
        columns = shortest_augmenting_paths(flat)
    else:
        table = flat.cpu().numpy()
        columns = torch.from_numpy(np.stack([linear_sum_assignment(problem)[1] for problem in table]))
    return (columns.to(cost.device) // size).reshape(cost.shape[:-1])


def shortest_augmenting_paths(cost: Float[Tensor, "problems n n"]) -> Int[Tensor, "problems n"]:
    """The column of each row in the assignment of least total cost, for many small problems side by side.

    Rows enter one after the other, each along the shortest augmenting path in reduced costs
    (cost - row_price - column_price >= 0, with equality on assigned entries), found by Dijkstra's algorithm.
    A problem whose path is complete waits for the others, so that all share every kernel.

    Cost: O(n^3) for each problem, about 10 n^2 kernels altogether.

    References:
        Jonker and Volgenant, 1987, "A shortest augmenting path algorithm for dense and sparse linear
        assignment problems" (its augmentation phase).
    """
    problems, n = cost.shape[:2]
    each = torch.arange(problems, device=cost.device)
    row_price = cost.new_zeros(problems, n + 1)  # entry n stands for "no row"
    column_price = cost.new_zeros(problems, n)
    row_of = torch.full((problems, n + 1), n, device=cost.device)  # the row in each column; column n: the new row
    for new_row in range(n):
        row_of[:, n] = new_row
        distance = torch.full_like(column_price, torch.inf)
        previous = torch.full((problems, n), n, device=cost.device)  # the column before each on its path
        visited = torch.zeros(problems, n, dtype=torch.bool, device=cost.device)
        column = torch.full((problems,), n, device=cost.device)
        reached = cost.new_zeros(problems)
        open_ = torch.ones(problems, dtype=torch.bool, device=cost.device)
        for _ in range(new_row + 1):
            row = row_of[each, column]
            through = (
                reached[:, None] + cost[each, row.clamp(max=n - 1)] - row_price[each, row, None] - column_price
            )
            better = open_[:, None] & ~visited & (through < distance)
            distance = torch.where(better, through, distance)
            previous = torch.where(better, column[:, None], previous)
            nearest, at = distance.masked_fill(visited, torch.inf).min(1)
            column = torch.where(open_, at, column)
            reached = torch.where(open_, nearest, reached)
            open_ = open_ & (row_of[each, column] < n)
            visited[each, column] |= open_  # the last column of a path is not part of its tree
        # Prices: what was reached early becomes dearer by the distance that was left.
        saved = torch.where(visited, reached[:, None] - distance, 0.0)
        column_price = column_price - saved
        row_price[:, new_row] += reached
        row_price.scatter_add_(1, row_of[:, :n], torch.where(visited, saved, 0.0))
        row_price[:, n] = 0
        for _ in range(new_row + 1):  # back along the path; column n, where it began, stays put
            on_path = column < n
            before = torch.where(on_path, previous[each, column.clamp(max=n - 1)], n)
            row_of[each, column] = torch.where(on_path, row_of[each, before], row_of[each, column])
            column = before
    result = torch.empty(problems, n, dtype=torch.long, device=cost.device)
    return result.scatter_(1, row_of[:, :n], torch.arange(n, device=cost.device).expand(problems, n))
