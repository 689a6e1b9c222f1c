"""Planned batches under Lightning; this needs nothing but torch.

Set `Trainer(use_distributed_sampler=False)`: otherwise Lightning, on several devices, tries to put a sampler of its
own inside ours, and stops.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import DataLoader
from typing_extensions import override

from batching.plan import Embed, Selection
from batching.sampler import Layout, PlannedBatchSampler


class PlannedLoader(DataLoader[Any]):
    """A `DataLoader` of planned batches that tells, and can be told, what was trained on.

    Its state counts the batches that it handed out, however far workers have read ahead. Lightning puts the state
    of a loader into its checkpoints, and a resumed `fit` goes on at the next batch. Useful in plain loops, too.
    """

    def __init__(self, dataset: Any, sampler: PlannedBatchSampler, **settings: Any) -> None:
        """Any further settings are those of `DataLoader`."""
        super().__init__(dataset, batch_sampler=sampler, **settings)
        self.planned = sampler
        self._now: tuple[int, int] | None = None

    @override
    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # A generator: Lightning calls iter() before it is ready to train, and plans are made at the first batch.
        epoch = self.planned.epoch
        for position, batch in enumerate(super().__iter__(), self.planned.start + 1):
            self._now = epoch, position
            yield batch
        self._now = None

    def state_dict(self) -> dict[str, Any]:
        """The sampler's, at the batch that was handed out last."""
        if self._now is None:
            return self.planned.state_dict()
        return self.planned.state_dict(epoch=self._now[0], position=self._now[1])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after that batch."""
        self.planned.load_state_dict(state)
        self._now = None


def planned_loader(
    trainer: Any,
    dataset: Any,
    selection: Selection,
    batch_size: int,
    *,
    embed: Embed | None = None,
    seed: int = 0,
    layout: Layout = "own",
    **settings: Any,
) -> PlannedLoader:
    """What `train_dataloader` of a module returns.

        class Model(LightningModule):
            def train_dataloader(self):
                embed = embed_with(self.encode_pairs, len(dataset), 512, model=self)
                return planned_loader(self.trainer, dataset, rule, 64, embed=embed)

        Trainer(use_distributed_sampler=False, ...).fit(Model())

    The weights of a plan are those at the start of its epoch. The module's own forward, not that of the
    DistributedDataParallel around it, is what `embed` should call.

    Args:
        trainer: The `lightning.Trainer`, which knows the ranks once it runs.
        dataset: Rows are pairs.
        selection: The rule.
        batch_size: Pairs in a planned batch.
        embed: For rules that need embeddings.
        seed: Of the plans.
        layout: "own" or "split"; see `PlannedBatchSampler`.
        **settings: Of the `DataLoader`.

    Raises:
        ValueError: If the trainer is to put in a distributed sampler of its own; and as the sampler does.
    """
    connector = getattr(trainer, "_accelerator_connector", None)  # the setting is not public
    if trainer.world_size > 1 and getattr(connector, "use_distributed_sampler", False):
        raise ValueError(
            "planned batches are shared out by their sampler, got use_distributed_sampler=True; set "
            "Trainer(use_distributed_sampler=False)"
        )
    sampler = PlannedBatchSampler(
        selection,
        len(dataset),
        batch_size,
        seed=seed,
        embed=embed,
        layout=layout,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
    return PlannedLoader(dataset, sampler, **settings)
