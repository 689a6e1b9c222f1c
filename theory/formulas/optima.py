"""Proved minima of contrastive losses, over the full batch and over all batches of one size.

Names: N pairs (u_i, v_i) of unit vectors in d dimensions, batch size B, temperature tau. The losses
are those of `family`: a mean over anchors of ``log(1 + xi)`` or, with the positive removed from the
denominator, of ``log xi``, where xi sums ``e^((negative - positive) / tau)`` over the negatives of the
anchor. Both are convex in the similarities and increase with xi; the proofs need nothing else. Values
are in nats; those of ``log xi`` are negative at small tau, where their size is that of 1 / tau.
"""

from typing import NamedTuple

from theory.formulas.family import check_sizes, value_at_equal_views


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


def simplex_etf_value(
    n_pairs: int, batch_size: int | None = None, *, loss: str = "clip_sum", temperature: float = 1.0
) -> float:
    """Loss of the simplex ETF, u = v: a lower bound in every dimension, attained for d >= N - 1.

    With m negatives per other pair and s logarithms added (table in `family`)::

        s log(1 + m (B - 1) e^(-N / ((N - 1) tau)))     positive in the denominator
        log(m (B - 1)) - N / ((N - 1) tau)              positive removed
        2 log(B - 1) - (N + 1) / ((N - 1) tau)          `dhel_product`

    All batches have this value, so their mean has it too.

    Lower bound: log(1 + sum_k e^(x_k)) and log(sum_k e^(x_k)) are convex, so by Jensen, applied twice, the
    mean over anchors and batches is at least its value with each x_k replaced by the mean of all x. As
    every pair meets equally often, that mean is 1 / (N (N - 1) tau) times the following, in which
    a = sum u, b = sum v, P = sum_i u_i.v_i <= N - |a - b|^2 / (2 N):

    * ``a.b - N P >= a.b - N^2 + |a - b|^2 / 2 = -N^2 + (|a|^2 + |b|^2) / 2`` where the negatives lie in
      the other view;
    * ``|w|^2 - (N + P) / 2 - (N - 1) P >= -N^2``, w = (a + b) / 2, for `nt_xent` and `dcl`;
    * ``(a.(a + b) - N - P) / 2 - (N - 1) P >= -N^2 + (|3 a + b|^2 + (7 - 4 / N) |a - b|^2) / 16`` for
      `dcl_one_way`;
    * ``|a|^2 - N - (N - 1) P >= -N^2`` for DHEL, and with b in the place of a.

    Equality needs u = v and sum u = 0 in every case, and equal x wherever Jensen is strict: under
    log(1 + ...) all x, hence the ETF; under log(...) the x of one anchor and one batch, hence the ETF too
    over all batches of one size B >= 3, as any two others meet an anchor in one of them, but nothing
    more for B = 2.

    The arguments are those of `theory.optimum`, without the dimension.

    Returns:
        The value in nats.

    Raises:
        ValueError: if a size is out of range, tau is not positive or the loss is not known.

    References:
        Lee et al., 2025, Theorem 5.1, arXiv 2506.09781. Cho et al., 2024, Theorem 4,
        arXiv 2307.05906 (tau = 1, `clip_sum`).
    """
    B, N = check_sizes(n_pairs, batch_size), n_pairs
    return value_at_equal_views(loss, [(B - 1, -1 / (N - 1))], temperature)


def cross_polytope_value(
    n_pairs: int, batch_size: int | None = None, *, loss: str = "clip_sum", temperature: float = 1.0
) -> float:
    """Loss of the cross-polytope, u = v, averaged over all C(N, B) batches of size B.

    An anchor meets its antipode in (B - 1) / (N - 1) of its batches, and all its other negatives
    are orthogonal to it. With m negatives per other pair and s logarithms added (table in `family`)::

        s (B - 1) / (N - 1)  log(1 + m (e^(-2 / tau) + (B - 2) e^(-1 / tau)))
      + s (N - B) / (N - 1)  log(1 + m (B - 1) e^(-1 / tau))

    without the "1 +" where the positive is removed, and for `dhel_product` with s = 2 and 1 / tau more.
    The full batch is B = N, where the second term vanishes. The value is the minimum among
    embeddings with u = v in which every point has an antipode: in both groups of batches, Jensen as
    in `simplex_etf_value` (with a term that is fixed, the antipode's, in the first) leaves the mean of
    ``u_i.u_j - 1`` over j other than i and its antipode, which is ``|sum u|^2 / (N (N - 2)) - 1 = -1``.
    Equality needs all these products to be 0, except for log xi and B = 2, where it always holds.

    The arguments are those of `theory.optimum`, without the dimension.

    Returns:
        The value in nats.

    Raises:
        ValueError: if N is odd, a size is out of range, tau is not positive or the loss is not known.

    References:
        Cho et al., 2024, Theorem 4, arXiv 2307.05906 (tau = 1, `clip_sum`, N = 2 d).
    """
    B, N = check_sizes(n_pairs, batch_size), n_pairs
    if N % 2:
        raise ValueError(
            f"n_pairs must be even for a cross-polytope, received {N}; its points come in antipodal pairs"
        )
    met = value_at_equal_views(loss, [(1, -1.0), (B - 2, 0.0)], temperature)
    missed = value_at_equal_views(loss, [(B - 1, 0.0)], temperature)
    return ((B - 1) * met + (N - B) * missed) / (N - 1)


def fixed_partition_range(
    n_pairs: int, batch_size: int, *, loss: str = "clip_sum", temperature: float = 1.0
) -> FixedPartitionRange:
    """What training on one fixed partition into batches of size B can lead to.

    Each batch alone is optimal as a B-point simplex ETF with u = v (d >= B - 1). How the simplices
    of different batches lie to each other does not matter to the batches but does to the full
    batch. With ``E = e^(-B / ((B - 1) tau))``, m negatives per other pair and s logarithms added::

        own    s log(1 + m (B - 1) E)
        best   s log(1 + m ((B - 1) E + (N - B) e^(-1 / tau)))             orthogonal batches
        worst  s log(1 + m ((B - 1) E + (N / B - 1) (1 + (B - 1) E)))      coinciding batches

    without the "1 +" where the positive is removed, and for `dhel_product` with s = 2 and 1 / tau more.

    Best needs d >= (N / B)(B - 1) to be attained; it bounds the full-batch loss from below in
    smaller d. Worst needs d >= B - 1 only. Proof: the batches of an embedding that attains `own` are
    simplices (`simplex_etf_value` with N = B; for B = 2 u = v and sum u = 0 is one, too). The products g_j
    of an anchor with another batch sum to 0, so sum_j e^((g_j - 1) / tau) >= B e^(-1 / tau) by Jensen,
    with equality at g = 0; and their squares sum to at most B / (B - 1), under which the sum is
    largest at one product equal to 1 and the others equal (the equal variable theorem). So xi lies between
    its values above for every anchor, and all losses of the family increase with it.

    The arguments are those of `theory.optimum`, without the dimension.

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
    B, N = check_sizes(n_pairs, batch_size), n_pairs
    if N % B:
        raise ValueError(
            f"batch_size must divide n_pairs, received {B} and {N}; a partition has batches of equal size"
        )
    inside, orthogonal = (B - 1, -1 / (B - 1)), (N - B, 0.0)
    coinciding = [(N // B - 1, 1.0), ((N // B - 1) * (B - 1), -1 / (B - 1))]
    return FixedPartitionRange(
        own=value_at_equal_views(loss, [inside], temperature),
        best=value_at_equal_views(loss, [inside, orthogonal], temperature),
        worst=value_at_equal_views(loss, [inside, *coinciding], temperature),
    )
