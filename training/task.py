"""What the loop needs to know of a problem, and nothing more."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from batching import Plan
from losses import Loss, cached_backward, diagnostics, gather, takes_index
from losses.distributed import Group

FeatureMode = Literal["eval", "train"]


@runtime_checkable
class Task(Protocol):
    """Pairs with parameters behind them: free embeddings, or an encoder over images or texts."""

    n_pairs: int
    updates_commute: bool
    """Whether updates on disjoint batches do not see each other, so that a partition may be taken at once."""
    batches_at_once: int
    """How many batches `accumulate` is given at a time, at most."""

    def accumulate(
        self, batches: Int[Tensor, "*replicates n_batches batch"], loss: Loss, scale: float
    ) -> Float[Tensor, "*replicates n_batches"]:
        """Add `scale` times the gradient of the sum of the batches' losses to the parameters' gradients.

        Returns:
            The loss of each batch, detached.
        """
        ...

    def embed(
        self, index: Int[Tensor, "*replicates n"] | None
    ) -> tuple[Float[Tensor, "*replicates n dim"], Float[Tensor, "*replicates n dim"]]:
        """The unit embeddings of these pairs (None: of all), in evaluation mode, without gradients."""
        ...

    def describe(self) -> dict[str, float]:
        """Numbers about the latest step, for a line of the log."""
        ...

    def begin_update(self, update: int) -> None:
        """Called before a plan is made and before each gradient; what is random in them may depend on it alone."""
        ...

    def end_update(self) -> None:
        """Called when the parameters have changed."""
        ...

    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """Called when a plan comes into force, of which `position` updates were taken before an interruption."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that training changes."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        ...


class EncodedPairs(ABC):
    """A task whose pairs go through a network: subclasses say how a batch becomes its two embeddings.

    Args:
        model: The parameters; its training flag is set as needed.
        n_pairs: Number of training pairs.
        seed: Of everything random in a step (augmentation, dropout), together with the step's number.
        embed_batch_size: Pairs at a time when embeddings are asked for.
        encode_batch_size: Pairs at a time in training: a larger batch goes through the encoder in chunks, twice,
            and needs the memory of one (`losses.cached_backward`); None for whole batches.
        feature_mode: Where embeddings are asked for, normalisation layers use their running statistics ("eval"), or
            those of each `embed_batch_size` pairs, by which the running ones move too ("train").
        temperature: Of the diagnostics.
    """

    updates_commute: bool = False
    batches_at_once: int = 1

    def __init__(
        self,
        model: nn.Module,
        *,
        n_pairs: int,
        seed: int,
        embed_batch_size: int,
        encode_batch_size: int | None = None,
        feature_mode: FeatureMode = "eval",
        temperature: float = 0.1,
    ) -> None:
        """See the class."""
        self.model = model
        self.n_pairs = n_pairs
        self.seed = seed
        self.embed_batch_size = embed_batch_size
        self.encode_batch_size = encode_batch_size
        self.feature_mode: FeatureMode = feature_mode
        self.temperature = temperature
        self.update = 0
        self.latest: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def encode(
        self, index: Int[Tensor, " n"], *, purpose: str
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        """The unit embeddings (u, v) of these pairs, with gradients where they are enabled.

        Anything random must be a function of (self.seed, purpose, self.update, index).
        """

    def begin_update(self, update: int) -> None:
        """Make the next step's randomness a function of its number: a resumed run repeats it."""
        self.update = update

    def end_update(self) -> None:
        """Nothing follows the parameters, unless a subclass has a second encoder that does."""
        return

    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        """Nothing is prepared ahead, unless a subclass gains by it."""
        del plan, position, update

    def accumulate(
        self, batches: Int[Tensor, "n_batches batch"], loss: Loss, scale: float
    ) -> Float[Tensor, " n_batches"]:
        """Forward and backward, batch by batch; a loss that keeps a state is told the numbers of the pairs."""
        self.model.train()
        return torch.stack([self._backward(batch, loss, scale) for batch in batches])

    def describe(self, group: Group | None = None) -> dict[str, float]:
        """Diagnostics of the batch trained on last.

        Args:
            group: Processes that shared it; all must ask.
        """
        if self.latest is None:
            return {}
        whole = self.latest if group is None else (gather(x, group) for x in self.latest)
        u, v = (functional.normalize(x, dim=-1) for x in whole)  # a loss of raw embeddings has others
        return diagnostics(u, v, temperature=self.temperature).floats()

    @torch.no_grad()
    def embed(self, index: Int[Tensor, " n"] | None) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        """The embeddings of these pairs, chunk by chunk; normalisation layers as `feature_mode` says."""
        self.model.train(self.feature_mode == "train")
        index = torch.arange(self.n_pairs) if index is None else index
        chunks = [self.encode(part, purpose="embed") for part in _parts(index, self.embed_batch_size)]
        return torch.cat([u for u, _ in chunks]), torch.cat([v for _, v in chunks])

    def loss_of(
        self, u: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], batch: Int[Tensor, " batch"], loss: Loss
    ) -> Float[Tensor, ""]:
        """The loss of a batch that is encoded; the embeddings are kept for `describe`."""
        self.latest = u.detach(), v.detach()
        more: dict[str, Any] = {"index": batch.to(u.device)} if takes_index(loss) else {}
        return loss(u, v, **more)

    def _backward(self, batch: Int[Tensor, " batch"], loss: Loss, scale: float) -> Float[Tensor, ""]:
        def of_batch(u: Tensor, v: Tensor) -> Tensor:
            return self.loss_of(u, v, batch, loss)

        encode = partial(self.encode, purpose="train")
        if self.encode_batch_size is not None and self.encode_batch_size < len(batch):
            return cached_backward(encode, batch.split(self.encode_batch_size), of_batch, scale=scale)
        value = of_batch(*encode(batch))
        (value * scale).backward()
        return value.detach()

    def state_dict(self) -> dict[str, Any]:
        """The model's."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The model's."""
        self.model.load_state_dict(state)


def _parts(index: Int[Tensor, " n"], size: int) -> list[Int[Tensor, " m"]]:
    """Parts of this size and what is left; never one alone, of which batch normalisation has no statistics."""
    parts = list(index.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
