"""What tests of planned training share: a small rule that needs embeddings, and records of its plans."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch.nn import functional

from batching.plan import Plan, Selection
from batching.rules.oblivious import Shuffled
from batching.seeded import permutation


@dataclass(frozen=True)
class Ranked(Selection):
    """Pairs in the order of their first coordinate (of u + v), batches in a new order in every plan."""

    planned: list[int] = field(default_factory=list, compare=False)
    """Number of every plan made."""
    plans: list[list[list[int]]] = field(default_factory=list, compare=False)
    """Its batches."""
    uses_embeddings: ClassVar[bool] = True

    def updates_per_epoch(self, n_pairs, batch_size):
        return n_pairs // batch_size

    def plan(self, n_pairs, batch_size, *, seed, epoch, embed):
        self.planned.append(epoch)
        u, v = embed(None)
        order = (u + v)[:, 0].argsort()
        used = n_pairs - n_pairs % batch_size
        batches = order[:used].unflatten(0, (-1, batch_size))
        batches = batches[permutation(seed, "ranked", epoch, len(batches))]
        self.plans.append(batches.tolist())
        return Plan(batches, order[used:], "partition", info={"number": epoch})


@dataclass(frozen=True)
class Counted(Shuffled):
    """`Shuffled`, with a record of its plans; `epochs` > 1: a plan holds so many epochs."""

    epochs: int = 1
    extra: int = 0
    planned: list[int] = field(default_factory=list, compare=False)
    plans: list[list[list[int]]] = field(default_factory=list, compare=False)

    def plan(self, n_pairs, batch_size, *, seed, epoch, embed):
        self.planned.append(epoch)
        plans = [
            Shuffled().plan(n_pairs, batch_size, seed=seed, epoch=self.epochs * epoch + i, embed=embed)
            for i in range(self.epochs + 1)
        ]
        batches = torch.cat([plan.batches for plan in plans])[: self.epochs * plans[0].n_batches + self.extra]
        self.plans.append(batches.tolist())
        return Plan(batches, plans[0].remainder, "cover")


def unit(n, dim=4, seed=0):
    """Two times n unit rows."""
    raw = torch.randn(2, n, dim, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(raw, dim=-1)


class Moving:
    """An `embed` whose embeddings are others every time that it is asked, as if training went on."""

    def __init__(self, n):
        self.n, self.calls = n, 0

    def __call__(self, index):
        self.calls += 1
        u, v = unit(self.n, seed=self.calls)
        return (u, v) if index is None else (u[index], v[index])
