"""Embeddings that refute what one would expect of the minima of a mean of logarithms; each can be rebuilt.

**Clusters in the plane.** With u = v and a small temperature tau, tau log sum_j e^(s_ij / tau) tends to the largest
s_ij of anchor i, and the loss of DHEL, DCL or FlatNCE (its gradient) to the mean of these. For the regular
N-gon that is cos(2 pi / N); for N - 3 points at one vertex of a square and one at each other it is (N - 3) / N,
which is less from N = 7 on. So the polygon, which minimises every sum of such energies, does not minimise the
mean of their logarithms. With the positive in the denominator (InfoNCE, NT-Xent) coinciding points cost log 2
each, and no search has undercut the polygon.

**Views that differ.** `dcl_cross` is lower still where u_i is not v_i: at N = 6 already, and at tau = 0.3.

**Five points in space and more.** For d + 2 <= N < 2 d, N - d simplices in orthogonal subspaces are best in all
searches at tau = 1; at small tau a pyramid over a cross-polytope is lower, for the losses with the positive in
the denominator too.

**Lines of a plane.** Over the batches of a 2-design the minimum is that of all batches; but for log xi it is
not only at the simplex ETF: Jensen is then strict within an anchor and a batch only.

References:
    The square's cluster and the lines of AG(2, 3): explicit, see `plane_cluster` and `triangles`. Cohn and
    Kumar, 2007, arXiv math/0607446 (what polygons do minimise). Schwartz, 2016, arXiv 1610.03303 (five points).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from theory.codes import simplex_etf
from theory.formulas.objectives import Batches, objective
from theory.ledger.candidates import natural_candidates, plane_cluster, pyramid
from theory.ledger.entry import Points, Views
from theory.ledger.search import search

_ALONG = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8]]
_ACROSS = [[0, 4, 8], [1, 5, 6], [2, 3, 7], [0, 5, 7], [1, 3, 8], [2, 4, 6]]
LINES = np.array([*_ALONG, *_ACROSS])
"""The 12 lines of AG(2, 3), points 0 .. 8 in rows of three: any two points are on one of them."""


@dataclass(frozen=True)
class Counterexample:
    """Embeddings whose loss is at most that of the natural candidate.

    Attributes:
        loss: a name in `LOSS_NAMES`.
        n_pairs: N.
        dim: d.
        temperature: tau.
        expected: what one would expect to be optimal.
        candidate: its value, to five digits.
        found: in words, what is lower.
        value: its value, to five digits.
        make: builds it.
        batches: rows of pair numbers; None for the full batch.
    """

    loss: str
    n_pairs: int
    dim: int
    temperature: float
    expected: str
    candidate: float
    found: str
    value: float
    make: Callable[[], Views] = field(repr=False)
    batches: Batches | None = field(default=None, repr=False, compare=False)

    def reproduce(self) -> tuple[float, float]:
        """The values of the candidate and of the counterexample, computed anew."""
        natural = natural_candidates(self.n_pairs, self.dim)
        function = objective(self.loss, self.temperature)
        points = [candidate.make() for candidate in natural]
        (u, v) = self.make()
        return min(function(x, x, self.batches)[0] for x in points), function(u, v, self.batches)[0]


def triangles() -> Points:
    """Nine points in d = 6: three triangles in orthogonal planes."""
    return np.kron(np.eye(3), simplex_etf(3, 2))


def _both(points: Points) -> Views:
    return points.copy(), points.copy()


def _cluster(n: int, temperature: float, candidate: float, value: float) -> Counterexample:
    return Counterexample(
        "dhel_mean",
        n,
        2,
        temperature,
        f"regular {n}-gon",
        candidate,
        f"{n - 3} points at a vertex of a square",
        value,
        lambda: _both(plane_cluster(n, 4)),
    )


def _searched(
    loss: str, n: int, temperature: float, candidate: float, value: float, *, starts: int, aligned: bool = False
) -> Counterexample:
    """The best of so many random starts, from seed 0."""

    def make() -> Views:
        found = search(loss, n, 2, temperature=temperature, starts=starts, aligned=aligned)
        return found.u, found.v

    which = "u = v" if aligned else "u and v free"
    return Counterexample(
        loss, n, 2, temperature, f"regular {n}-gon", candidate, f"best of {starts} starts, {which}", value, make
    )


def _pyramid(loss: str, n: int, dim: int, candidate: float, value: float) -> Counterexample:
    def make() -> Views:
        found = search(loss, n, dim, temperature=0.1, starts=0, start=_both(pyramid(n, dim)), aligned=True)
        return found.u, found.v

    expected = "simplices in orthogonal subspaces"
    return Counterexample(loss, n, dim, 0.1, expected, candidate, "a pyramid over a cross-polytope", value, make)


def _lines(loss: str, value: float) -> Counterexample:
    def make() -> Views:
        return _both(np.pad(triangles(), ((0, 0), (0, 2))))

    expected, found = "simplex ETF alone", "three triangles in orthogonal planes have the same value"
    return Counterexample(loss, 9, 8, 0.5, expected, value, found, value, make, LINES)


COUNTEREXAMPLES: tuple[Counterexample, ...] = (
    _cluster(7, 0.1, -3.0717, -3.0990),
    _cluster(7, 0.05, -6.8371, -7.3848),
    _cluster(8, 0.1, -2.2349, -2.3490),
    _cluster(10, 0.1, -1.2100, -1.2605),
    _cluster(10, 0.05, -3.1265, -4.2606),
    _cluster(12, 0.07, -1.2154, -1.5703),
    _searched("dhel_mean", 7, 0.1, -3.0717, -3.1012, starts=8, aligned=True),
    _searched("dhel_mean", 7, 0.05, -6.8371, -7.3869, starts=8, aligned=True),
    _searched("dhel_mean", 10, 0.1, -1.2100, -1.3867, starts=8, aligned=True),
    _searched("dhel_mean", 10, 0.05, -3.1265, -4.2721, starts=8, aligned=True),
    _searched("dhel_product", 7, 0.1, 3.8565, 3.7977, starts=8),
    _searched("dhel_product", 10, 0.1, 7.5801, 7.2265, starts=8),
    _searched("dcl_cross", 6, 0.3, -0.93522, -0.93647, starts=4),
    _searched("dcl_cross", 7, 0.1, -3.0717, -3.6094, starts=4),
    _pyramid("dcl", 5, 3, -8.4475, -8.5309),
    _pyramid("dcl", 6, 4, -8.3479, -8.3870),
    _pyramid("info_nce", 5, 3, 1.0932e-4, 1.0573e-4),
    _pyramid("info_nce", 7, 4, 2.0778e-4, 2.0040e-4),
    _lines("dcl", -0.86371),
    _lines("dhel_mean", -1.5569),
)
"""Where something is lower than the natural candidate, or as low and should not be."""
