"""The least time that a training step can take on a machine: its arithmetic and its traffic at measured peaks.

    floor = max( operations / peak,  bytes / bandwidth )

operations  of one forward and one backward pass, counted by torch's FlopCounterMode on the real model;
bytes       that cross the memory in them if everything that can be fused is, and nothing stays in a cache:
            a convolution or linear layer reads its input twice (forward; gradient of the weights) and writes the
            input's gradient, writes its output and reads the output's gradient twice; batch normalisation with
            whatever is pointwise after it (ReLU, the residual sum) reads and writes once forward, its statistics
            being taken where the convolution writes, and passes five times backward (two reads for the sums, two
            reads and a write for the gradient). Plus the optimiser: weights, gradients and its own state in
            float32. Weights on their way to the layers, views and the loss are left out;
peak        of a product of two large square matrices, bandwidth of a large copy, the best of some tries.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

Precision = Literal["float32", "bfloat16"]
BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2}
DTYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

OPTIMIZER_PASSES = {"sgd": 5, "lars": 7, "lars-clipped": 7, "adam": 7, "adamw": 7}
"""Over all weights: sgd reads weight, gradient, momentum and writes two of them; lars reads two of them again, for
their lengths; adam has two moments."""

SIDES = {"cuda": (8192, 2**29), "cpu": (1024, 2**26)}
"""Of the matrices that are multiplied, and the number of entries that are copied."""


@dataclass(frozen=True)
class Peaks:
    """What a machine can do."""

    operations: dict[Precision, float]
    """Of a matrix product, a second (one multiplication and one addition are two)."""
    bandwidth: float
    """Bytes read and written a second by a copy."""


@dataclass(frozen=True)
class Work:
    """What a step has to do."""

    operations: float
    bytes: float

    def floor(self, peaks: Peaks, precision: Precision) -> tuple[float, str]:
        """Seconds, and what they are bound by."""
        bounds = {
            "arithmetic": self.operations / peaks.operations[precision],
            "memory": self.bytes / peaks.bandwidth,
        }
        bound = max(bounds, key=lambda name: bounds[name])
        return bounds[bound], bound


def measure_peaks(device: torch.device, *, tries: int = 10) -> Peaks:
    """The best of so many tries; float32 on a GPU is what convolutions have there, TensorFloat-32."""
    side, length = SIDES[device.type]
    rates: dict[Precision, float] = {}
    with _tensor_float():
        for precision, dtype in DTYPES.items():
            a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
            rates[precision] = 2 * side**3 / _best(lambda a=a, b=b: torch.mm(a, b), device, tries)
    source = torch.ones(length, device=device)
    target = torch.empty_like(source)
    seconds = _best(lambda: target.copy_(source), device, tries)
    return Peaks(rates, 2 * source.numel() * source.element_size() / seconds)


def work_of_step(
    model: nn.Module, *, views: int, image_size: int, precision: Precision, optimizer: str = "sgd"
) -> Work:
    """The work of a step on so many views.

    Args:
        model: In float32, on the CPU, whatever the precision is; its statistics move.
        views: That go through it, both of every image.
        image_size: Side of a view, in pixels.
        precision: In which the activations are.
        optimizer: One of `OPTIMIZER_PASSES`.
    """
    sample = torch.rand(2, 3, image_size, image_size)
    model.train()
    with FlopCounterMode(display=False) as counter, _traffic(model) as elements:
        model(sample).sum().backward()
    weights = sum(p.numel() for p in model.parameters())
    model.zero_grad(set_to_none=True)
    share = views / len(sample)
    activations = share * sum(elements) * BYTES[precision]
    return Work(share * counter.get_total_flops(), activations + OPTIMIZER_PASSES[optimizer] * 4 * weights)


@contextmanager
def _traffic(model: nn.Module) -> Iterator[list[int]]:
    """Entries read and written for each layer that is called inside, forward and backward."""
    elements: list[int] = []

    def note(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            elements.append(3 * inputs[0].numel() + 3 * output.numel())
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            elements.append(7 * output.numel())

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        yield elements
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _tensor_float() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _best(work: Callable[[], object], device: torch.device, tries: int) -> float:
    """Seconds of the fastest of some tries, after two that do not count."""
    times = []
    for _ in range(tries + 2):
        begin = _now(device)
        work()
        times.append(_now(device) - begin)
    return min(times[2:])


def _now(device: torch.device) -> float:
    """On a CPU processor seconds of a thread: others who are at work there do not lower the peak."""
    if device.type == "cpu":
        return process_time() / torch.get_num_threads()
    torch.cuda.synchronize()
    return perf_counter()
