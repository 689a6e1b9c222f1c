"""Ordered SGD over batches: what it minimises, how fast, and how much faster it leaves a bad start.

Of n batches, k are drawn at random without repetition and the q of largest loss are used for the step. n = C(N, B)
where all batches can be drawn (Cho et al.).

References:
    Kawaguchi and Lu, 2020, "Ordered SGD: a new stochastic optimization framework for empirical risk minimization",
    AISTATS, arXiv 1907.04371 (samples of a batch instead of batches). Cho et al., 2024, Section 5, arXiv
    2307.05906. Davis and Drusvyatskiy, 2018, arXiv 1802.02988, 1803.06523 (the rate for weakly convex functions).
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def ordered_weights(n_batches: int, drawn: int, kept: int) -> Float[np.ndarray, " n_batches"]:
    """How often each batch is kept, by the rank of its loss: gamma_1 >= ... >= gamma_n, with sum q.

    ``gamma_j = sum_{l < q} C(j - 1, l) C(n - j, k - l - 1) / C(n, k)``: the batch of the j-th largest loss is kept
    if it is among the k drawn and l < q of these are larger. For k = q = n all are 1; for q = k all are k / n.

    Args:
        n_batches: n.
        drawn: k.
        kept: q.

    Returns:
        gamma, by descending loss. O(n q) time.

    Raises:
        ValueError: unless 1 <= q <= k <= n.

    References:
        Kawaguchi and Lu, 2020, Theorem 1, arXiv 1907.04371.
    """
    n, k, q = n_batches, drawn, kept
    if not 1 <= q <= k <= n:
        raise ValueError(
            f"numbers must obey 1 <= kept <= drawn <= n_batches, received {kept}, {drawn} and {n_batches}"
        )
    from scipy.special import gammaln

    def log_choose(a: Float[np.ndarray, " m"], b: int) -> Float[np.ndarray, " m"]:
        inside = np.maximum(a, b)
        logs = gammaln(inside + 1) - gammaln(b + 1) - gammaln(inside - b + 1)
        return np.where(a < b, -np.inf, logs)

    larger = np.arange(n, dtype=np.float64)
    all_draws = log_choose(np.array([float(n)]), k)
    gamma = np.zeros(n)
    for rank in range(q):
        gamma += np.exp(log_choose(larger, rank) + log_choose(n - 1 - larger, k - rank - 1) - all_draws)
    return gamma


def ordered_objective(losses: Sequence[float], drawn: int, kept: int) -> float:
    """What Ordered SGD minimises, ``(1/q) sum_j gamma_j L_(j)``, L_(j) the j-th largest of all losses.

    It is the expected mean loss of the q batches that are kept, at least the mean of all losses and at most that of
    the q largest.

    Raises:
        ValueError: as `ordered_weights`, with n the number of losses.
    """
    gamma = ordered_weights(len(losses), drawn, kept)
    return float(gamma @ np.sort(np.asarray(losses, dtype=np.float64))[::-1]) / kept


def weak_convexity(batch_size: int, temperature: float = 1.0) -> float:
    """A rho with which the loss of a batch is weakly convex where all lengths are at most 1.

    That is, `clip_sum` of the batch plus ``(rho / 2) (|U|^2 + |V|^2)`` is convex for |u_i|, |v_i| <= 1, with
    ``rho = 2 (1 + min(sqrt(B), e^(1/tau))) / (B tau)``. Proof: the loss is convex in S = U V^T, so that its second
    derivative along (X, Y) is at least ``2 <G, X Y^T> >= -|G|_op (|X|^2 + |Y|^2)``, with
    ``G = dL/dS = (P + Q - 2 I) / (B tau)``, P and Q^T row-stochastic with logits in [-1/tau, 1/tau]. Their columns
    sum to at most min(B, e^(2/tau)), so ``|P|_op <= sqrt(|P|_1 |P|_inf) <= min(sqrt(B), e^(1/tau))``. As a maximum
    of weighted sums of losses (the weights decrease with rank), what Ordered SGD minimises has the same rho.

    Cho et al. state another constant, 2 sqrt(2 / B) + 4 e^2 / B at tau = 1, as far as we know: this could not be
    checked in the paper. It is larger, and so it is a valid one by this proof.

    Raises:
        ValueError: if B is below 2 or tau not positive.
    """
    if batch_size < 2:
        raise ValueError(f"batch_size must be at least 2, received {batch_size}; one pair has no negative")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be positive and finite, received {temperature}")
    norm = math.sqrt(batch_size) if 2 / temperature > math.log(batch_size) else math.exp(1 / temperature)
    return 2 * (1 + norm) / (batch_size * temperature)


def stationarity_bound(gap: float, rho: float, gradient_norm: float, learning_rates: Sequence[float]) -> float:
    """How near stochastic (sub)gradient steps come to a stationary point of a weakly convex f, after T of them.

    With ``f_M(x) = min_y f(y) + rho |x - y|^2`` the Moreau envelope of f, f rho-weakly convex, steps
    ``x - eta_t g_t``, E g_t a subgradient and E|g_t|^2 <= G^2::

        min_t E |grad f_M(x_t)|^2 <= 2 (gap + rho G^2 sum_t eta_t^2) / sum_t eta_t,

    which is O(T^(-1/2)) for eta_t ~ T^(-1/2). The small gradient of the envelope says that x_t lies near a point at
    which f has a small subgradient, at distance |grad f_M| / (2 rho). For Ordered SGD f is `ordered_objective`.

    Proof: with y the minimiser at x_t, ``E f_M(x_(t+1)) <= f(y) + rho E|y - x_(t+1)|^2 <= f_M(x_t) + 2 rho eta_t
    (f(y) - f(x_t) + (rho/2) |y - x_t|^2) + rho eta_t^2 G^2``. As f + rho |. - x_t|^2 is rho-strongly convex with
    minimiser y, the bracket is at most ``-rho |y - x_t|^2 = -|grad f_M(x_t)|^2 / (4 rho)``. Sum over t.

    Args:
        gap: f_M(x_0) - min f, or a bound of it.
        rho: of weak convexity; `weak_convexity` where embeddings are kept in the unit ball (a projection onto
            convex sets only shortens the distance to y; that onto the sphere is not of this kind).
        gradient_norm: G.
        learning_rates: eta_0 ... eta_(T-1).

    Returns:
        The bound of the squared norm.

    Raises:
        ValueError: if gap is negative, another argument not positive, one not finite, or there are no steps.

    References:
        Davis and Drusvyatskiy, 2018, Theorem 2.1, arXiv 1802.02988. Cho et al., 2024, arXiv 2307.05906 (a rate of
        this form for Ordered SGD over batches).
    """
    steps = np.asarray(learning_rates, dtype=np.float64)
    if not 0 <= gap < math.inf:
        raise ValueError(f"gap must be finite and not negative, received {gap}; it is a value less the minimum")
    positive = np.append(steps, [rho, gradient_norm])
    if not (steps.size and (positive > 0).all() and np.isfinite(positive).all()):
        raise ValueError(
            "rho, gradient_norm and at least one learning rate must be positive and finite; "
            f"received {rho}, {gradient_norm} and {steps.size} rates"
        )
    return float(2 * (gap + rho * gradient_norm**2 * (steps**2).sum()) / steps.sum())


def hardest_batch_speedup(temperature: float = 1.0) -> float:
    """How many times faster the hardest batch leaves the bad start of Cho et al., N = 4, d = 2, B = 2.

    u = v at angles t, -t, pi + t, pi - t, t small: two close pairs, {1, 2} and {3, 4}. A pair at angle a has loss
    ``2 log(1 + e^((cos a - 1) / tau))``, whose slope is ``-2 sin(a) / tau sigma((cos a - 1) / tau)``. A close pair
    (a = 2 t) opens t with a force F ~ (2 t / tau), an opposite one (a = pi - 2 t; {1, 4}, {2, 3}) closes it with
    ``F 2 / (1 + e^(2/tau))``, and {1, 3}, {2, 4} do nothing. The hardest batch is a close pair, each point's in
    half of the steps; a random batch is each of the six pairs in 1/6 of them. So t grows, per step, in the ratio

        (1/2) / ((1/6) (1 - 2 / (1 + e^(2/tau)))) = 3 (e^(2/tau) + 1) / (e^(2/tau) - 1) = 3 / tanh(1 / tau),

    3.939 at tau = 1: the first order of the small angle, for learning rates at which t grows slowly.

    Raises:
        ValueError: if tau is not positive.

    References:
        Cho et al., 2024, Section 5, arXiv 2307.05906 (tau = 1; bounds of the numbers of steps in this ratio).
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be positive and finite, received {temperature}")
    return 3 / math.tanh(1 / temperature)
