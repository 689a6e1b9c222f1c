"""What given batches are worth: how often pairs meet, and what full-batch loss minimising over them can leave.

The loss is the two-direction InfoNCE loss (`clip_sum`), N pairs in d >= N - 1 dimensions; L is the mean over the
batches, F the full batch, F* = 2 g_N(t), t = -N / ((N - 1) tau), its minimum, with g_n(x) = log(1 + (n - 1) e^x).
Let M_ij be how often i and j meet, W = M / sum_{i != j} M_ij, R the diagonal of its row sums, Lambda = N times the
largest eigenvalue of R - W. For embeddings (u, v) let x_ij = u_i.(v_j - v_i) / tau, and the same with u and v
exchanged.

**A gap of 0.** *A minimiser of L, or just a stationary point of it, is the simplex ETF if and only if the batches
are a 2-design* (N >= 3). So with any others every minimiser of L has F > F*, the ETF being F's only minimiser.
At the ETF all x_ij are equal, so that the derivative of L is a multiple of that of sum_{i != j} W_ij x_ij; it
vanishes on the sphere if sum_j W_ij v_j is a multiple of v_i for all i; and as the only linear relation between the
v_j is that their sum is 0, the W_ij are then equal for all j != i, and, W being symmetric, all equal.

**The own minimum.** 2 g_B(-Lambda / tau) <= min L <= 2 g_B(t). The right side is the ETF. On the left, by Jensen as
in the theorem of `theory.designs`, L >= 2 g_B(m) with m = sum W_ij x_ij. With u = p + q, v = p - q, |p_i|^2 +
|q_i|^2 = 1, tau m = -tr(p' (R - W) p) + tr(q' (R - W) q) >= -Lambda, as R - W is a Laplacian and so has no negative
eigenvalue. The trace of R - W is 1, its kernel holds the ones, so that Lambda >= N / (N - 1), with equality for
2-designs.

**The gap, F - F* at a minimiser of L.** With a = (B - 1) e^(-2 / tau), A = (B - 1) e^(2 / tau), between which the
sum of e^x_ij over a batch lies, b batches, l the least number of meetings but 0 and z pairs (i, j), i < j, that
never meet:

* *At most (chord).* In b, sum_j e^x_ij = e^y - 1 <= a + (A - a) (y - log(1 + a)) / (log(1 + A) - log(1 + a)), y the
  term of i in L; the mean of y is at most g_B(t). Sums over all j are at most 1 / l of those over batches, and e^(2
  / tau) for each that is never met; log is concave. So F <= 2 log(1 + b B / (N l) c + (2 z / N) e^(2 / tau)), c the
  chord there.
* *At most (curvature), if all pairs meet.* log(1 + sum_j e^x_j) has second derivatives of at least k_n = e^(-2 /
  tau) / (1 + (n - 1) e^(2 / tau))^2 and at most 1 / 2. So Jensen's slack, at most 2 (g_B(t) - g_B(-Lambda / tau)),
  bounds the mean V of (x_ij - m)^2 over i != j: V <= 2 b B (g_B(t) - g_B(-Lambda / tau)) / (k_B l N (N - 1)), and
  with m <= t, F <= 2 g_N(t + sqrt V) + (N - 1) V / 2.
* *At least (witness).* Let L be 2 g_B(t - h), h > 0, somewhere (the ETF moved down the gradient). If F = F* + s at
  the minimiser, then by curvature the mean of (x_ij - mean x)^2 is at most s / (k_N (N - 1)), and mean x >= t; so L
  >= 2 g_B(m) and m >= t - D sqrt(N s / k_N), D^2 = sum_{i != j} (W_ij - 1 / (N (N - 1)))^2. Hence s >= (h / D)^2
  k_N / N.

The curvature bounds are far from sharp, and both ends together are no more than what is proved. For one partition
both ends are exact (`theory.formulas.optima.fixed_partition_range`), where the dimension suffices for them.

References:
    Cho et al., 2024, Theorem 5, arXiv 2307.05906 (some pair never meets: other minimisers). What is above: ours.
"""

from math import exp, expm1, inf, log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from theory.codes.frames import simplex_etf
from theory.designs.coverage import Coverage, pair_coverage
from theory.formulas.optima import fixed_partition_range, simplex_etf_value


class Verification(NamedTuple):
    """What batches are worth for `clip_sum` in d >= N - 1 dimensions; values in nats.

    Attributes:
        coverage: how often pairs meet.
        own_at_least: bounds the minimum of the mean over the batches from below.
        own_at_most: and from above.
        gap_at_least: bounds F - F* of its minimisers, F the full-batch loss, from below; 0 only for a 2-design, or
            where a positive bound is below the rounding of float64.
        gap_at_most: and from above.
        statement: what is proved, in words.
    """

    coverage: Coverage
    own_at_least: float
    own_at_most: float
    gap_at_least: float
    gap_at_most: float
    statement: str


def verify(batches: Shaped[np.ndarray, "..."], n: int, temperature: float = 1.0) -> Verification:
    """Count how often pairs of n points meet in batches, and bound the full-batch gap that these can leave.

    The bounds are those of the module; they hold up to rounding, about 1e-12 relative.

    >>> verify(np.array([[0, 1], [0, 2], [1, 2]]), 3).statement
    'a 2-design: its minimisers are those of the full batch'

    Raises:
        ValueError: if batches are no integers, a batch of distinct points 0 .. n - 1 a row, or tau is not
            positive.

    Cost: eigenvalues of an n x n matrix and a few evaluations of the loss.
    """
    if not 0 < temperature < inf:
        raise ValueError(f"temperature must be positive, received {temperature}; losses divide by it")
    coverage, B, N = pair_coverage(batches, n), batches.shape[-1], n
    if B < 2:
        raise ValueError("batches must hold at least 2 points, received 1; one point has no negative")
    rows = batches.reshape(-1, B)
    own, full = (simplex_etf_value(N, size, temperature=temperature) for size in (B, N))
    if coverage.is_design:
        return Verification(coverage, own, own, 0.0, 0.0, "a 2-design: its minimisers are those of the full batch")
    if coverage.is_resolvable and rows.size == N:
        ends = fixed_partition_range(N, B, temperature=temperature)
        said = "one partition: minimisers have any gap between these, and no other"
        return Verification(coverage, ends.own, ends.own, ends.best - full, ends.worst - full, said)
    weights = _weights(rows, N)
    spread = N * float(np.linalg.eigvalsh(np.diag(weights.sum(1)) - weights)[-1])
    least = _at_least(rows, weights, temperature)
    most = min(_chord(rows, N, temperature), _curvature(coverage, rows, N, spread, temperature)) - full
    said = "not a 2-design: no minimiser is one of the full batch (proved); the gap is not known, only bounded"
    return Verification(coverage, 2 * _g(B, -spread / temperature), own, least, most, said)


def _g(n: int, x: float) -> float:
    """log(1 + (n - 1) e^x), for any x."""
    return float(np.logaddexp(0, log(n - 1) + x))


def _weights(rows: Int[np.ndarray, "n_batches batch"], N: int) -> Float[np.ndarray, "n n"]:
    from scipy.sparse import csr_array  # a fifth of a second that starting need not wait for

    member = csr_array(
        (np.ones(rows.size), (np.repeat(np.arange(len(rows)), rows.shape[1]), rows.ravel())), (len(rows), N)
    )
    met = (member.T @ member).toarray()
    np.fill_diagonal(met, 0)
    return met / met.sum()


def _chord(rows: Int[np.ndarray, "n_batches batch"], N: int, tau: float) -> float:
    """The bound F <= .. by the chord, in logarithms as e^(2 / tau) may be too large."""
    (b, B), met = rows.shape, _weights(rows, N)[np.triu_indices(N, 1)] * rows.size * (rows.shape[1] - 1)
    never, least = int((met == 0).sum()), round(met[met > 0].min())
    low, high = _g(B, -2 / tau), _g(B, 2 / tau)
    part = min(1.0, max(0.0, (_g(B, -N / ((N - 1) * tau)) - low) / (high - low)))
    log_low, log_high = log(B - 1) - 2 / tau, log(B - 1) + 2 / tau
    chord = np.logaddexp(log_low + np.log1p(-part), log_high + log(part)) if part else log_low
    total = float(chord) + log(b * B / (N * least))
    if never:
        total = np.logaddexp(total, log(2 * never / N) + 2 / tau)
    return 2 * min(float(np.logaddexp(0, total)), _g(N, 2 / tau))


def _curvature(
    coverage: Coverage, rows: Int[np.ndarray, "n_batches batch"], N: int, spread: float, tau: float
) -> float:
    """The bound F <= .. by curvature; infinite if a pair never meets or it is too large to compute."""
    b, B = rows.shape
    log_curvature, top = -2 / tau - 2 * _g(B, 2 / tau), -N / ((N - 1) * tau)
    slack = max(0.0, _g(B, top) - _g(B, -spread / tau))
    if coverage.least == 0 or log_curvature < -500:
        return inf
    variance = 2 * b * B * slack * exp(-log_curvature) / (coverage.least * N * (N - 1))
    return 2 * _g(N, top + sqrt(variance)) + (N - 1) * variance / 2


def _at_least(rows: Int[np.ndarray, "n_batches batch"], weights: Float[np.ndarray, "n n"], tau: float) -> float:
    """(h / D)^2 k_N / N with the best of a few witnesses; 0 if none beats the ETF by more than rounding."""
    N, B = len(weights), rows.shape[1]
    log_curvature = -2 / tau - 2 * _g(N, 2 / tau)
    if log_curvature < -500:  # the bound is then below what float64 tells from 0
        return 0.0
    even = 1 / (N * (N - 1))
    distance = sqrt(float(((weights - even) ** 2).sum()) - N * even**2)
    etf, top = simplex_etf(N, N), -N / ((N - 1) * tau)
    best = min(_own_loss(etf - step * N * weights @ etf, rows, tau) for step in np.geomspace(1e-3, 4, 25))
    if best >= 2 * _g(B, top) - 1e-12 * (1 + abs(_g(B, top))):
        return 0.0
    lower = log(expm1(best / 2)) - log(B - 1)
    return ((top - lower) / distance) ** 2 * exp(log_curvature) / N


def _own_loss(points: Float[np.ndarray, "n dim"], rows: Int[np.ndarray, "n_batches batch"], tau: float) -> float:
    """The mean over the batches of the loss at u = v = points, normalised."""
    u = points / np.linalg.norm(points, axis=1, keepdims=True)
    logits = (u @ u.T - 1)[rows[:, :, None], rows[:, None, :]] / tau
    return 2 * float(np.log(np.exp(logits).sum(-1)).mean())
