"""From the host to a GPU without waiting for it."""

import torch
from jaxtyping import Shaped
from torch import Tensor

_PINNED_AT_MOST = 2**26
"""Bytes: torch keeps pinned memory for the next copy, and the system cannot use it meanwhile."""


def sent(x: Shaped[Tensor, "..."], device: torch.device | str) -> Shaped[Tensor, "..."]:
    """A tensor on a device; on the way from the host to a GPU, the host goes on at once.

    An ordinary copy there has the host wait until the GPU has done all that it was told before, and a training step
    that waits a few times keeps the GPU idle between its kernels. Copies of more than 64 MB are ordinary ones.
    """
    device = torch.device(device)
    if x.device.type != "cpu" or x.nbytes > _PINNED_AT_MOST:
        return x.to(device)  # to the host a copy must be waited for, or it would be read before it is there
    if device.type == "cuda" and x.numel():
        x = x.pin_memory()
    return x.to(device, non_blocking=True)
