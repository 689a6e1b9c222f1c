"""Losses that compare features across a batch instead of pairs: VICReg and Barlow Twins.

They have no negatives and no temperature; what keeps the embeddings apart is that every coordinate must vary and
that no two coordinates may vary together. So the coordinates matter: a common rotation of u and v leaves the other
losses as they are, and changes these. Embeddings are used as they come, normalised or not, and a batch needs at
least two pairs.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from losses.checks import check_not_negative, check_positive
from losses.distributed import Group, own
from losses.pairs import Batches, Reduction, paired, reduced

VarianceReduction = Literal["mean", "sum"]

# Added to a variance before its root is taken, as in the official codes, so a constant feature has a finite slope.
VICREG_EPS = 1e-4
BARLOW_EPS = 1e-5


def vicreg(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    variance_reduction: VarianceReduction = "mean",
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """VICReg: equal views, features that vary, features that do not vary together.

    L = invariance mean_i |u_i - v_i|^2 / D + variance (V(u) + V(v)) / 2 + covariance (C(u) + C(v)),
    V(x) = (1/D) sum_d relu(1 - sqrt(Var_d + 1e-4)),  C(x) = (1/D) sum_{c != d} Cov_cd^2, with D = dim and unbiased
    (n - 1) variances and covariances over the batch.

    The defaults are the paper's. The codes differ: the official one, lightly and pytorch-metric-learning average
    the two V as here; the paper's Eq. (6) and solo-learn sum them, which is `variance_reduction="sum"` and doubles
    that term. Eq. (5) of the paper does not divide by D, its code does.

    Not invariant under a common rotation of u and v. V asks every feature for a standard deviation of 1, so
    unnormalised embeddings are meant: those of unit rows are near 1 / sqrt(D) at best, and V never reaches 0. V and
    C belong to the batch as a whole: they are added to the value of every pair ("none") alike.

    Args:
        u: One view, any length.
        v: The other; row i belongs to row i of `u`.
        invariance: Weight of the distance between the views, >= 0.
        variance: Weight of V, >= 0.
        covariance: Weight of C, >= 0.
        variance_reduction: "mean" or "sum" of V over the two views.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.
        group: Processes that share the batch; V and C are those of the joint batch.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, a batch has fewer than two pairs (its variance does not exist), a weight
            is negative, `variance_reduction` is unknown, or `group` comes with batches or leading dimensions.

    References:
        Bardes, Ponce and LeCun, 2022, Eq. (1) to (6), arXiv 2105.04906.
    """
    check_not_negative(invariance=invariance, variance=variance, covariance=covariance)
    if variance_reduction not in get_args(VarianceReduction):
        raise ValueError(
            f"variance_reduction must be mean or sum, got {variance_reduction!r}: the official code has mean"
        )
    u, v = _batch_of_two_or_more(*paired(u, v, batches, group))
    of_views = 0.5 if variance_reduction == "mean" else 1.0
    distances = (u - v).square().mean(-1)
    hinges = of_views * (_variance_hinge(u) + _variance_hinge(v))
    correlated = _off_diagonal_energy(_covariance(u)) + _off_diagonal_energy(_covariance(v))
    of_batch = variance * hinges + covariance * correlated / u.shape[-1]
    return reduced(own(invariance * distances + of_batch[..., None], group), reduction)


def barlow_twins(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    weight: float = 0.0051,
    scale: float = 1.0,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """Barlow Twins: the cross-correlation of the features of both views should be the identity.

    L = scale [ sum_d (1 - C_dd)^2 + weight sum_{c != d} C_cd^2 ],  C = (1/n) sum_i zu_i zv_i^T, where z are the
    features standardised over the batch, (x - mean) / sqrt(Var + 1e-5), with biased (n) variances: batch
    normalisation.

    The default weight is the official code's (lightly: 0.005). A sum over D^2 entries grows with the dimension:
    `scale` is solo-learn's scale_loss, 0.025 there, and 1 in the official code. Not invariant under a common
    rotation of u and v, but under a change of scale and origin of every feature, as far as its variance is well
    above 1e-5; for unit rows, D well below 1e5. The whole value belongs to the batch: it is the value of every pair
    ("none").

    Args:
        u: One view, any length.
        v: The other; row i belongs to row i of `u`.
        weight: Of the entries off the diagonal, >= 0.
        scale: Of the whole loss, > 0.
        reduction: As in `vicreg`.
        batches: As in `vicreg`.
        group: As in `vicreg`; C is that of the joint batch, with the gradient of the joint batch.

    Raises:
        ValueError: If the shapes differ, a batch has fewer than two pairs, the weight is negative, the scale not
            positive, or `group` comes with batches or leading dimensions.

    References:
        Zbontar et al., 2021, Eq. (1) and (2), arXiv 2103.03230.
    """
    check_not_negative(weight=weight)
    check_positive(scale=scale)
    u, v = _batch_of_two_or_more(*paired(u, v, batches, group))
    with torch.autocast(u.device.type, enabled=False):
        correlation = _standardised(u).mT @ _standardised(v) / u.shape[-2]
    on_diagonal = (1 - correlation.diagonal(dim1=-2, dim2=-1)).square().sum(-1)
    of_batch = scale * (on_diagonal + weight * _off_diagonal_energy(correlation))
    return reduced(own(of_batch[..., None].expand(u.shape[:-1]), group), reduction)


def _batch_of_two_or_more(
    u: Tensor, v: Tensor
) -> tuple[Float[Tensor, "*lead n dim"], Float[Tensor, "*lead n dim"]]:
    if u.shape[-2] < 2:
        raise ValueError(
            f"the variance over a batch needs at least 2 pairs, got {u.shape[-2]}: "
            f"use larger batches, or drop the last one if it is incomplete"
        )
    return u, v


def _variance_hinge(x: Float[Tensor, "*lead n dim"]) -> Float[Tensor, "*lead"]:
    return (1 - (x.var(-2) + VICREG_EPS).sqrt()).relu().mean(-1)


def _covariance(x: Float[Tensor, "*lead n dim"]) -> Float[Tensor, "*lead dim dim"]:
    centred = x - x.mean(-2, keepdim=True)
    with torch.autocast(x.device.type, enabled=False):
        return centred.mT @ centred / (x.shape[-2] - 1)


def _standardised(x: Float[Tensor, "*lead n dim"]) -> Float[Tensor, "*lead n dim"]:
    if x.dim() == 2:
        return torch.nn.functional.batch_norm(x, None, None, training=True, eps=BARLOW_EPS)
    centred = x - x.mean(-2, keepdim=True)
    return centred * (centred.square().mean(-2, keepdim=True) + BARLOW_EPS).rsqrt()


def _off_diagonal_energy(x: Float[Tensor, "*lead dim dim"]) -> Float[Tensor, "*lead"]:
    """The sum of squares without the diagonal, which would drown it if it were added and taken off again."""
    diagonal = torch.eye(x.shape[-1], dtype=torch.bool, device=x.device)
    return x.masked_fill(diagonal, 0.0).square().sum((-2, -1))
