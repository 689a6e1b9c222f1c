"""Minima of the losses that add up a function of each pair: `kcl`, `align_uniform`, `spectral_contrastive`.

Attraction and energy share no denominator, so that each can be at its best: u = v, and u where the energy has its
minimum. Of the kernels that is a question of point sets on the sphere, with a proved answer where a universally
optimal code exists (Cohn and Kumar, 2007): simplex, cross-polytope, regular polygons and the sharp codes,
whatever the kernel. A sum over pairs is the same over all C(N, B) batches, or any 2-design, as over the full
batch: each pair meets equally often, so the mean over batches of the mean over pairs is the mean over all
pairs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.certificates.linear_program import energy_bound
from theory.codes import cross_polytope, find_code, regular_polygon, simplex_etf
from theory.formulas.family import check_sizes
from theory.formulas.potentials import Exponential, Potential, kernel_potential
from theory.ledger.entry import Optimum, Points, bounded, equal_views, padded, proved

_SIMPLEX = "simplex bound: Jensen, as in kernel_sums"
_LP = "linear-programming bound: Delsarte 1972; Yudin 1992"


def kcl_optimum(
    n_pairs: int, dim: int, batch_size: int | None = None, *, kernel: str, parameter: float, gamma: float
) -> Optimum:
    """``-k(1) + gamma min E``, E the mean of k over pairs of points, k(1) the kernel at distance 0.

    Proof: every kernel here decreases with the distance, so -k(u_i, v_i) >= -k(1), with equality at u_i = v_i; and
    E(u), E(v) >= min E over N points of the sphere. Both are met at u = v at a minimiser of E. The value does not
    depend on B. min E is that of a universally optimal code (every kernel is absolutely monotone in the cosine, see
    `potentials`); in one dimension, of signs split evenly; elsewhere
    it is bounded below, by linear programming or by h(-1 / (N - 1)): h is convex and increases, and the mean of
    x_i.x_j over i != j is (|sum x|^2 - N) / (N (N - 1)).

    References:
        Koromilas et al., 2024, arXiv 2405.18045. Cohn and Kumar, 2007, arXiv math/0607446.
    """
    check_sizes(n_pairs, batch_size, dim)
    potential = kernel_potential(kernel, parameter)
    known = _lowest_energy(n_pairs, dim)
    if known is not None:
        return known.proved(gamma * known.energy(potential) - potential.at_one)
    simplex = float(potential(np.array(-1 / (n_pairs - 1))))
    programmed = energy_bound(potential, n_pairs, dim).value / (n_pairs - 1)
    source = _LP if programmed > simplex else _SIMPLEX
    return bounded(gamma * max(programmed, simplex) - potential.at_one, source)


def align_uniform_optimum(
    n_pairs: int, dim: int, batch_size: int | None = None, *, alpha: float, t: float, weight: float
) -> Optimum:
    """``weight log min E``, E the mean over pairs of e^(-t |x - y|^2): u = v at a minimiser of that energy.

    Proof: |u_i - v_i|^alpha >= 0, and the logarithm increases. For B < N the logarithm is taken of each batch,
    and only the simplex remains: by Jensen, log mean e^x >= mean x within a batch, and over all batches, in
    which all pairs meet equally often, the mean of -t |x - y|^2 is at least -2 t N / (N - 1) (|sum x|^2 >= 0),
    as at the simplex. In a batch of two pairs the logarithm is that of one term: nothing is lost by Jensen, and
    every u = v with sum u = 0 attains that bound; for odd N on a line, where |sum x| >= 1, signs split evenly do.

    References:
        Wang and Isola, 2020, arXiv 2005.10242. Cohn and Kumar, 2007, arXiv math/0607446.
    """
    del alpha  # of no effect where u = v
    size, n = check_sizes(n_pairs, batch_size, dim), n_pairs
    known = _lowest_energy(n, dim)
    if known is not None and (size == n or n <= dim + 1):
        return known.proved(weight * known.log_energy(2 * t))
    simplex, programmed = -2 * t * n / (n - 1), 0.0
    if size == 2:
        odd = int(dim == 1 and n % 2)
        source, value = "proof in align_uniform_optimum", weight * (simplex + 2 * t * odd / (n * (n - 1)))
        points = (lambda: signs(n)) if odd else (lambda: sum_zero(n, dim))
        name, note = ("cross_polytope" if n == 2 * dim else None), "every u = v with the least |sum u| attains it"
        return proved(value, name, source, equal_views(points), note)
    if size == n:
        programmed = energy_bound(Exponential(1 / (2 * t)), n, dim).value / (n - 1)
    if programmed > 0 and math.log(programmed) > simplex:
        return bounded(weight * math.log(programmed), _LP)
    return bounded(weight * simplex, _SIMPLEX)


@dataclass(frozen=True)
class _LowestEnergy:
    """Points of least energy for every potential: cosines, the share of the pairs at each, and who proved it."""

    cosines: Float[np.ndarray, " k"]
    shares: Float[np.ndarray, " k"]
    name: str | None
    source: str
    points: Callable[[], Points]

    def energy(self, potential: Potential) -> float:
        """The mean of h over pairs."""
        return float(self.shares @ potential(self.cosines))

    def log_energy(self, rate: float) -> float:
        """The logarithm of the mean of e^(rate (s - 1)), which does not underflow."""
        exponents = rate * (self.cosines - 1)
        return float(exponents.max() + np.log(self.shares @ np.exp(exponents - exponents.max())))

    def proved(self, value: float) -> Optimum:
        """The entry of a loss whose minimum they have."""
        return proved(value, self.name, self.source, equal_views(self.points))


def _lowest_energy(n: int, dim: int) -> _LowestEnergy | None:
    """A universally optimal code, or on a line signs in turn.

    With m of n signs positive the pairs of equal signs are C(m, 2) + C(n - m, 2), which is smallest for the
    even split, and h(1) > h(-1).
    """
    code = find_code(n, dim)
    if code is not None:
        cosines, counts = np.array(code.similarities).T
        name = "simplex_etf" if n <= dim + 1 else "cross_polytope" if n == 2 * dim else code.name
        return _LowestEnergy(cosines, counts / (n - 1), name, code.source, lambda: code.coordinates)
    if dim > 1:
        return None
    equal = (math.comb(n // 2, 2) + math.comb(n - n // 2, 2)) / math.comb(n, 2)
    source = "proof in kernel_sums: signs split evenly"
    return _LowestEnergy(np.array([1.0, -1.0]), np.array([equal, 1 - equal]), None, source, lambda: signs(n))


def signs(n: int) -> Points:
    """Points of {-1, 1} in turn."""
    return np.where(np.arange(n) % 2, -1.0, 1.0)[:, None]


def sum_zero(n: int, dim: int) -> Points:
    """Points that sum to zero: a cross-polytope, a polygon, or, for even n on a line, signs."""
    if n == 2 * dim:
        return cross_polytope(n, dim)
    return signs(n) if dim == 1 else padded(regular_polygon(n).coordinates, dim)


def spectral_contrastive_optimum(n_pairs: int, dim: int, batch_size: int | None = None) -> Optimum:
    """``-2 + max(0, N / d - 1) / (N - 1)``: u = v orthonormal for N <= d, a tight frame for N >= d.

    Proof for N >= d, with p = mean s_ii. U V^T has rank at most d, so sum_ij s_ij^2 >= (tr U V^T)^2 / d = N^2
    p^2 / d, and sum_i s_ii^2 <= N: the loss is at least (N p^2 / d - 1) / (N - 1) - 2 p. That decreases in p <=
    1 as long as p < d (N - 1) / N, which is everywhere for d >= 2; at p = 1 it is the value. For d = 1 all
    s_ij^2 = 1, and the loss is 1 - 2 p >= -1. Equality at u = v with U^T U = (N / d) I, a unit-norm tight
    frame, which exists for every N >= d. For N <= d both terms are at their best separately. The value does not
    depend on B.

    References:
        HaoChen et al., 2021, arXiv 2106.04156 (the loss). Welch, 1974, IEEE Trans. Inf. Theory 20
        (the bound for u = v).
        Benedetto and Fickus, 2003, "Finite normalized tight frames", Adv. Comput. Math. 18 (its minimisers).
    """
    check_sizes(n_pairs, batch_size, dim)
    N, d = n_pairs, dim
    value = -2 + max(0.0, N / d - 1) / (N - 1)
    if d >= N:
        return proved(value, None, "both terms at their bounds", equal_views(lambda: np.eye(N, d)), "orthonormal")
    source = "Welch 1974; Benedetto and Fickus 2003, Thm 6.2; u != v: proof in spectral_contrastive_optimum"
    if n_pairs == d + 1:
        return proved(value, "simplex_etf", source, equal_views(lambda: simplex_etf(N, d)))
    name = "cross_polytope" if n_pairs == 2 * d else "tight frame"
    make = equal_views(lambda: tight_frame(N, d))
    if n_pairs == 2 * d and (code := find_code(N, d)) is not None:
        make = equal_views(lambda: code.coordinates)
    return proved(value, name, source, make, "every unit-norm tight frame attains it, and they are many")


def tight_frame(n: int, dim: int) -> Points:
    """N unit vectors in R^d with ``U^T U = (N / d) I``: the harmonic frame.

    Rows sqrt(2 / d) (cos(2 pi j k / N), sin(2 pi j k / N)), j = 1 .. d / 2, with one more column 1 / sqrt(2)
    for odd d. The columns are orthogonal as d / 2 < N / 2; for N = d it is the standard basis.

    Raises:
        ValueError: if N < d.

    References:
        Goyal, Kovacevic, Kelner, 2001, "Quantized frame expansions with erasures", Appl. Comput. Harmon. Anal. 10.
    """
    if n < dim:
        raise ValueError(f"a tight frame needs n >= dim points, received n = {n}, dim = {dim}; take dim = {n}")
    if n == dim:
        return np.eye(n)
    angles = 2 * np.pi / n * np.outer(np.arange(n), np.arange(1, dim // 2 + 1))
    constant = np.full((n, dim % 2), np.sqrt(0.5))
    return np.sqrt(2 / dim) * np.concatenate([constant, np.cos(angles), np.sin(angles)], axis=1)
