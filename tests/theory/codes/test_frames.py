"""Simplex ETF and cross-polytope: their Gram matrices, and coordinates that have them."""

import numpy as np
import pytest

from theory import cross_polytope, cross_polytope_gram, simplex_etf, simplex_etf_gram


def test_simplex_etf_gram_by_hand():
    np.testing.assert_array_equal(simplex_etf_gram(2), [[1, -1], [-1, 1]])
    half = -1 / 2
    np.testing.assert_array_equal(simplex_etf_gram(3), [[1, half, half], [half, 1, half], [half, half, 1]])


def test_cross_polytope_gram_by_hand():
    expected = [[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]]
    np.testing.assert_array_equal(cross_polytope_gram(4), expected)


def test_cross_polytope_by_hand():
    expected = [[1, 0], [-1, 0], [0, 1], [0, -1]]
    np.testing.assert_array_equal(cross_polytope(4, 2), expected)


@pytest.mark.parametrize(("n", "dim"), [(2, 1), (3, 2), (4, 8), (17, 16), (64, 64)])
def test_simplex_etf_has_its_gram(n, dim):
    points = simplex_etf(n, dim)
    assert points.shape == (n, dim)
    assert points.dtype == np.float64
    np.testing.assert_allclose(points @ points.T, simplex_etf_gram(n), atol=1e-14)
    np.testing.assert_allclose(points.sum(axis=0), 0, atol=1e-13)
    assert np.linalg.matrix_rank(points) == n - 1


@pytest.mark.parametrize(("n", "dim"), [(2, 1), (4, 2), (8, 4), (8, 16), (64, 32)])
def test_cross_polytope_has_its_gram(n, dim):
    points = cross_polytope(n, dim)
    assert points.shape == (n, dim)
    np.testing.assert_array_equal(points @ points.T, cross_polytope_gram(n))
    assert np.linalg.matrix_rank(points) == n // 2


def test_both_are_one_at_two_points():
    np.testing.assert_array_equal(simplex_etf_gram(2), cross_polytope_gram(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: simplex_etf_gram(1), "n must be at least 2, received 1"),
        (lambda: simplex_etf(1, 3), "n must be at least 2, received 1"),
        (lambda: simplex_etf(5, 3), "received dim = 3 with n = 5; raise dim to 4 or take at most 4"),
        (lambda: cross_polytope_gram(7), "n must be even .* received 7.* take 6 or 8 points"),
        (lambda: cross_polytope_gram(0), "n must be at least 2, received 0"),
        (lambda: cross_polytope(3, 3), "n must be even .* received 3"),
        (lambda: cross_polytope(8, 3), "received dim = 3 with n = 8; raise dim to 4 or take at most 6"),
    ],
)
def test_errors_say_requirement_received_remedy(make, message):
    with pytest.raises(ValueError, match=message):
        make()
