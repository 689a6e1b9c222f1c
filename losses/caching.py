"""Large batches through a small memory: the encoder in chunks, the loss over the whole batch.

A contrastive loss does not split over micro-batches as others do: gradient accumulation has the negatives of a
micro-batch only. But its gradient factors into the gradient at the embeddings, which is small, and that of the
encoder, which is a sum over rows and does split.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

Inputs = TypeVar("Inputs")
Encode = Callable[[Inputs], tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]]


def cached_backward(
    encode: Encode[Inputs],
    chunks: Sequence[Inputs],
    loss: Callable[..., Float[Tensor, ""]],
    *,
    scale: float = 1.0,
    no_sync: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Float[Tensor, ""]:
    """Adds the gradient of the loss of a whole batch to the parameters', with one chunk's graph at a time.

        u, v = encode(all chunks)                  without a graph
        du, dv = d loss(u, v) / d (u, v)
        for each chunk: encode again, with a graph, and pull du, dv back through it

    The same gradient as `(scale * loss(*encode(everything))).backward()`, up to rounding, if rows do not influence
    each other in the encoder; batch normalisation sees chunks, and updates its running statistics twice. What is
    random (dropout) draws the same numbers in both passes.

    A parameter of the loss (a learned temperature) has its gradient before the encoder has: with several processes
    give it a `DistributedDataParallel` of its own; the encoder's would wait for it in vain and average nothing.

    Args:
        encode: From a chunk of inputs to its unit embeddings (u, v).
        chunks: The inputs, cut up.
        loss: Of (u, v), any one: a function, a bound loss, a module.
        scale: Multiplies the loss (of a gradient scaler, or of accumulation).
        no_sync: `DistributedDataParallel.no_sync`, so that gradients travel once, with the last chunk.

    Returns:
        The loss, detached.

    Cost: one forward pass more than the batch in one piece.

    References:
        Gao et al., 2021, "Scaling deep contrastive learning batch size under memory limited setup", Section 3,
        arXiv 2101.06983.
    """
    if not len(chunks):
        raise ValueError("there must be at least one chunk to encode, got none")
    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(_RandomState())
            parts.append(encode(chunk))
    u, v = (torch.cat(views).requires_grad_() for views in zip(*parts, strict=True))
    value = loss(u, v)
    if value.dim():
        raise ValueError(f"the loss must be one number, got shape {tuple(value.shape)}: use a reduction")
    (scale * value).backward()
    sizes = [len(part[0]) for part in parts]
    slopes = zip(*(_slope(view).split(sizes) for view in (u, v)), strict=True)
    after = _RandomState()
    for i, (chunk, slope, state) in enumerate(zip(chunks, slopes, states, strict=True)):
        state.restore()
        with nullcontext() if i == len(chunks) - 1 else no_sync():
            trained = [(x, dx) for x, dx in zip(encode(chunk), slope, strict=True) if x.requires_grad]
            views, given = zip(*trained, strict=True)  # a frozen tower has no graph
            torch.autograd.backward(views, given)
    after.restore()
    return value.detach()


def _slope(view: Tensor) -> Tensor:
    """Its gradient; 0 where the loss takes the view for a constant, as MoCo's does its keys."""
    return torch.zeros_like(view) if view.grad is None else view.grad


class _RandomState:
    """Of torch's generators, on the CPU and on the current GPU."""

    def __init__(self) -> None:
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)
