"""A second opinion on losses: float64 double loops, written from the formulas.

u and v are numpy arrays [n_pairs, dim] with unit rows, pair by pair, at least two of them; temperature
is tau; values are in nats. Nothing here is shared with `losses/` or `theory/`, and nothing is fast.
"""

import math

import numpy as np

# ---- the positive in the denominator


def info_nce(u, v, temperature):
    """-(1/B) sum_i log( e^(u_i.v_i / tau) / sum_j e^(u_i.v_j / tau) ): one direction, u to v."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        gaps = []
        for j in range(n_pairs):
            if j != i:
                gaps.append((_dot(u[i], v[j]) - _dot(u[i], v[i])) / temperature)
        total += _log_one_plus_sum_exp(gaps)
    return total / n_pairs


mnrl = info_nce  # multiple negatives ranking, with scale 1 / tau
simcse = info_nce  # v is another dropout mask


def clip(u, v, temperature):
    """Mean of both directions."""
    return (info_nce(u, v, temperature) + info_nce(v, u, temperature)) / 2


def clip_sum(u, v, temperature):
    """Sum of both directions."""
    return info_nce(u, v, temperature) + info_nce(v, u, temperature)


def nt_xent(u, v, temperature):
    """-(1/2B) sum_i log( e^(z_i.z_p(i) / tau) / sum_(k != i) e^(z_i.z_k / tau) ), z = (u, v).

    The 2B anchors are all rows of u and v, and p(i) is the other row of the same pair.
    """
    total = 0.0
    for x, positive, negatives in _anchors_of_both_views(u, v):
        gaps = []
        for z in negatives:
            gaps.append((_dot(x, z) - _dot(x, positive)) / temperature)
        total += _log_one_plus_sum_exp(gaps)
    return total / (2 * len(u))


flatnce = nt_xent  # in value; its gradient is that of dcl


def n_pair(u, v, l2):
    """InfoNCE of raw dot products, tau = 1, plus l2 (1/B) sum_i (|u_i|^2 + |v_i|^2); rows of any length."""
    n_pairs = len(u)
    penalty = 0.0
    for i in range(n_pairs):
        penalty += _dot(u[i], u[i]) + _dot(v[i], v[i])
    return info_nce(u, v, 1.0) + l2 * penalty / n_pairs


def arc_margin(u, v, temperature, margin):
    """InfoNCE with cos(theta_ii + margin) in the place of u_i.v_i = cos theta_ii; margin in radians."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        angle = np.arccos(np.clip(_dot(u[i], v[i]), -1.0, 1.0))
        positive = math.cos(angle + margin)
        gaps = []
        for j in range(n_pairs):
            if j != i:
                gaps.append((_dot(u[i], v[j]) - positive) / temperature)
        total += _log_one_plus_sum_exp(gaps)
    return total / n_pairs


def hcl(u, v, temperature, tau_plus, beta):
    """-(1/2B) sum_i log( e^(p_i / tau) / (e^(p_i / tau) + Ng_i) ), p_i = z_i.z_p(i), z = (u, v).

    With the n = 2B - 2 negatives q_k = e^(z_i.z_k / tau) of anchor i,
    R = n sum_k q_k^beta q_k / sum_k q_k^beta and
    Ng = max( (R - tau_plus n e^(p / tau)) / (1 - tau_plus), n e^(-1 / tau) ).
    All in logarithms, and relative to the positive.
    """
    total = 0.0
    for x, positive, negatives in _anchors_of_both_views(u, v):
        n = len(negatives)
        gaps = []
        for z in negatives:
            gaps.append((_dot(x, z) - _dot(x, positive)) / temperature)
        log_r = math.log(n) + _log_sum_exp([(beta + 1) * g for g in gaps]) - _log_sum_exp([beta * g for g in gaps])
        log_ng = math.log(n) - (1 + _dot(x, positive)) / temperature
        log_share = math.log(tau_plus * n) - log_r if tau_plus else -math.inf  # of R, taken for positives
        if log_share < 0:
            log_ng = max(log_ng, log_r + math.log1p(-math.exp(log_share)) - math.log1p(-tau_plus))
        total += _log_one_plus_sum_exp([log_ng])
    return total / (2 * len(u))


def debiased(u, v, temperature, tau_plus):
    """`hcl` with all negatives equally important."""
    return hcl(u, v, temperature, tau_plus, 0.0)


# ---- the positive removed from the denominator


def dcl(u, v, temperature):
    """(1/2B) sum_i log( sum_(k != i, p(i)) e^(z_i.z_k / tau) / e^(z_i.z_p(i) / tau) ), z = (u, v)."""
    total = 0.0
    for x, positive, negatives in _anchors_of_both_views(u, v):
        gaps = []
        for z in negatives:
            gaps.append((_dot(x, z) - _dot(x, positive)) / temperature)
        total += _log_sum_exp(gaps)
    return total / (2 * len(u))


def dcl_one_way(u, v, temperature):
    """(1/B) sum_i log( sum_(j != i) (e^(u_i.v_j / tau) + e^(u_i.u_j / tau)) / e^(u_i.v_i / tau) )."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        logits = []
        for j in range(n_pairs):
            if j != i:
                logits.append(_dot(u[i], v[j]) / temperature)
                logits.append(_dot(u[i], u[j]) / temperature)
        total += _log_sum_exp(logits) - _dot(u[i], v[i]) / temperature
    return total / n_pairs


def dcl_cross(u, v, temperature):
    """(1/B) sum_i log( sum_(j != i) e^(u_i.v_j / tau) / e^(u_i.v_i / tau) )."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        logits = []
        for j in range(n_pairs):
            if j != i:
                logits.append(_dot(u[i], v[j]) / temperature)
        total += _log_sum_exp(logits) - _dot(u[i], v[i]) / temperature
    return total / n_pairs


def dclw(u, v, temperature, sigma):
    """`dcl` with the positive of both anchors of pair i times w_i = 2 - B softmax_i(u_i.v_i / sigma)."""
    n_pairs = len(u)
    similarities = [_dot(u[i], v[i]) / sigma for i in range(n_pairs)]
    total = dcl(u, v, temperature)
    for i in range(n_pairs):
        weight = 2 - n_pairs * math.exp(similarities[i] - _log_sum_exp(similarities))
        total += (1 - weight) * _dot(u[i], v[i]) / temperature / n_pairs
    return total


def dhel_anchor(u, v, temperature):
    """(1/B) sum_i [ -u_i.v_i / tau + log sum_(j != i) e^(u_i.u_j / tau) ]."""
    return _energy(u, temperature) - _alignment(u, v, temperature)


def dhel_mean(u, v, temperature):
    """The mean of the energies of u and v."""
    return (_energy(u, temperature) + _energy(v, temperature)) / 2 - _alignment(u, v, temperature)


def dhel_product(u, v, temperature):
    """The sum of the energies of u and v, and one positive."""
    return _energy(u, temperature) + _energy(v, temperature) - _alignment(u, v, temperature)


# ---- batches


def mean_over_batches(loss, u, v, batches, temperature):
    """(1/|S|) sum_(b in S) loss(u_b, v_b); batches is any iterable of index sequences."""
    values = [loss(u[list(batch)], v[list(batch)], temperature) for batch in batches]
    return sum(values) / len(values)


def pair_weights(u, v, batch_size, temperature):
    """The affinity w(i, j) of spectral batch selection, before any exponential; diagonal 0.

    w(i, j) = sum over (a, b) in {(i, j), (j, i)} of
    log(1 + (B - 1) e^(u_a.(v_b - v_a) / tau)) + log(1 + (B - 1) e^(v_a.(u_b - u_a) / tau)).
    """
    n_pairs = len(u)
    weights = np.zeros((n_pairs, n_pairs))
    for i in range(n_pairs):
        for j in range(n_pairs):
            if j != i:
                for a, b in ((i, j), (j, i)):
                    for x, y in ((u, v), (v, u)):
                        gap = (_dot(x[a], y[b]) - _dot(x[a], y[a])) / temperature
                        weights[i, j] += _log_one_plus_sum_exp([gap] * (batch_size - 1))
    return weights


def _anchors_of_both_views(u, v):
    """(anchor, positive, negatives) for all 2B rows: the negatives are the 2B - 2 rows of other pairs."""
    n_pairs = len(u)
    z = [*u, *v]
    for i in range(2 * n_pairs):
        partner = (i + n_pairs) % (2 * n_pairs)
        yield z[i], z[partner], [z[k] for k in range(2 * n_pairs) if k not in (i, partner)]


def _alignment(u, v, temperature):
    """(1/B) sum_i u_i.v_i / tau."""
    return sum(_dot(x, y) for x, y in zip(u, v, strict=True)) / len(u) / temperature


def _energy(u, temperature):
    """(1/B) sum_i log sum_(j != i) e^(u_i.u_j / tau)."""
    total = 0.0
    for i in range(len(u)):
        total += _log_sum_exp([_dot(u[i], u[j]) / temperature for j in range(len(u)) if j != i])
    return total / len(u)


def _dot(x, y):
    return float(np.dot(x, y))


def _log_sum_exp(terms):
    """log sum_k e^(x_k), which does not overflow."""
    largest = max(terms)
    return largest + math.log(sum(math.exp(x - largest) for x in terms))


def _log_one_plus_sum_exp(gaps):
    """log(1 + sum_k e^(x_k)), which neither overflows nor loses a small sum."""
    largest = max(gaps, default=0.0)
    if largest <= 0:
        return math.log1p(sum(math.exp(x) for x in gaps))
    return largest + math.log(math.exp(-largest) + sum(math.exp(x - largest) for x in gaps))
