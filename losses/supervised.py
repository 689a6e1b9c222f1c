"""The contrastive loss of labelled pairs: every pair of the same class is a positive."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from losses.checks import check_positive
from losses.distributed import Group, gather, own
from losses.infonce import nt_xent
from losses.logsumexp import log_sums
from losses.numerics import beside, log_one_plus_sum_exp, softplus
from losses.pairs import Batches, Reduction, at_batches, paired, reduced
from losses.walk import Exclusion


def supcon(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    labels: Int[Tensor, "*lead n"] | None = None,
    temperature: float | Float[Tensor, ""] = 0.07,
    base_temperature: float | None = None,
    reduction: Reduction = "mean",
    batches: Batches | None = None,
    group: Group | None = None,
) -> Float[Tensor, "*values"]:
    """SupCon, the supervised contrastive loss: all 2B embeddings are anchors, those of the same class positives.

    With z = [u; v], both views of a pair in its class, and P(i) the others of the class of anchor i,
    L = -(1/2B) sum_i (1/|P(i)|) sum_{p in P(i)} log( e^{z_i.z_p/tau} / sum_{k != i} e^{z_i.z_k/tau} ), in nats,
    times tau/base_temperature where that is given. This is L_out of the paper: the mean is outside the log.

    An anchor always has its partner as a positive, so nothing is undefined where a class has one pair only.
    Without labels every pair is its own class, and the loss is `nt_xent`. An anchor with m positives has at least
    log m: the best value is not 0. Where all pairs are of one class there are no negatives, and the positives
    repel each other only through the denominator they share; a single pair has loss 0.

    Equal to the authors' code for two views (temperature 0.07, base 0.07; there the factor is always on, and
    missing here by default), and to pytorch-metric-learning's `SupConLoss` (temperature 0.1) on the 2B rows.
    The value of a pair ("none") is the mean over its two anchors.

    Args:
        u: Unit rows.
        v: Unit rows; row i is a positive of row i of `u`.
        labels: Class of each pair; None for as many classes as pairs. Cut and gathered along with the pairs.
        temperature: tau > 0; a tensor where it is learned.
        base_temperature: Takes the 1/tau out of the gradient: a factor tau/base_temperature; None for no factor.
        reduction: Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair.
        batches: Row numbers of the batches to evaluate, shared or one table per leading index.
        group: Processes that share the batch.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, or a temperature is not positive.

    References:
        Khosla et al., 2020, Eq. (2), arXiv 2004.11362.
    """
    check_positive(temperature=temperature)
    if labels is not None and labels.shape != u.shape[:-1]:
        raise ValueError(
            f"there must be one label for each pair, {tuple(u.shape[:-1])} of them; got {tuple(labels.shape)}"
        )
    if base_temperature is not None:
        check_positive(base_temperature=base_temperature)
    if labels is None:  # every pair its own class
        per_pair = nt_xent(u, v, temperature=temperature, reduction="none", batches=batches, group=group)
    else:
        classes = _gathered(labels, batches, group)
        z = torch.cat(paired(u, v, batches, group), -2)
        scale = 1 / beside(z, temperature)
        contrasted = _in_one_batch if z.dim() == 2 else _in_many
        of_u, of_v = contrasted(z, torch.cat([classes, classes], -1), scale).chunk(2, -1)
        per_pair = own((of_u + of_v) / 2, group)
    factor = 1.0 if base_temperature is None else temperature / base_temperature
    return reduced(factor * per_pair, reduction)


def _in_one_batch(
    z: Float[Tensor, "anchors dim"], classes: Int[Tensor, " anchors"], scale: Float[Tensor, ""]
) -> Float[Tensor, " anchors"]:
    """Of each anchor, in two parts that are at least 0, so that nothing cancels where the positives win.

    (logsumexp of the positives - mean positive) + log(1 + e^{logsumexp of the negatives - that of the positives}).
    The mean positive needs the sum of each class only; no matrix is held.
    """
    _, number, counts = classes.unique(return_inverse=True, return_counts=True)
    others = counts[number] - 1
    of_class = torch.zeros(len(counts), z.shape[1], dtype=z.dtype, device=z.device).index_add(0, number, z)
    mean = scale * (z * (of_class[number] - z)).sum(-1) / others
    positive = log_sums(z, z, scale=scale, exclusion=Exclusion(0, -torch.inf, number, number, only=True)).rows
    negative = log_sums(z, z, scale=scale, exclusion=Exclusion(None, 0.0, number, number)).rows
    spread = torch.where(others > 1, positive - mean, 0)  # of a single positive there is none, but for rounding
    return spread + softplus(negative - positive)


def _in_many(
    z: Float[Tensor, "*lead anchors dim"], classes: Int[Tensor, "*any anchors"], scale: Float[Tensor, ""]
) -> Float[Tensor, "*lead anchors"]:
    """The same for many small batches, whose matrices are held."""
    with torch.autocast(z.device.type, enabled=False):
        logits = scale * z @ z.mT
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    same = classes[..., :, None] == classes[..., None, :]
    positive = (same & ~itself).expand_as(logits)
    peak = logits.masked_fill(~positive, -torch.inf).logsumexp(-1)
    mean = torch.where(positive, logits, 0).sum(-1) / positive.sum(-1)
    return (peak - mean) + log_one_plus_sum_exp(logits - peak[..., None], ~same.expand_as(logits))


def _gathered(
    labels: Int[Tensor, "*lead n"], batches: Batches | None, group: Group | None
) -> Int[Tensor, "*cut m"]:
    """The labels of the pairs as `paired` cuts or joins them."""
    if group is not None:
        return gather(labels, group)
    return labels if batches is None else at_batches(labels, batches)
