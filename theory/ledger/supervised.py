"""The minimum of the supervised contrastive loss: every class a point, the points a simplex."""

import math

import numpy as np
from jaxtyping import Float

from theory.codes import simplex_etf
from theory.formulas.family import check_sizes
from theory.formulas.objectives import class_labels
from theory.ledger.entry import Optimum, Points, bounded, proved


def hypergeometric(
    population: int, good: int, drawn: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """How many good ones are drawn, and with which probability; what is less likely than 1e-50 is left out.

    By ratios of neighbours, from the likeliest number on: rounding does not grow with the size. To be t or more
    from the mean K n / M has a probability of at most 2 e^(-2 t^2 / min(n, K)) (Hoeffding, 1963, section 6; n drawn
    of M with K good ones are distributed as K drawn with n good ones).

    Args:
        population: M.
        good: K.
        drawn: n.
    """
    M, K, n = population, good, drawn
    mode = (n + 1) * (K + 1) // (M + 2)
    reach = math.ceil(8 * math.sqrt(min(n, K))) + 2
    k = np.arange(max(0, n + K - M, mode - reach), min(n, K, mode + reach) + 1, dtype=np.float64)
    ratios = (K - k[:-1]) * (n - k[:-1]) / ((k[:-1] + 1) * (M - K - n + k[:-1] + 1))
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    weights = np.exp(logs - logs.max())
    return k, weights / weights.sum()


def supcon_optimum(
    n_pairs: int,
    dim: int,
    batch_size: int | None = None,
    temperature: float = 1.0,
    *,
    n_classes: int | None,
    base_temperature: float | None,
) -> Optimum:
    """All views of a class at one point, and the C points a simplex ETF: attained for d >= C - 1.

    With C classes of n = N / C pairs, over the full batch::

        log(2 n - 1 + 2 n (C - 1) e^(-C / ((C - 1) tau)))

    and over all C(N, B) batches the mean of ``log(2 k + 1 + 2 (B - 1 - k) e^(-C / ((C - 1) tau)))`` over k, how
    many of the other pairs of an anchor's batch are of its class: k is hypergeometric, B - 1 drawn of N - 1, n
    - 1 of them good. Times tau / base_temperature where that is given. C = N is `nt_xent`; C = 1 has log(2 B -
    1), at one point.

    Proof: an anchor with 2 k + 1 positives and M = 2 (B - 1 - k) negatives contributes the log of a sum of e^(x
    - p), p the mean of its positives' x = z.z' / tau. By Jensen, within positives and within negatives and then
    over all (anchor, batch) with one k, that is at least g_k(mean negative - mean positive), g_k(y) = log(2 k +
    1 + M e^y) convex and increasing. As all batches are there, those with one k meet every negative equally
    often, so that the mean negative is that of all pairs of embeddings of different classes. With class sums
    m_c, |m_c| <= 2 n, it is ``(|sum m|^2 - sum |m_c|^2) / (4 n^2 C (C - 1)) >= -1 / (C - 1)``, and a mean
    positive is at most 1. Equality at the collapsed simplex, in all of these.

    Args:
        n_pairs: N.
        dim: d.
        batch_size: B; None for the full batch.
        temperature: tau.
        n_classes: C, which divides N; None for N.
        base_temperature: as in the loss.

    Returns:
        The minimum, or a lower bound for d < C - 1.

    Raises:
        ValueError: if C does not divide N, or a size is out of range.

    References:
        Graf et al., 2021, "Dissecting supervised contrastive learning", Theorem 2, arXiv 2102.08817 (one view,
        balanced batches). Khosla et al., 2020, arXiv 2004.11362 (the loss).
    """
    size, C = check_sizes(n_pairs, batch_size, dim), n_pairs if n_classes is None else n_classes
    labels = class_labels(n_pairs, C)
    n = n_pairs // C
    factor = 1.0 if base_temperature is None else temperature / base_temperature
    gap = -math.inf if C == 1 else -C / ((C - 1) * temperature)
    k, chances = hypergeometric(n_pairs - 1, n - 1, size - 1)
    logs = np.log(2 * k + 1) + np.log1p(2 * (size - 1 - k) / (2 * k + 1) * math.exp(gap))
    value = factor * float(chances @ logs)
    source = "Graf et al. 2021, Thm 2, arXiv 2102.08817; two views and all batches: proof in supcon_optimum"
    if dim < C - 1:
        return bounded(value, source, f"attained by a simplex of {C} points, which needs dim = {C - 1}")

    def make() -> tuple[Points, Points]:
        points = simplex_etf(C, dim) if C > 1 else np.eye(1, dim)
        return points[labels], points[labels]

    name = "simplex_etf" if n_pairs == C else "simplex of classes"
    return proved(value, name, source, make, "" if n_pairs == C else "all views of a class coincide")
