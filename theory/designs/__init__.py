"""Which pairs meet in which batch: combinatorial designs as schedules of epochs.

Names: N points, batches of B, a *parallel class* is a partition of the points into batches (an epoch), and a
schedule is *resolvable* if it consists of such classes. It is a *2-design* if every pair of points meets in the
same number lambda >= 1 of batches.

**Pair-design theorem.** Let d >= N - 1 and let a multiset of B-batches be a 2-design. Then the mean over it of the
two-direction InfoNCE loss (`clip_sum`) is at least ``2 log(1 + (B - 1) e^(-N / ((N - 1) tau)))``, with equality
exactly at the simplex ETF, u = v: its minimisers are those of the full batch and of all C(N, B) batches.

*Proof.* In one direction, anchor i contributes log(1 + sum_j e^(x_ij)) to batch b, j over its other members and
x_ij = u_i.(v_j - v_i) / tau. By convexity this is at least g(mean_j x_ij), g(x) = log(1 + (B - 1) e^x), which is
convex and increasing; so the mean over anchors and batches is at least g(m), m the mean of all these x. Every pair
meets equally often, so that with a = sum u, b = sum v and e_i = |u_i - v_i|^2

    N (N - 1) tau m = a.b - N sum_i u_i.v_i >= -|a - b|^2 / 4 - N^2 + (N / 2) sum_i e_i
                   >= -N^2 + (N / 4) sum_i e_i >= -N^2,        as |a - b|^2 <= N sum_i e_i.

Equality needs u = v, a = 0 and, g being strictly convex, all x_ij equal. QED. Likewise the value of the simplex
ETF bounds every loss of `theory.formulas.optima`, at any tau > 0. That only the ETF attains
it needs the positive in the denominator. Without it (DCL, DHEL) Jensen is strict only within an anchor and a batch,
so that equality asks for u = v, sum u = 0 and equal x_ij for those j that share a batch with i: the ETF over all
batches of B >= 3, but for lambda = 1 other embeddings may attain it; see `formulas.optima.simplex_etf_value`.

Conversely nothing but a 2-design will do: `theory.designs.verification`, where what other batches can leave is
bounded.

`schedule` plays the best that is known here for any N and B, epoch by epoch; `sufficient` names the smallest
2-design built here, and a lower bound for all; `resolvable` says whether epochs of one can exist; `verify` counts,
and bounds.

References:
    Kirkman, 1847, "On a problem in combinations" (the circle method). Bose, 1938, and MacNeish, 1922 (nets from
    finite fields). Ray-Chaudhuri and Wilson, 1971 (Kirkman triple systems). Cho et al., 2024, Theorems 4 and 5,
    arXiv 2307.05906 (all batches suffice, one partition does not). The theorem is this project's own.
"""

from theory.designs.block_design import BlockDesign, complement, derived, residual
from theory.designs.blocks import known_designs, projective_lines, steiner_triples
from theory.designs.conditions import FewestBatches, fewest_batches, why_no_design, why_not_resolvable
from theory.designs.coverage import Coverage, pair_coverage
from theory.designs.families import DifferenceFamily, difference_family
from theory.designs.flats import flats
from theory.designs.nets import Schedule, affine_lines, affine_plane, hyperplanes, net
from theory.designs.resolvable import balanced_schedules, resolvable_design
from theory.designs.schedules import partial_design, schedule
from theory.designs.sufficient import Resolvable, Sufficient, resolvable, sufficient
from theory.designs.tournament import round_robin
from theory.designs.verification import Verification, verify
from theory.galois import GaloisField, prime_power

__all__ = [
    "BlockDesign",
    "Coverage",
    "DifferenceFamily",
    "FewestBatches",
    "GaloisField",
    "Resolvable",
    "Schedule",
    "Sufficient",
    "Verification",
    "affine_lines",
    "affine_plane",
    "balanced_schedules",
    "complement",
    "derived",
    "difference_family",
    "fewest_batches",
    "flats",
    "hyperplanes",
    "known_designs",
    "net",
    "pair_coverage",
    "partial_design",
    "prime_power",
    "projective_lines",
    "residual",
    "resolvable",
    "resolvable_design",
    "round_robin",
    "schedule",
    "steiner_triples",
    "sufficient",
    "verify",
    "why_no_design",
    "why_not_resolvable",
]
