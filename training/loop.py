"""The one training loop: plan, step, log, checkpoint, for free embeddings, images and texts alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from batching import Plan, Report, Seed, Selection, planned
from losses import Loss
from training.progress import Progress
from training.run import Run
from training.steps import Optimizer, Steps, Taken
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


Observe = Callable[[Moment], dict[str, int | float]]
Schedule = Callable[[int], float]


def fit(
    task: Task,
    *,
    selection: Selection,
    loss: Loss,
    optimizer: Optimizer,
    learning_rate: Schedule,
    batch_size: int,
    updates: int,
    seed: Seed,
    log_every: int,
    run: Run | None = None,
    checkpoint_every: int = 0,
    observe: Observe | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> Moment:
    """Train for a number of updates.

    A selection is asked for a plan, the plan is trained on step by step, and when it is used up the next one is
    asked for, with the weights of then. With a `run`, lines go to its metrics and the state to its checkpoint;
    if it holds a checkpoint already, training goes on from there and ends as if it had never stopped: the plan
    in force is part of the checkpoint, so is the state of a loss that has one (a module, on the device of the
    embeddings), and what is random in a step depends on the step's number alone.

    Args:
        task: The pairs and their parameters.
        selection: Which pairs make a step.
        loss: Of a batch; its settings are bound, see `losses.make_loss`.
        optimizer: Over the task's parameters.
        learning_rate: Of each update, counted from 0.
        batch_size: Pairs in a batch.
        updates: Updates altogether. Where a partition is taken at once the last one is never cut short.
        seed: Of the plans; one for each replicate where the task has replicates.
        log_every: Updates between two lines.
        run: Where to write; None keeps nothing.
        checkpoint_every: Updates between two checkpoints; 0 for none.
        observe: Asked for more to log, at the start and with every line.
        report: Measure plans by this, and log with every line what the plan in force is like.
        progress: Shows the update, the loss and the time left.

    Returns:
        The last moment.

    Raises:
        ValueError: If the selection cannot plan for these sizes.
        FloatingPointError: If the loss is no longer finite when a line is logged.
    """
    selection.check(task.n_pairs, batch_size)
    state = _State()
    if run is not None and (saved := run.restore()) is not None:
        state.load(saved, task, optimizer, loss)
    elif observe is not None:
        _log(run, state.moment(), learning_rate(0), observe(state.moment()))
    moment = state.moment()
    steps = Steps(task, loss, optimizer)
    while state.update < updates:
        task.begin_update(state.update)  # a resumed run embeds for its next plan as it would have
        plan = state.plan or _planned(selection, task, batch_size, seed, state.epoch, report)
        state.plan = plan
        steps.begin_plan(plan, position=state.position, update=state.update)
        for step in plan.steps(at_once=task.updates_commute, start=state.position):
            rate = learning_rate(state.update)
            state.add(steps.take(step, update=state.update, rate=rate))
            state.advance(step.updates)
            last = state.update >= updates
            if last or state.has_passed(log_every):
                moment = state.moment()
                _check_finite(moment)
                _log(run, moment, rate, _more(task, plan, observe, moment))
                if not last:  # the last checkpoint keeps them: a run resumed after its end has its loss to tell
                    state.forget_losses()
            if progress is not None and (last or progress.due()):
                progress.show(state.update, state.latest_loss())
            if run is not None and checkpoint_every and (last or state.has_passed(checkpoint_every)):
                run.checkpoint(state.save(task, optimizer, loss))
            if last:
                return moment
        state.begin_epoch()
    return moment


def _planned(
    selection: Selection, task: Task, batch_size: int, seed: Seed, epoch: int, report: Report | None
) -> Plan:
    if report is None:
        return selection.plan(task.n_pairs, batch_size, seed=seed, epoch=epoch, embed=task.embed)
    return planned(
        selection,
        task.n_pairs,
        batch_size,
        seed=seed,
        epoch=epoch,
        embed=task.embed,
        temperature=report.temperature,
        labels=report.labels,
    )


def _more(task: Task, plan: Plan, observe: Observe | None, moment: Moment) -> dict[str, int | float]:
    """What a line tells beside the loss; the same whenever the run is made, so not how long planning took."""
    of_plan = {
        f"plan_{name}": value
        for name, value in plan.info.items()
        if name != "seconds" and not isinstance(value, str)
    }
    return {**task.describe(), **of_plan, **(observe(moment) if observe else {})}


def _log(run: Run | None, moment: Moment, rate: float, extra: dict[str, int | float]) -> None:
    if run is None:
        return
    line: dict[str, int | float] = {
        "update": moment.update,
        "epoch": moment.epoch,
        "pairs_seen": moment.pairs_seen,
        "learning_rate": rate,
    }
    if moment.loss is not None:
        line["loss"] = moment.loss.mean().item()
    run.log(line | extra)


def _check_finite(moment: Moment) -> None:
    if moment.loss is not None and not torch.isfinite(moment.loss).all():
        raise FloatingPointError(
            f"the loss must stay finite, got {moment.loss.mean().item()} at update {moment.update}; "
            "lower the learning rate or raise the temperature"
        )


class _State:
    """Where training stands: what a resumed run needs beside the state of the task, the optimiser and the loss."""

    def __init__(self) -> None:
        self.update = self.before = self.epoch = self.position = self.pairs_seen = 0
        self.plan: Plan | None = None
        self.loss_sum: Tensor | None = None
        self.loss_count = 0
        self.latest: Tensor | None = None

    def add(self, taken: Taken) -> None:
        self.latest = taken.losses
        total = taken.losses.sum(-1)
        self.loss_sum = total if self.loss_sum is None else self.loss_sum.to(total.device) + total
        self.loss_count += taken.losses.shape[-1]
        self.pairs_seen += taken.pairs_seen

    def advance(self, updates: int) -> None:
        self.before, self.update = self.update, self.update + updates
        self.position += updates

    def has_passed(self, every: int) -> bool:
        """Whether the latest step reached a multiple of `every`."""
        return self.update // every > self.before // every

    def begin_epoch(self) -> None:
        self.plan, self.position, self.epoch = None, 0, self.epoch + 1

    def forget_losses(self) -> None:
        self.loss_sum, self.loss_count = None, 0

    def latest_loss(self) -> float | None:
        return None if self.latest is None else self.latest.mean().item()

    def moment(self) -> Moment:
        mean = None if self.loss_sum is None else self.loss_sum / self.loss_count
        return Moment(self.update, self.epoch, self.pairs_seen, mean)

    def save(self, task: Task, optimizer: Optimizer, loss: Loss) -> dict[str, Any]:
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
        self.update, self.epoch, self.position, self.pairs_seen, self.loss_count = saved["counters"]
        self.loss_sum = saved["loss_sum"]
        self.plan = None if saved["plan"] is None else Plan.from_state(saved["plan"])
        if self.plan is not None and self.position >= self.plan.n_updates:
            self.begin_epoch()
        task.load_state_dict(saved["task"])
        optimizer.load_state_dict(saved["optimizer"])
        if isinstance(loss, nn.Module):
            loss.load_state_dict(saved["loss"])
