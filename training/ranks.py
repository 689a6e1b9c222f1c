"""Several processes that take every step together, each with its part of the batch."""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Int
from torch import Tensor, nn

from batching import Selection
from batching.rules.oblivious import Full
from losses.distributed import Group

Value = TypeVar("Value")

_PATIENCE = timedelta(hours=3)
"""How long a process waits for the others: while the first one plans, tokenises or writes, they do nothing else."""


class Ranks:
    """The processes of a run: how many, which one this is, and what they say to each other.

    Each takes its own equal part of every batch, in the order of the ranks. A loss that has the `group` sees the
    embeddings of all, and the mean of the ranks' gradients is the gradient of the whole batch (see
    `losses.distributed`). So one all-reduce, of one flat tensor with all gradients, takes the place of
    `DistributedDataParallel`: it is exact, needs no hooks in the backward pass, does not mind that an encoder is
    run through in chunks, and goes into a CUDA graph with the rest of the step. (Overlap with the backward pass,
    which the wrapper has, is worth something only where gradients take long to send.) In the same tensor travel the
    running statistics of normalisation layers and the losses: their means are the same everywhere, so weights,
    statistics and optimisers stay equal to the last bit, and one checkpoint is everybody's. Batch normalisation
    itself sees the part of a rank, unless the model has `SyncBatchNorm`.

    Without arguments: one process alone. From torchrun's variables: `Ranks.from_environment`.

    Args:
        group: The processes; None for this one alone.
        device: What this process computes on.
        owned: Whether `close` ends the processes' connection.
    """

    def __init__(
        self, group: Group | None = None, device: torch.device | str = "cpu", *, owned: bool = False
    ) -> None:
        """See the class."""
        self.group, self.device, self._owned = group, torch.device(device), owned
        self.size, self.rank = (1, 0) if group is None else (group.size(), group.rank())

    @classmethod
    def from_environment(cls, device: torch.device | str = "cpu") -> "Ranks":
        """Meet the other processes that torchrun started; alone where it started no others.

        A context manager: at its end the processes part.

        Args:
            device: "cpu", or "cuda" for the GPU with the number of the process on its machine.

        Raises:
            ValueError: If there are not as many GPUs as processes, or all were to take the same one.
        """
        device = torch.device(device)
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if dist.is_available() and dist.is_initialized():
            return cls(dist.group.WORLD, device)
        if size == 1:
            return cls(None, device)
        if device.type == "cuda":
            device = _own_gpu(device)
            torch.cuda.set_device(device)
            # What is said from host to host goes through gloo, so that it does not wait for the GPU.
            dist.init_process_group("cpu:gloo,cuda:nccl", timeout=_PATIENCE, device_id=device)
        else:
            dist.init_process_group("gloo", timeout=_PATIENCE)
        return cls(dist.group.WORLD, device, owned=True)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def close(self) -> None:
        """Part from the others."""
        if self._owned:
            dist.destroy_process_group()
            self._owned = False

    def __enter__(self) -> "Ranks":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Part from the others."""
        self.close()

    def check(self, selection: Selection, n_pairs: int, batch_size: int) -> None:
        """Refuse batches that do not divide into equal parts.

        Raises:
            ValueError: On all ranks.
        """
        whole = isinstance(selection, Full)
        size = n_pairs if whole else batch_size
        if size % self.size:
            name = "the number of pairs, which make one batch," if whole else "batch_size"
            raise ValueError(
                f"{name} must be a multiple of the {self.size} processes, which take equal parts of each batch, "
                f"got {size}; the next are {size - size % self.size} and {size + self.size - size % self.size}"
            )

    def check_same(self, **facts: Any) -> None:
        """Refuse processes that were told different things.

        Raises:
            ValueError: On all ranks.
        """
        if self.group is None:
            return
        told: list[dict[str, Any] | None] = [None] * self.size
        dist.all_gather_object(told, facts, self.group)
        for name in facts:
            values = [one[name] for one in told if one is not None]
            if any(value != values[0] for value in values):
                raise ValueError(f"{name} must be the same in every process, got {values}; start them alike")

    def check_loss(self, loss: object) -> None:
        """Refuse a loss that is known to see the pairs of this process only.

        Raises:
            ValueError: On all ranks.
        """
        if self.group is None:
            return
        known = loss.keywords if isinstance(loss, partial) else getattr(loss, "__dict__", {})
        if (isinstance(loss, partial) or "group" in known) and known.get("group") is None:
            raise ValueError(
                f"the loss must see the pairs of all {self.size} processes, got one without a group; make it with "
                "make_loss(..., group=ranks.group)"
            )

    def own(self, batches: Int[Tensor, "*lead batch"]) -> Int[Tensor, "*lead part"]:
        """This rank's part of each batch."""
        n = batches.shape[-1] // self.size
        return batches.narrow(-1, self.rank * n, n)

    @torch.no_grad()
    def average(self, modules: Iterable[nn.Module], losses: Sequence[Tensor] = ()) -> None:
        """The mean over the ranks of all gradients and floating-point buffers of modules, and of losses, in place.

        Parameters without a gradient are left out, so they must be the same on all ranks.

        Cost: one all-reduce, a copy there and a copy back. No synchronisation with the host.
        """
        if self.group is None:
            return
        shared = [*losses]
        for module in modules:
            shared += [p.grad for p in module.parameters() if p.grad is not None]
            shared += [x for x in module.buffers() if x.is_floating_point()]
        lines = [_in_order_of_memory(x) for x in shared]
        flat = torch.cat(lines)
        dist.all_reduce(flat, group=self.group)
        flat.div_(self.size)
        torch._foreach_copy_(lines, flat.split([len(line) for line in lines]))  # pyright: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def equalise(self, modules: Iterable[nn.Module]) -> None:
        """Give all ranks the first one's parameters and buffers."""
        if self.group is not None:
            for module in modules:
                for x in (*module.parameters(), *module.buffers()):
                    dist.broadcast(_in_order_of_memory(x.detach()), group_src=0, group=self.group)

    def first(self, call: Callable[[], Value]) -> Value:
        """What the call returns in the first process, in all of them; so is a `ValueError` that it raises."""
        if self.group is None:
            return call()
        box: list[Any] = [None, None]
        if self.is_first:
            try:
                box[0] = call()
            except ValueError as error:
                box[1] = str(error)
        dist.broadcast_object_list(box, group_src=0, group=self.group)
        if box[1] is not None:
            raise ValueError(box[1])
        return box[0]

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers; the hosts wait for each other, not for their GPUs."""
        if self.group is None:
            return number
        on_host = "gloo" in dist.get_backend_config(self.group)
        found = torch.tensor(number, device="cpu" if on_host else self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.group)
        return int(found)


def _in_order_of_memory(x: Tensor) -> Tensor:
    """All entries in a line, without a copy; images in channels-last layout have their own order."""
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        x = x.permute(0, 2, 3, 1)
    return x.view(-1)


def _own_gpu(device: torch.device) -> torch.device:
    """The GPU of this process."""
    local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.index is not None and beside > 1:
        raise ValueError(f"each of {beside} processes needs a GPU of its own, got {device} for all; use cuda")
    if local >= there:
        raise ValueError(
            f"each of {beside} processes needs a GPU of its own, got {there}; start {there} of them, or use cpu"
        )
    return torch.device("cuda", local)
