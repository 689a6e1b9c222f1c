"""Difference families are checked by counting differences, and the designs made of them by counting pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.designs import difference_family, pair_coverage
from theory.designs.cyclotomy import cyclotomy, has_tables
from theory.designs.developed import all_but_one, halves, inflated, kirkman_double, quadruples
from theory.designs.families import coset_family, known_families, singer_family, wilson_family


def plays_everyone(made):
    """A 2-design by counting, in classes of disjoint batches; its lambda."""
    classes = made.classes()
    assert classes.dtype == np.int64
    assert all(len(np.unique(one)) == one.size == made.n_batches * made.batch_size for one in classes)
    counted = pair_coverage(classes, made.n_points)
    assert counted.is_design
    assert counted.is_resolvable == (made.left_out == 0)
    assert made.meetings == counted.least
    return counted.least


@pytest.mark.parametrize("q", [2, 3, 4, 7, 8, 9, 25, 27, 49])
def test_powers_and_logarithms(q):
    group = cyclotomy(q)
    assert sorted(group.powers) == list(range(1, q))
    assert np.array_equal(group.powers[group.logs[1:]], np.arange(1, q))
    product = group.field.multiply(group.powers[:, None], group.powers)
    assert np.array_equal(product, group.power(np.add.outer(np.arange(q - 1), np.arange(q - 1))))
    everyone = np.arange(q)
    assert np.array_equal(
        group.field.add(group.subtract(everyone[:, None], everyone), everyone), np.tile(everyone[:, None], (1, q))
    )
    assert (has_tables(q), has_tables(12), has_tables(2**18)) == (True, False, False)


@pytest.mark.parametrize(("v", "k", "least"), [
    (7, 3, 1), (13, 3, 1), (13, 4, 1), (21, 5, 1), (31, 6, 1), (73, 9, 1), (25, 4, 1), (41, 5, 1), (11, 5, 2),
    (16, 6, 2), (15, 7, 3), (19, 9, 4),
])  # fmt: skip
def test_difference_families(v, k, least):
    family = difference_family(v, k, least)
    if not family.is_field:
        gaps = (family.blocks[:, :, None] - family.blocks[:, None, :]) % v
        assert np.array_equal(np.bincount(gaps.ravel(), minlength=v)[1:], np.full(v - 1, least))
    batches = family.batches()
    assert batches.shape == (least * v * (v - 1) // (k * (k - 1)), k)
    assert pair_coverage(batches, v)[:2] == (least, least)


@given(v=st.integers(4, 64), data=st.data())
@settings(max_examples=80, deadline=None)
def test_every_family_is_a_2_design(v, data):
    k = data.draw(st.integers(2, v - 1), label="k")
    for family in known_families(v, k):
        counted = pair_coverage(family.batches(), v)
        assert (counted.least, counted.most) == (family.meetings, family.meetings), family.name


def test_which_families_are_found():
    assert wilson_family(15, 3) is None  # no prime power
    assert wilson_family(61, 5) is not None
    assert [q for q in range(4, 32) if (made := coset_family(q, (q - 1) // 2)) and len(made.blocks) == 1] == [
        7, 11, 19, 23, 27, 31,
    ]  # fmt: skip
    planes = [(q * q + q + 1, q + 1) for q in (2, 3, 4, 5, 7, 8, 9)]
    assert all((made := singer_family(*size)) and made.meetings == 1 for size in planes)
    assert singer_family(43, 7) is None


def test_families_that_cannot_be():
    with pytest.raises(ValueError, match=r"12 must divide lambda \(v - 1\) = 14, .* v = 13 or 25 is possible"):
        difference_family(15, 4)
    with pytest.raises(ValueError, match=r"no \(85, 4, 1\) difference family is known here \(it may exist\); take"):
        difference_family(85, 4)
    with pytest.raises(ValueError, match=r"no \(16, 6, 4\) .*; lambda = 2 is"):
        difference_family(16, 6, 4)
    with pytest.raises(ValueError, match=r"2 <= k < v and lambda >= 1, received 5, 5, 1"):
        difference_family(5, 5)


@pytest.mark.parametrize("q", [7, 13, 19, 25, 31])
def test_kirkman_triples_of_twice_a_prime_power_and_one(q):
    made = kirkman_double(q)
    assert (made.n_points, made.n_classes, plays_everyone(made)) == (2 * q + 1, q, 1)
    assert kirkman_double(q - 2) is None


@pytest.mark.parametrize("q", [5, 9, 13, 17, 25, 29])
def test_quadruples(q):
    made = quadruples(q)
    assert (made.n_points, made.n_classes, plays_everyone(made)) == (3 * q + 1, q, 1)
    assert quadruples(q + 2) is None


@pytest.mark.parametrize(("q", "k", "meetings"), [
    (7, 3, 1), (13, 3, 1), (25, 3, 1), (13, 4, 1), (41, 5, 1), (31, 6, 1), (4, 3, 2), (5, 4, 3), (11, 5, 2),
    (7, 6, 5),
])  # fmt: skip
def test_difference_families_in_copies_of_a_field(q, k, meetings):
    """N = k q: RCW's N = 3 q is k = 3; cosets of a subgroup of order k always do, with lambda = k - 1."""
    made = inflated(wilson_family(q, k) if meetings == 1 else coset_family(q, k))
    assert (made.n_points, made.batch_size, plays_everyone(made)) == (k * q, k, meetings)
    assert made.n_classes == meetings * (k * q - 1) // (k - 1)


def test_blocks_are_moved_apart():
    family = wilson_family(37, 4)
    assert len(np.unique(family.blocks)) < family.blocks.size
    assert plays_everyone(inflated(family)) == 1


@pytest.mark.parametrize("q", [3, 5, 7, 9, 11, 13, 27])
def test_halves_of_the_points(q):
    made = halves(q)
    assert plays_everyone(made) == ((q - 1) // 2 if q % 4 == 3 else q - 1)
    assert halves(15) is None


@pytest.mark.parametrize(("q", "size"), [(7, 3), (13, 4), (16, 5), (25, 8), (11, 10), (9, 2)])
def test_all_but_one(q, size):
    made = all_but_one(q, size)
    assert (plays_everyone(made), made.left_out, made.in_turn) == (size - 1, 1, True)
    assert sorted(q * (q - 1) // 2 - made.classes().sum((1, 2))) == list(range(q))
    assert all_but_one(q, size + 1) is None or q % (size + 1) == 1
