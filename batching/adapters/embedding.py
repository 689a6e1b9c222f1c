"""Embeddings of any encoder in the form in which selection rules ask for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
import torch.distributed as dist
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from batching.plan import Embed
from losses.distributed import Group

Encode = Callable[[Int[Tensor, " n"]], tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]]
"""The embeddings (u, v), of any length, of the pairs with these numbers."""


def embed_with(
    encode: Encode, n_pairs: int, batch_size: int, *, model: nn.Module | None = None, group: Group | None = None
) -> Embed:
    """What rules take as `embed`, from a function that encodes a few pairs.

    Pairs are encoded a chunk at a time without gradients, and rows divided by their length. With a group each
    rank encodes an equal share, in equally many chunks, and gets the rows of all, in the order asked for and the
    same to the last bit. All ranks must ask, and for the same pairs, as they do through a `PlannedBatchSampler`; a
    rule that shares its pools out to a group itself asks for others on each rank, and needs this without one.

    Args:
        encode: Gets int64 indices on the CPU.
        n_pairs: The number of all pairs, encoded when a rule asks for all.
        batch_size: Pairs in a chunk.
        model: Set to evaluation mode meanwhile: no dropout, and no running statistics that move.
        group: Processes that share the work.

    Raises:
        ValueError: When called, if there is not a row for every pair, or one is not finite or has no direction,
            or ranks ask for different pairs; on all ranks.

    Cost: one forward pass of the pairs asked for, divided by the ranks.
    """
    if n_pairs < 1 or batch_size < 1:
        raise ValueError(f"n_pairs and batch_size must be at least 1, got {n_pairs} and {batch_size}")
    ranks, rank = (1, 0) if group is None else (group.size(), group.rank())

    def embed(
        index: Int[Tensor, "*replicates n"] | None,
    ) -> tuple[Float[Tensor, "*replicates n dim"], Float[Tensor, "*replicates n dim"]]:
        index = torch.arange(n_pairs) if index is None else index
        flat = index.flatten().cpu()
        share = -(-len(flat) // ranks)
        # The last shares are filled up with rows from the front, which are cut off again.
        mine = flat[torch.arange(rank * share, (rank + 1) * share) % len(flat)]
        with torch.no_grad(), evaluating(model) if model is not None else nullcontext():
            chunks = [_encoded(encode, chunk) for chunk in mine.split(batch_size)]
        if group is not None:
            _check_same(flat, group, chunks[0][0].device)
        sides = [torch.cat(side) for side in zip(*chunks, strict=True)]
        u, v = (
            _unit(_shared(side, group)[: len(flat)], flat, name) for side, name in zip(sides, "uv", strict=True)
        )
        return u.unflatten(0, index.shape), v.unflatten(0, index.shape)

    return embed


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every module has the mode that it had, frozen ones too."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _encoded(encode: Encode, index: Int[Tensor, " n"]) -> list[Tensor]:
    rows = [torch.as_tensor(side) for side in encode(index)]
    if len(rows) != 2 or rows[0].shape != rows[1].shape or rows[0].ndim != 2 or len(rows[0]) != len(index):
        raise ValueError(
            f"encode must return u and v of shape [{len(index)}, dim] for {len(index)} pairs, got "
            f"{[tuple(side.shape) for side in rows]}"
        )
    return [side.double() if side.dtype == torch.float64 else side.float() for side in rows]


def _check_same(index: Int[Tensor, " n"], group: Group, device: torch.device) -> None:
    """Ranks that ask for different pairs would get rows of each other's."""
    places = torch.arange(1, len(index) + 1)
    digest = torch.stack([places[-1], index.sum(), (index * places).sum()])[None].to(device)
    digests = _shared(digest, group)
    if (digests != digest).any():
        raise ValueError(
            f"processes that share the work must ask for the same pairs, got {digests[:, 0].tolist()} pairs, "
            "others on each; where the rule shares its pools out itself, leave the group out here"
        )


def _shared(rows: Shaped[Tensor, "n dim"], group: Group | None) -> Shaped[Tensor, "all dim"]:
    """The rows of all ranks, in the order of the ranks."""
    if group is None:
        return rows
    out = rows.new_empty(group.size() * len(rows), rows.shape[1])
    dist.all_gather_into_tensor(out, rows.contiguous(), group=group)
    return out


def _unit(rows: Float[Tensor, "n dim"], index: Int[Tensor, " n"], name: str) -> Float[Tensor, "n dim"]:
    bad = ~(rows.isfinite().all(-1) & (rows != 0).any(-1))
    if bad.any():
        first = int(bad.nonzero()[0, 0])
        raise ValueError(
            f"embeddings must be finite and not 0, got {rows[first].tolist()[:4]}... as {name} of pair "
            f"{index[first].item()}, the first of {int(bad.sum())} such rows; look at this pair and at the encoder"
        )
    # A row may be so short or long that the square of its length is not a number of its type.
    return functional.normalize(rows / rows.abs().amax(-1, keepdim=True), dim=-1)
