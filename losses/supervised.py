"""The contrastive loss of labelled pairs: every pair of the same class is a positive."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from losses.checks import check_positive
from losses.distributed import Group, gather, own
from losses.numerics import log_one_plus_sum_exp
from losses.pairs import Batches, Reduction, at_batches, paired, reduced


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
    u, v = paired(u, v, batches, group)
    same = _same_class(labels, u, batches, group)
    z = torch.cat([u, v], -2)
    with torch.autocast(u.device.type, enabled=False):
        logits = z @ z.mT / temperature
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    positive = same.repeat(*[1] * (same.dim() - 2), 2, 2) & ~itself
    per_anchor = _contrasted(logits, positive, ~positive & ~itself)
    if base_temperature is not None:
        check_positive(base_temperature=base_temperature)
        per_anchor = per_anchor * (temperature / base_temperature)
    of_u, of_v = per_anchor.chunk(2, -1)
    return reduced(own((of_u + of_v) / 2, group), reduction)


def _contrasted(
    logits: Float[Tensor, "*lead anchors keys"],
    positive: Bool[Tensor, "*any anchors keys"],
    negative: Bool[Tensor, "*any anchors keys"],
) -> Float[Tensor, "*lead anchors"]:
    """The logsumexp of positives and negatives, minus the mean positive.

    Split in two, each of them at least 0, so that nothing cancels where the positives win:
    (logsumexp of the positives - mean positive) + log(1 + sum over the negatives of e^(l - logsumexp positives)).
    """
    peak = logits.masked_fill(~positive, -torch.inf).logsumexp(-1)
    mean = torch.where(positive, logits, 0).sum(-1) / positive.sum(-1)
    return (peak - mean) + log_one_plus_sum_exp(logits - peak[..., None], negative.expand_as(logits))


def _same_class(
    labels: Int[Tensor, "*lead n"] | None,
    u: Float[Tensor, "*more m dim"],
    batches: Batches | None,
    group: Group | None,
) -> Bool[Tensor, "*cut m m"]:
    """Which pairs of a batch, already cut or gathered, are of one class."""
    if labels is None:
        return torch.eye(u.shape[-2], dtype=torch.bool, device=u.device)
    if group is not None:
        labels = gather(labels, group)
    elif batches is not None:
        labels = at_batches(labels, batches)
    return labels[..., :, None] == labels[..., None, :]


__all__ = ["supcon"]
