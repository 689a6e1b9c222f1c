"""Losses made of a function of each pair's distance: alignment and uniformity, kernel and spectral losses.

Every one is an attraction of the two views of a pair plus an energy of the pairs among each other, without a
logarithm around both: the two terms do not share a denominator, and the energy of a batch is an unbiased estimate
of the energy of all pairs (of the kernel losses; the uniformity has a logarithm of its own).
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from losses.checks import check_not_negative, check_positive
from losses.distributed import Group, own
from losses.negatives import own_view_log_sums
from losses.numerics import in_full_precision, row_sum
from losses.pairs import Batches, Reduction, paired, reduced

Kernel = Literal["gaussian", "imq", "log", "riesz"]

RIESZ_SMOOTHING = 1e-4
"""Added to the squared distance in the Riesz kernel: for s = 2, at most 1e4, and 5e-5 too small at right angles."""


def alignment(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    alpha: float = 2.0,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """How far apart the views of a pair are: mean_i |u_i - v_i|^alpha.

    For unit rows and alpha = 2 it is 2 - 2 mean_i u_i.v_i, the loss of BYOL without its networks. It has no
    negatives; alone, it is minimised by a collapse. alpha = 2 is the authors' default. At u_i = v_i the gradient is
    0 for every alpha; below alpha = 1 it grows without bound on the way there.

    Args:
        u: One view.
        v: The other; row i belongs to row i of `u`.
        alpha: Power of the distance, > 0.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.
        group: Processes that share the batch; the result is then over this rank's pairs.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, a setting is out of its range, or `group` comes with batches or leading
            dimensions.

    References:
        Wang and Isola, 2020, Section 4.1, arXiv 2005.10242.
    """
    check_positive(alpha=alpha)
    u, v = paired(u, v, batches, group)
    return reduced(own(_distance_power(u, v, alpha), group), reduction)


def uniformity(x: Float[Tensor, "*lead n dim"], *, t: float = 2.0) -> Float[Tensor, "*lead"]:
    """How evenly the rows of one view are spread: log mean_{i<j} e^{-t |x_i - x_j|^2}.

    A measure of one view of unit rows, not a loss of pairs: 0 where all rows are equal, and at least -4t. Computed
    in log space, so it stays finite where every term underflows. A single row has no distances: 0. t = 2, the
    inverse width of the Gaussian, is the authors' default.

    Raises:
        ValueError: If t is not positive.

    References:
        Wang and Isola, 2020, Section 4.1, arXiv 2005.10242.
    """
    check_positive(t=t)
    x = in_full_precision(x)
    n = x.shape[-2]
    if n == 1:
        return (x * 0).sum((-2, -1))
    # For unit rows |x - y|^2 = 2 - 2 x.y, so that only products are needed.
    return own_view_log_sums(x, 2 * t).logsumexp(-1) - 2 * t - math.log(n * (n - 1))


def align_uniform(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    alpha: float = 2.0,
    t: float = 2.0,
    weight: float = 1.0,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """Alignment plus uniformity: mean_i |u_i - v_i|^alpha + weight (uniformity(u) + uniformity(v)) / 2.

    alpha = t = 2 are the authors' defaults; the weight, >= 0, they leave to the user. lightly's `HypersphereLoss`
    is this with t = 1 and weight 1, on rows that it normalises. The uniformity belongs to the (joint) batch as a
    whole: it is added to the value of every pair ("none") alike. A single pair has uniformity 0. Arguments, result
    and errors as for `alignment` and `uniformity`.

    References:
        Wang and Isola, 2020, Section 4.1, arXiv 2005.10242.
    """
    check_positive(alpha=alpha, t=t)
    check_not_negative(weight=weight)
    u, v = paired(u, v, batches, group)
    spread = (uniformity(u, t=t) + uniformity(v, t=t)) / 2
    per_pair = _distance_power(u, v, alpha) + weight * spread[..., None]
    return reduced(own(per_pair, group), reduction)


def kcl(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    kernel: Kernel = "gaussian",
    parameter: float = 2.0,
    gamma: float = 16.0,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """Kernel contrastive loss: the kernel between the views of a pair, against the kernel energy of each view.

    L = -mean_i k(u_i, v_i) + gamma (E(u) + E(v)) / 2,   E(x) = mean_{i != j} k(x_i, x_j), with d = |x - y| and

        kernel      parameter     k(x, y)
        gaussian    t > 0         e^{-t d^2}
        imq         c > 0         c / sqrt(c^2 + d^2)
        log         s > 0         -1/2 log(1 + s d^2)
        riesz       s > 0         (d^2 + 1e-4)^{-s/2}
                    -2 < s < 0    -(d^2 + 1e-4)^{-s/2}

    The Riesz kernel proper, without 1e-4 (`RIESZ_SMOOTHING`), is infinite at d = 0, where the attraction would
    drive it. The kernel, parameter and gamma (>= 0) are the defaults of the authors' code. That code returns 2 L
    for gaussian, imq and (unsmoothed) riesz; for log, where its attraction lacks the 1/2 that its energy has, it
    returns 4 L for half its gamma.

    The value of a pair ("none") holds the energy of its own rows, mean_{j != i} k(u_i, u_j), and of v alike. A
    single pair has no energy: L = -k(u_1, v_1). Other arguments, result and errors as for `alignment`; with `group`
    the energy is over the joint batch.

    References:
        Koromilas et al., 2024, arXiv 2405.18045.
    """
    _check_kernel(kernel, parameter)
    check_not_negative(gamma=gamma)
    u, v = paired(u, v, batches, group)
    k = _KERNELS[kernel]
    singular = kernel == "riesz"  # there the rounding of products would decide what duplicates are worth
    energy_u, energy_v = (_mean_off_diagonal(k(_squared_distances(x, exact=singular), parameter)) for x in (u, v))
    attraction = k((u - v).square().sum(-1), parameter)
    return reduced(own(gamma * (energy_u + energy_v) / 2 - attraction, group), reduction)


def spectral_contrastive(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """Spectral contrastive loss: L = -2 mean_i u_i.v_i + mean_{i != j} (u_i.v_j)^2.

    Negatives between the views only, and no temperature. At least -2 for unit rows, which orthonormal u = v attain.
    The paper's embeddings have any length; its code caps them at sqrt(mu) and divides by mu, which is the same for
    unit rows and mu = 1. The value of a pair ("none") is that of anchor u_i against all v_j. A single pair has no
    negatives: -2 u_1.v_1. Arguments, result and errors as for `alignment`.

    References:
        HaoChen et al., 2021, Lemma 3.2, arXiv 2106.04156.
    """
    u, v = paired(u, v, batches, group)
    with torch.autocast(u.device.type, enabled=False):
        similarities = u @ v.mT
    positives = similarities.diagonal(dim1=-2, dim2=-1)
    per_pair = _mean_off_diagonal(similarities.square()) - 2 * positives
    return reduced(own(per_pair, group), reduction)


_KERNELS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "gaussian": lambda squared, t: (-t * squared).exp(),
    "imq": lambda squared, c: c * (c**2 + squared).rsqrt(),
    "log": lambda squared, s: -0.5 * (s * squared).log1p(),
    "riesz": lambda squared, s: math.copysign(1, s) * (squared + RIESZ_SMOOTHING).pow(-s / 2),
}


def _check_kernel(kernel: str, parameter: float) -> None:
    if kernel not in _KERNELS:
        raise ValueError(
            f"kernel must be one of {', '.join(get_args(Kernel))}; got {kernel!r}: choose one of these"
        )
    if kernel == "riesz" and not (parameter > -2 and parameter != 0):
        raise ValueError(
            f"the parameter s of the riesz kernel must be above -2 and not 0, got {parameter}; "
            f"2 is usual, and below -2 two opposite points beat an even spread"
        )
    if kernel != "riesz":
        check_positive(parameter=parameter)


def _distance_power(
    u: Float[Tensor, "*lead n dim"], v: Float[Tensor, "*lead n dim"], alpha: float
) -> Float[Tensor, "*lead n"]:
    """|u_i - v_i|^alpha; the slope at 0 is 0, also where that of the power is infinite."""
    squared = (u - v).square().sum(-1)
    if alpha >= 2:
        return squared.pow(alpha / 2)
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1.0).pow(alpha / 2), 0.0)


def _squared_distances(x: Float[Tensor, "*lead n dim"], *, exact: bool = False) -> Float[Tensor, "*lead n n"]:
    """|x_i - x_j|^2, from products (fast, rounded at the scale of |x|^2) or from differences."""
    with torch.autocast(x.device.type, enabled=False):
        if exact:
            return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square()
        products = x @ x.mT
    squares = products.diagonal(dim1=-2, dim2=-1)
    return (squares[..., :, None] + squares[..., None, :] - 2 * products).clamp_min(0)


def _diagonal(x: Float[Tensor, "*lead n columns"]) -> Bool[Tensor, "n n"]:
    return torch.eye(x.shape[-2], dtype=torch.bool, device=x.device)


def _mean_off_diagonal(x: Float[Tensor, "*lead n n"]) -> Float[Tensor, "*lead n"]:
    """The mean of every row without its entry on the diagonal; 0 where there is no other."""
    return row_sum(x.masked_fill(_diagonal(x), 0.0)) / max(x.shape[-1] - 1, 1)
