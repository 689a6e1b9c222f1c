"""Balanced bisection: halve, and halve again, until the parts are batches."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def bisect(x: Float[Tensor, "pools n dim"], parts: int, *, iterations: int = 4) -> Int[Tensor, "pools parts size"]:
    """Cut each pool into equal parts of near rows, by balanced 2-means from the whole down.

    A node of c parts is split into ceil(c/2) and floor(c/2): its rows are sorted along the difference of the two
    halves' means, a few times over, beginning with the row farthest from the mean and the row farthest from that
    one. All nodes of a level, of all pools, are split side by side. Nothing is random; parts come in the order of
    the tree, so that those of a node, which are near each other, are consecutive.

    Args:
        x: Rows; n is a multiple of `parts`.
        parts: How many.
        iterations: Of the 2-means at each split.

    Raises:
        ValueError: If n is not a multiple of parts.

    Cost: O(n dim iterations log parts) and as many sorts of n numbers for each pool.

    References:
        Dahiya et al., 2023, "NGAME", arXiv 2207.04452, whose clusters are made so.
    """
    pools, n, dim = x.shape
    if parts < 1 or n % parts:
        raise ValueError(f"the number of rows must be a multiple of the number of parts, got {n} and {parts}")
    unit = n // parts
    index = torch.arange(n, device=x.device).expand(pools, 1, n)
    counts = [parts]
    while max(counts) > 1:
        real = _first(counts, unit, index.shape[-1], x.device)
        lower = [-(-c // 2) for c in counts]
        left = _first(lower, unit, index.shape[-1], x.device)
        rows = x.gather(1, index.reshape(pools, -1, 1).expand(-1, -1, dim)).reshape(*index.shape, dim)
        along = _two_means(rows.masked_fill_(~real[:, :, None], 0), real, left, iterations)
        index = index.gather(-1, along.masked_fill(~real, torch.inf).argsort(dim=-1, stable=True))
        index, counts = _children(index, counts, lower, unit)
    return index


def _first(counts: list[int], unit: int, width: int, device: torch.device) -> Tensor:
    """Which of `width` places the first counts * unit are."""
    return torch.arange(width, device=device) < torch.tensor(counts, device=device)[:, None] * unit


def _two_means(
    rows: Float[Tensor, "pools nodes m dim"], real: Tensor, left: Tensor, iterations: int
) -> Float[Tensor, "pools nodes m"]:
    """Coordinates along which the two halves are apart."""
    total = rows.sum(-2)
    size, n_left = real.sum(-1)[:, None], left.sum(-1)[:, None]
    n_right = (size - n_left).clamp(min=1)
    start = _farthest(rows, total / size, real)
    direction = start - _farthest(rows, start, real)
    along = (rows @ direction[..., None])[..., 0]
    for _ in range(iterations):
        order = along.masked_fill(~real, torch.inf).argsort(dim=-1, stable=True)
        side = torch.zeros_like(along).scatter_(-1, order, left.to(rows).expand_as(along))
        lower = (side[..., None, :] @ rows)[..., 0, :]
        along = (rows @ ((total - lower) / n_right - lower / n_left)[..., None])[..., 0]
    return along


def _farthest(rows: Tensor, point: Tensor, real: Tensor) -> Tensor:
    distance = rows.square().sum(-1) - 2 * (rows @ point[..., None])[..., 0]
    at = distance.masked_fill(~real, -torch.inf).argmax(-1, keepdim=True)
    return rows.gather(-2, at[..., None].expand(*at.shape, rows.shape[-1]))[..., 0, :]


def _children(index: Tensor, counts: list[int], lower: list[int], unit: int) -> tuple[Tensor, list[int]]:
    """The sorted rows of each node's two halves, as nodes of their own; empty halves are dropped."""
    halves = [
        (node, first, count)
        for node, (c, low) in enumerate(zip(counts, lower, strict=True))
        for first, count in ((0, low), (low, c - low))
        if count
    ]
    node, first, children = (list(column) for column in zip(*halves, strict=True))
    at = torch.tensor(first, device=index.device)[:, None] * unit
    at = at + torch.arange(max(children) * unit, device=index.device)
    return index[:, node].gather(-1, at.clamp(max=index.shape[-1] - 1).expand(len(index), -1, -1)), children
