"""Planned batches for `SentenceTransformerTrainer` (sentence-transformers >= 5.7).

    args = SentenceTransformerTrainingArguments(batch_sampler=Planned(rule, embed=partial(model_embed, model)), ...)
    SentenceTransformerTrainer(model, args, train_dataset=..., loss=..., callbacks=[plan_callback()])

In several processes each gets planned batches of `per_device_train_batch_size` pairs of its own, or, with
`accelerator_config={"split_batches": True}`, its part of planned batches of so many pairs; then the loss needs
`gather_across_devices=True` to see the whole batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from batching.adapters.embedding import embed_with, evaluating
from batching.plan import Embed, Selection
from batching.sampler import PlannedBatchSampler

MakeEmbed = Callable[[Any], Embed]
"""From a dataset to its `embed`."""


@dataclass(frozen=True)
class Planned:
    """What the `batch_sampler` of the training arguments is set to.

    The trainer calls it for the training set, for every part of one that is a `DatasetDict`, and for an evaluation
    set, whose loss then is that of planned batches, too. Its own sampler settings do not matter: batches are
    always full. The trainer saves its arguments with every checkpoint; of the rule only its description is saved,
    and `embed`, and so the model, is left out.

    Args:
        selection: The rule.
        embed: For rules that need embeddings: makes the function of a dataset; `partial(model_embed, model)` does.
        seed: Of the plans; None for that of the training arguments.
    """

    selection: Selection
    embed: MakeEmbed | None = field(default=None, kw_only=True, repr=False)
    seed: int | None = field(default=None, kw_only=True)

    def __call__(self, dataset: Any, batch_size: int, seed: int = 0, **_: Any) -> PlannedBatchSampler:
        """The sampler of a dataset, as the trainer asks for it."""
        seed = seed if self.seed is None else self.seed
        return PlannedBatchSampler(self.selection, len(dataset), batch_size, **_settings(self, dataset, seed))

    def __getstate__(self) -> dict[str, Any]:
        """Words instead of the rule and without `embed`: both may hold what cannot be saved."""
        return {"selection": repr(self.selection), "embed": None, "seed": self.seed}


class PlannedSampler(PlannedBatchSampler):
    """The same as a class, for those who would rather derive one; at the top of a module, as for all that is saved.

    class Hard(PlannedSampler):
        selection = make_selection("balanced", loss=loss, temperature=0.05)
        embed = staticmethod(partial(model_embed, model))

    SentenceTransformerTrainingArguments(batch_sampler=Hard, ...)
    """

    selection: Selection
    embed: MakeEmbed | None = None

    def __init__(self, dataset: Any, batch_size: int, seed: int = 0, **_: Any) -> None:
        """As the trainer asks for it."""
        super().__init__(self.selection, len(dataset), batch_size, **_settings(self, dataset, seed))


def _settings(form: Planned | PlannedSampler, dataset: Any, seed: int) -> dict[str, Any]:
    needed = form.embed is not None and form.selection.uses_embeddings
    return {
        "seed": seed,
        "embed": form.embed(dataset) if needed and form.embed is not None else None,
        "layout": "all",  # accelerate shards
        "world_size": dist.get_world_size() if _distributed() else 1,
    }


def model_embed(
    model: Any,
    dataset: Any,
    columns: Sequence[str] | None = None,
    batch_size: int = 256,
    *,
    share: bool = True,
    **settings: Any,
) -> Embed:
    """Embeddings of two columns of a dataset by a `SentenceTransformer`, with its weights of the moment.

    Args:
        model: Used in evaluation mode and left in the mode that it was in.
        dataset: A `datasets.Dataset`.
        columns: Of the anchors and of the positives; None for the first two, as the losses of the library do.
        batch_size: Texts that are encoded together.
        share: Several processes share the work; off for a rule that shares its pools out itself.
        **settings: Of `model.encode`: `prompt`, `truncate_dim`, ...
    """
    anchor, positive = dataset.column_names[:2] if columns is None else columns

    def encode(index: Int[Tensor, " n"]) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        rows = dataset[index.tolist()]
        u, v = (
            model.encode(
                rows[name], batch_size=batch_size, convert_to_tensor=True, show_progress_bar=False, **settings
            )
            for name in (anchor, positive)
        )
        return u, v

    def embed(
        index: Int[Tensor, "*replicates n"] | None,
    ) -> tuple[Float[Tensor, "*replicates n dim"], Float[Tensor, "*replicates n dim"]]:
        group = dist.group.WORLD if share and _distributed() else None
        with evaluating(model):
            return embed_with(encode, len(dataset), 16 * batch_size, group=group)(index)

    return embed


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
