"""Planned batches for any `DataLoader`: a batch sampler that asks a selection rule for them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

from torch.utils.data import Sampler
from typing_extensions import override

from batching.algorithms.swaps import Swaps
from batching.engines.engine import Engine
from batching.epochs import EpochPlans, refuse_means
from batching.pickers.picker import Picker
from batching.plan import Embed, Plan, Selection
from batching.report import Report
from batching.rules.oblivious import All, Full
from losses.distributed import Group

Layout = Literal["own", "split", "all"]
"""What a rank gets: planned batches of its own, its part of each planned batch, or all of every one."""


class PlannedBatchSampler(Sampler[list[int]]):
    """The batches that a rule plans, as lists of dataset indices, for `DataLoader(..., batch_sampler=...)`.

        sampler = PlannedBatchSampler(rule, len(dataset), 64, seed=0, embed=embed)
        loader = DataLoader(dataset, batch_sampler=sampler, num_workers=4)
        for epoch in range(10):
            sampler.set_epoch(epoch)
            for batch in loader: ...

    An epoch is `selection.updates_per_epoch` planned batches. A plan that holds fewer is followed by others
    within the epoch, the last one cut; one that holds those of r epochs serves r epochs, and what it holds
    beyond that is left out. So plan i of k in epoch e has number e * k + i, or e // r. Each is made when its
    first batch is asked for, with the weights of then, and once: a second `set_epoch` of the same epoch, or a
    second iterator, changes nothing.

    Without `set_epoch` the end of an iteration moves on to the next epoch; an iterator that is given up does not.
    With it, the epoch that it names is what is iterated next.

    Ranks take their part by `rank` and `world_size`. Where a library shards by itself (accelerate, unless told
    otherwise), leave that to it: layout "all". In the layouts "split" and, with `split_batches`, "all", a loss
    sees the planned batch only if it gathers the embeddings of all ranks: give it the `group`.

    Ranks agree on a plan that depends on embeddings because all take that of rank 0: float differences between
    their own would be enough for different batches. All must iterate in step, as they do in training.

    Args:
        selection: The rule.
        n_pairs: Rows of the dataset; a row is a pair.
        batch_size: Pairs in a *planned* batch, of all ranks together where they split it.
        seed: Of the plans, the same on all ranks.
        embed: Gives current embeddings to rules that need them, see `batching.adapters.embedding.embed_with`.
            It may be collective: every rank plans, and asks for the same pairs, unless the rule has a group.
        layout: With W ranks, "own": rank r gets batches r, r + W, ... and all get equally many; "split": rank r
            gets the r-th W-th of every batch; "all": every rank gets every batch.
        rank: Of this process.
        world_size: Ranks that share the batches, and their plans.
        group: These ranks; None for all processes, once `torch.distributed` is initialised.
        report: Measure every plan by this: `sampler.plan.info` then tells how hard it is, and how pure.

    Attributes:
        batch_size: Pairs in a batch that it yields; less than in a planned one where ranks split it.
        drop_last: True: all batches are full.
        sampler: Itself: where accelerate and Lightning look for `set_epoch`.

    Raises:
        ValueError: With requirement, received values and a remedy: if the sizes are none the rule or the ranks
            can do with, if the rule needs embeddings and there is no `embed`, or if an update of the rule is
            more than one batch.
    """

    drop_last = True

    def __init__(
        self,
        selection: Selection,
        n_pairs: int,
        batch_size: int,
        *,
        seed: int = 0,
        embed: Embed | None = None,
        layout: Layout = "own",
        rank: int = 0,
        world_size: int = 1,
        group: Group | None = None,
        report: Report | None = None,
    ) -> None:
        """Check that the rule, the sizes and the ranks go together."""
        super().__init__()
        selection.check(n_pairs, batch_size)
        if isinstance(selection, All):
            refuse_means(selection)
        if selection.uses_embeddings and embed is None:
            raise ValueError(
                f"{type(selection).__name__} plans from embeddings, got embed=None; give a function from indices "
                "to the rows (u, v), batching.adapters.embedding.embed_with for instance"
            )
        if not 0 <= rank < world_size or (group is not None and group.size() != world_size):
            raise ValueError(
                f"rank must lie between 0 and world_size - 1, and world_size be that of the group, got rank "
                f"{rank}, world_size {world_size}"
                + (f" and a group of {group.size()}" if group is not None else "")
            )
        planned_size = n_pairs if isinstance(selection, Full) else batch_size
        if layout == "split" and planned_size % world_size:
            raise ValueError(
                f"{world_size} ranks cannot split batches of {planned_size} evenly; choose a multiple of the ranks"
            )
        self.selection, self.seed, self.layout, self.rank, self.world_size = (
            selection,
            seed,
            layout,
            rank,
            world_size,
        )
        self.batch_size = planned_size // world_size if layout == "split" else planned_size
        self.sampler = self
        self._plans = EpochPlans(selection, n_pairs, batch_size, seed, embed, world_size, group, report)
        self._length = self._plans.per_epoch // (world_size if layout == "own" else 1)
        if not self._length:
            raise ValueError(
                f"each of {world_size} ranks needs a batch of its own, got {self._plans.per_epoch} batches of "
                f"{planned_size} from {n_pairs} pairs; lower batch_size, or set layout to 'split'"
            )
        self._epoch = self._start = 0  # what the next iteration begins with
        self._now = (0, 0)  # what the latest one has come to

    @override
    def __iter__(self) -> Iterator[list[int]]:
        epoch, start = self._epoch, self._start
        for position in range(start, self._length):
            batch = self._batch(epoch, position)
            self._now = epoch, position + 1
            yield batch
        if self._epoch == epoch:
            self._move_to(epoch + 1, 0)

    def __len__(self) -> int:
        """Batches that an epoch has, on this rank and on every other one."""
        return self._length

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration is of."""
        return self._epoch

    @property
    def start(self) -> int:
        """Batches of the epoch that the next iteration leaves out: not 0 only in an epoch that is resumed."""
        return self._start

    @property
    def plan(self) -> Plan | None:
        """The plan that the latest batch comes from; `plan.info` tells how it came about."""
        return self._plans.latest

    def set_epoch(self, epoch: int) -> None:
        """Iterate this epoch next, from its beginning, or from where it is resumed if it is that epoch."""
        if epoch != self._epoch:
            self._move_to(epoch, 0)

    def state_dict(self, *, epoch: int | None = None, position: int | None = None) -> dict[str, Any]:
        """Where the sampler stands, and the plans of this epoch, in plain tensors, numbers and words.

        It is the same on all ranks. Cost: nothing is copied.

        Args:
            epoch: The epoch that is being trained on; by default that of the latest batch yielded.
            position: Batches of it that this rank has trained on; by default the batches yielded. A loader with
                workers (and accelerate's) asks for batches ahead of training, so tell what was trained on.

        Raises:
            ValueError: If the plan of that position has gone, and could not be made again.
        """
        epoch = self._now[0] if epoch is None else epoch
        position = self._now[1] if position is None else position
        taken = position * (self.world_size if self.layout == "own" else 1)
        if self.selection.uses_embeddings and taken and not self._plans.has(epoch, taken - 1):
            raise ValueError(
                f"the plan of batch {position - 1} of epoch {epoch} is not there (any more); tell what was trained "
                "on before the next epoch is iterated"
            )
        return {
            "epoch": epoch,
            "position": position,
            **self._sizes(),
            **self._plans.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the sampler of this `state_dict` stood, with its plans: nothing is planned again.

        Raises:
            ValueError: If it was one of another rule, size, seed, layout or number of ranks.
        """
        differing = {name: state.get(name) for name, own in self._sizes().items() if state.get(name) != own}
        if differing:
            own = {name: self._sizes()[name] for name in differing}
            raise ValueError(
                f"a sampler resumes with the settings that it was saved with, got {own}, saved {differing}; "
                "set them to what was saved, or start without its state"
            )
        self._plans.load_state_dict(state)
        self._move_to(state["epoch"], state["position"])

    def _sizes(self) -> dict[str, str | int]:
        """What has to be as it was."""
        return {
            "selection": _kinds(self.selection),
            "seed": self.seed,
            "n_pairs": self._plans.n_pairs,
            "batch_size": self.batch_size,
            "layout": self.layout,
            "world_size": self.world_size,
        }

    def _move_to(self, epoch: int, position: int) -> None:
        self._epoch, self._start = epoch, position
        self._now = epoch, position

    def _batch(self, epoch: int, position: int) -> list[int]:
        """This rank's batch at a position of its epoch."""
        if self.layout == "own":
            # All ranks look at all of these, so that plans are made by all of them at the same step.
            first = position * self.world_size
            batch = [self._plans.batch(epoch, first + rank) for rank in range(self.world_size)][self.rank]
        else:
            batch = self._plans.batch(epoch, position)
        if self.layout == "split":
            batch = batch.narrow(0, self.rank * self.batch_size, self.batch_size)
        return batch.tolist()


def _kinds(stage: object) -> str:
    """What a rule is made of, without the numbers and tensors in it: Adjusted(Partitioned(Bisection, Swaps))."""
    inside = [getattr(stage, field.name) for field in fields(stage)] if is_dataclass(stage) else []
    parts = [_kinds(part) for part in inside if isinstance(part, Selection | Engine | Picker | Swaps)]
    return type(stage).__name__ + (f"({', '.join(parts)})" if parts else "")
