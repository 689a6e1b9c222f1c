"""A second opinion on the losses without a softmax: float64 double loops, written from the formulas.

u and v are numpy arrays [n_pairs, dim], pair by pair; every function returns the value for the whole batch, the
mean over its pairs. Nothing here is shared with `losses/`, and nothing is fast.
"""

import math

import numpy as np

RIESZ_SMOOTHING = 1e-4


def alignment(u, v, alpha=2.0):
    """(1/B) sum_i |u_i - v_i|^alpha."""
    total = 0.0
    for i in range(len(u)):
        total += math.sqrt(_squared_distance(u[i], v[i])) ** alpha
    return total / len(u)


def uniformity(x, t=2.0):
    """log of the mean over i < j of e^(-t |x_i - x_j|^2); 0 for a single row."""
    terms = []
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            terms.append(math.exp(-t * _squared_distance(x[i], x[j])))
    return math.log(sum(terms) / len(terms)) if terms else 0.0


def align_uniform(u, v, alpha=2.0, t=2.0, weight=1.0):
    """Alignment + weight * mean uniformity of the two views."""
    return alignment(u, v, alpha) + weight * (uniformity(u, t) + uniformity(v, t)) / 2


def kcl(u, v, kernel="gaussian", parameter=2.0, gamma=16.0):
    """-(mean over i of k(u_i, v_i)) + gamma * (mean over i != j of k(u_i, u_j), and of v, averaged)."""
    n_pairs = len(u)
    attraction = 0.0
    for i in range(n_pairs):
        attraction += _kernel(u[i], v[i], kernel, parameter) / n_pairs
    energy = 0.0
    for x in (u, v):
        for i in range(n_pairs):
            for j in range(n_pairs):
                if j != i:
                    energy += _kernel(x[i], x[j], kernel, parameter) / (n_pairs * (n_pairs - 1)) / 2
    return -attraction + gamma * energy


def spectral_contrastive(u, v):
    """-2 mean_i u_i.v_i + mean over i != j of (u_i.v_j)^2."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        total -= 2 * _dot(u[i], v[i]) / n_pairs
        for j in range(n_pairs):
            if j != i:
                total += _dot(u[i], v[j]) ** 2 / (n_pairs * (n_pairs - 1))
    return total


def siglip(u, v, temperature=0.1, bias=-10.0):
    """-(1/B) sum_ij log sigmoid(y_ij (u_i.v_j / tau + b)), y_ij = 1 for i = j and else -1."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        for j in range(n_pairs):
            y = 1.0 if i == j else -1.0
            total -= _log_sigmoid(y * (_dot(u[i], v[j]) / temperature + bias))
    return total / n_pairs


def nce(u, v, temperature=0.1, log_noise=None):
    """-(1/B) sum_i [log h_ii + sum_(j != i) log(1 - h_ij)], h = p / (p + k q), p = e^(u.v / tau), k = B - 1.

    q is uniform over the B keys, a number, or an array of log q(v_j).
    """
    n_pairs = len(u)
    if n_pairs == 1:
        return 0.0
    if log_noise is None:
        log_noise = -math.log(n_pairs)
    log_noise = np.broadcast_to(log_noise, n_pairs)
    total = 0.0
    for i in range(n_pairs):
        for j in range(n_pairs):
            odds = _dot(u[i], v[j]) / temperature - math.log(n_pairs - 1) - float(log_noise[j])
            total -= _log_sigmoid(odds if i == j else -odds)
    return total / n_pairs


def vicreg(u, v, invariance=25.0, variance=25.0, covariance=1.0, variance_reduction="mean"):
    """Mean squared difference, a hinge on every feature's standard deviation, squared covariances of features."""
    n_pairs, dim = u.shape
    total = 0.0
    for i in range(n_pairs):
        for d in range(dim):
            total += invariance * float(u[i, d] - v[i, d]) ** 2 / (n_pairs * dim)
    share = {"mean": 0.5, "sum": 1.0}[variance_reduction]
    for x in (u, v):
        for c in range(dim):
            std = math.sqrt(_covariance(x[:, c], x[:, c], n_pairs - 1) + 1e-4)
            total += share * variance * max(0.0, 1.0 - std) / dim
            for d in range(dim):
                if d != c:
                    total += covariance * _covariance(x[:, c], x[:, d], n_pairs - 1) ** 2 / dim
    return total


def barlow_twins(u, v, weight=0.0051, scale=1.0):
    """Squared distance of the features' cross-correlation to the identity, off the diagonal times weight."""
    n_pairs, dim = u.shape
    total = 0.0
    for c in range(dim):
        for d in range(dim):
            stds = [math.sqrt(_covariance(x, x, n_pairs) + 1e-5) for x in (u[:, c], v[:, d])]
            correlation = _covariance(u[:, c], v[:, d], n_pairs) / (stds[0] * stds[1])
            total += (1.0 - correlation) ** 2 if c == d else weight * correlation**2
    return scale * total


def _kernel(x, y, kernel, parameter):
    squared = _squared_distance(x, y)
    if kernel == "gaussian":
        return math.exp(-parameter * squared)
    if kernel == "imq":
        return parameter / math.sqrt(parameter**2 + squared)
    if kernel == "log":
        return -math.log(1.0 + parameter * squared) / 2
    distance = math.sqrt(squared + RIESZ_SMOOTHING)
    return distance**-parameter if parameter > 0 else -(distance**-parameter)


def _covariance(x, y, divisor):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return float(sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))) / divisor


def _squared_distance(x, y):
    return sum(float(a - b) ** 2 for a, b in zip(x, y, strict=True))


def _dot(x, y):
    return sum(float(a * b) for a, b in zip(x, y, strict=True))


def _log_sigmoid(x):
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))
