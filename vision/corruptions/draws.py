"""Random numbers of each image: a function of (seed, corruption, severity, number of the image) alone."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from batching import derived_seed, normals, uniforms


@dataclass(frozen=True)
class Draws:
    """A stream of random numbers for each image; different purposes are independent."""

    streams: Int64[Tensor, " n"]

    @classmethod
    def of(cls, seed: int, name: str, severity: int, index: Int64[np.ndarray, " n"]) -> "Draws":
        """The streams of the images with these numbers, for one corruption at one severity."""
        return cls(derived_seed(seed, name, severity) ^ torch.from_numpy(index))

    def uniforms(self, purpose: str, *shape: int) -> Float64[np.ndarray, "n *each"]:
        """Numbers on [0, 1), so many for each image."""
        drawn = uniforms(self.streams, purpose, 0, int(np.prod(shape)))
        return drawn.numpy().reshape(-1, *shape)

    def normals(self, purpose: str, *shape: int) -> Float64[np.ndarray, "n *each"]:
        """Standard normal numbers, so many for each image."""
        drawn = normals(self.streams, purpose, 0, int(np.prod(shape)))
        return drawn.numpy().reshape(-1, *shape)
