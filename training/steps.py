"""Gradient steps: how the loss of a step's batches becomes a change of the parameters."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from batching import Combinations, Plan, Step
from losses import Loss
from training.descent import GradientDescent
from training.task import Task

Optimizer = torch.optim.Optimizer | GradientDescent


class Taken(NamedTuple):
    """What a step leaves to be told."""

    losses: Float[Tensor, "*replicates n_batches"]
    pairs_seen: int


class Steps:
    """Takes the steps of a plan, each as it comes.

    Args:
        task: The pairs and their parameters.
        loss: Of a batch.
        optimizer: Over the task's parameters.
    """

    def __init__(self, task: Task, loss: Loss, optimizer: Optimizer) -> None:
        """See the class."""
        self.task, self.loss, self.optimizer = task, loss, optimizer

    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """Called when a plan comes into force.

        Args:
            plan: Its steps will be taken in their order.
            position: Updates of it that were taken already, before an interruption.
            update: Number of the next update.
        """
        self.task.begin_plan(plan, position=position, update=update)

    def take(self, step: Step, *, update: int, rate: float) -> Taken:
        """One step at this learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.task.begin_update(update)
        losses, pairs_seen = [], 0
        for batches in _stacks(step, self.task.batches_at_once):
            losses.append(self.task.accumulate(batches, self.loss, step.scale))
            pairs_seen += batches.shape[-2] * batches.shape[-1]
        self.optimizer.step()
        self.task.end_update()
        return Taken(losses[0] if len(losses) == 1 else torch.cat(losses, -1), pairs_seen)


def _stacks(step: Step, at_most: int) -> Iterator[Int[Tensor, "*replicates n_batches batch"]]:
    """The step's batches, a few at a time; N-choose-B ones are listed only now."""
    if isinstance(step.batches, Combinations):
        for start in range(0, len(step.batches), at_most):
            yield step.batches.rows(start, min(start + at_most, len(step.batches)))
    else:
        yield from step.batches.split(at_most, dim=-2)
