"""A whole step recorded once and replayed: on a GPU, small batches cost launches and not arithmetic.

At 32 pairs a step of a ResNet-18 is about 300 kernels of a few microseconds each, one of free embeddings about 30;
launching them one by one from Python takes several times as long as running them. A CUDA graph launches all of
them at once: forward, backward, the average over ranks and the optimiser. What changes from step to step lies in
tensors that the graph reads: the inputs, the numbers of the pairs, the learning rate.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from batching import Combinations, Step
from losses import Loss
from training.ranks import Ranks
from training.steps import MakeSteps, Optimizer, Steps, Taken
from training.task import Task

Capture = Literal["auto", "on", "off"]

_WARM_UP = 3
"""Steps before recording, in which libraries choose their algorithms and allocate their workspaces."""


@runtime_checkable
class Capturable(Protocol):
    """A task whose work on batches is given tensors, of shapes that depend on the batches' shape alone."""

    def inputs(self, batches: Int[Tensor, "*replicates n_batches batch"]) -> tuple[Tensor, ...]:
        """What the work on these batches of the update that was begun is given; made outside of what is recorded.

        There are `batches_at_once` of them at most. Called before every step, as nothing else tells the task that
        a replay has changed its parameters.
        """
        ...

    def accumulate_inputs(
        self, inputs: tuple[Tensor, ...], loss: Loss, scale: float
    ) -> Float[Tensor, "*replicates n_batches"]:
        """`Task.accumulate` for the batches that these inputs were made for."""
        ...


Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Turns work into something that does it again; it may or may not do the work once."""


def cuda_graph(work: Callable[[], None]) -> Callable[[], None]:
    """The work as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def captures(capture: Capture, task: Task, loss: Loss, ranks: Ranks) -> bool:
    """Whether steps are to be recorded.

    Raises:
        ValueError: If they must be but cannot.
    """
    if capture == "off":
        return False
    reasons = {
        "a CUDA device": ranks.device.type == "cuda",
        "one process": ranks.size == 1,
        "a task whose inputs have fixed shapes": isinstance(task, Capturable),
        "a loss that does not look at its state on the host": getattr(loss, "capturable", True),
        "whole batches (no encode_batch_size)": getattr(task, "encode_batch_size", None) is None,
    }
    missing = [need for need, there in reasons.items() if not there]
    if missing and capture == "on":
        raise ValueError(f"recording steps needs {' and '.join(missing)}; set capture to auto or off")
    return not missing


def steps_for(capture: Capture, task: Task, loss: Loss, ranks: Ranks) -> MakeSteps:
    """What is to take the steps: `CapturedSteps` where `captures` says so, else `Steps`.

    Raises:
        ValueError: If they must be recorded but cannot.
    """
    return partial(CapturedSteps, device=ranks.device) if captures(capture, task, loss, ranks) else Steps


class CapturedSteps(Steps):
    """Records the first step and replays it; a step of another form is taken as it comes.

    Recording takes steps that do not count: what they change is put back.

    Args:
        task: A `Capturable` one.
        loss: Of a batch.
        optimizer: Takes its learning rate from a tensor.
        device: Of the parameters.
        record: How work is recorded.
        others: What `Steps` takes beside these.
    """

    def __init__(
        self,
        task: Task,
        loss: Loss,
        optimizer: Optimizer,
        *,
        device: torch.device,
        record: Record = cuda_graph,
        **others: Any,
    ) -> None:
        """See the class."""
        super().__init__(task, loss, optimizer, **others)
        assert isinstance(task, Capturable)
        self.inputs_of = task
        self.record = record
        precision = torch.promote_types(optimizer.param_groups[0]["params"][0].dtype, torch.float32)
        rate = torch.zeros((), device=device, dtype=precision)
        for group in optimizer.param_groups:
            group["lr"] = rate
        self.static: tuple[Tensor, ...] = ()
        self.losses: Tensor | None = None
        self.scale = 1.0
        self.replay: Callable[[], None] | None = None
        self.latest: Any = None

    @override
    def take(self, step: Step, *, update: int, rate: float) -> Taken:
        batches = _all_at_once(step, self.task.batches_at_once)
        if batches is None:
            return super().take(step, update=update, rate=rate)
        self.task.begin_update(update)
        inputs = self.inputs_of.inputs(self.ranks.own(batches))
        if self.replay is None:
            self.scale, self.static = step.scale, tuple(x.clone() for x in inputs)
            with self._put_back():
                self.replay = self.record(self._work)
            self.latest = getattr(self.task, "latest", None)
        if [x.shape for x in inputs] != [x.shape for x in self.static] or step.scale != self.scale:
            return super().take(step, update=update, rate=rate)
        self.set_rate(rate)
        for static, x in zip(self.static, inputs, strict=True):
            static.copy_(x)
        self.replay()
        if self.latest is not None:  # a step that was not recorded leaves others
            self.task.latest = self.latest  # pyright: ignore[reportAttributeAccessIssue]
        assert self.losses is not None
        return Taken(self.losses.clone(), batches.shape[-2] * batches.shape[-1])

    def _work(self) -> None:
        """All of a step that happens on the device."""
        self.optimizer.zero_grad()
        self.losses = self.inputs_of.accumulate_inputs(self.static, self.loss, self.scale)
        self.finish(self.losses)

    @contextmanager
    def _put_back(self) -> Iterator[None]:
        """What is done inside leaves the weights, the statistics and the optimiser as they were, in place."""
        holders = [self.task, *([self.loss] if isinstance(self.loss, nn.Module) else [])]
        tensors = [x for holder in holders for x in _leaves(holder.state_dict())]
        before = [x.clone() for x in tensors]
        held = {id(x): x.clone() for x in _tensors(self.optimizer)}
        yield
        with torch.no_grad():
            for x, old in zip(tensors, before, strict=True):
                x.copy_(old)
            for x in _tensors(self.optimizer):  # what the first step made begins at zero
                x.copy_(held[id(x)]) if id(x) in held else x.zero_()


def _all_at_once(step: Step, at_most: int) -> Int[Tensor, "*replicates n_batches batch"] | None:
    """The batches of a step; None if they are more than a task takes at a time."""
    batches = step.batches
    if isinstance(batches, Combinations):
        return batches.rows(0, len(batches)) if len(batches) <= at_most else None
    return batches if batches.shape[-2] <= at_most else None


def _leaves(state: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors of a state, which share its memory."""
    for value in state.values():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        elif isinstance(value, Tensor):
            yield value.detach()


def _tensors(optimizer: Optimizer) -> list[Tensor]:
    """The optimiser's state."""
    states = getattr(optimizer, "state", {}).values()
    return [x for state in states for x in state.values() if isinstance(x, Tensor)]
