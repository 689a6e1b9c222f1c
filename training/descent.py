"""Plain gradient descent, for problems whose update costs less than an optimiser's bookkeeping."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter


class GradientDescent:
    """x <- x - learning_rate * gradient, nothing carried over from one update to the next.

    What `torch.optim.SGD` does without momentum, in a tenth of its time for a few tiny tensors, and without the
    second and a half that the first optimiser of a process takes to import a compiler. `fit` takes either.

    Args:
        parameters: What to update.
        learning_rate: May be changed through `param_groups`, as in torch; there it may also be a tensor.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float) -> None:
        """See the class."""
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": learning_rate}]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if isinstance(group["lr"], torch.Tensor):  # a recorded step reads it there at each replay
                    parameter.addcmul_(parameter.grad, group["lr"], value=-1)
                else:
                    parameter.sub_(parameter.grad, alpha=group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """There is nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is nothing to put back."""
