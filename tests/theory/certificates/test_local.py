"""Local certificates: derivatives on the spheres, by hand and at optima; they speak of a neighbourhood only."""

import numpy as np
import pytest

from theory import cross_polytope, simplex_etf
from theory.certificates import local_certificate
from theory.codes import find_code
from theory.formulas.objectives import objective


def alignment(u, v, batches=None):
    """-mean u_i.v_i, whose derivatives are known: minimal for u = v, whatever u is."""
    del batches
    return -float((u * v).sum(1).mean()), -v / len(u), -u / len(u)


def test_one_pair_of_the_plane_by_hand():
    """-cos(x - y) at x = y has the Hessian [[1, -1], [-1, 1]]: 0 for the rotation, 2 across it."""
    u = np.array([[0.6, 0.8]])
    found = local_certificate(u, u, alignment)
    assert found.gradient == pytest.approx(0, abs=1e-12)
    assert found.smallest == pytest.approx(2, abs=1e-8)
    assert (found.zeros, found.rotations) == (1, 1)
    assert found.local_minimum


def test_a_maximum_and_a_slope_by_hand():
    u = np.array([[0.6, 0.8]])
    top = local_certificate(u, -u, alignment)
    assert top.smallest == pytest.approx(-2, abs=1e-8)
    assert top.saddle
    side = local_certificate(u, np.array([[-0.8, 0.6]]), alignment)
    assert side.gradient == pytest.approx(np.sqrt(2), abs=1e-12)
    assert not side.stationary
    assert not side.local_minimum
    assert not side.saddle


def test_flat_directions_are_not_called_a_minimum():
    """Two pairs, each free to turn by itself: two zeros, of which common rotation explains one."""
    u = np.array([[0.6, 0.8], [0.0, 1.0]])
    found = local_certificate(u, u, alignment)
    assert (found.zeros, found.rotations) == (2, 1)
    assert found.stationary
    assert not found.local_minimum
    assert not found.saddle


@pytest.mark.parametrize("loss", ["info_nce", "clip_sum", "nt_xent", "dcl", "dhel_mean", "kcl"])
@pytest.mark.parametrize("tau", [1.0, 0.1])
def test_the_simplex_is_a_minimum_and_all_its_zeros_are_rotations(loss, tau):
    for n, dim, rotations in ((4, 3, 3), (4, 5, 9)):  # of 10 planes in R^5 one is orthogonal to all four points
        found = local_certificate(simplex_etf(n, dim), simplex_etf(n, dim), objective(loss, tau))
        assert found.local_minimum
        assert (found.zeros, found.rotations) == (rotations, rotations)


def test_the_cross_polytope_is_a_saddle_where_there_is_room():
    """Six points in R^3 are a minimum, in R^5 they can open up to the simplex."""
    loss = objective("info_nce", 0.5)
    assert local_certificate(cross_polytope(6, 3), cross_polytope(6, 3), loss).local_minimum
    assert local_certificate(cross_polytope(6, 5), cross_polytope(6, 5), loss).saddle


def test_a_local_minimum_need_not_be_global():
    """DHEL on the heptagon at tau = 0.05: a local minimum by its derivatives, and 0.55 above a cluster's value."""
    code = find_code(7, 2)
    assert code is not None
    u = code.coordinates
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])[[0, 0, 0, 0, 1, 2, 3]]
    loss = objective("dhel_mean", 0.05)
    assert loss(corners, corners)[0] < loss(u, u)[0] - 0.5
    assert local_certificate(u, u, loss).stationary


def test_batches_are_those_of_the_loss():
    """Over a fixed partition into antipodal pairs, how the two pairs lie to each other does not matter."""
    u, loss = cross_polytope(4, 2), objective("info_nce", 0.5)
    fixed = local_certificate(u, u, loss, np.array([[0, 1], [2, 3]]))
    assert (fixed.zeros, fixed.rotations) == (2, 1)
    assert local_certificate(u, u, loss).zeros == 1


def test_refusals():
    u = simplex_etf(30, 30)
    with pytest.raises(ValueError, match=r"2 N d must be at most 600 .* received 2 \* 30 \* 30 = 1800; take fewer"):
        local_certificate(u, u, alignment)
    with pytest.raises(ValueError, match="dim must be at least 2, received 1"):
        local_certificate(np.ones((3, 1)), np.ones((3, 1)), alignment)
