"""Which pairs make a step: selection rules, and the plans that they make. Torch, and the losses.

    rule = make_selection("balanced", loss=loss, temperature=0.1, batches_per_pool=40)
    plan = rule.plan(n_pairs, batch_size, seed=0, epoch=3, embed=embed)
    plan.batches                                # [n_batches, batch_size], numbers of pairs

    sampler = PlannedBatchSampler(rule, n_pairs, batch_size, embed=embed)
    loader = DataLoader(dataset, batch_sampler=sampler)

A rule is made of stages, each a small frozen dataclass that can be exchanged: an engine (`batching.engines`) cuts
pools into batches, `Swaps` refines them, `Adjusted` adds the knobs that all rules have. `METHODS` puts the
published methods together, `python -m batching` runs them on embeddings from a file.
"""

from batching.algorithms.affinity import pair_weights
from batching.algorithms.neighbours import nearest
from batching.algorithms.swaps import Swaps, swap_refine
from batching.combinations import Combinations
from batching.embeddings import Embeddings, Remembered
from batching.engines.balanced_kmeans import BalancedKMeans
from batching.engines.bandwidth import Bandwidth
from batching.engines.bisection import Bisection, Spread
from batching.engines.engine import Cut, Engine
from batching.engines.graph import Graph
from batching.engines.matching import Matching
from batching.engines.spectral import Spectral
from batching.methods import METHODS, Method
from batching.pickers.diversity import EffectiveRank
from batching.pickers.jest import Jest
from batching.pickers.picker import OrderedSamples, Picker, RhoLoss, UniformPick
from batching.plan import Embed, Plan, Selection, Step, Wrapped
from batching.registry import ALIASES, SELECTIONS, canonical_name, make_selection
from batching.report import Report, coverage, hardness, planned, purity
from batching.rules.adjusted import Adjusted
from batching.rules.clusters import ClusterDraws, Clusters
from batching.rules.curriculum import Curriculum
from batching.rules.designs import Design, PooledDesign
from batching.rules.guards import Guards
from batching.rules.oblivious import All, Fixed, Full, Random, Shuffled
from batching.rules.osgd import OrderedSGD
from batching.rules.partition import Partitioned
from batching.rules.picked import Picked
from batching.rules.walk import ProximityWalk
from batching.sampler import PlannedBatchSampler
from batching.seeded import Seed, derived_seed, normals, permutation, uniforms, words
from batching.settings import Settings, settings_in

__all__ = [
    "ALIASES",
    "METHODS",
    "SELECTIONS",
    "Adjusted",
    "All",
    "BalancedKMeans",
    "Bandwidth",
    "Bisection",
    "ClusterDraws",
    "Clusters",
    "Combinations",
    "Curriculum",
    "Cut",
    "Design",
    "EffectiveRank",
    "Embed",
    "Embeddings",
    "Engine",
    "Fixed",
    "Full",
    "Graph",
    "Guards",
    "Jest",
    "Matching",
    "Method",
    "OrderedSGD",
    "OrderedSamples",
    "Partitioned",
    "Picked",
    "Picker",
    "Plan",
    "PlannedBatchSampler",
    "PooledDesign",
    "ProximityWalk",
    "Random",
    "Remembered",
    "Report",
    "RhoLoss",
    "Seed",
    "Selection",
    "Settings",
    "Shuffled",
    "Spectral",
    "Spread",
    "Step",
    "Swaps",
    "UniformPick",
    "Wrapped",
    "canonical_name",
    "coverage",
    "derived_seed",
    "hardness",
    "make_selection",
    "nearest",
    "normals",
    "pair_weights",
    "permutation",
    "planned",
    "purity",
    "settings_in",
    "swap_refine",
    "uniforms",
    "words",
]
