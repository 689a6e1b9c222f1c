"""Retrieval: does one view of an image find the other among the views of all images?"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from losses import positive_ranks, recall_at
from vision.augmentation import Augmentation
from vision.evaluate.features import check_finite
from vision.evaluate.result import Result
from vision.pairs import ImagePairs


@dataclass(frozen=True, kw_only=True)
class Retrieval(Result):
    """Fractions in [0, 1] of the queries whose nearest neighbour, by inner product, is their partner."""

    MEASURED: ClassVar[tuple[str, ...]] = ("recall_at_1", "u_to_v", "v_to_u")

    u_to_v: float
    """First views ask, second views answer."""
    v_to_u: float
    n: int
    """Images, so that guessing scores 1/n."""
    images: str
    """Their data set."""
    augmentation: Augmentation
    size: int
    """Of the views, in pixels."""
    seed: int
    """Of the views."""
    features: str = "head, unit length"

    @property
    def recall_at_1(self) -> float:
        """The mean of both directions."""
        return (self.u_to_v + self.v_to_u) / 2


def retrieve(
    pairs: ImagePairs, embedded: tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]] | None = None
) -> Retrieval:
    """Top-1 retrieval of one augmented view from the other.

    The views are a function of the pairs' seed, so that encoders are compared on the same ones. Normalisation
    layers use their running statistics (if the pairs' `feature_mode` is "eval").

    Args:
        pairs: Held-out images, at least 2.
        embedded: What `pairs.embed(None)` gave, if that is known already.

    Raises:
        ValueError: If the encoder gives numbers that are not finite.

    Cost: 2 n^2 dim multiplications; memory of 1024 n similarities.

    References:
        Cho et al., 2024, arXiv 2307.05906, whose code measures it on the training images unless told otherwise.
    """
    u, v = pairs.embed(None) if embedded is None else embedded
    check_finite(u)
    check_finite(v)
    return Retrieval(
        u_to_v=recall_at(positive_ranks(u, v), 1),
        v_to_u=recall_at(positive_ranks(v, u), 1),
        n=pairs.n_pairs,
        images=pairs.images.name,
        augmentation=pairs.augmentation,
        size=pairs.size,
        seed=pairs.seed,
    )
