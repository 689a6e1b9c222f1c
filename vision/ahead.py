"""Views of the steps to come, made together: on a GPU a few large launches, not hundreds of small ones a step."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from batching import Plan

TwoViews = tuple[Float[Tensor, "*lead batch 3 size size"], Float[Tensor, "*lead batch 3 size size"]]
Make = Callable[[Int[Tensor, "steps batch"], Int[Tensor, " steps"]], TwoViews]
"""The views of batches at the updates with these numbers."""


_BUDGET = 2**31
"""Bytes that the views of a stretch may take on a GPU."""


def steps_within(batch_size: int, size: int) -> int:
    """How many steps of so many pairs fit into the budget, 64 at most: of 32 pixels even these are 50 MB."""
    return max(1, min(64, _BUDGET // (2 * batch_size * 3 * size**2 * 4)))


class Ahead:
    """Keeps the views of a stretch of a plan's steps, and makes the next stretch when it is used up.

    What the views are is not changed by it: they depend on the number of the update and of the image alone.

    Args:
        make: Makes views.
        steps: Length of a stretch; 1 makes nothing ahead.
    """

    def __init__(self, make: Make, steps: int) -> None:
        """See the class."""
        self.make, self.steps = make, steps
        self.batches: Int[Tensor, "n_batches batch"] | None = None
        self.first_update = self.start = 0
        self.made: TwoViews | None = None

    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """From now on steps are those of this plan; one whose step is of many batches is not prepared for."""
        foreseen = self.steps > 1 and plan.reduction == "step"
        self.batches = plan.batches if foreseen and isinstance(plan.batches, Tensor) else None
        self.first_update, self.made = update - position, None

    def views(self, update: int, n_pairs: int) -> TwoViews | None:
        """Those of the step with this number, if it is one of so many pairs that was foreseen."""
        if self.batches is None or n_pairs != self.batches.shape[1]:
            return None
        row = update - self.first_update
        if not 0 <= row < len(self.batches):
            return None
        if self.made is None or not self.start <= row < self.start + len(self.made[0]):
            self.made = None  # two stretches would take twice the memory
            self.start = row - row % self.steps  # the same stretches for a run that was interrupted in one
            rows = self.batches[self.start : self.start + self.steps]
            first = self.first_update + self.start
            self.made = self.make(rows, torch.arange(first, first + len(rows), device=rows.device))
        first, second = self.made
        return first[row - self.start], second[row - self.start]
