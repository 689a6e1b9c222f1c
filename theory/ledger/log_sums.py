"""The ledger's entry of the log-sum-exp family: which statement of `optima` applies, and what is known beyond.

With the positive in the denominator, log(1 + xi), every universally optimal code has the minimum of the full batch
(`certificates.logarithms`). Beyond these and N = d + 1 no minimum is proved: the logarithm is concave, so that
points of least energy need not have the least mean of logs. What can be done is to compare the natural candidate,
the code of that size or orthogonal simplices, with rivals, and to descend from all of them and from a few random
starts (`candidates`, `search`). If nothing is lower the candidate is called conjectured, else refuted; either way
the value is attained, and a bound says how much lower the minimum may be at most: that of the simplex, or of the
energy (`certificates.universal`).
"""

from functools import partial
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Int

from theory.certificates.logarithms import loss_bound
from theory.certificates.universal import universal_bound
from theory.codes import cross_polytope, find_code, simplex_etf
from theory.formulas.family import FAMILY, check_sizes, member, value_at_equal_views
from theory.formulas.objectives import Batches, objective
from theory.formulas.optima import cross_polytope_value, simplex_etf_value
from theory.formulas.potentials import Exponential
from theory.ledger.candidates import Candidate, natural_candidates, plane_cluster, pyramid
from theory.ledger.entry import Optimum, Points, bounded, equal_views, proved
from theory.ledger.kernel_sums import sum_zero
from theory.ledger.search import search
from theory.ledger.signs import can_be_counted, signs_optimum

MOST_BATCHES = 20_000
"""C(N, B) up to which a mean over all batches is evaluated, if they have no more than `_MOST_SIMILARITIES`."""
_MOST_SIMILARITIES = 4_000_000
_MOST_TERMS = 2048
"""Similarities in all batches together up to which descents are made."""
_STARTS = {True: 2, False: 6}
"""Random starts of each kind, u = v and free, with the positive in the denominator and without it."""

_SIMPLEX = "Cho et al. 2024, Thm 4, arXiv 2307.05906; Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
_CODES = (
    "proof in theory.certificates.logarithms, for universally optimal codes (B = N) and the cross-polytope "
    "(B = 2); Cohn and Kumar 2007, Thm 1.2, arXiv math/0607446"
)
_BOUND = "simplex bound: Lee et al. 2025, Thm 5.1, arXiv 2506.09781"
_ENERGY = "universal bound of the energy, arXiv 1503.07228, and the theorem of theory.certificates.logarithms"
_DESCENTS = "nothing lower by descent from it, its rivals and {} random starts: a search, no proof"
_NO_DESCENTS = "natural, but compared with little: too large for descents"
_SMALLER_DESIGN = (
    "the batches of a smaller 2-design have the same minimum, but not only at the ETF: over the 12 lines of "
    "AG(2, 3) three triangles in orthogonal planes attain it too"
)
_NO_LOWER = "searches without symmetry (N = 4, 6, 8, tau >= 0.05) have found nothing lower"


def log_sum_exp_optimum(
    loss: str, n_pairs: int, dim: int, batch_size: int | None = None, temperature: float = 1.0
) -> Optimum:
    """What is known of a loss of the family; arguments and errors as for `theory.optimum`."""
    B, N, d = check_sizes(n_pairs, batch_size, dim), n_pairs, dim
    bound = simplex_etf_value(N, B, loss=loss, temperature=temperature)
    removed = not member(loss).positive_in_denominator
    if d + 1 >= N:
        note = _SMALLER_DESIGN if removed and 2 < B < N else ""
        return proved(bound, "simplex_etf", _SIMPLEX, equal_views(partial(simplex_etf, N, d)), note)
    if B == 2 and removed and (d >= 2 or N % 2 == 0):
        source = "equality in the simplex bound of Lee et al. 2025, Thm 5.1, arXiv 2506.09781, for B = 2"
        name, points = ("cross_polytope" if 2 * d == N else None), partial(sum_zero, N, d)
        return proved(bound, name, source, equal_views(points), "every u = v with sum u = 0 attains it")
    code = find_code(N, d)
    if code is not None and not removed and B == N:
        value = value_at_equal_views(loss, [(count, cosine) for cosine, count in code.similarities], temperature)
        name = "cross_polytope" if 2 * d == N else code.name
        return proved(value, name, _CODES, equal_views(lambda: code.coordinates))
    if 2 * d == N:
        value = cross_polytope_value(N, B, loss=loss, temperature=temperature)
        source = "proof in cross_polytope_value, after Cho et al. 2024, Thm 4, arXiv 2307.05906"
        make = equal_views(partial(cross_polytope, N, d))
        if B == 2 and not removed and member(loss).negatives_per_pair == 1:
            return proved(value, "cross_polytope", _CODES, make)
        return Optimum(value, "proved_if_symmetric_antipodal", "cross_polytope", source, bound, _NO_LOWER, make)
    if d == 1 and can_be_counted(N, B):
        return signs_optimum(loss, N, temperature, B)
    source = _BOUND
    if not removed and B == N and d > 1:
        energy = loss_bound(universal_bound(Exponential(temperature), N, d), loss)
        bound, source = max((bound, source), (energy, _ENERGY))
    natural = natural_candidates(N, d)
    if d == 1 or not natural or not _can_be_written_out(N, B):
        return bounded(bound, source)
    return _compared(loss, natural, N, d, B, temperature, (bound, source))


def _compared(
    loss: str,
    natural: list[Candidate],
    n: int,
    dim: int,
    batch_size: int,
    temperature: float,
    bounded_by: tuple[float, str],
) -> Optimum:
    """The best of the natural candidates, unless something else is lower."""
    bound, whose = bounded_by
    batches = None if batch_size == n else all_batches(n, batch_size)
    function = objective(loss, temperature)
    if batches is None:
        values = [candidate.value(loss, temperature) for candidate in natural]
    else:
        natural = [*natural[:3], *natural[3:][-1:]]
        points = [candidate.make() for candidate in natural]
        values = [function(x, x, batches)[0] for x in points]
    best = int(np.argmin(values))
    chosen, value = natural[best], values[best]
    small = (n * n if batches is None else batches.size * batch_size) <= _MOST_TERMS
    starts = _STARTS[member(loss).positive_in_denominator] if small else 0
    rivals = _rivals(n, dim) if small or (n <= 1024 and batches is None) else {}
    ends = [(function(x, x, batches)[0], rival, x, x) for rival, x in rivals.items()]
    if small:
        ends += _descents(loss, {"it": chosen.make(), **rivals}, batches, temperature, starts)
    lower, rival, u, v = min(ends, key=lambda end: end[0], default=(np.inf, "", None, None))
    if u is None or v is None or lower >= value - closeness(loss, value):
        name = "orthogonal_simplices" if chosen.name.startswith("orthogonal simplices") else chosen.name
        source = f"{_DESCENTS.format(2 * starts) if small else _NO_DESCENTS}; bound: {whose}"
        return Optimum(value, "conjectured", name, source, bound, chosen.name, equal_views(chosen.make))
    aligned = float((u * v).sum(1).mean())
    note = f"the natural candidate, {chosen.name}, has {value:.6g}; lower is {rival}, with mean u.v = {aligned:.3f}"
    source = f"lowest of what was tried, {2 * starts} random starts too: a search, no proof; bound: {whose}"
    return Optimum(lower, "refuted", None, source, bound, note, lambda: (u.copy(), v.copy()))


def _descents(
    loss: str, from_points: dict[str, Points], batches: Batches | None, temperature: float, starts: int
) -> list[tuple[float, str, Points, Points]]:
    """Where descents end from near these points, u and v apart, and from so many random u = v, and u and v."""
    run = partial(search, loss, *next(iter(from_points.values())).shape, batches=batches, temperature=temperature)
    found = []
    for name, x in from_points.items():
        u, v = x + 0.03 * np.random.default_rng(0).standard_normal((2, *x.shape))
        found.append((name, run(starts=0, start=(u, v))))
    found += [("a random start", run(starts=starts, aligned=aligned)) for aligned in (True, False)]
    return [(end.value, f"what descent from {name} reaches", end.u, end.v) for name, end in found]


def _rivals(n: int, dim: int) -> dict[str, Points]:
    """Point sets that undercut the natural candidate at small temperatures, or do so after a descent."""
    if dim == 2:
        return {f"{n - m + 1} points at a vertex of a {m}-gon": plane_cluster(n, m) for m in _few(n)}
    return {"a pyramid over a cross-polytope": pyramid(n, dim)} if dim + 2 <= n < 2 * dim else {}


def _few(n: int) -> range:
    """Vertices of the polygons that points cluster on: at small temperatures four or five are best."""
    return range(3, min(n, 7))


def closeness(loss: str, value: float) -> float:
    """By how much values must differ to be told apart: those of log(1 + xi) keep their digits however small."""
    keeps = loss in FAMILY and FAMILY[loss].positive_in_denominator
    return 1e-9 * (abs(value) + (not keeps))


def all_batches(n_pairs: int, batch_size: int, most: int = MOST_BATCHES) -> Int[np.ndarray, "n_batches batch_size"]:
    """All C(N, B) batches.

    Raises:
        ValueError: if there are more than `most`, or than 4,000,000 similarities in them.
    """
    if not _can_be_written_out(n_pairs, batch_size, most):
        raise ValueError(
            f"all batches are written out up to {most:,} of them and {_MOST_SIMILARITIES:,} similarities, "
            f"received {comb(n_pairs, batch_size):,} batches for N = {n_pairs}, B = {batch_size}; "
            "take the full batch, or smaller sizes"
        )
    return np.array(list(combinations(range(n_pairs), batch_size)))


def _can_be_written_out(n_pairs: int, batch_size: int, most: int = MOST_BATCHES) -> bool:
    n_batches = comb(n_pairs, batch_size)
    return n_batches <= most and (n_batches == 1 or n_batches * batch_size**2 <= _MOST_SIMILARITIES)
