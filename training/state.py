"""Where training stands."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from batching import Plan
from losses import Loss
from training.optimizers import restore_optimizer
from training.steps import Optimizer, Taken
from training.task import Task


@dataclass(frozen=True)
class Moment:
    """Where training stands when a line is logged."""

    update: int
    epoch: int
    """Plans that were used up: epochs, where a plan is one."""
    pairs_seen: int
    """Pairs that took part in a batch so far, counted as often as they did."""
    loss: Float[Tensor, "*replicates"] | None
    """Mean loss of the batches trained on since the previous line; None before the first update."""

    def check_finite(self) -> None:
        """Refuse to go on with a loss that is no number.

        Raises:
            FloatingPointError: If it is not finite.
        """
        if self.loss is not None and not torch.isfinite(self.loss).all():
            raise FloatingPointError(
                f"the loss must stay finite, got {self.loss.mean().item()} at update {self.update}; "
                "lower the learning rate or raise the temperature"
            )


class State:
    """What a resumed run needs beside the state of the task, the optimiser and the loss."""

    def __init__(self) -> None:
        """At the beginning."""
        self.update = self.before = self.epoch = self.position = self.pairs_seen = 0
        self.plan: Plan | None = None
        self.loss_sum: Tensor | None = None
        self.loss_count = 0
        self.latest: Tensor | None = None

    def add(self, taken: Taken, updates: int) -> None:
        """A step was taken that stands for so many updates."""
        self.latest = taken.losses
        total = taken.losses.sum(-1)
        self.loss_sum = total if self.loss_sum is None else self.loss_sum.to(total.device) + total
        self.loss_count += taken.losses.shape[-1]
        self.pairs_seen += taken.pairs_seen
        self.before, self.update = self.update, self.update + updates
        self.position += updates

    def has_passed(self, every: int | Sequence[int]) -> bool:
        """Whether the latest step reached a multiple of `every` (never, of 0) or one of these, ascending."""
        if not isinstance(every, int):
            return bisect_right(every, self.update) > bisect_right(every, self.before)
        return every > 0 and self.update // every > self.before // every

    def begin_epoch(self) -> None:
        """The plan is used up."""
        self.plan, self.position, self.epoch = None, 0, self.epoch + 1

    def forget_losses(self) -> None:
        """They have been told."""
        self.loss_sum, self.loss_count = None, 0

    def latest_loss(self) -> float | None:
        """Of the latest step."""
        return None if self.latest is None else self.latest.mean().item()

    def moment(self) -> Moment:
        """What a line of the log tells."""
        mean = None if self.loss_sum is None else self.loss_sum / self.loss_count
        return Moment(self.update, self.epoch, self.pairs_seen, mean)

    def save(self, task: Task, optimizer: Optimizer, loss: Loss) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        plan = self.plan
        return {
            "counters": [self.update, self.epoch, self.position, self.pairs_seen, self.loss_count],
            "loss_sum": self.loss_sum,
            # A plan depends on the weights of when it was made, so it is kept, not made again.
            "plan": None if plan is None else plan.state_dict(),
            "task": task.state_dict(),
            "optimizer": optimizer.state_dict(),
            "loss": loss.state_dict() if isinstance(loss, nn.Module) else None,
        }

    def load(self, saved: dict[str, Any], task: Task, optimizer: Optimizer, loss: Loss) -> None:
        """Put back what `save` gave."""
        self.update, self.epoch, self.position, self.pairs_seen, self.loss_count = saved["counters"]
        self.loss_sum = saved["loss_sum"]
        self.plan = None if saved["plan"] is None else Plan.from_state(saved["plan"])
        if self.plan is not None and self.position >= self.plan.n_updates:
            self.begin_epoch()
        task.load_state_dict(saved["task"])
        restore_optimizer(optimizer, saved["optimizer"])
        if isinstance(loss, nn.Module):
            loss.load_state_dict(saved["loss"])
