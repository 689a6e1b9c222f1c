"""Contrastive losses: pure functions of paired unit embeddings. Torch only.

    loss(u, v, temperature=0.1)                       # scalar, in nats
    loss(u, v, temperature=0.1, reduction="none")     # the value of each pair
    loss(u, v, temperature=0.1, batches=table)        # the value of each batch of a table

`LOSSES` holds them by name; every command line takes its choices from it. `retrieval` measures what was
learned.
"""

from losses.infonce import clip, clip_sum, info_nce, nt_xent, value_and_gradient
from losses.pairs import Loss, Reduction, in_full_precision
from losses.retrieval import mean_reciprocal_rank, positive_ranks, recall_at

LOSSES: dict[str, Loss] = {
    "info_nce": info_nce,
    "clip": clip,
    "clip_sum": clip_sum,
    "nt_xent": nt_xent,
}

__all__ = [
    "LOSSES",
    "Loss",
    "Reduction",
    "clip",
    "clip_sum",
    "in_full_precision",
    "info_nce",
    "mean_reciprocal_rank",
    "nt_xent",
    "positive_ranks",
    "recall_at",
    "value_and_gradient",
]
