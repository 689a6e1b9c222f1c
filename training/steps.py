"""Gradient steps: how the loss of a step's batches becomes a change of the parameters."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from batching import Combinations, Plan, Step
from losses import Loss
from training.descent import GradientDescent
from training.ranks import Ranks
from training.task import Task

Optimizer = torch.optim.Optimizer | GradientDescent
MakeSteps = Callable[..., "Steps"]
"""`Steps`, or a subclass with settings of its own bound: (task, loss, optimizer, ranks=ranks) -> Steps."""


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
        ranks: The processes that take each step together, each with its part of the batches; None for one alone.

    Raises:
        ValueError: If there are several processes, and nothing is known of the task's parameters.
    """

    def __init__(self, task: Task, loss: Loss, optimizer: Optimizer, *, ranks: Ranks | None = None) -> None:
        """See the class."""
        self.task, self.loss, self.optimizer = task, loss, optimizer
        self.ranks = Ranks() if ranks is None else ranks
        self.modules = _modules(task) if self.ranks.size > 1 else []
        self.ranks.equalise(self.modules)

    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """Called when a plan comes into force; the task is told of its part of the batches.

        Args:
            plan: Its steps will be taken in their order.
            position: Updates of it that were taken already, before an interruption.
            update: Number of the next update.
        """
        if isinstance(plan.batches, Tensor):
            plan = replace(plan, batches=self.ranks.own(plan.batches))
        self.task.begin_plan(plan, position=position, update=update)

    def take(self, step: Step, *, update: int, rate: float) -> Taken:
        """One step at this learning rate."""
        self.set_rate(rate)
        self.optimizer.zero_grad()
        self.task.begin_update(update)
        losses, pairs_seen = [], 0
        for batches in _stacks(step, self.task.batches_at_once):
            losses.append(self.task.accumulate(self.ranks.own(batches), self.loss, step.scale))
            pairs_seen += batches.shape[-2] * batches.shape[-1]
        self.finish(*losses)
        return Taken(losses[0] if len(losses) == 1 else torch.cat(losses, -1), pairs_seen)

    def set_rate(self, rate: float) -> None:
        """Tell the optimiser; where it reads its rate from a tensor, in place."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def finish(self, *losses: Tensor) -> None:
        """From gradients to changed parameters: the mean over the ranks, the optimiser, what follows it.

        Nothing in it is read back from the device, so that it can be recorded.

        Args:
            losses: Of this rank's part; they become the means over the ranks, in place.
        """
        self.ranks.average(self.modules, losses)
        self.optimizer.step()
        self.task.end_update()


def _modules(task: Task) -> list[nn.Module]:
    """Every module that a step changes: `task.stateful()` where there is such a method, or `task.model`."""
    stateful, model = getattr(task, "stateful", None), getattr(task, "model", None)
    if stateful is not None:
        return stateful()
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"several processes average the parameters of task.model, an nn.Module, got {type(task).__name__} "
            "without one; train it in one process"
        )
    return [model]


def _stacks(step: Step, at_most: int) -> Iterator[Int[Tensor, "*replicates n_batches batch"]]:
    """The step's batches, a few at a time; N-choose-B ones are listed only now."""
    if isinstance(step.batches, Combinations):
        for start in range(0, len(step.batches), at_most):
            yield step.batches.rows(start, min(start + at_most, len(step.batches)))
    else:
        yield from step.batches.split(at_most, dim=-2)
