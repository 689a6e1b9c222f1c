"""Many texts through an encoder that is not trained meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from text.evaluate.search import check_numbers
from text.tokens import Tokens


def embedded(
    encoder: nn.Module,
    tokens: Tokens,
    index: Int64[np.ndarray, " n"] | None = None,
    *,
    batch_size: int = 256,
    may_stay: bool = False,
) -> Float32[Tensor, "n dim"]:
    """What the encoder gives for each text: without dropout and gradients, in batches of like length.

    Args:
        encoder: Tokens to unit rows, on its device; left as it is.
        tokens: On any device, or mapped from a file; they travel in batches.
        index: Numbers of the texts; None for all.
        batch_size: Texts at a time.
        may_stay: Keep the embeddings on the host where they would fill more than a quarter of the device's memory.

    Returns:
        Row i is text index[i].

    Raises:
        ValueError: If there are no texts, the batch size is not positive, or a number is not finite.
    """
    texts = torch.arange(len(tokens)) if index is None else torch.from_numpy(np.ascontiguousarray(index))
    if not len(texts) or batch_size < 1:
        raise ValueError(f"there must be texts and a positive batch_size, got {len(texts)} and {batch_size}")
    device = next((p.device for p in encoder.parameters()), tokens.ids.device)
    # The longest come first: if memory does not suffice, that is known at once.
    order = tokens.lengths[texts].argsort(descending=True, stable=True)
    found, broken = None, torch.zeros((), dtype=torch.bool, device=device)
    with evaluating(encoder):
        for batch in order.split(batch_size):
            rows = encoder(tokens.take(texts[batch]).to(device)).float()
            if found is None:
                found = torch.empty(len(texts), rows.shape[1], device=_where(rows, len(texts), may_stay=may_stay))
            broken |= ~rows.isfinite().all()
            found[batch.to(found.device)] = rows.to(found.device)
    assert found is not None
    check_numbers(broken)
    return found


@contextmanager
def evaluating(encoder: nn.Module) -> Iterator[None]:
    """Without dropout and gradients; the encoder is left as it was."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.train(training)


def _where(rows: Float32[Tensor, "_ dim"], n: int, *, may_stay: bool) -> torch.device:
    """Where n such rows are kept."""
    if may_stay and rows.device.type == "cuda":
        memory = torch.cuda.get_device_properties(rows.device).total_memory
        if n * rows.shape[1] * 4 > memory // 4:
            return torch.device("cpu")
    return rows.device
