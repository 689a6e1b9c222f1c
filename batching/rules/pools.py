"""Work on pools that do not know of each other, shared out to processes."""

from collections.abc import Callable

import torch
import torch.distributed as dist
from jaxtyping import Int
from torch import Tensor

from losses.distributed import Group

Counts = dict[str, float]


def shared_out(
    work: Callable[[list[int]], tuple[Int[Tensor, "*replicates mine k batch"], Counts]],
    numbers: list[int],
    *,
    group: Group | None,
    at_once: int,
) -> tuple[Int[Tensor, "*replicates pools k batch"], Counts]:
    """The batches of these pools in their order, and all counts added up; the same in every process.

    Process r of W works on the pools r, r + W, ...; then all tell each other what came out, a few integers for
    each pair. Each pool is planned by one process alone, so that no difference in rounding between machines can
    make their plans differ.

    Args:
        work: Plans the pools with these numbers.
        numbers: Of the pools.
        group: The processes; None for this one alone.
        at_once: Pools that `work` is given at a time.
    """
    mine = numbers if group is None else numbers[dist.get_rank(group) :: dist.get_world_size(group)]
    done = [work(mine[start : start + at_once]) for start in range(0, len(mine), at_once)]
    counts: Counts = {}
    for _, more in done:
        add(counts, more)
    batches = torch.cat([batches for batches, _ in done], -3) if done else None
    if group is None:
        assert batches is not None
        return batches, counts
    told: list[tuple[list[int], Tensor | None, Counts] | None] = [None] * dist.get_world_size(group)
    dist.all_gather_object(told, (mine, None if batches is None else batches.cpu(), counts), group)
    by_number: dict[int, Tensor] = {}
    counts = {}
    for answer in told:
        assert answer is not None
        theirs, found, more = answer
        add(counts, more)
        if found is not None:
            by_number |= dict(zip(theirs, found.unbind(-3), strict=True))
    return torch.stack([by_number[number] for number in numbers], -3), counts


def add(total: Counts, more: Counts) -> None:
    """Add counts to counts, in place."""
    for name, count in more.items():
        total[name] = total.get(name, 0) + count
