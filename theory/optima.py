"""Proved minima of contrastive losses, over the full batch and over all batches of one size.

Names: N pairs (u_i, v_i) of unit vectors in d dimensions, batch size B, temperature tau. Every loss
here is a mean over anchors of ``log(1 + xi)``, where xi sums ``e^((negative - positive) / tau)``
over the negatives of the anchor, so the closed forms differ in two integers only:

| loss       | anchors                     | directions added | negatives per other pair |
|------------|-----------------------------|------------------|--------------------------|
| `info_nce` | the N u_i                   | 1                | 1 (v_j)                  |
| `clip`     | u_i and v_i, mean of both   | 1                | 1 (v_j, or u_j)          |
| `clip_sum` | u_i and v_i, sum of both    | 2                | 1 (v_j, or u_j)          |
| `nt_xent`  | all 2N vectors, mean        | 1                | 2 (u_j and v_j)          |

`clip_sum` at tau = 1 is the loss of Cho et al., 2024, arXiv 2307.05906. All values are in nats.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

Status = Literal["proved", "proved_if_symmetric_antipodal", "lower_bound"]
Configuration = Literal["simplex_etf", "cross_polytope"]

LOSS_NAMES = ("info_nce", "clip", "clip_sum", "nt_xent")


@dataclass(frozen=True)
class Optimum:
    """What is known about the smallest value of a loss.

    Attributes:
        value: the minimum, or a lower bound of it, in nats.
        status: `proved` for a minimum over all unit embeddings; `proved_if_symmetric_antipodal` for
            a minimum over those with u = v in which every point has an antipode; `lower_bound` for
            a value that no unit embeddings go below, and that none need reach.
        configuration: the point set u = v that attains the value; None for a lower bound.
        source: where the statement is proved.
    """

    value: float
    status: Status
    configuration: Configuration | None
    source: str


class FixedPartitionRange(NamedTuple):
    """Losses of embeddings that are optimal for one fixed partition into batches, in nats.

    Attributes:
        own: minimum of the mean loss over the batches of the partition.
        best: smallest full-batch loss among the embeddings that attain `own`.
        worst: largest full-batch loss among the embeddings that attain `own`.
    """

    own: float
    best: float
    worst: float


def minimum(
    n_pairs: int, dim: int, batch_size: int | None = None, *, loss: str = "clip_sum", temperature: float = 1.0
) -> Optimum:
    """The smallest value of a loss over unit embeddings u, v of n_pairs pairs in dim dimensions.

    Three cases, by what is proved:

    * ``N <= d + 1``: the simplex ETF with u = v, and nothing else, attains the minimum.
    * ``N = 2 d``: the cross-polytope with u = v attains the minimum among embeddings with u = v in
      which every point has an antipode.
    * otherwise: the value of the simplex ETF bounds the loss from below, and is not attained. For
      even N with N / 2 < d < N - 1 the cross-polytope fits as well but need not be best: for N = 6,
      d = 4 two triangles in orthogonal planes have a smaller loss.

    Args:
        n_pairs: number of pairs N, at least 2.
        dim: dimension d of the embeddings, at least 1.
        batch_size: B for the mean over all C(N, B) batches of size B; None (or N) for the full
            batch. For ``N <= d + 1`` the value holds for every family of batches in which all pairs
            meet equally often (a 2-design), not only for all C(N, B).
        loss: one of `LOSS_NAMES`.
        temperature: tau > 0.

    Returns:
        The value, how far it is proved, and the configuration that attains it.

    Raises:
        ValueError: if a size is out of range, tau is not positive or the loss is not known.

    References:
        Cho et al., 2024, Theorem 4, arXiv 2307.05906 (the minimisers of the mean over all C(N, B)
        batches are those of the full batch). Lee et al., 2025, Theorem 5.1, arXiv 2506.09781 (the
        simplex, for InfoNCE, SimCLR and others). Any tau: see `simplex_etf_value` and
        `cross_polytope_value`.
    """
    if dim < 1:
        raise ValueError(f"dim must be at least 1, received {dim}; pass the embedding dimension")
    bound = simplex_etf_value(n_pairs, batch_size, loss=loss, temperature=temperature)
    if n_pairs <= dim + 1:
        source = "Cho et al. 2024, Thm 4, arXiv 2307.05906; Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
        return Optimum(bound, "proved", "simplex_etf", source)
    if n_pairs == 2 * dim:
        value = cross_polytope_value(n_pairs, batch_size, loss=loss, temperature=temperature)
        source = "Cho et al. 2024, Thm 4, arXiv 2307.05906"
        return Optimum(value, "proved_if_symmetric_antipodal", "cross_polytope", source)
    source = "simplex bound: Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
    return Optimum(bound, "lower_bound", None, source)


def simplex_etf_value(
    n_pairs: int, batch_size: int | None = None, *, loss: str = "clip_sum", temperature: float = 1.0
) -> float:
    """Loss of the simplex ETF, u = v: a lower bound in every dimension, attained for d >= N - 1.

    ``s log(1 + m (B - 1) e^(-N / ((N - 1) tau)))`` with s directions added and m negatives per
    other pair (table above). All batches have this value, so their mean has it too.

    Lower bound: log(1 + sum_k e^(x_k)) is convex, so by Jensen, applied twice, the mean over
    anchors and batches is at least its value with each x_k replaced by the mean of all x. As every
    pair meets equally often, that mean is 1 / (N (N - 1) tau) times

    * ``<sum u, sum v> - N sum_i u_i.v_i >= -N^2`` for the losses without u_i.u_j;
    * ``|sum w|^2 - sum_i |w_i|^2 - (N - 1) sum_i u_i.v_i >= -N^2``, w = (u + v) / 2, for `nt_xent`.

    Equality needs u = v, sum u = 0 and equal x: the ETF.

    The arguments are those of `minimum`, without the dimension.

    Returns:
        The value in nats.

    Raises:
        ValueError: if a size is out of range, tau is not positive or the loss is not known.

    References:
        Lee et al., 2025, Theorem 5.1, arXiv 2506.09781. Cho et al., 2024, Theorem 4,
        arXiv 2307.05906 (tau = 1, `clip_sum`).
    """
    B, N = _check_sizes(n_pairs, batch_size), n_pairs
    negative = _exp(-N / (N - 1), temperature)
    return _loss_of(loss, (B - 1) * negative)


def cross_polytope_value(
    n_pairs: int, batch_size: int | None = None, *, loss: str = "clip_sum", temperature: float = 1.0
) -> float:
    """Loss of the cross-polytope, u = v, averaged over all C(N, B) batches of size B.

    An anchor meets its antipode in (B - 1) / (N - 1) of its batches, and all its other negatives
    are orthogonal to it. With s directions added and m negatives per other pair (table above)::

        s (B - 1) / (N - 1)  log(1 + m (e^(-2 / tau) + (B - 2) e^(-1 / tau)))
      + s (N - B) / (N - 1)  log(1 + m (B - 1) e^(-1 / tau))

    The full batch is B = N, where the second term vanishes. The value is the minimum among
    embeddings with u = v in which every point has an antipode: in both groups of batches, Jensen as
    in `simplex_etf_value` leaves the mean of ``u_i.u_j - 1`` over j other than i and its antipode,
    which is ``(|sum u|^2 / (N (N - 2)) - 1) >= -1``; equality needs all these products to be 0.

    The arguments are those of `minimum`, without the dimension.

    Returns:
        The value in nats.

    Raises:
        ValueError: if N is odd, a size is out of range, tau is not positive or the loss is not known.

    References:
        Cho et al., 2024, Theorem 4, arXiv 2307.05906 (tau = 1, `clip_sum`, N = 2 d).
    """
    B, N = _check_sizes(n_pairs, batch_size), n_pairs
    if N % 2:
        raise ValueError(
            f"n_pairs must be even for a cross-polytope, received {N}; its points come in antipodal pairs"
        )
    antipode, orthogonal = _exp(-2.0, temperature), _exp(-1.0, temperature)
    met = _loss_of(loss, antipode + (B - 2) * orthogonal)
    missed = _loss_of(loss, (B - 1) * orthogonal)
    return ((B - 1) * met + (N - B) * missed) / (N - 1)


def fixed_partition_range(
    n_pairs: int, batch_size: int, *, loss: str = "clip_sum", temperature: float = 1.0
) -> FixedPartitionRange:
    """What training on one fixed partition into batches of size B can lead to.

    Each batch alone is optimal as a B-point simplex ETF with u = v (d >= B - 1). How the simplices
    of different batches lie to each other does not matter to the batches but does to the full
    batch. With ``E = e^(-B / ((B - 1) tau))``, s directions added and m negatives per other pair::

        own    s log(1 + m (B - 1) E)
        best   s log(1 + m ((B - 1) E + (N - B) e^(-1 / tau)))             orthogonal batches
        worst  s log(1 + m ((B - 1) E + (N / B - 1) (1 + (B - 1) E)))      coinciding batches

    Best needs d >= (N / B)(B - 1) to be attained; it bounds the full-batch loss from below in
    smaller d. Worst needs d >= B - 1 only. Proof: the products g_j of an anchor with another
    batch sum to 0, so sum_j e^((g_j - 1) / tau) >= B e^(-1 / tau) by Jensen, with equality at
    g = 0; and their squares sum to at most B / (B - 1), under which the sum is largest at one
    product equal to 1 and the others equal (the equal variable theorem).

    The arguments are those of `minimum`, without the dimension.

    Returns:
        The minimum of the partition's own objective and both ends of the full-batch loss, in nats.

    Raises:
        ValueError: if B does not divide N, a size is out of range, tau is not positive or the loss
            is not known.

    References:
        Lee et al., 2025, Theorem 5.5, arXiv 2506.09781 (the variance of the negative similarities
        over the same set of embeddings). Cirtoaje, 2007, "The equal variable method", J. Inequal.
        Pure Appl. Math. 8(1), 15.
    """
    B, N = _check_sizes(n_pairs, batch_size), n_pairs
    if N % B:
        raise ValueError(
            f"batch_size must divide n_pairs, received {B} and {N}; a partition has batches of equal size"
        )
    inside = (B - 1) * _exp(-B / (B - 1), temperature)
    orthogonal = (N - B) * _exp(-1.0, temperature)
    coinciding = (N // B - 1) * (1 + inside)
    return FixedPartitionRange(
        own=_loss_of(loss, inside),
        best=_loss_of(loss, inside + orthogonal),
        worst=_loss_of(loss, inside + coinciding),
    )


def _loss_of(loss: str, xi: float) -> float:
    """A loss whose anchors all have the same sum xi over the other pairs, one term per pair."""
    if loss not in LOSS_NAMES:
        raise ValueError(f"loss must be one of {', '.join(LOSS_NAMES)}; received {loss!r}")
    directions = 2 if loss == "clip_sum" else 1
    negatives_per_pair = 2 if loss == "nt_xent" else 1
    return directions * math.log1p(negatives_per_pair * xi)


def _exp(similarity_gap: float, temperature: float) -> float:
    """One negative's term, e^((negative - positive) / tau)."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(
            f"temperature must be positive and finite, received {temperature}; "
            "typical values lie between 0.01 and 1"
        )
    return math.exp(similarity_gap / temperature)


def _check_sizes(n_pairs: int, batch_size: int | None) -> int:
    """The batch size in use, after checking both sizes."""
    if n_pairs < 2:
        raise ValueError(f"n_pairs must be at least 2, received {n_pairs}; one pair has no negative")
    if batch_size is None:
        return n_pairs
    if not 2 <= batch_size <= n_pairs:
        raise ValueError(
            f"batch_size must lie between 2 and n_pairs = {n_pairs}, received {batch_size}; "
            "leave it out for the full batch"
        )
    return batch_size
