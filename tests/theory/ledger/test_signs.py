"""One dimension: all patterns of signs."""

from itertools import product

import numpy as np
import pytest
import reference

from theory import LOSS_NAMES, objective, optimum
from theory.ledger.log_sums import all_batches
from theory.ledger.signs import MOST_PAIRS, signs_optimum


def column(signs):
    return np.array(signs, dtype=float)[:, None]


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("n_pairs", [3, 4])
def test_no_pattern_is_lower(loss, n_pairs, temperature):
    naive = getattr(reference, loss)
    patterns = product(product((1, -1), repeat=n_pairs), repeat=2)
    lowest = min(naive(column(u), column(v), temperature) for u, v in patterns)
    best = optimum(loss, n_pairs, 1, temperature=temperature)
    assert (best.status, best.value) == ("proved", pytest.approx(lowest, rel=1e-12))
    u, v = best.embeddings()
    assert set(np.unique([u, v])) <= {-1.0, 1.0}
    assert naive(u, v, temperature) == pytest.approx(lowest, rel=1e-12)


def test_without_the_positive_small_temperatures_leave_one_point_alone():
    """At tau = 1 five points split 2 : 3; at 0.3 it is cheaper to let four coincide."""
    assert optimum("dcl", 5, 1).note == "signs: 2 of (+1, +1), 3 of (-1, -1)"
    assert optimum("dcl", 5, 1, temperature=0.3).note == "signs: 1 of (+1, +1), 4 of (-1, -1)"
    assert optimum("nt_xent", 5, 1, temperature=0.3).note == "signs: 2 of (+1, +1), 3 of (-1, -1)"


def test_a_value_that_is_almost_nothing_keeps_its_digits():
    """Two of four coincide: their anchors cannot have less than log 2."""
    assert optimum("info_nce", 4, 1, temperature=0.01).value == pytest.approx(np.log(2), rel=1e-12)


def test_too_many_signs_are_only_bounded():
    assert optimum("clip", MOST_PAIRS + 1, 1).status == "lower_bound"
    with pytest.raises(ValueError, match="n_pairs must be at most 128 to count through signs, received 129"):
        signs_optimum("clip", MOST_PAIRS + 1, 1.0)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("n_pairs", "batch_size"), [(3, 2), (4, 2), (4, 3)])
def test_no_pattern_is_lower_over_all_batches(loss, n_pairs, batch_size):
    function, batches = objective(loss, 0.5), all_batches(n_pairs, batch_size)
    patterns = product(product((1, -1), repeat=n_pairs), repeat=2)
    lowest = min(function(column(u), column(v), batches)[0] for u, v in patterns)
    best = optimum(loss, n_pairs, 1, batch_size, 0.5)
    assert (best.status, best.value) == ("proved", pytest.approx(lowest, rel=1e-12))
    assert function(*best.embeddings(), batches)[0] == pytest.approx(lowest, rel=1e-12)


def test_too_many_patterns_of_a_batch_are_only_bounded():
    assert optimum("clip", 100, 1, 50).status == "lower_bound"
    with pytest.raises(ValueError, match="received batches of 50"):
        signs_optimum("clip", 100, 1.0, 50)
