"""Point sets beyond the simplex: sizes, similarities, and their values in closed form."""

import numpy as np
import pytest

from theory import LOSS_NAMES
from theory.formulas.objectives import objective
from theory.ledger.candidates import natural_candidates, orthogonal_simplices, pyramid


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("n", "dim"), [(5, 3), (8, 6), (9, 6), (11, 7), (7, 2), (12, 3), (16, 5)])
def test_the_closed_form_of_a_candidate_is_its_loss(loss, n, dim):
    candidates = natural_candidates(n, dim)
    assert candidates
    for candidate in candidates:
        points = candidate.make()
        assert points.shape == (n, dim)
        assert candidate.value(loss, 0.4) == pytest.approx(objective(loss, 0.4)(points, points)[0], rel=1e-11)


def test_two_simplices_come_in_all_sizes_and_more_in_some():
    assert [c.name for c in natural_candidates(8, 6)] == [
        "orthogonal simplices, 2 of 4 points",
        "orthogonal simplices, 1 of 5 points, 1 of 3 points",
        "orthogonal simplices, 1 of 6 points, 1 of 2 points",
    ]
    names = [c.name for c in natural_candidates(11, 7)]
    assert names[0] == "orthogonal simplices, 3 of 3 points, 1 of 2 points"
    assert names[-1] == "orthogonal simplices, 1 of 5 points, 3 of 2 points"
    assert len(natural_candidates(1000, 998)) <= 66


@pytest.mark.parametrize(("n", "dim"), [(7, 3), (30, 3), (24, 4)])
def test_nothing_is_natural_beyond_the_cross_polytope_but_a_code(n, dim):
    assert natural_candidates(n, dim) == []


@pytest.mark.parametrize("sizes", [(2,), (3, 2), (4, 4, 2)])
def test_simplices_in_orthogonal_subspaces(sizes):
    dim = sum(sizes) - len(sizes)
    points = orthogonal_simplices(sizes, dim + 1)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    size = np.repeat(sizes, sizes)
    expected = np.where(owner[:, None] == owner, -1 / (size - 1), 0.0)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(points @ points.T, expected, atol=1e-12)
    with pytest.raises(ValueError, match=f"dim must be at least {dim}"):
        orthogonal_simplices(sizes, dim - 1)


@pytest.mark.parametrize(("n", "dim"), [(5, 3), (6, 4), (7, 4), (8, 5), (8, 6), (12, 7)])
def test_a_pyramid_stands_on_a_cross_polytope(n, dim):
    points, k = pyramid(n, dim), n - dim
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-12)
    gram, heights = points @ points.T, points[:, -1]
    assert (heights[: 2 * k] < 0).all()
    assert (heights[2 * k :] > 0).all()
    base = gram[: 2 * k, : 2 * k] - heights[0] ** 2
    np.testing.assert_allclose(base, np.kron([[1, -1], [-1, 1]], np.eye(k)) * (1 - heights[0] ** 2), atol=1e-12)
    np.testing.assert_allclose(gram[: 2 * k, 2 * k :], heights[0] * heights[-1], atol=1e-12)


@pytest.mark.parametrize(("n", "dim"), [(4, 3), (6, 3)])
def test_a_pyramid_has_between_d_plus_2_and_2_d_minus_1_points(n, dim):
    with pytest.raises(ValueError, match=f"received n = {n}, dim = {dim}"):
        pyramid(n, dim)
