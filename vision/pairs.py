"""Images as pairs: the two members are augmented views of one image."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from training import EncodedPairs
from vision.augmentation import Augmentation, two_views
from vision.data import Images
from vision.model import Encoder

Views = Literal["together", "separately"]

_EMBED_BATCH_SIZE = 256


class ImagePairs(EncodedPairs):
    """Pair i is two views of image i.

    Args:
        model: Encodes views.
        images: On the model's device.
        augmentation: Of the views.
        size: Of the views, in pixels.
        views: In training, batch normalisation sees both views of a batch "together", or one after the other,
            "separately", as the published code does; its statistics, and so the gradients, differ.
        seed: Of the augmentation.
        encode_batch_size: Pairs that go through the model at a time in training; None for whole batches.
        temperature: Of the diagnostics.
    """

    def __init__(
        self,
        model: Encoder,
        images: Images,
        *,
        augmentation: Augmentation,
        size: int,
        views: Views = "together",
        seed: int,
        encode_batch_size: int | None = None,
        temperature: float = 0.1,
    ) -> None:
        """See the class."""
        super().__init__(
            model,
            n_pairs=len(images),
            seed=seed,
            embed_batch_size=_EMBED_BATCH_SIZE,
            encode_batch_size=encode_batch_size,
            temperature=temperature,
        )
        self.images = images
        self.augmentation = augmentation
        self.size = size
        self.views: Views = views

    @override
    def encode(
        self, index: Int[Tensor, " n"], *, purpose: str
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        index = index.to(self.images.pixels.device)
        first, second = two_views(
            self.images.pixels[index],
            index,
            augmentation=self.augmentation,
            size=self.size,
            mean=self.images.mean,
            std=self.images.std,
            seed=self.seed,
            purpose=purpose,
            counter=self.update,
        )
        if self.views == "separately":
            return self.model(first), self.model(second)
        u, v = self.model(torch.cat([first, second])).chunk(2)
        return u, v
