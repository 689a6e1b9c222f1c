"""Resolvable designs and what is built of them; each is checked by counting."""

import numpy as np
import pytest

from theory.designs import affine_lines, balanced_schedules, flats, pair_coverage, resolvable_design, schedule
from theory.designs.kirkman import balanced, doubled
from theory.designs.rotations import _FOUND, rotated


def lambda_of(made):
    classes = made.classes()
    counted = pair_coverage(classes, made.n_points)
    assert counted.is_design
    assert counted.is_resolvable == (made.left_out == 0)
    assert all(len(np.unique(one)) == one.size for one in classes)
    assert made.meetings == counted.least
    return counted.least


@pytest.mark.parametrize("n", range(3, 204, 6))
def test_kirkman_triple_systems(n):
    made = resolvable_design(n, 3)
    assert made.n_classes == (n - 1) // 2
    assert lambda_of(made) == 1


def test_which_kirkman_triple_systems_are_not_built():
    missing = [n for n in range(3, 603, 6) if resolvable_design(n, 3) is None]
    assert missing == [213, 267, 411, 501, 519, 573, 591]


@pytest.mark.parametrize(
    ("n", "size"), [(16, 4), (28, 4), (40, 4), (52, 4), (64, 4), (76, 4), (100, 4), (112, 4), (196, 4), (25, 5),
                    (125, 5), (205, 5), (186, 6), (49, 7), (64, 8), (81, 9), (256, 16)])  # fmt: skip
def test_larger_batches(n, size):
    made = resolvable_design(n, size)
    assert made.n_classes == (n - 1) // (size - 1)
    assert lambda_of(made) == 1


def test_products_use_either_way_to_complete_them():
    # 105 = 15 x 7: no triples of 7 points, so 21 points on the batches of the last class; 45 = 3 x 15: on points.
    for n in (105, 45):
        made = resolvable_design(n, 3)
        assert made.name.startswith("product")
        assert lambda_of(made) == 1


@pytest.mark.parametrize(("u", "sizes"), [(16, {4}), (34, {4, 7}), (70, {4, 10}), (88, {4})])
def test_pairwise_balanced_designs(u, sizes):
    found = balanced(u, resolvable_design)
    assert {size for blocks in found for size in [blocks.shape[1]]} >= sizes - {7}
    met = np.zeros((u, u), dtype=int)
    for blocks in found:
        for block in blocks.tolist():
            for x in block:
                for y in block:
                    met[x, y] += x != y
    assert (met == 1 - np.eye(u)).all()
    assert {blocks.shape[1] for blocks in found} == sizes
    assert lambda_of(doubled(u, resolvable_design)) == 1
    assert doubled(u + 1, resolvable_design) is None
    assert doubled(46, resolvable_design) is None


@pytest.mark.parametrize("q", [2, 3, 4, 5, 7, 8, 9])
def test_lines_of_affine_spaces(q):
    for m in (1, 2, 3):
        if q**m <= 343:
            made = affine_lines(m, q)
            assert (made.n_classes, made.n_batches) == ((q**m - 1) // (q - 1), q ** (m - 1))
            assert lambda_of(made) == 1
    with pytest.raises(ValueError, match=r"prime power of elements, received 6"):
        affine_lines(2, 6)
    with pytest.raises(ValueError, match=r"at least m = 1 dimensions, received 0"):
        affine_lines(0, 3)


@pytest.mark.parametrize(("n", "size", "meetings"), [
    (8, 4, 3), (32, 4, 3), (32, 8, 7), (27, 9, 4), (64, 16, 5), (64, 4, 1), (81, 27, 13), (128, 8, 7), (243, 9, 4),
])  # fmt: skip
def test_flats(n, size, meetings):
    assert lambda_of(flats(n, size)) == meetings
    assert flats(n, size + 1) is None
    assert flats(size, n) is None


@pytest.mark.parametrize(("n", "size"), sorted(_FOUND))
def test_stored_base_classes(n, size):
    made = rotated(n, size)
    assert lambda_of(made) == size - 1
    assert made.n_classes == (n - 1 if n % size == 0 else n)
    assert made.in_turn == (n % size == 1)
    assert rotated(n, size + 1) is None or (n, size + 1) in _FOUND


def test_the_fewest_classes_come_first():
    for n in range(4, 50):
        for size in range(2, n):
            counts = [made.n_classes for made in balanced_schedules(n, size)]
            assert counts == sorted(counts)
    assert [made.n_classes for made in balanced_schedules(28, 4)] == [9]
    assert balanced_schedules(25, 12, most=10) == []


@pytest.mark.parametrize(("n", "size"), [(100_000, 4), (99_999, 3), (65_536, 16)])
def test_large_ones_are_made_class_by_class(n, size):
    made = schedule(n, size)
    for number in (0, made.n_classes // 2, made.n_classes - 1):
        one = made.parallel_class(number)
        assert one.shape == (made.n_batches, size)
        assert len(np.unique(one)) == one.size
        assert one.min() >= 0
        assert one.max() < n
