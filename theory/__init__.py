"""What is optimal for contrastive losses, and which batches suffice: the oracle of tests, tables and figures.

Pure float64 functions of numpy arrays and sizes; no learning and no files.

* `ledger`: `optimum`, the smallest value of a loss, how far it is proved, and what attains it; `certify`, how far
  given embeddings can be from it; `search`, the smallest value from many starts.
* `formulas`: losses in numpy, closed forms with their proofs.
* `codes`: the point sets, as exact cosines and as coordinates: simplex ETF, cross-polytope, sharp codes.
* `certificates`: lower bounds that can be checked, and what they say of given embeddings.
* `designs`: which pairs meet in which batch: schedules that suffice for the full-batch optimum.
* `bounds`: what a part of the batches says of the full batch.
* `distance`: how far embeddings are from an optimum, modulo rotation and relabelling.

>>> from theory import distance_to_optimum, optimum, simplex_etf
>>> best = optimum("clip_sum", n_pairs=8, dim=16)
>>> round(best.value, 6), best.status, best.configuration
(2.346416, 'proved', 'simplex_etf')
>>> u = simplex_etf(8, 16)
>>> bool(distance_to_optimum(u, u, best.configuration) < 1e-12)
True
"""

from theory.certificates import energy_bound, hermite_certificate, log_bound
from theory.codes import cross_polytope, cross_polytope_gram, find_code, simplex_etf, simplex_etf_gram
from theory.designs import resolvable, schedule, sufficient, verify
from theory.distance import (
    CONFIGURATIONS,
    aligned_gram,
    cross_polytope_pairing,
    distance_to_cross_polytope,
    distance_to_optimum,
    distance_to_simplex_etf,
)
from theory.formulas.family import LOSS_NAMES
from theory.formulas.objectives import objective
from theory.formulas.optima import (
    FixedPartitionRange,
    cross_polytope_value,
    fixed_partition_range,
    simplex_etf_value,
)
from theory.ledger import COUNTEREXAMPLES, Certificate, Optimum, SearchResult, certify, optimum, search

__all__ = [
    "CONFIGURATIONS",
    "COUNTEREXAMPLES",
    "LOSS_NAMES",
    "Certificate",
    "FixedPartitionRange",
    "Optimum",
    "SearchResult",
    "aligned_gram",
    "certify",
    "cross_polytope",
    "cross_polytope_gram",
    "cross_polytope_pairing",
    "cross_polytope_value",
    "distance_to_cross_polytope",
    "distance_to_optimum",
    "distance_to_simplex_etf",
    "energy_bound",
    "find_code",
    "fixed_partition_range",
    "hermite_certificate",
    "log_bound",
    "objective",
    "optimum",
    "resolvable",
    "schedule",
    "search",
    "simplex_etf",
    "simplex_etf_gram",
    "simplex_etf_value",
    "sufficient",
    "verify",
]
