"""Aligned InfoNCE is covered by the linear program: bounds of energies bound means of logarithms.

Let u = v be N points x_i on the sphere, ``h(s) = e^((s - 1) / tau)``, and let E bound their energy per point,
``(1/N) sum_{i != j} h(x_i.x_j) >= E``, by a polynomial: ``f = sum_k f_k P_k`` in Gegenbauer polynomials with
``f_k >= 0`` for k >= 1 and ``f <= h`` on [-1, 1], so that ``E = N f_0 - f(1)`` (Delsarte, Yudin).

**Theorem.** For every N, d and tau > 0, and u = v::

    InfoNCE >= log(1 + E),        NT-Xent >= log(1 + 2 E).

So every universally optimal code whose optimality such a polynomial proves (simplex, cross-polytope, regular
polygons, sharp codes, the 600-cell) minimises both losses among all embeddings with u = v, at every temperature.

*Proof.* With ``K_ij = h(x_i.x_j)``, ``U_i = (1/N) sum_j K_ij`` (j = i among them), ``g_i = 1 / (N U_i)`` and
G = sum_i g_i:

1. ``g'Kg = N^-2 sum K_ij / (U_i U_j) <= N^-2 sum K_ij (U_i^-2 + U_j^-2) / 2 = N^-1 sum_i U_i^-1 = G``.
2. ``g'Kg >= sum_ij g_i g_j f(x_i.x_j) + (1 - f(1)) sum g_i^2 >= (f_0 + (1 - f(1)) / N) G^2 = (1 + E) G^2 / N``, by
   f <= h, by Schoenberg (each P_k(x_i.x_j) is positive semidefinite), and by Cauchy-Schwarz with f(1) <= h(1) = 1.
3. So ``G <= N / (1 + E)``: the weights ``w_i = 1 / U_i``, of mean G, are at most that on average.
4. An anchor of InfoNCE is ``log(N U_i) = log(N / w_i)``, one of NT-Xent ``log(2 N U_i - 1) = log(2 N / w_i - 1)``.
   Both decrease with w_i and are convex for w_i <= N, which holds as N U_i >= K_ii = 1. By Jensen the loss is at
   least this function of G, and at least that of N / (1 + E). QED

For DCL and DHEL the anchor is ``log(N / w - 1)``, convex only for w <= N / 2, that is where ``xi >= 1``. There the
proof fails, and so does the statement: regular polygons of N >= 7 points are not optimal at small tau.
The bound log(1 + E) lies above the chord ``E log N / (N - 1)`` of the same E, as log is concave.

With f = h itself, all of whose coefficients are positive and whose f_0 is ``c = E h(s)`` over the uniform
distribution, ``E = N c - 1``. Hence ``InfoNCE >= log N + log c``: no aligned embeddings lie below the limit of Wang
and Isola (`theory.bounds.population`), at any N.

It holds for all u and v, too, with another proof: `theory.certificates.chord`. This one is shorter.

References:
    The theorem is this project's own. Delsarte, Goethals, Seidel, 1977, and Yudin, 1992 (the bound of the energy).
    Cohn and Kumar, 2007, arXiv math/0607446 (universally optimal codes). Schoenberg, 1942, Duke Math. J. 9.
"""

import math

from theory.family import member

COVERED = ("info_nce", "mnrl", "simcse", "clip", "clip_sum", "nt_xent", "flatnce")
"""The losses that the theorem is for: those with the positive in the denominator."""


def aligned_bound(energy: float, loss: str = "info_nce") -> float:
    """What no embeddings with u = v go below, from a linear-programming bound of their energy.

    ``s log(1 + m max(0, E))``, with m negatives per other pair and s logarithms added (table in `theory.family`);
    statement and proof in the module's docstring. It is the minimum over u = v wherever a point set attains the
    energy and all its points see the same one. Full batch only.

    Args:
        energy: E, per point and with potential ``e^((s - 1) / tau)``, proved by a polynomial: `energy_bound` of
            `theory.certificates`, or the exact energy of a code for which such a proof is known.
        loss: one of `COVERED`.

    Returns:
        The bound in nats.

    Raises:
        ValueError: if the loss is not covered, or the energy is not finite.
    """
    if loss not in COVERED:
        member(loss)
        raise ValueError(
            f"loss must have the positive in its denominator ({', '.join(COVERED)}), received {loss!r}; "
            "without it the statement is false, and only the simplex bound is known"
        )
    if not math.isfinite(energy):
        raise ValueError(f"energy must be finite, received {energy}")
    kind = member(loss)
    return kind.logs * math.log1p(kind.negatives_per_pair * max(0.0, energy))
