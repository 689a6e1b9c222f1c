"""The positive in the denominator: InfoNCE under the names that it goes by, and its relatives.

name        anchors    negatives of anchor u_i                              value
info_nce    u          v_j, j != i (and `negatives`)                        mean over u
mnrl, simcse           the same at temperature 0.05
moco        u          a queue                                              mean over u
arc_margin  u          v_j, the positive further off by an angle            mean over u
n_pair      u          v_j, without temperature or unit length              mean over u
clip        u and v    the other view                                       mean of the two directions
clip_sum    u and v    the other view                                       sum of the two directions
nt_xent     u and v    both views (2B - 2 of them)                          mean over all 2B anchors
"""

import math
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import Unpack

from losses.contrast import FORMS, Form, OneWayOptions, Options, contrast
from losses.numerics import in_full_precision
from losses.pairs import Reduction, at_batches, reduced

_INFO_NCE = Form()
_QUEUE = Form(cross=False)
_CLIP = Form(both=True, weight=0.5)
_CLIP_SUM = Form(both=True)
_NT_XENT = Form(within=True, both=True, weight=0.5)


def info_nce(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.07,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """InfoNCE, anchors in u, negatives in v.

    L = -(1/B) sum_i log( e^{u_i.v_i/tau} / sum_j e^{u_i.v_j/tau} ), in nats, averaged over the B anchors.

    It lies between 0 and log(1 + (B - 1) e^{2/tau}), about log B + 2/tau. Leading dimensions are independent
    problems; with `batches` the loss of every listed sub-batch is returned,
    `info_nce(u, v, batches=b)[m] == info_nce(u[b[m]], v[b[m]])`. An anchor without negatives (a batch of one pair,
    or everything excluded) contributes 0 to the mean.

    Args:
        u: Unit rows, the anchors.
        v: Unit rows; row i is the positive of row i of `u`, the others are its negatives.
        temperature: tau > 0; a tensor where it is learned.
        **options: As in `losses.Options`:
            reduction: over the pairs of a batch, "mean", "sum", or "none" for the value of each pair;
            batches: row numbers of the batches to evaluate;
            ids: pairs of the same number are no negatives of each other; exclude: the same as a matrix;
            negatives: more keys (hard negatives), and negative_ids: their numbers;
            chunk_size: anchors at a time, so that the B x B matrix is never held;
            group: processes that share the batch.

    Returns:
        [*lead], or [*lead, n_batches] with `batches`; one more axis (pairs) with reduction "none".

    Raises:
        ValueError: If the shapes differ, the temperature is not positive, or options exclude each other.

    References:
        van den Oord, Li and Vinyals, 2018, Eq. (4), arXiv 1807.03748.
    """
    return contrast(_INFO_NCE, u, v, temperature, options)


def mnrl(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.05,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """Multiple-negatives ranking loss: `info_nce` at temperature 1/scale (scale 20), u queries, v passages.

    Hard negatives go into `negatives`; they are negatives of every query, not of their own alone. Identical
    passages in a batch are false negatives: give both the same number in `ids`.

    References:
        Henderson et al., 2017, Section 4, arXiv 1705.00652.
    """
    return contrast(_INFO_NCE, u, v, temperature, options)


def simcse(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.05,
    own_log_weight: float = 0.0,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """SimCSE. Unsupervised: `info_nce` of two dropout views. Supervised: with a contradiction each in `negatives`.

    L = -(1/B) sum_i log( e^{u_i.v_i/tau} / sum_j (e^{u_i.v_j/tau} + w_ij e^{u_i.w_j/tau}) ), with w_j the rows of
    `negatives` and w_ij = e^{own_log_weight} for j = i, 1 else. Anchors are u alone; with all 2B it is `nt_xent`.

    References:
        Gao, Yao and Chen, 2021, Sections 3 and 4, arXiv 2104.08821.
    """
    keys = options.get("negatives")
    if own_log_weight and (keys is None or len(keys) != len(u)):
        raise ValueError(
            f"own_log_weight is for row i of negatives as seen by anchor i, so there must be {len(u)} of them, "
            f"got {0 if keys is None else len(keys)}: give each pair one, or leave own_log_weight out"
        )
    return contrast(_INFO_NCE, u, v, temperature, options, own_log_weight=own_log_weight or None)


def moco(
    u: Float[Tensor, "n dim"],
    v: Float[Tensor, "n dim"],
    queue: Float[Tensor, "k dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.07,
    ids: Int[Tensor, " n"] | None = None,
    queue_ids: Int[Tensor, " k"] | None = None,
    reduction: Reduction = "mean",
    chunk_size: int | None = None,
) -> Float[Tensor, "*values"]:
    """MoCo's loss: queries u, their keys v (of the momentum encoder), negatives from the queue alone.

    L = -(1/B) sum_i log( e^{u_i.v_i/tau} / (e^{u_i.v_i/tau} + sum_k e^{u_i.q_k/tau}) ); no gradient reaches v or
    the queue. Keys in the queue that are older views of the query's own image are left out where `ids` and
    `queue_ids` tell. `losses.Queue` keeps a queue; an empty one gives 0. Local: it needs no process group.

    References:
        He et al., 2020, Eq. (1), arXiv 1911.05722.
    """
    if (ids is None) != (queue_ids is None):
        raise ValueError("ids and queue_ids are compared with each other, so both or neither must be given")
    options: OneWayOptions = {"reduction": reduction, "chunk_size": chunk_size, "negatives": queue.detach()}
    if ids is not None:
        options |= {"ids": ids, "negative_ids": queue_ids}
    return contrast(_QUEUE, u, v.detach(), temperature, options)


def arc_margin(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.05,
    margin: float = math.radians(10),
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """InfoNCE whose positives must win by an angle: theta_ii, the angle of u_i and v_i, counts as theta_ii + m.

    L = -(1/B) sum_i log( e^{cos(theta_ii+m)/tau} / (e^{cos(theta_ii+m)/tau} + sum_{j != i} e^{u_i.v_j/tau}) ),
    with cos(theta + m) = cos theta cos m - sin theta sin m: no arc cosine, whose slope is infinite where the two
    views agree. A margin of 0 is `info_nce`. Beyond theta = pi - m the cosine rises again, as published: views that
    far apart are pushed further. (AnglE, `losses.angle`, is another loss.)

    Args:
        u: Unit rows, the anchors.
        v: Unit rows.
        temperature: tau > 0.
        margin: m >= 0, in radians.
        **options: As for `info_nce`.

    References:
        Zhang et al., 2022, "A contrastive framework for learning sentence representations from pairwise and
        triple-wise perspective in angular space" (ArcCSE), ACL, https://aclanthology.org/2022.acl-long.336.
    """
    if not 0 <= margin < math.pi:
        raise ValueError(f"margin is an angle in radians, from 0 to below pi, got {margin}; 0.17 is 10 degrees")
    return contrast(Form(adjust=partial(_further, margin=margin)), u, v, temperature, options)


def n_pair(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    l2: float = 0.0,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """Multi-class N-pair loss: `info_nce` at temperature 1 of embeddings that need not be unit.

    L = (1/B) sum_i log(1 + sum_{j != i} e^{u_i.v_j - u_i.v_i}) + l2 (1/B) sum_i (|u_i|^2 + |v_i|^2); the second
    term keeps the lengths bounded (on unit rows it is the constant 2 l2).

    References:
        Sohn, 2016, "Improved deep metric learning with multi-class N-pair loss objective", NeurIPS 29.
    """
    if l2 < 0:
        raise ValueError(f"l2 must not be negative, got {l2}; 0 for no penalty")
    reduction, batches = options.get("reduction", "mean"), options.get("batches")
    options["reduction"] = "none"
    per_pair = contrast(_INFO_NCE, u, v, 1.0, options)
    squares = in_full_precision(u).square().sum(-1) + in_full_precision(v).square().sum(-1)
    if batches is not None:
        squares = at_batches(squares, batches)
    return reduced(per_pair + l2 * squares, reduction)


def clip(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.07,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """The mean of InfoNCE in both directions, as CLIP trains with.

    L = (info_nce(u, v) + info_nce(v, u)) / 2. CLIP learns log(1/tau) from log(1/0.07) and keeps 1/tau <= 100;
    `losses.LearnedTemperature` does. Arguments, result and errors as for `info_nce`, without `negatives`.

    References:
        Radford et al., 2021, Figure 3, arXiv 2103.00020.
    """
    return contrast(_CLIP, u, v, temperature, options)


def clip_sum(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 1.0,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """The sum of InfoNCE in both directions: the loss of Cho et al., twice `clip`.

    L = info_nce(u, v) + info_nce(v, u). Arguments, result and errors as for `clip`.

    References:
        Cho et al., 2024, Eq. (1) (temperature 1), arXiv 2307.05906.
    """
    return contrast(_CLIP_SUM, u, v, temperature, options)


def nt_xent(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """NT-Xent, the loss of SimCLR: all 2B embeddings are anchors, the 2B - 2 non-partners their negatives.

    With z = [u; v] and p(i) the partner of i,
    L = -(1/2B) sum_i log( e^{z_i.z_p(i)/tau} / sum_{k != i} e^{z_i.z_k/tau} ), in nats, averaged over the 2B
    anchors (google-research/simclr returns twice this). The value of a pair ("none") is the mean over its two
    anchors. Arguments, result and errors as for `clip`.

    References:
        Chen et al., 2020, Eq. (1) and Algorithm 1, arXiv 2002.05709.
    """
    return contrast(_NT_XENT, u, v, temperature, options)


def _further(cosine: Float[Tensor, "*lead n"], margin: float) -> Float[Tensor, "*lead n"]:
    """cos(theta + margin) from cos(theta); the slope at theta = 0, infinite on paper, is bounded by 1/sqrt(eps)."""
    sine = (1 - cosine.square()).clamp_min(torch.finfo(cosine.dtype).eps).sqrt()
    return cosine * math.cos(margin) - sine * math.sin(margin)


FORMS.update(
    {
        info_nce: _INFO_NCE,
        mnrl: _INFO_NCE,
        simcse: _INFO_NCE,
        clip: _CLIP,
        clip_sum: _CLIP_SUM,
        nt_xent: _NT_XENT,
    }
)
