"""The closed form of the products of a polygon's nodes, against multiplying them out."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from theory.certificates.polygons import polygon_partial_products, polygon_products
from theory.codes import regular_polygon


def doubled_nodes(code):
    return [cosine for cosine, _ in code.similarities for _ in range(1 if cosine == -1 else 2)]


@pytest.mark.parametrize("n", range(3, 24))
def test_products_are_the_products_of_the_nodes(n):
    nodes = [cosine for cosine, _ in regular_polygon(n).similarities if cosine != -1]
    rows = polygon_products(n)
    assert len(rows) == len(nodes)
    for j, row in enumerate(rows, start=1):
        np.testing.assert_allclose(row, 2**j * chebyshev.chebfromroots(nodes[:j]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", range(3, 24))
def test_partial_products_are_those_of_the_doubled_nodes(n):
    nodes = doubled_nodes(regular_polygon(n))
    rows = polygon_partial_products(n)
    assert len(rows) == len(nodes) - 1
    for k, row in enumerate(rows, start=1):
        np.testing.assert_allclose(row, chebyshev.chebfromroots(nodes[:k]), atol=1e-12)


@pytest.mark.parametrize("n", [3, 4, 9, 50, 101])
def test_no_coefficient_is_negative(n):
    assert all((row > 0).all() for row in polygon_products(n))


def test_heptagon_by_hand():
    """2 (t - t_1) = 2 t + 2 cos(pi / 7)."""
    np.testing.assert_allclose(polygon_products(7)[0], [2 * np.cos(np.pi / 7), 2])


@pytest.mark.parametrize("make", [polygon_products, polygon_partial_products])
def test_two_points_are_no_polygon(make):
    with pytest.raises(ValueError, match="3 points or more, received 2; two points are the simplex"):
        make(2)
