"""CUDA tensors without a GPU: numbers that lie on the CPU, and rules that are a GPU's.

`pretend_cuda()` is a mode in which device="cuda" gives tensors that say that they are on a GPU (`device`,
`is_cuda`, autocast) and whose values are computed by the CPU. So whole paths can be walked through and their
results compared with those of the CPU, while what a GPU would refuse is refused:

    - operands on two devices (but for single numbers from the host, which travel with a kernel's arguments),
    - a generator of the CPU for random numbers on the GPU,
    - a numpy array of what is on the GPU,

and what makes the host wait is told: `Traffic.reads`, for numbers that the host waits for (`item`, `nonzero`, a
copy to the CPU, ...), and `Traffic.sends`, for copies to the GPU out of memory that is not pinned. While a CUDA
graph is recorded both are errors; its replay does the recorded operations again, and nothing that Python does.

It proves that devices agree, which branches for a GPU are taken and that they come to the same numbers, and how
often the host waits. It proves nothing of kernels: not their speed, nor their rounding, nor which of them a library
picks, nor Triton's, nor that of attention to packed sequences; and nothing of memory, streams or several processes.
"""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).parent.parent
CUDA = torch.device("cuda", 0)
aten = torch.ops.aten

_WAIT = {
    *("_local_scalar_dense", "nonzero", "masked_select", "bincount", "equal", "is_nonzero", "histc", "argwhere"),
    *("_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive", "_linalg_check_errors"),
    "multinomial",
}
"""Operations whose kernels on a GPU make the host wait."""
_FROM_THE_HOST = {"index", "index_put", "index_put_", "_index_put_impl_"}
"""Operations that take indices on the CPU, and send them."""
_IN_HALF = {
    *("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "einsum", "linear"),
    *("conv1d", "conv2d", "linalg_vecdot", "scaled_dot_product_attention"),
}
_IN_FULL = {
    *("exp", "expm1", "log", "log1p", "log2", "pow", "__pow__", "rsqrt", "reciprocal", "softplus", "layer_norm"),
    *(
        "softmax",
        "log_softmax",
        "logsumexp",
        "cumsum",
        "cumprod",
        "prod",
        "sum",
        "norm",
        "linalg_vector_norm",
        "cdist",
    ),
    *("cosine_similarity", "nll_loss", "mse_loss", "binary_cross_entropy_with_logits", "group_norm"),
}
"""What autocast does in half and in full precision on a GPU, after the lists in torch's documentation."""


class RefusedByTheGPU(RuntimeError):
    """What would have failed on a GPU."""


@dataclass
class Traffic:
    """What made the host wait, each as "file:line operation", the innermost place in this repository."""

    reads: list[str] = field(default_factory=list[str])
    sends: list[str] = field(default_factory=list[str])
    synchronised: int = 0
    tape: "Graph | None" = None

    @contextmanager
    def recorded(self, graph: "Graph | None" = None) -> Iterator[None]:
        """What is done inside is recorded as a CUDA graph: the host may not wait."""
        before, self.tape = self.tape, Graph() if graph is None else graph
        try:
            yield
        finally:
            self.tape = before

    def wait(self, kind: list[str], what: str) -> None:
        """The host waits."""
        kind.append(f"{_place()} {what}")
        if self.tape is not None:
            raise RefusedByTheGPU(f"the host waits while a graph is recorded: {kind[-1]}")


class Graph:
    """What a `torch.cuda.CUDAGraph` does: the same operations on the same memory again, and nothing else."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, Any, Any]] = []

    def replay(self) -> None:
        with torch.inference_mode():
            for func, (args, kwargs), out in self.done:
                for old, new in zip(_tensors(out), _tensors(func(*args, **kwargs)), strict=True):
                    if old.data_ptr() != new.data_ptr():  # neither changed in place nor a view
                        old.copy_(new)


def _tensors(tree: Any) -> list[Tensor]:
    return [x for x in pytree.tree_leaves(tree) if isinstance(x, Tensor)]


def _place() -> str:
    for frame in reversed(traceback.extract_stack(sys._getframe(2))):
        name = Path(frame.filename)
        if name.is_relative_to(ROOT) and name != Path(__file__) and ".venv" not in name.parts:
            return f"{name.relative_to(ROOT)}:{frame.lineno}"
    return "somewhere"


class OnGPU(Tensor):
    """A tensor on the pretended GPU; `held` are its values, on the CPU."""

    held: Tensor

    device = property(lambda _: CUDA)  # pyright: ignore[reportAssignmentType]
    is_cuda = property(lambda _: True)  # pyright: ignore[reportAssignmentType]
    is_cpu = property(lambda _: False)  # pyright: ignore[reportAssignmentType]
    is_meta = property(lambda _: False)  # pyright: ignore[reportAssignmentType]

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnGPU":
        # To the backward pass, which has queues for the GPUs that are there, it is a tensor without values.
        with torch.inference_mode(False):
            shape = torch.empty_strided(held.size(), held.stride(), dtype=held.dtype, device="meta")
            out = Tensor._make_subclass(cls, shape, False, device_for_backend_keys=CUDA)
        out.held = held
        return out

    def get_device(self) -> int:
        return 0

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"OnGPU({self.held!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)  # as with map_location="cpu"

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.detach().cpu().numpy()
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def __array__(self, dtype: Any = None) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__
        if name == "new_tensor":
            return torch.tensor(args[1], device=CUDA, **{"dtype": args[0].dtype, **(kwargs or {})})
        if name in ("__getitem__", "__setitem__"):
            args = (args[0], _index(args[1]), *args[2:])
        if torch.is_autocast_enabled("cuda") and name in _IN_HALF | _IN_FULL:
            dtype = torch.get_autocast_dtype("cuda") if name in _IN_HALF else torch.float32
            args, kwargs = pytree.tree_map_only(OnGPU, lambda x: _cast(x, dtype), (args, kwargs or {}))
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func}: a tensor has left pretend_cuda()")


def _index(index: Any) -> Any:
    """With lists as tensors on the GPU."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    return torch.tensor(index, device=CUDA) if isinstance(index, list) else index


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype) if x.is_floating_point() and x.dtype != torch.float64 else x


class _Pretend(TorchDispatchMode):
    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self.traffic = traffic

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func._can_decompose():  # in inference mode, where they come in one piece
            with self:
                return func.decompose(*args, **kwargs)
        flat, _ = pytree.tree_flatten((args, kwargs))
        there = [x for x in flat if isinstance(x, OnGPU)]
        asked = kwargs.get("device")
        target = None if asked is None else torch.device(asked)
        if target is not None and target.type == "meta":
            target = CUDA  # asked for by an operation that puts something beside an `OnGPU`
        if not there and (target is None or target.type != "cuda"):
            return func(*args, **kwargs)
        return self._on_gpu(func, args, kwargs, flat, target, there)

    def _on_gpu(
        self, func: Any, args: Any, kwargs: Any, flat: list[Any], target: torch.device | None, there: list[Any]
    ) -> Any:
        name, tensors = func.overloadpacket.__name__, _tensors(flat)
        self._check_generator(func, flat, target, there)
        on_gpu = target.type == "cuda" if target is not None else True
        here = [x for x in tensors if not isinstance(x, OnGPU)]
        if name in ("_to_copy", "copy_", "copy"):
            self._tell_copy(name, args, kwargs, on_gpu)
            on_gpu = isinstance(args[0], OnGPU) if name == "copy_" else on_gpu
        elif name in _FROM_THE_HOST and isinstance(args[0], OnGPU):
            self._tell_indices(name, args)
        elif there:
            if bad := [x for x in here if x.dim() > 0]:
                raise RefusedByTheGPU(
                    f"{func} at {_place()}: tensors must be on one device, got cuda and cpu {tuple(bad[0].shape)}"
                )
            if name in _WAIT or (name == "repeat_interleave" and kwargs.get("output_size") is None):
                self.traffic.wait(self.traffic.reads, name)
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        kwargs.pop("pin_memory", None)
        given = pytree.tree_map_only(OnGPU, lambda x: x.held, (args, kwargs))
        out = func(*given[0], **given[1])
        if self.traffic.tape is not None:
            self.traffic.tape.done.append((func, given, out))
        return self._wrapped(out, args, kwargs) if on_gpu else out

    def _wrapped(self, out: Any, args: Any, kwargs: Any) -> Any:
        """What comes out is on the GPU; what an operation changed in place is the tensor that it was."""
        same = {id(x.held): x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, OnGPU)}
        return pytree.tree_map_only(Tensor, lambda x: same[id(x)] if id(x) in same else OnGPU(x), out)

    def _check_generator(self, func: Any, flat: list[Any], target: torch.device | None, there: list[Any]) -> None:
        random = [x for x in flat if isinstance(x, torch.Generator)]
        if random and random[0].device.type == "cpu" and (there or (target and target.type == "cuda")):
            raise RefusedByTheGPU(f"{func} at {_place()}: expected a generator on cuda, got one on cpu")

    def _tell_copy(self, name: str, args: Any, kwargs: Any, on_gpu: bool) -> None:
        into, out_of = (args[0], args[1]) if name == "copy_" else (None, args[0])
        to_gpu = isinstance(into, OnGPU) if into is not None else on_gpu
        if isinstance(out_of, OnGPU) and not to_gpu:
            self.traffic.wait(self.traffic.reads, name)
        elif not isinstance(out_of, OnGPU) and to_gpu:
            quick = out_of.is_pinned() and (kwargs.get("non_blocking") or (name == "copy_" and args[2:] == (True,)))
            if not quick:
                self.traffic.wait(self.traffic.sends, name)

    def _tell_indices(self, name: str, args: Any) -> None:
        for index in args[1]:
            if index is None:
                continue
            if not isinstance(index, OnGPU):
                self.traffic.wait(self.traffic.sends, f"{name} with an index on the CPU")
            if index.dtype in (torch.bool, torch.uint8):
                self.traffic.wait(self.traffic.reads, f"{name} with a mask")


@contextmanager
def pretend_cuda() -> Iterator[Traffic]:
    """device="cuda" works, as far as it can without a GPU; see the module."""
    traffic = Traffic()
    lifted = torch._C._only_lift_cpu_tensors()
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(
        True
    )  # a CPU's parameter cannot become a GPU's in place
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") is a copy that a mode sees
    torch._C._ensureCUDADeviceGuardSet()
    try:
        with ExitStack() as stack:
            for patch in _patches(traffic):
                stack.enter_context(patch)
            stack.enter_context(_Pretend(traffic))
            yield traffic
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)


def _patches(traffic: Traffic) -> list[Any]:
    def synchronize(device: Any = None) -> None:  # noqa: ARG001
        traffic.synchronised += 1
        if traffic.tape is not None:
            raise RefusedByTheGPU(f"{_place()} synchronises while a graph is recorded")

    def pin_memory(x: Tensor, device: Any = None) -> Tensor:  # noqa: ARG001
        if isinstance(x, OnGPU):
            raise RefusedByTheGPU(f"{_place()}: only dense CPU tensors can be pinned")
        out = x.clone()
        out.pinned = True  # pyright: ignore[reportAttributeAccessIssue]
        return out

    @contextmanager
    def nothing(*_: Any, **__: Any) -> Iterator[None]:
        yield

    stream = SimpleNamespace(wait_stream=lambda _: None, synchronize=synchronize, record_event=lambda *_: None)
    properties = SimpleNamespace(
        total_memory=140 * 2**30, name="pretended", multi_processor_count=132, major=9, minor=0
    )
    cuda: dict[str, Callable[..., Any]] = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: False,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda _: None,
        "synchronize": synchronize,
        "get_device_name": lambda *_: "pretended",
        "get_device_capability": lambda *_: (9, 0),
        "get_device_properties": lambda *_: properties,
        "reset_peak_memory_stats": lambda *_: None,
        "max_memory_allocated": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "CUDAGraph": Graph,
        "graph": traffic.recorded,
        "Stream": lambda *_, **__: stream,
        "current_stream": lambda *_: stream,
        "stream": nothing,
        "device_of": nothing,
        "is_bf16_supported": lambda *_, **__: True,
    }
    return [
        *(mock.patch.object(torch.cuda, name, value) for name, value in cuda.items()),
        mock.patch.object(Tensor, "pin_memory", pin_memory),
        mock.patch.object(Tensor, "is_pinned", lambda x, device=None: hasattr(x, "pinned")),  # noqa: ARG005
    ]
