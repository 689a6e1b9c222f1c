"""The one training loop: plan, step, log, checkpoint, for free embeddings, images and texts alike."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from batching import Plan, Report, Seed, Selection
from losses import Loss
from training.interrupt import Interrupted, OrderlyEnd
from training.planning import next_plan
from training.progress import Progress
from training.ranks import Ranks
from training.run import Run
from training.state import Moment, State
from training.steps import MakeSteps, Optimizer, Steps
from training.task import EncodedPairs, Task

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
    log_every: int | Sequence[int],
    run: Run | None = None,
    checkpoint_every: int = 0,
    keep_every: int = 0,
    observe: Observe | None = None,
    observe_every: int = 0,
    report: Report | None = None,
    progress: Progress | None = None,
    ranks: Ranks | None = None,
    make_steps: MakeSteps = Steps,
) -> Moment:
    """Train for a number of updates.

    A selection is asked for a plan, the plan is trained on step by step, and when it is used up the next one is
    asked for, with the weights of then. With a `run`, lines go to its metrics and the state to its checkpoint;
    if it holds a checkpoint already, training goes on from there and ends as if it had never stopped: the plan
    in force is part of the checkpoint, so is the state of a loss that has one (a module, on the device of the
    embeddings), and what is random in a step depends on the step's number alone. SIGTERM and SIGINT then end
    training after a step, with a checkpoint.

    Args:
        task: The pairs and their parameters.
        selection: Which pairs make a step.
        loss: Of a batch; its settings are bound, see `losses.make_loss`.
        optimizer: Over the task's parameters.
        learning_rate: Of each update, counted from 0.
        batch_size: Pairs in a batch, of all processes together.
        updates: Updates altogether. Where a partition is taken at once the last one is never cut short.
        seed: Of the plans; one for each replicate where the task has replicates.
        log_every: Updates between two lines; or the numbers of the updates after which there is one, ascending.
        run: Where to write; None keeps nothing.
        checkpoint_every: Updates between two checkpoints; 0 for none.
        keep_every: Updates between two copies of the weights that stay, in the run's folder; 0 for none.
        observe: Asked for more to log, at the start and with every line; in every process.
        observe_every: Asked instead after every so many updates only, when a line is logged, too; 0 for every line.
        report: Measure plans by this, and log with every line what the plan in force is like.
        progress: Shows the update, the loss and the time left.
        ranks: The processes that train together, each calling this with the same arguments; the loss then has
            their group, and a rule that can share its pools out may have it. None for one alone.
        make_steps: What takes the steps.

    Returns:
        The last moment.

    Raises:
        ValueError: If the selection cannot plan for these sizes, or the processes cannot share them.
        FloatingPointError: If the loss is no longer finite when a line is logged.
        Interrupted: If there is a run, and a signal asked to end.
    """
    ranks = Ranks() if ranks is None else ranks
    selection.check(task.n_pairs, batch_size)
    ranks.check(selection, task.n_pairs, batch_size)
    ranks.check_loss(loss)
    ranks.check_same(
        n_pairs=task.n_pairs,
        batch_size=batch_size,
        updates=updates,
        seed=seed,
        log_every=log_every,
        run=run is not None,
    )
    state = State()
    if run is not None and (saved := ranks.first(run.restore)) is not None:
        state.load(saved, task, optimizer, loss)
    elif observe is not None:
        _log(run, state.moment(), learning_rate(0), observe(state.moment()))
    moment = state.moment()
    steps = make_steps(task, loss, optimizer, ranks=ranks)
    with OrderlyEnd(ranks, active=run is not None) as end:
        while state.update < updates:
            task.begin_update(state.update)  # a resumed run embeds for its next plan as it would have
            state.plan = plan = state.plan or next_plan(
                selection, task, batch_size, seed=seed, epoch=state.epoch, report=report, ranks=ranks
            )
            steps.begin_plan(plan, position=state.position, update=state.update)
            for step in plan.steps(at_once=task.updates_commute, start=state.position):
                rate = learning_rate(state.update)
                state.add(steps.take(step, update=state.update, rate=rate), step.updates)
                last = state.update >= updates
                if last or state.has_passed(log_every) or state.has_passed(observe_every):
                    moment = state.moment()
                    moment.check_finite()
                    asked = observe if not observe_every or state.has_passed(observe_every) else None
                    _log(run, moment, rate, _more(task, plan, asked, moment, ranks))
                    if not last:  # the last checkpoint keeps them: a run resumed after its end has its loss to tell
                        state.forget_losses()
                if progress is not None and (last or progress.due()):
                    progress.show(state.update, state.latest_loss())
                number = end.asked(last=last)
                if run is not None:
                    due = checkpoint_every > 0 and (last or state.has_passed(checkpoint_every))
                    checkpoint = state.save(task, optimizer, loss) if due or number else None
                    _keep(run, state.update, checkpoint, _weights(task) if state.has_passed(keep_every) else None)
                    _end_if_asked(number, run, state.update, updates)
                if last:
                    return moment
            state.begin_epoch()
    return moment


def _more(task: Task, plan: Plan, observe: Observe | None, moment: Moment, ranks: Ranks) -> dict[str, int | float]:
    """What a line tells beside the loss; the same whenever the run is made, so not how long planning took."""
    of_batch = task.describe(ranks.group) if isinstance(task, EncodedPairs) else task.describe()
    of_plan = {
        f"plan_{name}": value
        for name, value in plan.info.items()
        if name != "seconds" and not isinstance(value, str)
    }
    return {**of_batch, **of_plan, **(observe(moment) if observe else {})}


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


def _keep(run: Run, update: int, checkpoint: dict[str, Any] | None, weights: dict[str, Any] | None) -> None:
    if weights is not None:
        run.keep(update, weights)
    if checkpoint is not None:
        run.checkpoint(checkpoint)


def _weights(task: Task) -> dict[str, Any]:
    """Of the model that is trained, without what only training needs."""
    return task.model.state_dict() if isinstance(task, EncodedPairs) else task.state_dict()


def _end_if_asked(number: int, run: Run, update: int, updates: int) -> None:
    """The end that a signal asked for, told on standard error."""
    if number:
        message = (
            f"interrupted after update {update} of {updates}, which {run.path / 'checkpoint.pt'} holds; the same "
            "command with this folder as --out goes on from there"
        )
        if run.writes:
            tqdm.write(message, file=sys.stderr)  # beside a bar, if there is one
        raise Interrupted(message, number)
