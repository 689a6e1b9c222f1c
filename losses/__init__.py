"""Contrastive losses: pure functions of paired unit embeddings. Torch only.

    loss(u, v, temperature=0.1)                       # scalar, in nats
    loss(u, v, temperature=0.1, reduction="none")     # the value of each pair
    loss(u, v, temperature=0.1, batches=table)        # the value of each batch of a table
    loss(u, v, temperature=0.1, group=WORLD)          # the batch is spread over processes

and, in the log-sum-exp family (InfoNCE, NT-Xent, DCL, ...: `Options`),

    loss(u, v, temperature=0.1, ids=numbers)          # duplicates are no negatives of each other
    loss(u, v, temperature=0.1, chunk_size=1024)      # the B x B matrix is never held

`LOSSES` holds them by name, with formula and source; every command line takes its choices from it, and
`make_loss(name, temperature=0.1)` binds the settings. What has a state is a module (`GlobalContrastive`, `Queue`).
`cached_backward` runs an encoder in chunks, `diagnostics` says what a batch looks like, `retrieval` measures what
was learned.
"""

from losses.caching import cached_backward
from losses.contrast import OneWayOptions, Options, value_and_gradient
from losses.decorrelation import barlow_twins, vicreg
from losses.decoupled import dcl, dcl_cross, dcl_one_way, dclw, dhel_anchor, dhel_mean, dhel_product, flatnce
from losses.diagnostics import Diagnostics, diagnostics, effective_rank
from losses.distributed import gather
from losses.hard import debiased, hcl
from losses.infonce import arc_margin, clip, clip_sum, info_nce, mnrl, moco, n_pair, nt_xent, simcse
from losses.kernel import align_uniform, alignment, kcl, spectral_contrastive, uniformity
from losses.margin import contrastive, triplet
from losses.memory import GlobalContrastive, LearnedTemperature, Queue
from losses.numerics import in_full_precision
from losses.pairs import Loss, Reduction, takes_index
from losses.ranking import angle, cosent
from losses.registry import LOSSES, PAIR_LOSSES, Entry, make_loss
from losses.retrieval import mean_reciprocal_rank, positive_ranks, recall_at
from losses.sigmoid import nce, siglip
from losses.supervised import supcon

__all__ = [
    "LOSSES",
    "PAIR_LOSSES",
    "Diagnostics",
    "Entry",
    "GlobalContrastive",
    "LearnedTemperature",
    "Loss",
    "OneWayOptions",
    "Options",
    "Queue",
    "Reduction",
    "align_uniform",
    "alignment",
    "angle",
    "arc_margin",
    "barlow_twins",
    "cached_backward",
    "clip",
    "clip_sum",
    "contrastive",
    "cosent",
    "dcl",
    "dcl_cross",
    "dcl_one_way",
    "dclw",
    "debiased",
    "dhel_anchor",
    "dhel_mean",
    "dhel_product",
    "diagnostics",
    "effective_rank",
    "flatnce",
    "gather",
    "hcl",
    "in_full_precision",
    "info_nce",
    "kcl",
    "make_loss",
    "mean_reciprocal_rank",
    "mnrl",
    "moco",
    "n_pair",
    "nce",
    "nt_xent",
    "positive_ranks",
    "recall_at",
    "siglip",
    "simcse",
    "spectral_contrastive",
    "supcon",
    "takes_index",
    "triplet",
    "uniformity",
    "value_and_gradient",
    "vicreg",
]
