"""What is optimal for contrastive losses, in closed form: the oracle of tests, tables and figures.

Pure float64 functions of numpy arrays and sizes; no learning and no files.

* `frames`: the point sets, as Gram matrices and coordinates: simplex ETF, cross-polytope.
* `family`: the losses that `optima` knows, and what tells them apart.
* `optima`: the minimum of a loss over the full batch or all batches of a size, how far it is
  proved, and what training on one fixed partition can lead to.
* `distance`: how far embeddings are from an optimum, modulo rotation and relabelling.

>>> from theory import distance_to_optimum, minimum, simplex_etf
>>> optimum = minimum(n_pairs=8, dim=16)
>>> round(optimum.value, 6), optimum.status, optimum.configuration
(2.346416, 'proved', 'simplex_etf')
>>> u = simplex_etf(8, 16)
>>> bool(distance_to_optimum(u, u, optimum.configuration) < 1e-12)
True
"""

from theory.distance import (
    aligned_gram,
    cross_polytope_pairing,
    distance_to_cross_polytope,
    distance_to_optimum,
    distance_to_simplex_etf,
)
from theory.family import LOSS_NAMES
from theory.frames import cross_polytope, cross_polytope_gram, simplex_etf, simplex_etf_gram
from theory.optima import (
    FixedPartitionRange,
    Optimum,
    cross_polytope_value,
    fixed_partition_range,
    minimum,
    simplex_etf_value,
)

__all__ = [
    "LOSS_NAMES",
    "FixedPartitionRange",
    "Optimum",
    "aligned_gram",
    "cross_polytope",
    "cross_polytope_gram",
    "cross_polytope_pairing",
    "cross_polytope_value",
    "distance_to_cross_polytope",
    "distance_to_optimum",
    "distance_to_simplex_etf",
    "fixed_partition_range",
    "minimum",
    "simplex_etf",
    "simplex_etf_gram",
    "simplex_etf_value",
]
