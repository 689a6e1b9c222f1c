"""Pairs whose embeddings are the parameters: many replicates of a small problem as one tensor."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from batching import Plan, normals
from losses import Loss, value_and_gradient

Directions = tuple[Float[Tensor, "2 replicates n dim"], Float[Tensor, "2 replicates n 1"]]
_STACK_ENTRIES = 2**24
"""Similarities held at once where a step has many batches (128 MiB of float64)."""


class FreePairs:
    """Raw vectors x whose directions x / |x| are the embeddings (a `training.Task`).

    Args:
        seeds: One for each replicate; the start is Gaussian and depends on the seed alone.
        n_pairs: N.
        dim: d.
        equal: Start with v = u.
        batch_size: Of the batches to come, which decides how many fit into memory at once.
        updates_commute: Whether a partition may be taken at once: exact under plain gradient descent.
        dtype: Precision.
        rates: What the gradient of each replicate is multiplied by: under plain gradient descent, a learning rate
            of its own, in multiples of the optimiser's; None for 1.
    """

    def __init__(
        self,
        seeds: Int[Tensor, " replicates"],
        *,
        n_pairs: int,
        dim: int,
        equal: bool,
        batch_size: int,
        updates_commute: bool = True,
        dtype: torch.dtype = torch.float64,
        rates: Float[Tensor, " replicates"] | None = None,
    ) -> None:
        """See the class."""
        start = [normals(seeds, view, 0, n_pairs * dim) for view in ("u", "u" if equal else "v")]
        raw = torch.stack(start).reshape(2, len(seeds), n_pairs, dim).to(dtype)
        self.raw = torch.nn.Parameter(raw)
        self.rates = 1.0 if rates is None else rates.to(raw)[:, None, None]
        self.n_pairs = n_pairs
        self.updates_commute = updates_commute
        self.batches_at_once = max(1, _STACK_ENTRIES // (len(seeds) * batch_size**2))
        self._directions: tuple[int, Directions] | None = None

    def directions(self) -> Directions:
        """The unit vectors x / |x| and the lengths |x|; computed once for each value of the parameters."""
        version = self.raw._version
        if self._directions is None or self._directions[0] != version:
            self._directions = (version, _directions(self.raw))
        return self._directions[1]

    @torch.inference_mode()
    def embed(
        self, index: Int[Tensor, "replicates n"] | None
    ) -> tuple[Float[Tensor, "replicates n dim"], Float[Tensor, "replicates n dim"]]:
        """The unit embeddings of these pairs."""
        u, v = self.directions()[0].unbind()
        if index is None:
            return u, v
        rows = index[..., None].expand(*index.shape, u.shape[-1])
        return u.gather(1, rows), v.gather(1, rows)

    @torch.inference_mode()
    def accumulate(
        self,
        batches: Int[Tensor, "*replicates n_batches batch"],
        loss: Loss,
        scale: float,
    ) -> Float[Tensor, "replicates n_batches"]:
        """See `training.Task`."""
        return self._accumulate(self.directions(), batches.to(self.raw.device), loss, scale)

    def inputs(self, batches: Int[Tensor, "*replicates n_batches batch"]) -> tuple[Tensor, ...]:
        """The batches, see `training.captured`."""
        self._directions = None  # a replay changes the parameters, and not their version
        return (batches.to(self.raw.device),)

    @torch.inference_mode()
    def accumulate_inputs(
        self, inputs: tuple[Tensor, ...], loss: Loss, scale: float
    ) -> Float[Tensor, "replicates n_batches"]:
        """`accumulate`, with nothing that was computed before."""
        (batches,) = inputs
        return self._accumulate(_directions(self.raw), batches, loss, scale)

    def _accumulate(self, at: Directions, batches: Tensor, loss: Loss, scale: float) -> Tensor:
        """With y = x / |x| and g = d loss / d y the gradient is (g - (g.y) y) / |x|, times the replicate's rate."""
        directions, length = at
        u, v = directions.unbind()
        values, du, dv = value_and_gradient(loss, u, v, batches=batches)
        slope = torch.stack([du, dv])
        along = torch.linalg.vecdot(slope, directions).unsqueeze(-1)
        gradient = (slope - along * directions) * (scale * self.rates / length)
        self.raw.grad = gradient if self.raw.grad is None else self.raw.grad + gradient
        return values

    def describe(self) -> dict[str, float]:
        """Nothing: the study measures for itself."""
        return {}

    def begin_update(self, update: int) -> None:
        """Nothing here is random."""

    def end_update(self) -> None:
        """Nothing follows the parameters."""

    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """Nothing is prepared ahead."""

    def state_dict(self) -> dict[str, Any]:
        """The raw vectors."""
        return {"raw": self.raw.detach()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back the raw vectors."""
        with torch.no_grad():
            self.raw.copy_(state["raw"])


def _directions(raw: Float[Tensor, "2 replicates n dim"]) -> Directions:
    raw = raw.detach()
    length = torch.linalg.vector_norm(raw, dim=-1, keepdim=True)
    return raw / length, length
