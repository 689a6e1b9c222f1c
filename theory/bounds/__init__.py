"""What a part of the batches says of the full batch, and finitely many pairs of infinitely many.

* `pairwise`: the loss of a batch between two sums over its pairs.
* `partitions`: what the optimum of one fixed partition leaves open.
* `coverage`: numbers of batches, and how many pairs meet in partitions, shuffles and designs.
* `subsets`: the mean over all batches of a size against the full batch, and the information that it certifies.
* `population`: the limit of infinitely many pairs.
* `ordered_sgd`: what choosing the batches of largest loss minimises, and how fast.
"""

from theory.bounds.coverage import (
    ExpectedShuffles,
    ShuffledCoverage,
    count_batches,
    epoch_coverage,
    fewest_classes,
    fewest_to_cover,
    shuffled_coverage,
    shuffles_until_all_meet,
    shuffles_until_pair_meets,
)
from theory.bounds.ordered_sgd import (
    hardest_batch_speedup,
    ordered_objective,
    ordered_weights,
    stationarity_bound,
    weak_convexity,
)
from theory.bounds.pairwise import LossBounds, pair_weights, pairwise_bounds
from theory.bounds.partitions import (
    PartitionCheck,
    Similarities,
    VarianceRange,
    check_fixed_partition,
    fixed_partition_variance,
    largest_mean_positive,
    similarities,
)
from theory.bounds.population import FiniteRange, finite_range, log_uniform_mean, population_limit
from theory.bounds.subsets import AllBatches, all_batches_bounds, information_bound, information_ceiling

__all__ = [
    "AllBatches",
    "ExpectedShuffles",
    "FiniteRange",
    "LossBounds",
    "PartitionCheck",
    "ShuffledCoverage",
    "Similarities",
    "VarianceRange",
    "all_batches_bounds",
    "check_fixed_partition",
    "count_batches",
    "epoch_coverage",
    "fewest_classes",
    "fewest_to_cover",
    "finite_range",
    "fixed_partition_variance",
    "hardest_batch_speedup",
    "information_bound",
    "information_ceiling",
    "largest_mean_positive",
    "log_uniform_mean",
    "ordered_objective",
    "ordered_weights",
    "pair_weights",
    "pairwise_bounds",
    "population_limit",
    "shuffled_coverage",
    "shuffles_until_all_meet",
    "shuffles_until_pair_meets",
    "similarities",
    "stationarity_bound",
    "weak_convexity",
]
