"""How embeddings lie on the sphere, and how often a batch's negatives are of the anchor's class."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int, Int64
from torch import Tensor

from batching import purity
from losses import diagnostics
from vision.augmentation import Augmentation
from vision.evaluate.features import check_finite
from vision.evaluate.result import Result
from vision.pairs import ImagePairs


@dataclass(frozen=True, kw_only=True)
class Geometry(Result):
    """Of the two views' embeddings."""

    MEASURED: ClassVar[tuple[str, ...]] = ("alignment", "uniformity", "effective_rank")

    alignment: float
    """Mean of |u_i - v_i|^2, in [0, 4]: 0 is perfect."""
    uniformity: float
    """Log of the mean of e^{-2 |x_i - x_j|^2} over i != j of a view, mean of both views: 0 is one point, lower is
    more uniform."""
    effective_rank: float
    """e^H of the singular values divided by their sum, H the entropy: dimensions in use."""
    n: int
    images: str
    augmentation: Augmentation
    size: int
    seed: int
    """Of the views."""


def geometry(
    pairs: ImagePairs, embedded: tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]] | None = None
) -> Geometry:
    """Alignment and uniformity of held-out images, and the rank that their first views have.

    Args:
        pairs: At least two images.
        embedded: What `pairs.embed(None)` gave, if that is known already.

    References:
        Wang and Isola, 2020, Section 4 (alpha = 2, t = 2), arXiv 2005.10242; Roy and Vetterli, 2007 (effective
        rank); Garrido et al., 2023 (as a measure of an encoder), arXiv 2210.02885.
    """
    u, v = pairs.embed(None) if embedded is None else embedded
    check_finite(u)
    check_finite(v)
    found = diagnostics(u, v, temperature=pairs.temperature)
    return Geometry(
        alignment=found.alignment.item(),
        uniformity=found.uniformity.item(),
        effective_rank=found.effective_rank.item(),
        n=pairs.n_pairs,
        images=pairs.images.name,
        augmentation=pairs.augmentation,
        size=pairs.size,
        seed=pairs.seed,
    )


@dataclass(frozen=True, kw_only=True)
class Collisions(Result):
    """Shares, in [0, 1], of the negatives that are of the anchor's class: false ones, if classes are the truth."""

    MEASURED: ClassVar[tuple[str, ...]] = ("rate", "rate_at_random")

    rate: float
    """In the batches of a plan."""
    rate_at_random: float
    """In random batches of the same images."""
    batch_size: int
    n_batches: int
    n_images: int
    """In the batches, each counted once."""


def collisions(batches: Int[Tensor, "n_batches batch"], labels: Int64[Tensor, " n"]) -> Collisions:
    """How often two members of a batch are of one class.

    Random batches of n images have sum_c n_c (n_c - 1) / (n (n - 1)), n_c images of class c.

    Args:
        batches: Of a plan.
        labels: Of all images.

    References:
        Chuang et al., 2020 (false negatives as a bias of the loss), arXiv 2007.00224.
    """
    members = batches.unique().to(labels.device)
    sizes = labels[members].bincount().double()
    n = len(members)
    return Collisions(
        rate=purity(batches, labels),
        rate_at_random=((sizes * (sizes - 1)).sum() / max(1, n * (n - 1))).item(),
        batch_size=batches.shape[1],
        n_batches=batches.shape[0],
        n_images=n,
    )
