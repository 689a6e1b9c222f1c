"""What is known about the smallest value of a loss, for every loss, N, d, B and temperature: `optimum`.

`optima` proves the closed forms; this is where one looks them up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from theory.codes.frames import cross_polytope, simplex_etf
from theory.family import member
from theory.optima import cross_polytope_value, simplex_etf_value

Status = Literal["proved", "proved_if_symmetric_antipodal", "lower_bound", "conjectured", "refuted"]
Views = tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, "n dim"]]


@dataclass(frozen=True)
class Optimum:
    """What is known about the smallest value of a loss.

    Attributes:
        value: `proved`: the minimum. `proved_if_symmetric_antipodal`: the minimum among embeddings with u = v in
            which every point has an antipode. `lower_bound`: what no unit embeddings go below, and none need
            reach. `conjectured` and `refuted`: the smallest value that is known to be attained. In nats.
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
    note: str = ""
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


def optimum(
    loss: str, n_pairs: int, dim: int, batch_size: int | None = None, temperature: float = 1.0, **settings: Any
) -> Optimum:
    """The smallest value of a loss over unit embeddings u, v of n_pairs pairs in dim dimensions."""
    assert not settings
    if dim < 1:
        raise ValueError(f"dim must be at least 1, received {dim}; pass the embedding dimension")
    bound = simplex_etf_value(n_pairs, batch_size, loss=loss, temperature=temperature)
    if n_pairs <= dim + 1:
        source = "Cho et al. 2024, Thm 4, arXiv 2307.05906; Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
        return Optimum(bound, "proved", "simplex_etf", source, bound, make=_twice(simplex_etf, n_pairs, dim))
    linear = batch_size == 2 and not member(loss).positive_in_denominator
    if linear and (dim >= 2 or n_pairs % 2 == 0):
        source = "equality in the simplex bound of Lee et al. 2025, Thm 5.1, arXiv 2506.09781, for B = 2"
        name = "cross_polytope" if n_pairs == 2 * dim else None
        return Optimum(bound, "proved", name, source, bound)
    if n_pairs == 2 * dim:
        value = cross_polytope_value(n_pairs, batch_size, loss=loss, temperature=temperature)
        source = "proof in cross_polytope_value, after Cho et al. 2024, Thm 4, arXiv 2307.05906"
        make = _twice(cross_polytope, n_pairs, dim)
        return Optimum(value, "proved_if_symmetric_antipodal", "cross_polytope", source, bound, make=make)
    source = "simplex bound: Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
    return Optimum(bound, "lower_bound", None, source, bound)


def _twice(points: Callable[[int, int], Float[np.ndarray, "n dim"]], n: int, dim: int) -> Callable[[], Views]:
    """A maker of u = v."""

    def make() -> Views:
        u = points(n, dim)
        return u, u.copy()

    return make
