"""What the ledger answers with: `Optimum`, and the two forms that most answers take."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

Status = Literal["proved", "proved_if_symmetric_antipodal", "lower_bound", "conjectured", "refuted"]
Points = Float[np.ndarray, "n dim"]
Views = tuple[Points, Points]


@dataclass(frozen=True)
class Optimum:
    """What is known about the smallest value of a loss.

    Attributes:
        value: `proved`: the minimum. `proved_if_symmetric_antipodal`: the minimum among embeddings with u = v in
            which every point has an antipode. `lower_bound`: what no unit embeddings go below, and none need
            reach. `conjectured` and `refuted`: the smallest value that is known to be attained. In nats, for the
            losses with a logarithm.
        status: how far it is known. `refuted` says that the natural candidate (named in `note`) is not optimal.
        configuration: name of a point set that attains the value; None for a mere lower bound, and where only
            point sets without a name attain it.
        source: theorem and work, or by what search.
        lower_bound: what no unit embeddings go below; equal to the value where that is proved.
        note: conditions and counterexamples, in a sentence.
        make: builds embeddings (u, v) that attain the value; None where none are known.
    """

    value: float
    status: Status
    configuration: str | None
    source: str
    lower_bound: float
    note: str = field(default="", compare=False)
    make: Callable[[], Views] | None = field(default=None, repr=False, compare=False)

    def embeddings(self) -> Views:
        """Unit embeddings (u, v) that attain the value.

        Raises:
            ValueError: if none are known.
        """
        if self.make is None:
            raise ValueError(
                f"no embeddings are known to attain this {self.status.replace('_', ' ')}, {self.value}"
            )
        return self.make()

    def gram(self) -> Float[np.ndarray, "n n"]:
        """The similarities U V^T of `embeddings`; errors as there."""
        u, v = self.embeddings()
        return u @ v.T


def proved(
    value: float, configuration: str | None, source: str, make: Callable[[], Views], note: str = ""
) -> Optimum:
    """A minimum that is proved and attained."""
    return Optimum(value, "proved", configuration, source, value, note, make)


def bounded(value: float, source: str, note: str = "") -> Optimum:
    """A lower bound of which it is not known how closely it can be met."""
    return Optimum(value, "lower_bound", None, source, value, note)


def equal_views(points: Callable[[], Points]) -> Callable[[], Views]:
    """A maker of u = v."""

    def make() -> Views:
        u = points()
        return u.copy(), u.copy()

    return make


def padded(points: Points, dim: int) -> Float[np.ndarray, "n wide"]:
    """The same points in a space of more dimensions."""
    return np.pad(points, ((0, 0), (0, dim - points.shape[1])))
