"""The partition stage of a selection: what an engine takes, and what it gives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Cut:
    """What an engine makes of some pools."""

    batches: Int[Tensor, "pools k batch"]
    """Positions within each pool, every position once."""
    info: dict[str, float] = field(default_factory=dict)
    """Counts of what happened on the way (rows moved, swaps, fallbacks), added up over the pools."""


class Engine(ABC):
    """Cuts pools of embedded pairs into batches of exactly equal size.

    An engine is a frozen dataclass of its settings. It sees many pools side by side, of one size, each with a
    seed of its own, and treats each as it would alone: results do not depend on which pools come together.
    """

    def check(self, pool: int, batch_size: int) -> None:  # noqa: B027 (most engines take any sizes)
        """Refuse sizes of a pool and of a batch that this engine cannot serve.

        Raises:
            ValueError: With requirement, received values and a remedy.
        """

    @abstractmethod
    def cut(
        self,
        u: Float[Tensor, "pools n dim"],
        v: Float[Tensor, "pools n dim"],
        batch_size: int,
        *,
        seed: Int[Tensor, " pools"],
        epoch: int,
    ) -> Cut:
        """Cut each pool into n / batch_size batches.

        Args:
            u: Unit rows, without gradients, on any device; v likewise.
            v: Row i of v is the positive of row i of u.
            batch_size: Divides n.
            seed: Of whatever is random, with `epoch`: one for each pool, on the device of u.
            epoch: A counter for the random numbers.
        """
