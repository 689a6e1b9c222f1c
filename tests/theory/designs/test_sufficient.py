"""Which batches suffice: the smallest design built here against lower bounds, and impossible questions."""

from math import comb
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.designs import (
    balanced_schedules,
    fewest_batches,
    known_designs,
    pair_coverage,
    projective_lines,
    resolvable,
    schedule,
    steiner_triples,
    sufficient,
    why_no_design,
    why_not_resolvable,
)
from theory.designs.block_design import complement, count, derived, residual
from theory.designs.blocks import symmetric
from theory.designs.families import bent_family
from theory.designs.nearest import classes_built, fewer_built


@pytest.mark.parametrize(
    ("n", "size", "n_batches"),
    [(7, 3, 7), (9, 3, 12), (25, 5, 30), (49, 7, 56), (64, 8, 72), (13, 4, 13), (15, 3, 35), (16, 4, 20),
     (8, 4, 14), (13, 3, 26), (31, 3, 155), (40, 4, 130), (63, 31, 63),
     (13, 9, 13), (10, 9, 10), (10, 2, 45), (5, 5, 1),
     (10, 4, 15), (6, 3, 10), (10, 6, 15), (10, 5, 18), (36, 16, 63), (28, 12, 63), (64, 28, 64)],
)  # fmt: skip
def test_smallest_designs(n, size, n_batches):
    found = sufficient(n, size)
    assert (found.n_batches, found.at_least, found.is_smallest, found.nearest) == (n_batches, n_batches, True, "")
    batches = found.batches()
    assert batches.shape == (n_batches, size)
    counted = pair_coverage(batches, n)
    assert counted.is_design
    assert counted.least == found.meetings
    assert counted.is_resolvable >= found.resolvable
    assert "no 2-design has fewer (" in str(found)


@given(n=st.integers(2, 40), data=st.data())
@settings(max_examples=100, deadline=None)
def test_all_known_designs_are_designs_and_none_is_below_the_bound(n, data):
    size = data.draw(st.integers(2, n), label="batch_size")
    known, bound = known_designs(n, size), fewest_batches(n, size)
    assert known[-1].n_batches == comb(n, size)
    assert [some.n_batches for some in known] == sorted(some.n_batches for some in known)
    assert bound.n_batches <= known[0].n_batches
    assert bound.n_batches >= n or size == n
    assert bound.n_batches * size * (size - 1) == bound.meetings * n * (n - 1)
    for some in known:
        if some.n_batches * size * size < 200_000:
            counted = pair_coverage(some.batches(), n)
            assert counted.is_design, some.name
            assert (len(some.batches()), counted.least) == (some.n_batches, some.meetings)
            assert not some.resolvable or counted.is_resolvable


@pytest.mark.parametrize(("v", "k", "shared"), [(7, 4, 2), (16, 6, 2), (16, 10, 6), (19, 9, 4), (37, 9, 2)])
def test_what_other_batches_leave_of_the_first(v, k, shared):
    whole = symmetric(v, k)
    assert (whole.n_batches, whole.meetings) == (v, shared)
    for some, n, size, meetings in (
        (residual(whole), v - k, k - shared, shared),
        (derived(whole), k, shared, shared - 1),
        (complement(whole), v, v - k, v - 2 * k + shared),
    ):
        assert (some.n_points, some.batch_size, some.meetings) == (n, size, meetings)
        assert some.batches().shape == (some.n_batches, size)
        assert pair_coverage(some.batches(), n)[:2] == (meetings, meetings)
    assert symmetric(v + 1, k) is None


@pytest.mark.parametrize(("v", "k", "meetings"), [(16, 6, 2), (64, 28, 12), (256, 120, 56)])
def test_bent_functions(v, k, meetings):
    assert pair_coverage(bent_family(v, k).batches(), v)[:2] == (meetings, meetings)
    assert bent_family(v, k + 1) is None
    assert bent_family(2 * v, k) is None


def test_what_is_built_can_be_told_without_building_it():
    for n in range(4, 45):
        for size in range(2, n):
            assert fewer_built(n, size) == (known_designs(n, size)[0].n_batches < comb(n, size)), (n, size)
            known = [some.meetings for some in balanced_schedules(n, size) if not some.left_out]
            for meetings in (1, 2, size - 1):
                assert classes_built(n, size, meetings) == (meetings in known), (n, size, meetings)


@pytest.mark.parametrize("n", [7, 9, 13, 15, 19, 25, 31, 33, 37])
def test_steiner_triples(n):
    assert pair_coverage(steiner_triples(n).batches(), n)[:2] == (1, 1)
    assert steiner_triples(n + 1) is None


@pytest.mark.parametrize(("n", "size"), [(7, 3), (13, 4), (15, 3), (31, 3), (40, 4), (21, 5), (85, 5), (31, 6)])
def test_projective_lines(n, size):
    made = projective_lines(n, size)
    assert pair_coverage(made.batches(), n)[:2] == (1, 1)
    assert len(made.batches()) == made.n_batches
    assert projective_lines(n + 1, size) is None


def test_planes_that_do_not_exist():
    """Bruck and Ryser exclude these orders below 50, and a computer 10."""
    excluded = [q for q in range(2, 50) if why_no_design(q * q + q + 1, q + 1, 1)]
    assert excluded == [6, 10, 14, 21, 22, 30, 33, 38, 42, 46]
    assert [q for q in range(2, 50) if why_no_design(q * q, q, 1)] == excluded
    assert "Lam" in why_no_design(100, 10, 1)


def test_symmetric_designs_that_do_not_exist():
    # Biplanes, lambda = 2: none with k = 7, 8, 10 or 12; there are with k = 4, 5, 6, 9, 11 and 13.
    biplane = {k: why_no_design(1 + k * (k - 1) // 2, k, 2) for k in range(4, 14)}
    assert [k for k, reason in biplane.items() if reason] == [7, 8, 10, 12]
    assert "no square" in biplane[7]
    assert "has no solution" in biplane[8]


def test_more_that_cannot_be():
    assert "fewer than its 16 points (Fisher)" in why_no_design(16, 6, 1)
    assert why_no_design(8, 3, 1) == "B - 1 = 2 must divide lambda (N - 1) = 7"
    assert why_no_design(11, 3, 1) == "B = 3 must divide N r = 55, r = 5 the batches through a point"
    assert "(Bose)" in why_not_resolvable(6, 3, 2)
    assert why_not_resolvable(15, 3, 1) is None


def test_one_asks_for_epochs():
    found = resolvable(16, 4)
    assert (found.status, found.nearest) == ("known", "")
    assert pair_coverage(found.schedule.classes(), 16) == (1, 1, 1.0, 1.0, True, True)
    found = resolvable(12, 6, meetings=5)
    assert (found.status, found.schedule.n_classes) == ("known", 11)


@pytest.mark.parametrize(
    ("n", "size", "meetings", "status", "reason", "nearest"),
    [
        (36, 6, 1, "impossible", "symmetric 2-(43, 7, 1) design: x^2 = 6 y^2 - z^2", "B = 2 with N = 36"),
        (13, 3, 1, "impossible", "B = 3 must divide N = 13: a class is a partition", "N = 9 and N = 15 with B = 3"),
        (12, 3, 1, "impossible", "must divide lambda (N - 1) = 11", "N = 9 and N = 15"),
        (6, 3, 2, "impossible", "B^2 / N = 9/6 points (Bose)", "N = 12 with B = 3"),
        (213, 3, 1, "exists", "Ray-Chaudhuri and Wilson, 1971", "N = 207 and N = 219 with B = 3"),
        (136, 4, 1, "exists", "Hanani", "N = 124 and N = 148 with B = 4"),
        (65, 5, 1, "not known here", "Abel, Ge, Greig, Zhu, 2001); not built", "N = 25 and N = 125 with B = 5"),
        (45, 5, 1, "not known here", "no construction here gives it", "N = 25 and N = 125 with B = 5"),
        (10**6, 1000, 1, "not known here", "no construction here gives it", "none found as far as N = 64936000"),
    ],
)
def test_epochs_that_are_not_to_be_had(n, size, meetings, status, reason, nearest):
    found = resolvable(n, size, meetings)
    assert (found.status, found.schedule) == (status, None)
    assert reason in found.reason
    assert nearest in found.nearest


def test_where_nothing_but_all_batches_is_known():
    found = sufficient(36, 6)
    assert (found.n_batches, found.at_least, found.is_smallest) == (comb(36, 6), 84, False)
    assert "N = 31 and N = 37 with B = 6; B = 4 with N = 36" in found.nearest
    assert found.nearest in str(found)
    assert "no 2-design has fewer than 84 (it would extend to a symmetric 2-(43, 7, 1) design" in str(found)
    with pytest.raises(ValueError, match=r"at most 134217728 numbers, received 17310309456440 batches of 10"):
        sufficient(100, 10).batches()


@pytest.mark.parametrize(
    ("n", "size"), [(10**6, 2), (10**6, 64), (10**6, 256), (10**6, 1000), (20_000, 2000), (15_000, 7000)]
)
def test_answers_come_at_once(n, size):
    """Each takes well below a second; the limits leave room for slow machines."""
    for ask in (sufficient, resolvable, schedule):
        start = process_time()
        str(ask(n, size))
        assert process_time() - start < 20


def test_large_numbers_are_short():
    assert [count(x) for x in (7, 10**15 - 1, 10**15, 123 * 10**5000)] == [
        "7", "999999999999999", "1.0e15", "1.2e5002",
    ]  # fmt: skip
    assert count(99_999 * 10**20) == "1.0e25"
    said = str(sufficient(15_000, 7000))
    assert said.startswith("6.0e4498 batches of 7000 suffice for N = 15000: all 7000-subsets")
    assert len(said) < 500
    with pytest.raises(ValueError, match=r"received 6\.0e4498 batches of 7000"):
        sufficient(15_000, 7000).batches()


def test_refusals():
    with pytest.raises(ValueError, match=r"between 2 and the number of points, 5, received 6"):
        sufficient(5, 6)
    with pytest.raises(ValueError, match=r"between 2 and the number of points, 5, received 1"):
        resolvable(5, 1)
    with pytest.raises(ValueError, match=r"meetings must be at least 1, received 0"):
        resolvable(9, 3, 0)
