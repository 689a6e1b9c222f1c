"""Gegenbauer polynomials: known ones, their derivatives, and the one inequality that every bound rests on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Legendre
from scipy.special import roots_jacobi

from theory.certificates import derivative_at_one, gegenbauer, gegenbauer_derivative

T = np.linspace(-1, 1, 41)


def test_in_the_plane_they_are_those_of_chebyshev():
    angles = np.linspace(0, np.pi, 30)
    expected = [np.cos(k * angles) for k in range(9)]
    np.testing.assert_allclose(gegenbauer(np.cos(angles), 2, 8), expected, atol=1e-13)


def test_in_space_they_are_those_of_legendre():
    np.testing.assert_allclose(gegenbauer(T, 3, 8), [Legendre.basis(k)(T) for k in range(9)], atol=1e-13)


def test_degree_two_by_hand():
    """P_2 = (d t^2 - 1) / (d - 1)."""
    for d in (2, 3, 4, 8, 24):
        np.testing.assert_allclose(gegenbauer(T, d, 2)[2], (d * T**2 - 1) / (d - 1), atol=1e-14)


@pytest.mark.parametrize("dim", [2, 3, 4, 8, 24])
def test_orthogonal_on_the_sphere(dim):
    nodes, weights = roots_jacobi(20, (dim - 3) / 2, (dim - 3) / 2)
    values = gegenbauer(nodes, dim, 12)
    products = (values * weights / weights.sum()) @ values.T
    np.testing.assert_allclose(products - np.diag(np.diag(products)), 0, atol=1e-13)
    assert (np.diag(products) > 0).all()


@pytest.mark.parametrize("dim", [2, 3, 8])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_are_those_of_differences(dim, order):
    step, degree = 1e-5, 7
    ends = [gegenbauer_derivative(T + sign * step, dim, degree, order - 1) for sign in (1, -1)]
    exact = gegenbauer_derivative(T, dim, degree, order)
    np.testing.assert_allclose(exact, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dim", [2, 3, 8])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_derivatives_are_largest_at_one(dim, order):
    largest = derivative_at_one(dim, 9, order)
    values = gegenbauer_derivative(T, dim, 9, order)
    np.testing.assert_allclose(values[:, -1], largest, rtol=1e-12)
    assert (np.abs(values).max(axis=1) <= largest * (1 + 1e-12)).all()


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 2**31))
def test_positive_definite(dim, n, seed):
    """For all points and weights, sum_ij c_i c_j P_k(x_i.x_j) >= 0 (Schoenberg 1942)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    c = rng.standard_normal(n)
    assert (np.einsum("kij,i,j->k", gegenbauer(np.clip(x @ x.T, -1, 1), dim, 10), c, c) >= -1e-10).all()


def test_refuses_a_line_and_negative_degrees():
    with pytest.raises(ValueError, match=r"dim must be at least 2 .* received 1; .* take 2"):
        gegenbauer(T, 1, 3)
    with pytest.raises(ValueError, match="degree must be at least 0, received -1"):
        gegenbauer(T, 3, -1)
