"""Every closed form of the family against minimisation from many starts, for both views free, in float64."""

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import pytest

from theory import LOSS_NAMES, optimum
from theory.formulas.objectives import objective
from theory.ledger.search import search

ALIASES = ("mnrl", "simcse", "flatnce")
every_loss = pytest.mark.parametrize("loss", [name for name in LOSS_NAMES if name not in ALIASES])
MOST_BATCHES = 300


@cache
def some_batches(n_pairs, batch_size):
    """All batches of a size; all pairs and lines of a plane are enough of a design where all are too many."""
    if batch_size is None:
        return None
    return np.array(list(combinations(range(n_pairs), batch_size)))


def check(loss, n_pairs, dim, batch_size, temperature, starts, status):
    """The value is attained by the embeddings given, reached from the best start, and undercut from none."""
    best = optimum(loss, n_pairs, dim, batch_size, temperature)
    assert best.status in status
    batches = some_batches(n_pairs, batch_size)
    at_optimum = objective(loss, temperature)(*best.embeddings(), batches)[0]
    assert at_optimum == pytest.approx(best.value, rel=1e-11, abs=1e-12)
    found = search(loss, n_pairs, dim, batches=batches, temperature=temperature, starts=starts)
    assert found.value >= best.value - 1e-9
    reached = found.value
    if loss.startswith("dhel"):  # views may end as mirror images: the positives alone hold them together
        aligned = search(loss, n_pairs, dim, batches=batches, temperature=temperature, starts=2, aligned=True)
        reached = min(reached, aligned.value)
    assert reached == pytest.approx(best.value, abs=1e-9)
    return found


@every_loss
@pytest.mark.parametrize(
    ("n_pairs", "batch_size", "temperature"), [(2, None, 1.0), (3, None, 0.3), (6, None, 1.0), (5, 3, 0.3)]
)
def test_the_simplex(loss, n_pairs, batch_size, temperature):
    starts = 10 if n_pairs == 3 else 3
    found = check(loss, n_pairs, max(n_pairs - 1, 2), batch_size, temperature, starts, ("proved",))
    if not loss.startswith(
        "dhel"
    ):  # there two views may end as mirror images, held together by the positives alone
        assert found.n_best == starts


@every_loss
@pytest.mark.parametrize(("n_pairs", "batch_size", "temperature"), [(4, None, 0.3), (6, 3, 1.0)])
def test_the_cross_polytope_without_its_assumption(loss, n_pairs, batch_size, temperature):
    check(loss, n_pairs, n_pairs // 2, batch_size, temperature, 3, ("proved", "proved_if_symmetric_antipodal"))


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("n_pairs", range(2, 17))
def test_the_simplex_of_up_to_sixteen_pairs(loss, n_pairs, temperature):
    for dim in (n_pairs - 1, n_pairs + 3):
        if dim >= 2:
            check(loss, n_pairs, dim, None, temperature, 8, ("proved",))
    for batch_size in {2, 3, n_pairs // 2, n_pairs - 1}:
        if 2 <= batch_size < n_pairs and comb(n_pairs, batch_size) <= MOST_BATCHES:
            check(loss, n_pairs, max(n_pairs - 1, 2), batch_size, temperature, 4, ("proved",))


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("n_pairs", range(4, 17, 2))
def test_the_cross_polytope_of_up_to_sixteen_pairs(loss, n_pairs, temperature):
    check(loss, n_pairs, n_pairs // 2, None, temperature, 8, ("proved", "proved_if_symmetric_antipodal"))
    for batch_size in (3, n_pairs // 2):
        if comb(n_pairs, batch_size) <= MOST_BATCHES and batch_size > 2:
            check(
                loss, n_pairs, n_pairs // 2, batch_size, temperature, 4, ("proved", "proved_if_symmetric_antipodal")
            )


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize(("n_pairs", "temperature"), [(24, 0.5), (32, 1.0), (48, 0.2)])
def test_larger_simplices(loss, n_pairs, temperature):
    check(loss, n_pairs, n_pairs - 1, None, temperature, 4, ("proved",))


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.1])
@pytest.mark.parametrize(
    ("n_pairs", "dim"), [(5, 2), (7, 2), (10, 2), (5, 3), (6, 4), (7, 4), (8, 5), (8, 6), (12, 3)]
)
def test_no_start_undercuts_the_value_beyond_the_simplex_by_much(loss, n_pairs, dim, temperature):
    """A conjectured or refuted value is the lowest of what the ledger tries; more starts seldom find more."""
    best = optimum(loss, n_pairs, dim, None, temperature)
    assert best.status in ("proved", "conjectured", "refuted")
    assert objective(loss, temperature)(*best.embeddings())[0] == pytest.approx(best.value, rel=1e-11, abs=1e-12)
    found = search(loss, n_pairs, dim, temperature=temperature, starts=12)
    assert best.lower_bound <= min(best.value, found.value) + 1e-9
    if best.status != "refuted":
        assert found.value >= best.value - 1e-9
    else:
        assert found.value >= best.value - 0.05
