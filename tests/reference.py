"""A second opinion on every loss: float64 double loops, written from the formulas.

u and v are numpy arrays [n_pairs, dim] with unit rows, pair by pair; temperature is tau; values are
in nats. Nothing here is shared with `losses/` or `theory/`, and nothing is fast.
"""

import math

import numpy as np


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
    n_pairs = len(u)
    z = [*u, *v]
    total = 0.0
    for i in range(2 * n_pairs):
        partner = (i + n_pairs) % (2 * n_pairs)
        gaps = []
        for k in range(2 * n_pairs):
            if k not in (i, partner):
                gaps.append((_dot(z[i], z[k]) - _dot(z[i], z[partner])) / temperature)
        total += _log_one_plus_sum_exp(gaps)
    return total / (2 * n_pairs)


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


def _dot(x, y):
    return float(np.dot(x, y))


def _log_one_plus_sum_exp(gaps):
    """log(1 + sum_k e^(x_k)), which neither overflows nor loses a small sum."""
    largest = max(gaps, default=0.0)
    if largest <= 0:
        return math.log1p(sum(math.exp(x) for x in gaps))
    return largest + math.log(math.exp(-largest) + sum(math.exp(x - largest) for x in gaps))
