"""Optimisers by name: torch's own, and LARS in the two forms that are published under its name."""

# Operations on lists of tensors are what torch's own optimisers are made of, and have no public names.
# pyright: reportPrivateImportUsage=false

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import sqrt
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Parameter
from typing_extensions import override

OptimizerName = Literal["sgd", "lars", "lars-clipped", "adam", "adamw"]
Scaling = Literal["none", "sqrt", "linear"]

_TRUST = {"lars": 0.001, "lars-clipped": 0.02}
_EPSILON = 1e-8
_ROW = 256
"""Entries that share a factor where factors are laid out; tensors are filled up to a multiple of it."""


def make_optimizer(
    name: str,
    parameters: Iterable[Parameter],
    *,
    learning_rate: float | Tensor,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float | None = None,
) -> torch.optim.Optimizer:
    """The optimiser of this name.

    On a GPU none of them reads a number back from the device, so that a whole step can be recorded as a CUDA
    graph, with the learning rate in a tensor.

    Args:
        name: sgd, lars, lars-clipped, adam or adamw.
        parameters: What to update.
        learning_rate: A number or, where steps are recorded, a tensor without dimensions.
        momentum: Of sgd and lars; for adam and adamw the first beta.
        weight_decay: Decoupled from the gradient in adamw alone.
        trust: Of lars: the relative length of a step at learning rate 1; None for what its code has, 0.001 for
            lars and 0.02 for lars-clipped.

    Raises:
        ValueError: If there is no such optimiser, or a number is out of its range or does nothing.
    """
    if name not in get_args(OptimizerName):
        raise ValueError(f"optimizer must be one of {', '.join(get_args(OptimizerName))}, got {name!r}")
    if trust is not None and name not in _TRUST:
        raise ValueError(f"trust belongs to {' and '.join(_TRUST)}, got {trust} for {name}; leave it out")
    parameters = list(parameters)
    _check(learning_rate, momentum, weight_decay)
    if name in ("lars", "lars-clipped"):
        return Lars(parameters, name, lr=learning_rate, momentum=momentum, weight_decay=weight_decay, trust=trust)
    on_gpu = any(parameter.is_cuda for parameter in parameters)
    # On a CPU, too, fused Adam takes a seventh of the time; but there it takes all layouts for the plain one.
    plain = name != "sgd" and all(parameter.is_contiguous() for parameter in parameters)
    how: dict[str, Any] = {"fused": True} if on_gpu or plain else {"foreach": True}
    how |= {"lr": learning_rate, "weight_decay": weight_decay}
    if name == "sgd":
        return torch.optim.SGD(parameters, momentum=momentum, **how)
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(parameters, betas=(momentum, 0.999), capturable=on_gpu, **how)


def scaled_rate(base: float, batch_size: int, scaling: Scaling) -> float:
    """The learning rate for batches of this size: base, base sqrt(B) or base B / 256.

    References:
        Goyal et al., 2017, Section 2.1, arXiv 1706.02677 (linear, in units of 256); Chen et al., 2020, Appendix
        B.1, arXiv 2002.05709 (square root, with base 0.075).
    """
    return base * {"none": 1.0, "sqrt": sqrt(batch_size), "linear": batch_size / 256}[scaling]


class Lars(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling: steps whose length goes with that of the weights, tensor by tensor.

    Two conventions are in use under one name. For a parameter p with gradient g, lengths |.| being Euclidean:

    "lars", of You et al. as MoCo v3, SogCLR and Cho et al. have it:
        h = g + weight_decay p
        h <- h trust |p| / |h|                                  (factor 1 where a length is 0)
    "lars-clipped", as solo-learn and Lightning Bolts have it:
        r = trust |p| / (|g| + weight_decay |p| + 1e-8)
        h = (g + weight_decay p) min(r / lr, 1)                 (h = g where a length is 0)
    and then both
        mu <- momentum mu + h
        p <- p - lr mu

    Parameters of norms and biases have neither weight decay nor a factor, h = g: in "lars" those of at most one
    dimension, in "lars-clipped" of exactly one.

    Args:
        parameters: What to update.
        convention: Which of the two.
        lr: A number, or a tensor without dimensions that is read at every step, on the device of the parameters.
        momentum: In [0, 1).
        weight_decay: At least 0.
        trust: None for the usual one: 0.001, or 0.02 if clipped.
        clip_rate: In "lars-clipped": whether the factor is min(r / lr, 1), or plainly r.

    Cost of a step: some twenty-five launches on a GPU however many tensors there are, no synchronisation, and
    memory for three copies of the parameters beside the momentum. A loop over the 62 tensors of a ResNet-18 takes
    about 500.

    References:
        You et al., 2017, Algorithm 1, arXiv 1708.03888.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] | Iterable[dict[str, Any]],
        convention: str = "lars",
        *,
        lr: float | Tensor,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float | None = None,
        clip_rate: bool = True,
    ) -> None:
        """See the class."""
        if convention not in _TRUST:
            raise ValueError(f"convention must be one of {', '.join(_TRUST)}, got {convention!r}")
        _check(lr, momentum, weight_decay)
        trust = _TRUST[convention] if trust is None else trust
        if not trust > 0:
            raise ValueError(f"trust must be positive, got {trust}; {_TRUST[convention]} is usual for {convention}")
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(parameters, settings | {"convention": convention, "clip_rate": clip_rate})

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            for adapted, parameters in _alike(group["params"], group["convention"]):
                self._move(parameters, group, adapted=adapted)
        return value

    def _move(self, parameters: list[Tensor], group: dict[str, Any], *, adapted: bool) -> None:
        """One update of parameters of one precision on one device."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        buffers = [self._buffer(p) for p in parameters]
        lr = group["lr"].to(parameters[0].device) if isinstance(group["lr"], Tensor) else group["lr"]
        torch._foreach_mul_(buffers, group["momentum"])
        if not adapted:
            torch._foreach_add_(buffers, gradients)
        else:
            decayed, factors = _decayed_and_factors(parameters, gradients, lr, group)
            if _readable(factors):
                torch._foreach_add_(buffers, torch._foreach_mul(decayed, factors.tolist()))
            else:
                torch._foreach_addcmul_(buffers, decayed, _laid_out(factors, parameters))
        torch._foreach_sub_(parameters, torch._foreach_mul(buffers, lr))

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state["momentum_buffer"]


def _alike(parameters: Sequence[Tensor], convention: str) -> list[tuple[bool, list[Tensor]]]:
    """Parameters with gradients by whether lengths count, and by precision and device."""
    found: dict[tuple[Any, ...], list[Tensor]] = {}
    for p in parameters:
        if p.grad is not None:
            adapted = p.ndim > 1 if convention == "lars" else p.ndim != 1
            found.setdefault((adapted, p.dtype, p.device), []).append(p)
    return [(key[0], alike) for key, alike in found.items()]


def _decayed_and_factors(
    parameters: list[Tensor], gradients: list[Tensor], lr: float | Tensor, group: dict[str, Any]
) -> tuple[list[Tensor], Float[Tensor, " tensors"]]:
    """Gradients with weight decay, and what each is multiplied by."""
    decay, trust = group["weight_decay"], group["trust"]
    decayed = list(torch._foreach_add(gradients, parameters, alpha=decay)) if decay else gradients
    length = torch.stack(torch._foreach_norm(parameters))
    if group["convention"] == "lars":
        slope = torch.stack(torch._foreach_norm(decayed))
        return decayed, (trust * length / slope).masked_fill_((length == 0) | (slope == 0), 1.0)
    slope = torch.stack(torch._foreach_norm(gradients))
    factors = trust * length / (slope + decay * length + _EPSILON)
    if group["clip_rate"]:
        factors = (factors / lr).clamp_max(1)
    # Where the gradient is 0 nothing moves, not even by the decay; weights of length 0 have no decay.
    return decayed, factors.masked_fill_(length == 0, 1.0).masked_fill_(slope == 0, 0.0)


def _readable(factors: Float[Tensor, " tensors"]) -> bool:
    """Whether numbers may be read back for nothing, as on a CPU."""
    return factors.device.type == "cpu"


def _laid_out(factors: Float[Tensor, " tensors"], like: list[Tensor]) -> list[Tensor]:
    """Each factor as a tensor of the shape and the strides of its parameter.

    Operations on lists of tensors are one launch only where all tensors at a place agree in both; with factors of
    one entry they would fall back to a launch for each.
    """
    rows, starts = _rows_of(tuple(x.numel() for x in like), factors.device)
    table = factors.index_select(0, rows)[:, None].expand(-1, _ROW).contiguous()
    return [table.as_strided(x.shape, x.stride(), start) for x, start in zip(like, starts, strict=True)]


@lru_cache(maxsize=16)
def _rows_of(sizes: tuple[int, ...], device: torch.device) -> tuple[Int[Tensor, " rows"], list[int]]:
    """The tensor that each row of the table of factors belongs to, and where each tensor's rows begin."""
    counts = torch.tensor([-(-size // _ROW) for size in sizes])
    starts = (counts.cumsum(0) - counts) * _ROW
    return torch.arange(len(sizes)).repeat_interleave(counts).to(device), starts.tolist()


def _check(lr: float | Tensor, momentum: float, weight_decay: float) -> None:
    if not isinstance(lr, Tensor) and not lr >= 0:
        raise ValueError(f"learning_rate must be at least 0, got {lr}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum}; 0.9 is usual")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay must be at least 0, got {weight_decay}")


def restore_optimizer(optimizer: Any, state: dict[str, Any]) -> None:
    """Load a state; a rate that lives in a tensor stays in that tensor, where a recorded step reads it."""
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(rate, Tensor):
            rate.copy_(torch.as_tensor(group["lr"]))
            group["lr"] = rate
        else:
            group["lr"] = float(group["lr"])
