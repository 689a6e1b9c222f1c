"""Planned batches under accelerate, and so under the Trainer of transformers.

With a sampler of layout "all", `accelerator.prepare(DataLoader(dataset, batch_sampler=sampler))` shards it as any
other: whole planned batches, or with `split_batches=True` parts of them. `planned_loader` lets the sampler do it,
so that one setting decides, and positions in a checkpoint are those of the rank.
"""

from typing import Any

from torch.utils.data import DataLoader

from batching.plan import Embed, Selection
from batching.sampler import Layout, PlannedBatchSampler


def planned_loader(
    accelerator: Any,
    dataset: Any,
    selection: Selection,
    batch_size: int,
    *,
    embed: Embed | None = None,
    seed: int = 0,
    layout: Layout = "own",
    **settings: Any,
) -> Any:
    """A prepared loader of planned batches.

        loader = planned_loader(accelerator, dataset, rule, 64, embed=embed, collate_fn=collate)

    In a `transformers.Trainer` it is what `get_train_dataloader` returns:

        class PlannedTrainer(Trainer):
            def get_train_dataloader(self):
                return planned_loader(self.accelerator, self.train_dataset, rule, 64, embed=embed,
                                      seed=self.args.seed, collate_fn=self.data_collator)

    together with the callback of `batching.adapters.transformers`.

    To resume under accelerate, save `planned_samplers(loader)[0].state_dict(epoch=epoch, position=step + 1)`, and
    then give it to `load_state_dict` and the epoch to `loader.set_epoch`; no `skip_first_batches`. What
    `register_for_checkpointing` would save is a batch ahead of training, since the loader is.

    Args:
        accelerator: An `accelerate.Accelerator`.
        dataset: Rows are pairs.
        selection: The rule.
        batch_size: Pairs in a planned batch.
        embed: For rules that need embeddings.
        seed: Of the plans.
        layout: See `PlannedBatchSampler`; ranks are those of the accelerator.
        **settings: Of the `DataLoader`: `collate_fn`, `num_workers`, ...

    Raises:
        ValueError: If accelerate is set to split batches or to dispatch them from the main process; and as the
            sampler does.
    """
    if accelerator.split_batches or accelerator.dispatch_batches:
        raise ValueError(
            f"planned batches are shared out by their sampler, got split_batches={accelerator.split_batches}, "
            f"dispatch_batches={accelerator.dispatch_batches}; leave both off, and for parts of batches set "
            "layout='split'"
        )
    sampler = PlannedBatchSampler(
        selection,
        len(dataset),
        batch_size,
        seed=seed,
        embed=embed,
        layout=layout,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
    )
    loader = accelerator.prepare_data_loader(DataLoader(dataset, batch_sampler=sampler, **settings))
    shard = loader.batch_sampler
    if shard is not sampler:  # in several processes: the sampler has sharded already
        shard.num_processes, shard.process_index = 1, 0
        shard.sampler = sampler  # set_epoch finds it through skip_first_batches, too
    return loader


def planned_samplers(loader: Any) -> list[PlannedBatchSampler]:
    """The planned samplers inside a loader, however wrapped; several where a trainer mixes datasets."""
    found: dict[int, PlannedBatchSampler] = {}
    seen: set[int] = set()
    todo = [loader]
    while todo:
        this = todo.pop()
        if this is None or id(this) in seen:
            continue
        seen.add(id(this))
        if isinstance(this, PlannedBatchSampler):
            found[id(this)] = this
        else:
            todo += [getattr(this, name, None) for name in ("sampler", "batch_sampler")]
            todo += reversed(getattr(this, "batch_samplers", []))
    return list(found.values())
