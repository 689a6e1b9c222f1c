"""The minimum of the sigmoid losses, `siglip` and `nce`: the simplex ETF, pulled apart along one more axis."""

import math
from collections.abc import Callable

import numpy as np

from theory.codes import simplex_etf
from theory.formulas.family import check_sizes
from theory.ledger.entry import Optimum, Views, bounded, proved

_SOURCE = "Lee et al. 2024, Thm 1, arXiv 2402.12613; proof in sigmoid_optimum"


def sigmoid_optimum(
    n_pairs: int, dim: int, batch_size: int | None = None, temperature: float = 1.0, *, bias: float
) -> Optimum:
    """The smallest ``F(p) = phi(p) + (B - 1) psi(n(p))`` over p in [-1, 1], p the similarity of all positives.

    With phi(s) = log(1 + e^-(s / tau + b)), psi(s) = log(1 + e^(s / tau + b)) and the similarity of all negatives
    ``n(p) = -(N - (N - 2) p) / (2 (N - 1))``. Attained by the double-constant embedding: `double_constant`.

    Proof: the mean over all C(N, B) batches is mean_i phi(s_ii) + (B - 1) mean_{i != j} psi(s_ij), by Jensen at
    least phi(p) + (B - 1) psi(q), p and q the mean similarities. With a = sum u, b = sum v, ``N p + N (N - 1) q
    = a.b >= -|a - b|^2 / 4 >= -(N / 4) sum |u_i - v_i|^2 = -N^2 (1 - p) / 2``, so that q >= n(p), and psi
    increases. F is convex: its minimum is where F' = 0, or at an end.

    p = 1 is the simplex ETF, u = v, and needs d >= N - 1; p = -1 is u_i = e, v_i = -e for all i and needs d >= 1;
    between them d >= N is needed. In smaller d the value is a lower bound. "Excessive separation", p < 1,
    happens for ``(1 + e^(1 / ((N - 1) tau) - b)) / (1 + e^(1 / tau + b)) < (N - 2)(B - 1) / (2 (N - 1))``.

    Args:
        n_pairs: N.
        dim: d.
        batch_size: B; None for the full batch.
        temperature: tau.
        bias: b, added to u_i.v_j / tau.

    Raises:
        ValueError: if a size is out of range.

    References:
        Lee, Chang and Sohn, 2024, "Analysis of using sigmoid loss for contrastive learning", AISTATS, arXiv
        2402.12613 (full batch).
    """
    B, N = check_sizes(n_pairs, batch_size, dim), n_pairs
    p = _best_positive(N, B, temperature, bias)
    value = float(np.logaddexp(0, -(p / temperature + bias)))
    value += (B - 1) * float(np.logaddexp(0, negative_similarity(N, p) / temperature + bias))
    needed = {1.0: N - 1, -1.0: 1}.get(p, N)
    note = f"positives at similarity {p:.6g}"
    if dim < needed:
        return bounded(value, _SOURCE, f"{note}, which needs dim = {needed}")
    name = "simplex_etf" if p == 1 else "antipodal views" if p == -1 else "double-constant embedding"
    return proved(value, name, _SOURCE, lambda: double_constant(N, dim, p), note)


def nce_optimum(
    n_pairs: int, dim: int, batch_size: int | None = None, temperature: float = 1.0, *, log_noise: float | None
) -> Optimum:
    """`sigmoid_optimum` at the bias ``-log(B - 1) - log q``, q = 1 / B unless log q is given."""
    size = check_sizes(n_pairs, batch_size, dim)
    log_q = -math.log(size) if log_noise is None else log_noise
    return sigmoid_optimum(n_pairs, dim, batch_size, temperature, bias=-math.log(size - 1) - log_q)


def negative_similarity(n_pairs: int, p: float) -> float:
    """The smallest mean similarity of negatives if that of positives is p: ``-(N - (N - 2) p) / (2 (N - 1))``."""
    return -(n_pairs - (n_pairs - 2) * p) / (2 * (n_pairs - 1))


def double_constant(n_pairs: int, dim: int, p: float) -> Views:
    """Rows u_i = (c w_i, s), v_i = (c w_i, -s), w the simplex ETF, c^2 = (1 + p) / 2, s^2 = (1 - p) / 2.

    u_i.v_i = p and u_i.v_j = -c^2 / (N - 1) - s^2, which is `negative_similarity`. p = 1 has no last
    column and p = -1 no other.

    Raises:
        ValueError: if d is too small: N - 1 for p = 1, 1 for p = -1, else N.
    """
    N, c, s = n_pairs, math.sqrt((1 + p) / 2), math.sqrt((1 - p) / 2)
    needed = (N - 1) * (c > 0) + (s > 0)
    if dim < needed:
        raise ValueError(f"dim must be at least {needed} for positives at {p} and N = {N}, received {dim}")
    u = np.zeros((N, dim))
    if c > 0:
        u[:, : N - 1] = c * simplex_etf(N, N - 1)
    v = u.copy()
    if s > 0:
        u[:, needed - 1], v[:, needed - 1] = s, -s
    return u, v


def _best_positive(n_pairs: int, batch_size: int, temperature: float, bias: float) -> float:
    """Where F' changes sign in [-1, 1]; its two parts are compared by their logarithms, which cannot underflow."""
    weight = (batch_size - 1) * (n_pairs - 2) / (2 * (n_pairs - 1))
    if weight == 0:
        return 1.0

    def slope(p: float) -> float:
        pull = -np.logaddexp(0, p / temperature + bias)
        push = -np.logaddexp(0, -negative_similarity(n_pairs, p) / temperature - bias)
        return float(math.log(weight) + push - pull)

    if slope(1.0) <= 0:
        return 1.0
    return -1.0 if slope(-1.0) >= 0 else _root(slope)


def _root(slope: Callable[[float], float]) -> float:
    """Where an increasing function changes sign in [-1, 1], by halving: 60 halves are below the rounding of p."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return (low + high) / 2
