"""Hinge losses of Euclidean distances: what is nearer than a margin is pushed away, the rest is left alone.

    name           loss of an anchor u_i
    triplet        mean over its negatives of relu( d(u_i, v_i) - d(u_i, n) + margin )
    contrastive    d(u_i, v_i)^2 / 2 + mean over its negatives of relu( margin - d(u_i, n) )^2 / 2

The negatives n are the other rows of v, or given. Distances of unit rows lie between 0 and 2 (orthogonal rows:
1.41), their squares between 0 and 4: margins of other people's code are often in other units.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pairwise_distance, relu

from losses.distributed import Group, own
from losses.pairs import Batches, Reduction, at_batches, paired, reduced

Mining = Literal["all", "hardest", "semi_hard"]
"""Which triplets of an anchor count."""


def triplet(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    margin: float = 0.2,
    negatives: Float[Tensor, "*lead n dim"] | None = None,
    mining: Mining = "all",
    squared: bool = False,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """The triplet loss: the positive shall be nearer than any negative, by a margin. Anchors in u.

    L = (1/B) sum_i mean_n relu( d(u_i, v_i) - d(u_i, n) + margin ), d the Euclidean distance, n over
    the v_j with j != i. `mining` chooses among the triplets of an anchor:

        "all"        every negative, also those that are far enough (they count as 0 in the mean)
        "hardest"    the nearest negative alone
        "semi_hard"  those farther than the positive, but by less than the margin; 0 where there are none

    The default margin is FaceNet's, whose distances are squared (`squared=True` for its very loss) and whose
    triplets are semi-hard; Hermans et al. find plain distances to be the more robust. Of other code,
    torch.nn.TripletMarginLoss (margin 1) and sentence-transformers' TripletLoss (5) equal this with given
    `negatives`; pytorch-metric-learning (0.05) and the batch-all loss average over the triplets above 0 only.
    "hardest" is batch-hard where each anchor has one positive.

    Coinciding rows have distance 0 and give no slope. A batch of one pair has no negatives: 0.

    Args:
        u: The anchors.
        v: Row i is the positive of row i of `u`.
        margin: By how much; not negative, in units of d (of d^2 if `squared`).
        negatives: Row i is the one negative of anchor i, instead of those in the batch; cut along with `batches`.
        mining: Which triplets of an anchor count.
        squared: Whether d is the square of the distance.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.
        group: Processes that share the batch; nothing is exchanged where the negatives are given.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, the margin is negative, or there is no such mining.

    References:
        Schroff et al., 2015, Sections 3.1 and 3.2, arXiv 1503.03832; Hermans et al., 2017, Section 2, arXiv
        1703.07737.
    """
    _check_margin(margin)
    if mining not in get_args(Mining):
        raise ValueError(f"mining must be one of {', '.join(get_args(Mining))}, got {mining!r}")
    if negatives is not None:
        _check_rows("negatives", negatives, u.shape)
        n = paired(u, negatives, batches)[1]
        u, v = paired(u, v, batches)
        near, far = _distance(u, v), _distance(u, n)
        gap = near.square() - far.square() if squared else near - far
        hinge = relu(gap + margin)
        return reduced(torch.where(far > near, hinge, 0) if mining == "semi_hard" else hinge, reduction)
    u, v = paired(u, v, batches, group)
    near, far = _distance(u, v)[..., None], _distances(u, v)
    if squared:
        near, far = near.square(), far.square()
    return reduced(own(_mined(near, far, _others(far), margin, mining), group), reduction)


def contrastive(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    margin: float = 1.0,
    same: Bool[Tensor, "*lead n"] | None = None,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """The contrastive loss: partners together, the others at least a margin apart.

    With d the Euclidean distance and y = 1 for partners, 0 otherwise, a pair of rows costs
    ( y d^2 + (1 - y) relu(margin - d)^2 ) / 2.

    With `same`, row i of u and v is one labelled pair, and L is the mean of these costs. Without, every anchor u_i
    has its partner and the mean over its negatives:
    L = (1/B) sum_i [ d(u_i, v_i)^2 / 2 + (1/(B-1)) sum_{j != i} relu(margin - d(u_i, v_j))^2 / 2 ].

    The source leaves the margin open; 1 reaches negatives of cosine above 0.5. For `same` the loss is that of
    sentence-transformers' `ContrastiveLoss` with its Euclidean distance; by default that has d = 1 - cosine, and
    its margin 0.5 is then a Euclidean 1. pytorch-metric-learning's loss has margin 1, no squares and no 1/2, and
    averages over terms above 0. Rows that coincide give no slope: negatives
    that lie on the anchor stay there. A batch of one pair has no negatives: its positive term is left.

    Args:
        u: Unit rows, the anchors.
        v: Unit rows; row i is the partner of row i of `u` unless `same` says otherwise.
        margin: How far negatives shall be, in Euclidean distance; not negative.
        same: Whether row i of `u` and `v` belong together; cut along with `batches`.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.
        group: Processes that share the batch; nothing is exchanged where `same` is given.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, or the margin is negative.

    References:
        Hadsell, Chopra and LeCun, 2006, Eq. (4), CVPR (there Y = 1 marks what is dissimilar).
    """
    _check_margin(margin)
    if same is None:
        u, v = paired(u, v, batches, group)
        near, far = _distance(u, v), _distances(u, v)
        hinge = relu(margin - far).square()
        per_pair = (near.square() + _mean_over(hinge, _others(far))) / 2
        return reduced(own(per_pair, group), reduction)
    _check_rows("same", same, u.shape[:-1])
    if batches is not None:
        same = at_batches(same, batches)
    u, v = paired(u, v, batches)
    near = _distance(u, v)
    return reduced(torch.where(same, near.square(), relu(margin - near).square()) / 2, reduction)


def _mined(
    near: Float[Tensor, "*lead n 1"],
    far: Float[Tensor, "*lead n keys"],
    keep: Bool[Tensor, "*any n keys"],
    margin: float,
    mining: Mining,
) -> Float[Tensor, "*lead n"]:
    """The loss of each anchor, from its distance to the positive and to each of its negatives."""
    hinge = relu(near - far + margin)
    if mining == "hardest":  # the largest hinge is that of the nearest negative
        return torch.where(keep, hinge, 0).amax(-1)
    if mining == "semi_hard":
        keep = keep & (far > near) & (hinge > 0)
    return _mean_over(hinge, keep)


def _mean_over(x: Float[Tensor, "*lead n keys"], keep: Bool[Tensor, "*any n keys"]) -> Float[Tensor, "*lead n"]:
    """The mean of what is kept; 0 where that is nothing."""
    return torch.where(keep, x, 0).sum(-1) / keep.sum(-1).clamp(min=1)


def _others(x: Float[Tensor, "*lead n n"]) -> Bool[Tensor, "n n"]:
    """All pairs of rows but the diagonal."""
    return ~torch.eye(x.shape[-1], dtype=torch.bool, device=x.device)


def _distance(x: Float[Tensor, "*lead n dim"], y: Float[Tensor, "*lead n dim"]) -> Float[Tensor, "*lead n"]:
    """Row by row; the slope at 0 is 0."""
    return pairwise_distance(x, y, eps=0.0)


def _distances(x: Float[Tensor, "*lead n dim"], y: Float[Tensor, "*lead m dim"]) -> Float[Tensor, "*lead n m"]:
    """Every row of x to every row of y, without n x m x dim numbers on the way; off by 3e-4 near 0 in float32."""
    with torch.autocast(x.device.type, enabled=False):
        inner = x @ y.mT
    return _root(x.square().sum(-1)[..., :, None] + y.square().sum(-1)[..., None, :] - 2 * inner)


def _root(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The square root, 0 with slope 0 where x is not positive."""
    there = x > 0
    return torch.where(there, torch.where(there, x, 1).sqrt(), 0)


def _check_margin(margin: float) -> None:
    if not margin >= 0:
        raise ValueError(f"margin must not be negative, got {margin}; 0.2 to 1 is usual for unit rows")


def _check_rows(name: str, x: Tensor, shape: torch.Size) -> None:
    if x.shape != shape:
        raise ValueError(f"{name} must have one entry for each pair, {tuple(shape)}; got {tuple(x.shape)}")


__all__ = ["Mining", "contrastive", "triplet"]
