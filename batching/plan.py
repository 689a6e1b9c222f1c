"""What a selection rule is, and what it makes: a plan of which pairs meet in which step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.combinations import Combinations
from batching.seeded import Seed

Embed = Callable[
    [Int[Tensor, "*replicates n"] | None],
    tuple[Float[Tensor, "*replicates n dim"], Float[Tensor, "*replicates n dim"]],
]
"""The unit embeddings (u, v) of the pairs with these numbers (None: of all), with the current weights.

A rule calls it only if it needs embeddings, and only for the pairs that it needs."""


class Step(NamedTuple):
    """The batches of one gradient step, and what their losses are multiplied by before they are added."""

    batches: Int[Tensor, "*replicates n_batches batch"] | Combinations
    scale: float
    updates: int
    """How many sequential updates it stands for: more than one where disjoint batches are taken at once."""


@dataclass(frozen=True)
class Plan:
    """Batches in the order in which they are to be trained on; a new plan is asked for when it is used up."""

    batches: Int[Tensor, "*replicates n_batches batch"] | Combinations
    remainder: Int[Tensor, "*replicates left"]
    """Pairs that this plan leaves out because batches are full; empty where the rule leaves pairs out by choice."""
    kind: Literal["partition", "cover", "subset"]
    """partition: every pair but the remainder once; cover: every pair but the remainder, some or all of them often;
    subset: some pairs."""
    reduction: Literal["step", "mean", "sum"] = "step"
    """step: an update for every batch; mean, sum: one update with the mean or the sum of all batches' losses."""
    info: Mapping[str, str | int | float] = field(default_factory=dict[str, str | int | float])
    """How it came about: the engine and its counts; with `planned` also seconds, hardness, purity and coverage."""

    @property
    def n_batches(self) -> int:
        """The number of batches, the same in every replicate."""
        return len(self.batches) if isinstance(self.batches, Combinations) else self.batches.shape[-2]

    @property
    def n_updates(self) -> int:
        """The number of updates that it stands for."""
        return self.n_batches if self.reduction == "step" else 1

    def state_dict(self) -> dict[str, Any]:
        """The plan as plain tensors, numbers and words, for a checkpoint; `Plan.from_state` is the way back."""
        batches = self.batches
        listed = (batches.n, batches.size) if isinstance(batches, Combinations) else batches
        return {
            "batches": listed,
            "remainder": self.remainder,
            "kind": self.kind,
            "reduction": self.reduction,
            "info": dict(self.info),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> "Plan":
        """The plan that gave this `state_dict`."""
        batches = state["batches"]
        listed = batches if isinstance(batches, Tensor) else Combinations(*batches)
        return Plan(listed, state["remainder"], state["kind"], state["reduction"], state["info"])

    def steps(self, *, at_once: bool = False, start: int = 0) -> Iterator[Step]:
        """The plan step by step.

        Args:
            at_once: Take the batches of a partition in one step, their losses added. Where an update touches
                only the rows of its batch and nothing is carried over (free embeddings under plain gradient
                descent), disjoint batches do not see each other's updates, so that this *is* the sequence.
            start: The number of updates already taken.
        """
        if isinstance(self.batches, Combinations) or self.reduction != "step":
            if start == 0:
                yield Step(self.batches, 1 / self.n_batches if self.reduction == "mean" else 1.0, 1)
        elif at_once and self.kind == "partition":
            rest = self.batches[..., start:, :]
            if rest.shape[-2]:
                yield Step(rest, 1.0, rest.shape[-2])
        else:
            for i in range(start, self.n_batches):
                yield Step(self.batches[..., i : i + 1, :], 1.0, 1)


class Selection(ABC):
    """A rule that decides which pairs meet in a batch.

    The rule itself is immutable. What it plans depends on (seed, epoch) and, if `uses_embeddings`, on what
    `embed` returns; nothing else. Seeds may be a tensor of replicates, which are planned side by side, each as
    it would be alone.
    """

    uses_embeddings: bool = False
    """Whether `embed` is asked."""
    by_epoch: bool = False
    """Whether plans depend on how far training is, so that `epoch` counts epochs even where plans last longer."""
    disjoint: bool = True
    """Whether the batches of a plan share no pairs."""

    @property
    def rounded(self) -> bool:
        """Whether the plan rests on embeddings, current ones or others, that machines round differently."""
        return self.uses_embeddings

    def check(self, n_pairs: int, batch_size: int) -> None:
        """Refuse sizes that the rule cannot plan for.

        Raises:
            ValueError: With requirement, received values and a remedy.
        """
        if not 1 <= batch_size <= n_pairs:
            raise ValueError(f"batch_size must lie between 1 and the number of pairs, {n_pairs}, got {batch_size}")

    @abstractmethod
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        """Updates that count as one epoch.

        n_pairs // batch_size; fewer where pools or designs leave more pairs out; 1 where an update sees them all.
        """

    @abstractmethod
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        """The plan number `epoch` (0, 1, ...) of a run.

        Args:
            n_pairs: The pairs are numbered 0 .. n_pairs - 1.
            batch_size: Pairs in a batch.
            seed: One seed, or a tensor of one per replicate; batches then are [replicates, n_batches, batch].
            epoch: How many plans were made before this one.
            embed: Gives the current embeddings of the pairs with given numbers.
        """


@dataclass(frozen=True)
class Wrapped(Selection):
    """Another rule, whose plans are changed or watched; what derives from this is otherwise what the rule is."""

    rule: Selection

    def __post_init__(self) -> None:
        """Be what the rule is."""
        for name in ("uses_embeddings", "by_epoch", "disjoint"):
            object.__setattr__(self, name, getattr(self.rule, name))

    @property
    @override
    def rounded(self) -> bool:
        return self.rule.rounded

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        self.rule.check(n_pairs, batch_size)

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return self.rule.updates_per_epoch(n_pairs, batch_size)


def device_of(seed: Seed) -> torch.device:
    """Where plans for these seeds are made."""
    return seed.device if isinstance(seed, Tensor) else torch.device("cpu")


def none_left(seed: Seed) -> Int[Tensor, "*replicates left"]:
    """The remainder of a plan that leaves nobody out, or none but by choice."""
    lead = seed.shape if isinstance(seed, Tensor) else ()
    return torch.empty(*lead, 0, dtype=torch.long, device=device_of(seed))


def everyone(n_pairs: int, seed: Seed) -> Int[Tensor, "*replicates n_pairs"]:
    """All pairs in their order, for every replicate."""
    index = torch.arange(n_pairs, device=device_of(seed))
    return index.expand(len(seed), n_pairs) if isinstance(seed, Tensor) else index
