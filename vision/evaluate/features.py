"""The images as they are, without augmentation, through an encoder that is not trained meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional

from vision.data import Images
from vision.model import Encoder


def features(encoder: Encoder, images: Images, *, size: int, batch_size: int = 500) -> Float32[Tensor, "n 512"]:
    """What the backbone gives for each image, which is what classifiers are trained on.

    Args:
        encoder: Its normalisation layers use their running statistics.
        images: On any device; they travel in batches.
        size: Side to which images are resized, in pixels; that of the views in training.
        batch_size: Images at a time.

    Raises:
        ValueError: If the encoder gives numbers that are not finite.
    """
    return _encoded(encoder, encoder.features, images.pixels, images, size, batch_size)


def embeddings(
    encoder: Encoder,
    images: Images,
    *,
    size: int,
    batch_size: int = 500,
    pixels: UInt8[Tensor, "n 3 side side"] | None = None,
) -> Float32[Tensor, "n dim"]:
    """What the head gives for each image, unit rows: what the contrastive loss compares.

    Args:
        encoder: As above.
        images: As above.
        size: As above.
        batch_size: As above.
        pixels: Encode these instead, with the images' mean and standard deviation.

    Raises:
        ValueError: If the encoder gives numbers that are not finite.
    """
    return _encoded(encoder, encoder, images.pixels if pixels is None else pixels, images, size, batch_size)


def prepared(
    pixels: UInt8[Tensor, "n 3 side side"], images: Images, *, size: int, device: torch.device
) -> Float32[Tensor, "n 3 {size} {size}"]:
    """Bytes as the encoder takes them: resized (bilinear, antialiased) where they have another size, normalised."""
    values = pixels.to(device, non_blocking=True).float() / 255
    if values.shape[-1] != size:
        values = functional.interpolate(values, size=(size, size), mode="bilinear", antialias=True)
    mean, std = (x.to(device).view(3, 1, 1) for x in (images.mean, images.std))
    return (values - mean) / std


@contextmanager
def evaluating(encoder: nn.Module) -> Iterator[None]:
    """Without gradients, and with running statistics; the encoder is left as it was."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.train(training)


def check_finite(values: Float[Tensor, "..."]) -> None:
    """Refuse an encoder that has diverged.

    Raises:
        ValueError: If a number is not finite.
    """
    if not torch.isfinite(values).all():
        raise ValueError(
            "an encoder must give finite numbers to be measured, but this one gives NaN or infinity: its training "
            "has diverged; take earlier weights, or train with a lower learning rate"
        )


def _encoded(
    encoder: Encoder,
    encode: Callable[[Tensor], Tensor],
    pixels: UInt8[Tensor, "n 3 side side"],
    images: Images,
    size: int,
    batch_size: int,
) -> Float32[Tensor, "n dim"]:
    device = next(encoder.parameters()).device
    with evaluating(encoder):
        parts = [encode(prepared(part, images, size=size, device=device)) for part in pixels.split(batch_size)]
    encoded = torch.cat(parts)
    check_finite(encoded)
    return encoded
