"""Retrieval: does one view of an image find the other among the views of all images?"""

from dataclasses import dataclass

from losses import positive_ranks, recall_at
from vision.pairs import ImagePairs


@dataclass(frozen=True)
class Retrieval:
    """Fractions in [0, 1] of the queries whose nearest neighbour, by inner product, is their partner."""

    u_to_v: float
    """First views ask, second views answer."""
    v_to_u: float
    n: int
    """Images, so that guessing scores 1/n."""

    @property
    def recall_at_1(self) -> float:
        """The mean of both directions."""
        return (self.u_to_v + self.v_to_u) / 2


def retrieve(pairs: ImagePairs) -> Retrieval:
    """Top-1 retrieval of one augmented view from the other.

    The views are a function of the pairs' seed, so that encoders are compared on the same ones. Normalisation
    layers use their running statistics.

    Args:
        pairs: Held-out images, at least 2.

    References:
        Cho et al., 2024, arXiv 2307.05906, whose code measures it on the training images unless told otherwise.
    """
    u, v = pairs.embed(None)
    return Retrieval(recall_at(positive_ranks(u, v), 1), recall_at(positive_ranks(v, u), 1), pairs.n_pairs)
