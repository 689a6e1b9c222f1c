"""Who an anchor's negatives are, and their log-sum: across views, within a view, extra keys, other processes."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from losses.distributed import Group, gather
from losses.logsumexp import LogSums, log_sums
from losses.numerics import beside, guarded_logsumexp
from losses.walk import Exclusion

Ids = Int[Tensor, "*any n"]

_Sums = Callable[..., LogSums]
_Found = tuple[list[list[Tensor]], Tensor | None]
"""The log-sums by direction and kind of negatives; and the positives, if they were on the way."""


def negative_log_sums(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    scale: Float[Tensor, ""],
    cross: bool = True,
    within: bool = False,
    both: bool = False,
    ids: Ids | None = None,
    exclude: Bool[Tensor, "n n"] | None = None,
    extra: Float[Tensor, "k dim"] | None = None,
    extra_ids: Int[Tensor, " k"] | None = None,
    own_log_weight: float | None = None,
    chunk_size: int | None = None,
    group: Group | None = None,
    operands: torch.dtype | None = None,
) -> tuple[Float[Tensor, "directions *lead n"], Float[Tensor, "*lead n"]]:
    """Each anchor's logsumexp over its negatives of similarity / temperature (-inf where none), and its positive.

    Args:
        u: First view, in full precision.
        v: Second view.
        scale: 1 / temperature.
        cross: Whether v_j, j != i, are negatives of u_i (and u_j of v_i).
        within: Whether u_j, j != i, are negatives of u_i (and v_j of v_i).
        both: Whether v has anchors too: a second direction.
        ids: Equal numbers are no negatives of each other.
        exclude: Nor is what is True here, in either order.
        extra: More keys for the anchors of u.
        extra_ids: Numbers of these: no negatives of the pairs of the same number in `ids`.
        own_log_weight: Added to the similarity of anchor i and row i of `extra`.
        chunk_size: Anchors at a time.
        group: Processes that share the batch.
        operands: The precision that the embeddings came in: see `log_sums`.

    With leading dimensions only `ids` of the options applies.

    Raises:
        ValueError: If `exclude` meets a group.
    """
    if u.dim() > 2:
        log_sums_ = _of_many(u, v, scale, cross=cross, within=within, both=both, ids=ids)
        return log_sums_, scale * (u * v).sum(-1)
    sums = partial(log_sums, scale=scale, chunk_size=chunk_size, operands=operands)
    mask = None if exclude is None else exclude | exclude.mT
    if group is None:
        exclusion = Exclusion(0, -torch.inf, ids, ids, mask)
        directions, positive = _of_one(u, v, partial(sums, exclusion=exclusion), cross, within, both)
    elif mask is None:
        directions, positive = _of_ranks(u, v, sums, cross, within, both, ids, group)
    else:
        raise ValueError("exclude is for one process; use ids in a group of them")
    if extra is not None and len(extra):
        held = operands if extra.dtype == operands else None
        if group is not None:
            extra, extra_ids = gather(extra, group), None if extra_ids is None else gather(extra_ids, group)
        first = None if own_log_weight is None else (0 if group is None else group.rank() * u.shape[0])
        exclusion = Exclusion(first, own_log_weight or 0.0, None if extra_ids is None else ids, extra_ids)
        directions[0].append(sums(u, extra.to(u.dtype), exclusion=exclusion, operands=held).rows)
    if positive is None:
        positive = scale * (u * v).sum(-1)
    return torch.stack([_joined(parts, u) for parts in directions]), positive


def own_view_log_sums(
    x: Float[Tensor, "*lead n dim"], scale: float, chunk_size: int | None = None
) -> Float[Tensor, "*lead n"]:
    """Log sum_{j != i} e^{scale x_i.x_j}: an anchor and the others of its own view."""
    factor = beside(x, scale)
    if x.dim() == 2:
        return log_sums(x, x, scale=factor, exclusion=Exclusion(), chunk_size=chunk_size).rows
    return _of_many(x, x, factor, cross=True, within=False, both=False, ids=None)[0]


def _of_one(u: Tensor, v: Tensor, sums: _Sums, cross: bool, within: bool, both: bool) -> _Found:
    """Both directions of the cross terms, and the positives, from one matrix."""
    directions: list[list[Tensor]] = [[], []] if both else [[]]
    positive = None
    if cross:
        rows, columns, positive = sums(u, v, columns=both, partners=True)
        directions[0].append(rows)
        if columns is not None:
            directions[1].append(columns)
    if within:
        for parts, view in zip(directions, (u, v), strict=False):
            parts.append(sums(view, view).rows)
    return directions, positive


def _of_ranks(
    u: Tensor, v: Tensor, sums: _Sums, cross: bool, within: bool, both: bool, ids: Tensor | None, group: Group
) -> _Found:
    """This rank's anchors against everybody's embeddings."""
    all_ids = None if ids is None else gather(ids, group)
    exclusion = Exclusion(group.rank() * u.shape[0], -torch.inf, ids, all_ids)
    all_u = gather(u, group) if within or both else u
    all_v = gather(v, group) if cross or both else v
    views = ((u, all_v, all_u), (v, all_u, all_v))[: 1 + both]
    directions = [
        [sums(anchors, keys, exclusion=exclusion).rows for keys in [others] * cross + [own_view] * within]
        for anchors, others, own_view in views
    ]
    return directions, None


def _of_many(
    u: Tensor,
    v: Tensor,
    scale: Tensor,
    *,
    cross: bool,
    within: bool,
    both: bool,
    ids: Tensor | None,
) -> Tensor:
    """Many small problems at once, by autograd."""
    excluded = torch.eye(u.shape[-2], dtype=torch.bool, device=u.device)
    if ids is not None:
        excluded = excluded | (ids[..., :, None] == ids[..., None, :])
    sums = []
    with torch.autocast(u.device.type, enabled=False):
        for anchors, others in ((u, v), (v, u))[: 1 + both]:
            keys = [others] * cross + [anchors] * within
            logits = [(scale * anchors @ key.mT).masked_fill(excluded, -torch.inf) for key in keys]
            sums.append(guarded_logsumexp(torch.cat(logits, -1)))
    return torch.stack(sums)


def _joined(parts: list[Tensor], u: Tensor) -> Tensor:
    """The log-sum over several kinds of negatives."""
    if not parts:
        return u.new_full(u.shape[:-1], -torch.inf)
    return parts[0] if len(parts) == 1 else guarded_logsumexp(torch.stack(parts, -1))
