"""Queries and the passages that answer them as pairs to train on: duplicates known, hard negatives drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn
from typing_extensions import override

from batching import Plan, derived_seed
from batching.seeded import words
from losses import Loss, takes_index
from text.augmentation import Augmentation, augmented
from text.data import Lists
from text.tokens import Tokens
from text.transfer import sent
from text.words import Words
from training import EncodedPairs


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingTexts:
    """Tokenised texts, and what is known of them."""

    queries: Tokens
    passages: Tokens
    positives: Lists
    """The passages that answer each query, at least one."""
    negatives: Lists | None
    """Hard negatives of each query."""
    groups: Int[Tensor, " n_pairs"]
    """Pairs of the same number share a text, directly or through others: they are no negatives of each other."""
    passage_groups: Int[Tensor, " n_passages"]
    """In the same numbering."""
    words_of: Words | None = None
    """The vocabulary in words, where the tokens are; None if nothing is to be augmented."""

    @property
    def has_duplicates(self) -> bool:
        """Whether any two pairs share a text."""
        return len(self.groups.unique()) < len(self.groups)


class TextPairs(EncodedPairs):
    """Pair i is query i and one of the passages that answer it, through the same encoder.

    In training, v has a further axis where there are hard negatives: the positive, then these.

    Args:
        encoder: Of queries and passages: from `Tokens` to unit rows.
        texts: Those of training, their tokens where they shall stay.
        updates_per_epoch: Of each epoch, positives and hard negatives are drawn anew.
        draw_positives: Draw among several positives; if not, always take the first.
        n_negatives: Hard negatives of each pair.
        augmentation: Of both sides, in training.
        raw: The loss gets embeddings of any length, from `encoder.project`.
        loss_options: What the loss may be told beside the embeddings, `losses.registry.Entry.options`.
        seed: Of what is drawn, of augmentation and of dropout.
        embed_batch_size: Pairs at a time when embeddings are asked for.
        encode_batch_size: Pairs that go through the encoder at a time in training; None for whole batches.
        temperature: Of the diagnostics.
    """

    def __init__(
        self,
        encoder: nn.Module,
        texts: TrainingTexts,
        *,
        updates_per_epoch: int,
        draw_positives: bool = True,
        n_negatives: int = 0,
        augmentation: Augmentation | None = None,
        raw: bool = False,
        loss_options: frozenset[str] = frozenset(),
        seed: int,
        embed_batch_size: int = 256,
        encode_batch_size: int | None = None,
        temperature: float = 0.1,
    ) -> None:
        """See the class."""
        super().__init__(
            encoder,
            n_pairs=len(texts.queries),
            seed=seed,
            embed_batch_size=embed_batch_size,
            encode_batch_size=encode_batch_size,
            temperature=temperature,
        )
        self.texts = texts
        self.updates_per_epoch = updates_per_epoch
        self.draw_positives = draw_positives
        self.n_negatives = n_negatives
        self.augmentation = Augmentation() if augmentation is None else augmentation
        self.raw = raw
        # Without duplicates nothing is excluded, and losses without options are as welcome as the others.
        several = texts.has_duplicates or n_negatives > 0
        self._ids_as = next((name for name in ("ids", "labels") if name in loss_options and several), None)
        self._drawn: tuple[int, Tensor] | None = None
        self._batches: dict[int, Tensor] = {}

    @override
    def begin_update(self, update: int) -> None:
        super().begin_update(update)
        # Dropout draws from torch's own generator; seeded here, a resumed run repeats what it would have drawn.
        rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0  # each has its own pairs
        torch.manual_seed(derived_seed(self.seed, f"dropout-{rank}" if rank else "dropout", update))

    @override
    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """Bring batches that were made on a GPU to the host, where texts are looked up: once, not in every step."""
        self._batches = {}
        if plan.reduction == "step" and isinstance(plan.batches, Tensor) and plan.batches.device.type != "cpu":
            self._batches = dict(enumerate(plan.batches.cpu().split(1), update - position))

    @override
    def accumulate(
        self, batches: Int[Tensor, "n_batches batch"], loss: Loss, scale: float
    ) -> Float[Tensor, " n_batches"]:
        if batches.device.type != "cpu":
            known = self._batches.get(self.update)
            batches = known if known is not None and known.shape == batches.shape else batches.cpu()
        return super().accumulate(batches, loss, scale)

    @override
    def encode(
        self, index: Int[Tensor, " n"], *, purpose: str
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n *negatives dim"]]:
        training = purpose == "train"
        index = index.cpu()
        rows = self._passages()[index]
        keys = rows if training else rows[:, :1]
        queries = self._changed(self.texts.queries.take(index), "query", index, training)
        passages = self._changed(self.texts.passages.take(keys.flatten()), "passage", keys.flatten(), training)
        device = next(self.model.parameters()).device
        model: Any = self.model
        embed = model.project if self.raw and training else model
        embeddings = embed(Tokens.join([queries, passages]).to(device))
        u, v = embeddings.split([len(index), keys.numel()])
        return u, v if keys.shape[1] == 1 else v.unflatten(0, keys.shape)

    @override
    def loss_of(
        self,
        u: Float[Tensor, "n dim"],
        v: Float[Tensor, "n *negatives dim"],
        batch: Int[Tensor, " batch"],
        loss: Loss,
    ) -> Float[Tensor, ""]:
        positives = v if v.dim() == 2 else v[:, 0]
        self.latest = u.detach(), positives.detach()
        batch = batch.cpu()
        more: dict[str, Any] = {"index": sent(batch, u.device)} if takes_index(loss) else {}
        if self._ids_as is not None:
            more[self._ids_as] = sent(self.texts.groups[batch], u.device)
        if v.dim() == 3:
            more["negatives"] = v[:, 1:].flatten(0, 1)
            rows = self._passages()[batch, 1:].flatten()
            more["negative_ids"] = sent(self.texts.passage_groups[rows], u.device)
        return loss(u, positives, **more)

    def _passages(self) -> Int[Tensor, "n_pairs keys"]:
        """The rows of every pair's passages in this epoch: the positive, then its hard negatives."""
        epoch = self.update // self.updates_per_epoch
        if self._drawn is None or self._drawn[0] != epoch:
            positives = self.texts.positives
            if self.draw_positives:
                rows = drawn(positives, 1, seed=self.seed, purpose="positives", epoch=epoch)
            else:
                rows = positives.items[positives.offsets[:-1], None]
            if self.n_negatives:
                assert self.texts.negatives is not None
                hard = drawn(
                    self.texts.negatives, self.n_negatives, seed=self.seed, purpose="negatives", epoch=epoch
                )
                any_ = words(self.seed, "any-passages", epoch, hard.size).numpy().reshape(hard.shape)
                hard = np.where(hard < 0, any_ % len(self.texts.passages), hard)
                rows = np.concatenate([rows, hard], 1)
            self._drawn = epoch, torch.from_numpy(rows)
        return self._drawn[1]

    def _changed(self, tokens: Tokens, side: str, rows: Int[Tensor, " n"], training: bool) -> Tokens:
        if not training or self.augmentation.is_identity:
            return tokens
        assert self.texts.words_of is not None
        return augmented(
            tokens,
            self.augmentation,
            words_of=self.texts.words_of,
            seed=self.seed,
            purpose=f"augmentation-{side}",
            counter=self.update,
            rows=rows,
        )


def drawn(lists: Lists, count: int, *, seed: int, purpose: str, epoch: int) -> Int64[np.ndarray, "lists count"]:
    """So many items of each list without repetition, a function of (seed, purpose, epoch, list).

    A list that has fewer gives its items again; an empty one gives -1.
    """
    lengths = lists.lengths
    chosen = np.empty((len(lists), 0), np.int64)
    for j in range(count):
        # The place among those that are left: every chosen one that is not behind it moves it on by one.
        place = words(seed, f"{purpose}-{j}", epoch, len(lists)).numpy() % np.maximum(lengths - j, 1)
        for before in chosen.T:
            place += place >= before
        place = np.where(j < lengths, place, j % np.maximum(lengths, 1))
        chosen = np.sort(np.column_stack([chosen, place]), axis=1)
    if not len(lists.items):
        return np.full(chosen.shape, -1)
    items = lists.items[np.minimum(lists.offsets[:-1, None] + chosen, len(lists.items) - 1)]
    return np.where(lengths[:, None] > 0, items, -1)
