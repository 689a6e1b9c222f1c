"""Lower bounds of losses with a logarithm per anchor, from energies: the minimum at every universally optimal code.

Let ``h(s) = e^((s - 1) / tau)``, and let E <= (1/N) sum_(i != j) h(x_i.x_j) be a bound for all N points of the
sphere by a polynomial f = sum_k f_k P_k with f_k >= 0 for k >= 1 and f <= h on [-1, 1]: E = N f_0 - f(1)
(`linear_program`, `universal`, `hermite`; at universally optimal codes E is the energy of the code).

**Theorem.** For all unit embeddings u, v of N pairs, equal or not, and every tau > 0, over the full batch::

    InfoNCE, CLIP >= log(1 + E),        clip_sum >= 2 log(1 + E),        NT-Xent >= log(1 + 2 E),

so that universally optimal codes, u = v, minimise these losses at every temperature.

*Proof.* (0) If weights g_i >= 0 have the sum G, and kernels have L_ij >= h(z_i.z_j) for i != j and L_ii = 1, then

    sum_ij g_i g_j L_ij >= sum_ij g_i g_j f(z_i.z_j) + (1 - f(1)) sum_i g_i^2
                        >= (f_0 + (1 - f(1)) / N) G^2 = (1 + E) G^2 / N,

by Schoenberg, and by f(1) <= h(1) = 1.

(1) InfoNCE: let M_ij = e^((s_ij - s_ii) / tau) and a_i = 1 / sum_j M_ij, so that the loss is mean_i log(1 / a_i).
By Cauchy's inequality sum_ij a_i a_j sqrt(M_ij M_ji) <= sum_ij a_i^2 M_ij = sum_i a_i =: A. And sqrt(M_ij M_ji) =
e^(-(u_i - u_j).(v_i - v_j) / (2 tau)) >= e^(-|z_i - z_j|^2 / (2 tau)) = h(z_i.z_j) by the lemma of `two_views`.
By (0), (1 + E) A^2 / N <= A, so A <= N / (1 + E), and by Jensen the loss is at least log(N / A) >= log(1 + E).
Exchange u and v for the other direction of CLIP.

(2) NT-Xent: 2 N points w, w_i' the partner of w_i and p_i their product. An anchor is log(1 + xi_i e^((1 - p_i) /
tau)) >= log(1 + xi_i), xi_i the sum of h over its negatives. Let K_ij = h(w_i.w_j), but K_ii' = 1, and g_i = 1 /
sum_j K_ij = 1 / (2 + xi_i), of sum G. As in (1), sum g_i g_j K_ij <= sum g_i^2 K_ij = G. And as 1 - f(p_i) >= 1 -
f(1), and the N sums g_i + g_i' of the pairs add up to G, sum g_i g_j K_ij >= f_0 G^2 + (1 - f(1)) sum_pairs (g_i
+ g_i')^2 >= (1 + E) G^2 / N. So G <= N / (1 + E). An anchor is at least log(1 / g_i - 1), decreasing, and convex
as g_i <= 1 / 2: by Jensen the loss is at least log(2 N / G - 1) >= log(1 + 2 E). QED

**Batches.** For the mean over all C(N, B) batches (or any in which all pairs meet equally often), with m = B - 1
negatives of an anchor (NT-Xent 2 (B - 1)), both of these hold for all u and v, beside the simplex bound:

* every batch by itself has the bound of its B points;
* by Jensen log(1 + m mean_j e^(x_j)) >= mean_j log(1 + m e^(x_j)), so that the loss is at least ``(1 / N) sum_(i
  != j) H(x_i.x_j)``, ``H(s) = log(1 + m h(s)) / (N - 1)``, with x = z for InfoNCE and CLIP, as log(1 + m e^x) is
  convex and increasing: the mean over x_ij and x_ji is at least the value at their mean. H has a
  linear-programming bound. For NT-Xent, over 2 N points w, with H / 2 >= f: (1 / (2 N)) (4 N^2 f_0 - 2 N f(1) -
  sum_i f(p_i)) is at least 2 (N f_0 - f(1)). For B = 2 nothing is lost by Jensen, and for N = 2 d the
  cross-polytope then has the least InfoNCE and CLIP: let f interpolate H at -1 and, twice, at 0. f_1 = H'(0) > 0
  and f_2 is a positive multiple of H(-1) - H(0) + H'(0) > 0, and H - f is a value of the third derivative, over 6
  and not negative, times (s + 1) s^2; the cross-polytope has no cosines but these, and its mean of P_1 and P_2 is
  0.

**DCL and DHEL** have log xi for log(1 + xi), where g in (2) would be 1 / (1 + xi) and log(1 / g - 1) is not
convex, and the statement is false (regular polygons of 7 points at small tau). A sum over pairs that is below the
loss for all similarities, sum_j F(s_j) <= log sum_j e^((s_j - 1) / tau), has F(s) <= (log(N - 1) + (s - 1) / tau)
/ (N - 1) by equal s_j: linear in s, which is the simplex bound. No such bound, `chord_bound` included, is better.

References:
    The theorem is this project's own. Schoenberg, 1942, Duke Math. J. 9. Cohn and Kumar, 2007, arXiv
    math/0607446. Cho et al., 2024, arXiv 2307.05906 (log(1 + m e^x) as weight of a pair).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from theory.certificates.linear_program import curve_bound, energy_bound
from theory.certificates.universal import universal_bound
from theory.codes import find_code
from theory.formulas.family import FAMILY, member
from theory.formulas.optima import cross_polytope_value, simplex_etf_value
from theory.formulas.potentials import Exponential

BoundName = Literal["simplex", "universally optimal code", "linear program", "universal bound", "pairs"]


@dataclass(frozen=True)
class LogBound:
    """A lower bound of a loss of `family` over all unit embeddings, averaged over all batches of one size.

    Attributes:
        value: in nats.
        name: where E comes from; `pairs`: the linear program for H.
        attained: whether it is known to be the minimum.
    """

    value: float
    name: BoundName
    attained: bool


COVERED = tuple(name for name, kind in FAMILY.items() if kind.positive_in_denominator)
"""The losses that the theorem is for."""


@dataclass(frozen=True)
class Softplus:
    """H(s) = factor log(1 + m e^((s - 1) / tau)), the curve of a pair."""

    temperature: float
    negatives: int
    factor: float

    def __call__(self, s: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Its values."""
        return self.factor * np.logaddexp(0.0, self._logit(s))

    def curvature(self, a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The largest sigma (1 - sigma) / tau^2 of the interval: where the sigmoid is closest to 1/2."""
        logits = self._logit(np.minimum(a, b)), self._logit(np.maximum(a, b))
        closest = np.abs(np.clip(0.0, *logits))
        return self.factor / self.temperature**2 * np.exp(-closest - 2 * np.logaddexp(0.0, -closest))

    def _logit(self, s: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return math.log(self.negatives) + (s - 1) / self.temperature


def log_bound(
    loss: str, n_pairs: int, dim: int, batch_size: int | None = None, temperature: float = 1.0
) -> LogBound:
    """The best bound of the module's docstring, over all unit embeddings u, v.

    Args:
        loss: a loss of `family`.
        n_pairs: N.
        dim: d >= 1.
        batch_size: B; None for the full batch.
        temperature: tau.

    Raises:
        ValueError: as `simplex_etf_value`; if d < 1.

    Cost:
        Nothing for N <= d + 1, for universally optimal codes and for DCL and DHEL; else 0.1 to 1 s.
    """
    simplex = simplex_etf_value(n_pairs, batch_size, loss=loss, temperature=temperature)
    if dim < 1:
        raise ValueError(f"dim must be at least 1, received {dim}; pass the dimension of the embeddings")
    kind, B = member(loss), batch_size or n_pairs
    found = [LogBound(simplex, "simplex", n_pairs <= dim + 1)]
    if n_pairs <= dim + 1 or not kind.positive_in_denominator:
        return found[0]
    if dim + 1 < B:
        energy, name = _energy(B, dim, temperature)
        found.append(LogBound(loss_bound(energy, loss), name, name == "universally optimal code" and n_pairs == B))
    if B == 2 and n_pairs == 2 * dim and kind.negatives_per_pair == 1:
        value = cross_polytope_value(n_pairs, B, loss=loss, temperature=temperature)
        return LogBound(value, "universally optimal code", True)
    if n_pairs > B:
        curve = Softplus(temperature, kind.negatives_per_pair * (B - 1), 1 / (n_pairs - 1))
        found.append(LogBound(kind.logs * curve_bound(curve, n_pairs, dim).value, "pairs", False))
    return max(found, key=lambda bound: bound.value)


def loss_bound(energy: float, loss: str = "info_nce") -> float:
    """The theorem's bound over the full batch, ``s log(1 + m E)``, from a bound E of the energy.

    With m negatives per other pair and s logarithms added (table in `theory.formulas.family`); 0 for negative E.

    Args:
        energy: E, per point and with potential ``e^((s - 1) / tau)``, proved by a polynomial: `energy_bound`,
            `universal_bound`, or the energy of a universally optimal code.
        loss: one of `COVERED`.

    Raises:
        ValueError: if the loss is not covered, or the energy is not finite.
    """
    kind = member(loss)
    if loss not in COVERED:
        raise ValueError(
            f"loss must have the positive in its denominator ({', '.join(COVERED)}), received {loss!r}; "
            "without it the statement is false, and only the simplex bound is known"
        )
    if not math.isfinite(energy):
        raise ValueError(f"energy must be finite, received {energy}")
    return kind.logs * math.log1p(kind.negatives_per_pair * max(0.0, energy))


def chord_bound(
    loss: str, n_pairs: int, dim: int, batch_size: int | None = None, temperature: float = 1.0
) -> float:
    """The chord bound, for u = v only: never better than `log_bound`, and here to compare it with.

    An anchor's xi = sum_j h(x_i.x_j) over a batch lies in [(B - 1) e^(-2 / tau), B - 1], where log(1 + xi) and
    log xi are above their chords, which increase; and the mean of xi is (B - 1) / (N - 1) times an energy, at
    least its bound E. So the loss is at least the chord at (B - 1) / (N - 1) E. Both logarithms are above their
    chords there, too: the full batch has log(1 + E), and H is above a multiple of h plus a constant.

    The arguments and the errors are those of `log_bound`.
    """
    simplex_etf_value(n_pairs, batch_size, loss=loss, temperature=temperature)  # for its checks
    kind, others = member(loss), (batch_size or n_pairs) - 1
    mean = _energy(n_pairs, dim, temperature)[0] / (n_pairs - 1)
    one, m, least = int(kind.positive_in_denominator), kind.negatives_per_pair * others, math.exp(-2 / temperature)
    left = math.log1p(m * least) if one else math.log(m) - 2 / temperature
    chord = left + (math.log(one + m) - left) * (mean - least) / (1 - least)
    return kind.logs * chord + (kind.logs - kind.positives) / temperature


def _energy(n: int, dim: int, temperature: float) -> tuple[float, BoundName]:
    """E for n points, and where it comes from."""
    potential = Exponential(temperature)
    code = find_code(n, dim)
    if code is not None:
        return code.energy(potential), "universally optimal code"
    if dim == 1:  # points of the plane, where the polygon attains the universal bound
        return universal_bound(potential, n, dim), "universal bound"
    bounds: list[tuple[float, BoundName]] = [
        (energy_bound(potential, n, dim).value, "linear program"),
        (universal_bound(potential, n, dim), "universal bound"),
    ]
    return max(bounds)
