"""What `benchmarks.peers` compares: losses of this package, and what is the same in other people's libraries."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from losses import (
    align_uniform,
    angle,
    barlow_twins,
    clip,
    cosent,
    dcl,
    dclw,
    info_nce,
    moco,
    n_pair,
    nt_xent,
    siglip,
    supcon,
    triplet,
    vicreg,
)

PEERS = {
    "lightly": "lightly",
    "open_clip": "open_clip",
    "pytorch-metric-learning": "pytorch_metric_learning",
    "sentence-transformers": "sentence_transformers",
}
"""What they are called, and what is imported."""
MODULES = (
    "lightly.loss",
    "open_clip.loss",
    "pytorch_metric_learning.losses",
    "sentence_transformers.sentence_transformer.losses",
)

TAU = 0.1
QUEUE = 16384


@dataclass(frozen=True)
class Batch:
    """What a loss may ask for."""

    u: Tensor
    v: Tensor
    labels: Tensor
    """Class of each pair; 8 pairs a class on average."""
    scores: Tensor
    """Graded similarity of each pair."""
    queue: Tensor
    """Unit rows, negatives from outside the batch."""


Step = Callable[[Batch], Tensor]
"""A loss with its settings, ready to be called."""


@dataclass(frozen=True)
class Case:
    """A loss of ours and what is the same in a peer."""

    loss: str
    peer: str
    ours: Step
    theirs: Callable[[], Step]
    """Imports the peer and makes its loss, off the clock."""
    note: str
    """The peer's class, and how it is set to be the same loss."""
    factor: float = 1.0
    """Theirs over ours, by definition."""


def ours(loss: Callable[..., Tensor], **settings: Any) -> Step:
    """A loss of this package, of two views and nothing else."""
    return lambda batch: loss(batch.u, batch.v, **settings)


def theirs(module: str, name: str, *arguments: Any, **settings: Any) -> Any:
    """An instance of a peer's class."""
    return getattr(import_module(module), name)(*arguments, **settings)


def lightly(module: str, name: str, **settings: Any) -> Callable[[], Step]:
    """Losses of lightly are modules of two views; each normalises them where the loss wants it."""

    def build() -> Step:
        loss = theirs(f"lightly.loss.{module}", name, **settings)
        return lambda batch: loss(batch.u, batch.v)

    return build


def lightly_queue() -> Step:
    """The module has a queue of its own, which is replaced before each call; keys come without a gradient."""
    loss = theirs("lightly.loss.ntx_ent_loss", "NTXentLoss", temperature=TAU, memory_bank_size=(1, 1))
    bank = loss.memory_bank

    def step(batch: Batch) -> Tensor:
        bank.size, bank.bank = tuple(batch.queue.shape), batch.queue
        bank.bank_ptr.zero_()
        return loss(batch.u, batch.v.detach())

    return step


def open_clip(name: str, *scale_and_bias: float) -> Callable[[], Step]:
    """Losses of open_clip take the logit scale, and the bias, with the features."""

    def build() -> Step:
        loss = theirs("open_clip.loss", name)
        return lambda batch: loss(batch.u, batch.v, *scale_and_bias)

    return build


def metric_learning(
    name: str, *, symmetric: bool, reducer: str | None = None, **settings: Any
) -> Callable[[], Step]:
    """Losses of pytorch-metric-learning are of labelled rows; its wrapper makes labels from two views."""

    def build() -> Step:
        if reducer is not None:
            settings["reducer"] = theirs("pytorch_metric_learning.reducers", reducer)
        inner = theirs("pytorch_metric_learning.losses", name, **settings)
        loss = theirs("pytorch_metric_learning.losses", "SelfSupervisedLoss", inner, symmetric=symmetric)
        return lambda batch: loss(batch.u, batch.v)

    return build


def metric_learning_labelled(name: str, *, classes: bool, **settings: Any) -> Callable[[], Step]:
    """The same without the wrapper: both views of a pair carry its class, or its number."""

    def build() -> Step:
        loss = theirs("pytorch_metric_learning.losses", name, **settings)

        def step(batch: Batch) -> Tensor:
            labels = batch.labels if classes else torch.arange(len(batch.u), device=batch.u.device)
            return loss(torch.cat([batch.u, batch.v]), labels.repeat(2))

        return step

    return build


def metric_learning_vicreg() -> Step:
    """The one loss of two views there that the wrapper refuses."""
    loss = theirs("pytorch_metric_learning.losses", "VICRegLoss")
    return lambda batch: loss(batch.u, ref_emb=batch.v)


def sentence_transformers(name: str, *, negatives: bool = False, **settings: Any) -> Callable[[], Step]:
    """Losses of sentence-transformers hold a model, which is not called where embeddings are given."""

    def build() -> Step:
        loss = theirs("sentence_transformers.sentence_transformer.losses", name, nn.Identity(), **settings)

        def step(batch: Batch) -> Tensor:
            columns = [batch.u, batch.v, batch.v.roll(1, 0)] if negatives else [batch.u, batch.v]
            return loss.compute_loss_from_embeddings(columns, batch.scores)

        return step

    return build


_LIGHTLY, _OPEN_CLIP, _PML, _ST = PEERS
_MNRL = "MultipleNegativesRankingLoss"
_BOTH_WAYS = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}

# fmt: off
CASES = (
    Case("info_nce", _ST, ours(info_nce, temperature=TAU),
         sentence_transformers(_MNRL, scale=1 / TAU), f"{_MNRL}, scale 1/tau"),
    Case("info_nce", _PML, ours(info_nce, temperature=TAU),
         metric_learning("NTXentLoss", symmetric=False, temperature=TAU),
         "SelfSupervisedLoss(NTXentLoss, symmetric=False): a matrix of positives x negatives, B^3 numbers"),
    Case("moco", _LIGHTLY, lambda batch: moco(batch.u, batch.v, batch.queue, temperature=TAU),
         lightly_queue, f"NTXentLoss with a memory bank of {QUEUE}"),
    Case("clip", _OPEN_CLIP, ours(clip, temperature=TAU),
         open_clip("ClipLoss", 1 / TAU), "ClipLoss, logit scale 1/tau"),
    Case("clip", _ST, ours(clip, temperature=TAU),
         sentence_transformers(_MNRL, scale=1 / TAU, **_BOTH_WAYS), f"{_MNRL}, both directions, per_direction"),
    Case("nt_xent", _LIGHTLY, ours(nt_xent, temperature=TAU),
         lightly("ntx_ent_loss", "NTXentLoss", temperature=TAU), "NTXentLoss"),
    Case("nt_xent", _PML, ours(nt_xent, temperature=TAU),
         metric_learning("NTXentLoss", symmetric=True, temperature=TAU),
         "SelfSupervisedLoss(NTXentLoss): a matrix of positives x negatives, 8 B^3 numbers"),
    Case("dcl", _LIGHTLY, ours(dcl, temperature=TAU), lightly("dcl_loss", "DCLLoss", temperature=TAU), "DCLLoss"),
    Case("dclw", _LIGHTLY, ours(dclw, temperature=TAU, sigma=0.5),
         lightly("dcl_loss", "DCLWLoss", temperature=TAU, sigma=0.5), "DCLWLoss"),
    Case("supcon", _PML, lambda batch: supcon(batch.u, batch.v, labels=batch.labels, temperature=TAU),
         metric_learning_labelled("SupConLoss", classes=True, temperature=TAU), "SupConLoss on the 2B rows"),
    Case("n_pair", _PML, ours(n_pair),
         metric_learning_labelled("NPairsLoss", classes=False), "NPairsLoss on the 2B rows"),
    Case("siglip", _OPEN_CLIP, ours(siglip, temperature=TAU, bias=-10.0),
         open_clip("SigLipLoss", 1 / TAU, -10.0), "SigLipLoss, logit scale 1/tau"),
    Case("vicreg", _LIGHTLY, ours(vicreg), lightly("vicreg_loss", "VICRegLoss"), "VICRegLoss"),
    Case("vicreg", _PML, ours(vicreg), metric_learning_vicreg, "VICRegLoss, the second view as ref_emb"),
    Case("barlow_twins", _LIGHTLY, ours(barlow_twins, weight=0.0051),
         lightly("barlow_twins_loss", "BarlowTwinsLoss", lambda_param=0.0051), "BarlowTwinsLoss"),
    Case("align_uniform", _LIGHTLY, ours(align_uniform, t=2.0),
         lightly("hypersphere_loss", "HypersphereLoss", t=2.0), "HypersphereLoss"),
    Case("triplet", _PML, ours(triplet, margin=1.0),
         metric_learning("TripletMarginLoss", symmetric=False, reducer="MeanReducer", margin=1.0),
         "SelfSupervisedLoss(TripletMarginLoss, symmetric=False), MeanReducer"),
    Case("triplet", _ST,
         lambda batch: triplet(batch.u, batch.v, negatives=batch.v.roll(1, 0), margin=1.0),
         sentence_transformers("TripletLoss", negatives=True, triplet_margin=1.0),
         "TripletLoss, one given negative an anchor"),
    Case("cosent", _ST, lambda batch: cosent(batch.u, batch.v, batch.scores, temperature=0.05),
         sentence_transformers("CoSENTLoss", scale=20.0), "CoSENTLoss"),
    Case("angle", _ST, lambda batch: angle(batch.u, batch.v, batch.scores, temperature=0.05),
         sentence_transformers("AnglELoss", scale=20.0), "AnglELoss"),
)
# fmt: on
