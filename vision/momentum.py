"""A second encoder that follows the trained one: where the keys of MoCo come from."""

from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vision.model import Encoder


class Follower:
    """theta' <- m theta' + (1 - m) theta after every update; no gradient reaches it.

    Its batch normalisation has running statistics of its own, and sees the batch in training.

    Args:
        model: What it follows, and begins equal to.
        momentum: m, in [0, 1]: 0.999 moves by a thousandth of the distance.

    References:
        He et al., 2020, Eq. (2), arXiv 1911.05722. (Their shuffling of batches between devices, which hides from
        a batch its own statistics, has nothing to shuffle on one device and is left out.)
    """

    def __init__(self, model: Encoder, momentum: float) -> None:
        """See the class."""
        self.model = deepcopy(model).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def encode(self, images: Float[Tensor, "n 3 height width"], *, raw: bool) -> Float[Tensor, "n dim"]:
        """Embeddings as in training, without gradients; unit rows unless `raw`."""
        self.model.train()
        return self.model.project(images) if raw else self.model(images)

    @torch.no_grad()
    def follow(self, model: Encoder) -> None:
        """Take one step after the model."""
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            list(self.model.parameters()), list(model.parameters()), 1 - self.momentum
        )

    def state_dict(self) -> dict[str, Any]:
        """The follower's weights and statistics."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.model.load_state_dict(state)
