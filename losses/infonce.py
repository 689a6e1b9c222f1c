"""InfoNCE and its relatives with the positive in the denominator: one core, four names.

The names differ in two choices only:

    name        anchors       negatives of anchor u_i            value
    info_nce    u             v_j, j != i                        mean over u
    clip        u and v       the other view                     mean of the two directions
    clip_sum    u and v       the other view                     sum of the two directions
    nt_xent     u and v       both views (2B - 2 of them)        mean over all 2B anchors
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from losses.contrast import Contrast, anchor_losses
from losses.pairs import Loss, Reduction, row_sum
from losses.similarity import Similarity, pull_back, similarity


def info_nce(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""],
    reduction: Reduction = "mean",
    batches: Int[Tensor, "*any n_batches batch"] | None = None,
) -> Float[Tensor, "*values"]:
    """InfoNCE, anchors in u, negatives in v.

    L = -(1/B) sum_i log( e^{u_i.v_i/tau} / sum_j e^{u_i.v_j/tau} ), in nats, averaged over the B anchors.

    Equal to the multiple-negatives ranking loss with scale 1/tau. It lies between 0 and log B + 2/tau.
    Leading dimensions are independent problems; with `batches` the loss of every listed sub-batch is returned,
    `info_nce(u, v, batches=b)[m] == info_nce(u[b[m]], v[b[m]])`. A batch of one pair has no negatives: 0.

    Args:
        u: Unit rows, the anchors.
        v: Unit rows; row i is the positive of row i of `u`, the others are its negatives.
        temperature: tau > 0; a tensor where it is learned.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, or the temperature is not positive.

    References:
        van den Oord, Li and Vinyals, 2018, Eq. (4), arXiv 1807.03748.
    """
    return _loss(_INFO_NCE, u, v, temperature, reduction, batches)


def clip(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""],
    reduction: Reduction = "mean",
    batches: Int[Tensor, "*any n_batches batch"] | None = None,
) -> Float[Tensor, "*values"]:
    """The mean of InfoNCE in both directions, as CLIP trains with.

    L = (info_nce(u, v) + info_nce(v, u)) / 2. Arguments, result and errors as for `info_nce`.

    References:
        Radford et al., 2021, Figure 3, arXiv 2103.00020.
    """
    return _loss(_CLIP, u, v, temperature, reduction, batches)


def clip_sum(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""],
    reduction: Reduction = "mean",
    batches: Int[Tensor, "*any n_batches batch"] | None = None,
) -> Float[Tensor, "*values"]:
    """The sum of InfoNCE in both directions: the loss of Cho et al., twice `clip`.

    L = info_nce(u, v) + info_nce(v, u). Arguments, result and errors as for `info_nce`.

    References:
        Cho et al., 2024, Eq. (1) (temperature 1), arXiv 2307.05906.
    """
    return _loss(_CLIP_SUM, u, v, temperature, reduction, batches)


def nt_xent(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""],
    reduction: Reduction = "mean",
    batches: Int[Tensor, "*any n_batches batch"] | None = None,
) -> Float[Tensor, "*values"]:
    """NT-Xent, the loss of SimCLR: all 2B embeddings are anchors, the 2B - 2 non-partners their negatives.

    With z = [u; v] and p(i) the partner of i,
    L = -(1/2B) sum_i log( e^{z_i.z_p(i)/tau} / sum_{k != i} e^{z_i.z_k/tau} ), in nats, averaged over the 2B
    anchors (some libraries return twice this). The value of a pair ("none") is the mean over its two anchors.
    Arguments, result and errors as for `info_nce`.

    References:
        Chen et al., 2020, Eq. (1) and Algorithm 1, arXiv 2002.05709.
    """
    return _loss(_NT_XENT, u, v, temperature, reduction, batches)


@dataclass(frozen=True)
class _Family:
    """What tells the losses apart."""

    within: bool
    """Whether the other embeddings of an anchor's own view are negatives too."""
    both: bool
    """Whether v has anchors as well."""
    weight: float
    """Of each direction."""

    def combine(self, losses: Float[Tensor, "directions *lead batch"]) -> Float[Tensor, "*lead batch"]:
        return self.weight * (losses[0] + losses[1]) if self.both else losses[0]


_INFO_NCE = _Family(within=False, both=False, weight=1.0)
_CLIP = _Family(within=False, both=True, weight=0.5)
_CLIP_SUM = _Family(within=False, both=True, weight=1.0)
_NT_XENT = _Family(within=True, both=True, weight=0.5)
_FAMILIES: dict[Loss, _Family] = {
    info_nce: _INFO_NCE,
    clip: _CLIP,
    clip_sum: _CLIP_SUM,
    nt_xent: _NT_XENT,
}


def value_and_gradient(
    loss: Loss,
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float,
    batches: Int[Tensor, "*any n_batches batch"],
) -> tuple[Float[Tensor, "*values"], Float[Tensor, "*lead n dim"], Float[Tensor, "*lead n dim"]]:
    """The loss of every batch, and the gradient of their sum with respect to u and v; nothing is recorded.

    For the losses of this file the gradient is in closed form: a third of autograd's time where embeddings are
    free parameters and an update is a handful of tiny kernels. Any other loss goes through autograd.

    Returns:
        The values [*lead, n_batches] and the two gradients (Euclidean: not projected to the sphere's tangent).
    """
    family = _FAMILIES.get(loss)
    if family is None or batches.shape[-1] == 1:
        u, v = u.detach().requires_grad_(), v.detach().requires_grad_()
        with torch.enable_grad():
            values = loss(u, v, temperature=temperature, batches=batches)
            du, dv = torch.autograd.grad(values.sum(), (u, v))
        return values.detach(), du, dv
    with torch.no_grad():
        contrast = Contrast.of(_logits(family, u, v, temperature, batches), both=family.both)
        size = batches.shape[-1]
        values = row_sum(family.combine(contrast.losses())) / size
        slope = contrast.slope(family.weight / (size * temperature))
        return values, *pull_back(slope, u, v, batches=batches)


def _loss(
    family: _Family,
    u: Tensor,
    v: Tensor,
    temperature: float | Tensor,
    reduction: Reduction,
    batches: Tensor | None,
) -> Float[Tensor, "*values"]:
    logits = _logits(family, u, v, temperature, batches)
    if logits.cross.shape[-1] == 1:
        per_pair = logits.cross.squeeze(-1) * 0  # a single pair has no negatives
    else:
        per_pair = family.combine(anchor_losses(logits, both=family.both))
    if reduction == "none":
        return per_pair
    total = row_sum(per_pair)
    return total / per_pair.shape[-1] if reduction == "mean" else total


def _logits(
    family: _Family, u: Tensor, v: Tensor, temperature: float | Tensor, batches: Tensor | None
) -> Similarity:
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; values in use lie between 0.01 and 1")
    blocks = similarity(u, v, within=family.within, batches=batches)
    return blocks.map(lambda block: block / temperature)
