"""Whether starting with equal views changes how soon training comes near the optimum."""

from dataclasses import dataclass
from typing import ClassVar

from synthetic.race import Race


@dataclass(frozen=True, kw_only=True)
class Initialisation(Race):
    """A race of which `equal_init` is what is compared: u = v at the start, or independent Gaussian views."""

    kind: ClassVar[str] = "initialisation"
    epochs: int = 2048
    targets: tuple[float, ...] = (1e-2,)
    seeds: int = 64
