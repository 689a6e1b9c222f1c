"""The lazy table of all batches."""

import itertools

import pytest
import torch

from batching import Combinations


@pytest.mark.parametrize(("n", "size"), [(1, 1), (5, 1), (5, 5), (7, 3), (9, 4)])
def test_rows_are_those_of_itertools(n, size):
    table = Combinations(n, size)
    expected = list(map(list, itertools.combinations(range(n), size)))
    assert len(table) == len(expected)
    assert table.rows().tolist() == expected
    assert table.rows(1, 3).tolist() == expected[1:3]


def test_any_stretch_of_a_table_too_large_to_write_down():
    table = Combinations(100, 8)
    assert len(table) == 186_087_894_300
    assert table.rows(0, 1).tolist() == [list(range(8))]
    assert table.rows(len(table) - 1, len(table)).tolist() == [list(range(92, 100))]
    middle = table.rows(10**11, 10**11 + 3)
    assert (middle.diff(dim=1) > 0).all()
    assert torch.unique(middle, dim=0).shape[0] == 3


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match=r"between 1 and n_pairs = 4, got 5"):
        Combinations(4, 5)
    with pytest.raises(ValueError, match=r"more than can be numbered"):
        Combinations(1000, 500)
