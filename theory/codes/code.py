"""What a spherical code is: points on a sphere known by the cosines between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.codes.exact import QuadraticNumber, Rational, exact
from theory.formulas.potentials import Potential

_GRAM = 8192
"""Points up to which a Gram matrix is written out (512 MiB)."""


@dataclass(frozen=True, eq=False)
class Code:
    """N unit vectors in d dimensions that all see the same cosines, each equally often.

    Attributes:
        name: a name in words, e.g. `icosahedron`.
        dim: d.
        n_points: N.
        similarities: (cosine, how many points every point has at it), ascending, itself left out.
        strength: the largest t for which the points are a spherical t-design (their average of every polynomial
            of degree at most t is that of the sphere).
        universally_optimal: whether they are proved to minimise the energy of every absolutely monotone potential
            among all N points of the sphere.
        source: where that is proved (or refuted).
        make: builds the coordinates.
        exact: the similarities with exact cosines; None where these are not in Q(sqrt 5) (most regular polygons).
    """

    name: str
    dim: int
    n_points: int
    similarities: tuple[tuple[float, int], ...]
    strength: int
    universally_optimal: bool
    source: str
    make: Callable[[], Float[np.ndarray, "n dim"]] = field(repr=False)
    exact: tuple[tuple[QuadraticNumber, int], ...] | None = field(default=None, repr=False)

    @cached_property
    def coordinates(self) -> Float[np.ndarray, "n dim"]:
        """The points, one unit row each; made at the first use, read-only."""
        points = self.make()
        points.flags.writeable = False
        return points

    @property
    def gram(self) -> Float[np.ndarray, "n n"]:
        """The cosines of all pairs.

        Raises:
            ValueError: if there are too many points to write them out.
        """
        if self.n_points > _GRAM:
            raise ValueError(
                f"a Gram matrix is written out for at most {_GRAM} points, got {self.n_points} of {self.name}; "
                "take the coordinates, or the cosines and their multiplicities"
            )
        return self.coordinates @ self.coordinates.T

    def energy(self, potential: Potential) -> float:
        """The potential of all other points at one of them, sum_j h(x_i.x_j): that of the N points over N."""
        cosines, counts = np.array(self.similarities).T
        return float(counts @ potential(cosines))


def exact_code(
    name: str,
    dim: int,
    similarities: Sequence[tuple[QuadraticNumber | Rational, int]],
    strength: int,
    source: str,
    make: Callable[[], Float[np.ndarray, "n dim"]],
    *,
    universally_optimal: bool = True,
) -> Code:
    """A code from its exact cosines with their multiplicities, in any order: N is one more than these add up to."""
    ordered = tuple(sorted((exact(cosine), count) for cosine, count in similarities))
    return Code(
        name=name,
        dim=dim,
        n_points=1 + sum(count for _, count in ordered),
        similarities=tuple((float(cosine), count) for cosine, count in ordered),
        strength=strength,
        universally_optimal=universally_optimal,
        source=source,
        make=make,
        exact=ordered,
    )
