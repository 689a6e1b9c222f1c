"""What the sharp codes are made of: Golay code, E8, the Leech lattice and elliptic quadrics, each by its axioms."""

import numpy as np
import pytest

from theory.codes.golay import golay_code
from theory.codes.leech import leech_vectors
from theory.codes.quadrangles import quadrangle_code, quadrangle_points, quadric_collinearity
from theory.codes.roots import e8_roots
from theory.codes.sections import section


def test_golay_code_is_linear_self_dual_and_has_its_weights():
    words = golay_code()
    assert words.shape == (4096, 24)
    sums = (words[:20, None] + words[None, ::20]) % 2
    known = set(map(tuple, words.tolist()))
    assert len(known) == 4096
    assert all(tuple(word) in known for word in sums.reshape(-1, 24).tolist())
    assert not (words[:300] @ words.T % 2).any()
    weights, counts = np.unique(words.sum(axis=1), return_counts=True)
    assert dict(zip(weights.tolist(), counts.tolist(), strict=True)) == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}


def test_octads_are_a_steiner_system():
    """Every 5 of the 24 places are in exactly one word of weight 8 (checked on those through place 0 and 1)."""
    octads = golay_code()[golay_code().sum(axis=1) == 8]
    through = octads[(octads[:, 0] == 1) & (octads[:, 1] == 1)]
    triples = np.einsum("wi,wj,wk->ijk", *[through[:, 2:]] * 3)
    i, j, k = np.ogrid[:22, :22, :22]
    assert (triples[(i < j) & (j < k)] == 1).all()


@pytest.mark.parametrize(("vectors", "norm", "step"), [(e8_roots(), 8, 4), (leech_vectors(), 32, 8)])
def test_minimal_vectors_are_closed_under_what_lattices_are(vectors, norm, step):
    """With x.y half the norm, x - y is a minimal vector too; -x is one; all products are multiples of the step."""
    rows = vectors.astype(np.int64)
    known = set(map(bytes, rows))
    assert len(known) == len(rows)
    for x in rows[:: len(rows) // 5]:
        products = rows @ x
        assert x @ x == norm
        assert not (products % step).any()
        assert bytes(-x) in known
        assert all(bytes(y) in known for y in x - rows[products == norm // 2][:2000])


@pytest.mark.parametrize("q", [2, 3, 4])
def test_elliptic_quadrics_are_generalised_quadrangles(q):
    """For a point x off a line there is exactly one point on the line collinear with x; lines have q + 1 points."""
    collinear = quadric_collinearity(q)
    n = (q + 1) * (q**3 + 1)
    assert collinear.shape == (n, n)
    assert (collinear == collinear.T).all()
    assert collinear.diagonal().all()
    assert (collinear.sum(axis=1) == 1 + q * (q * q + 1)).all()
    for x in range(0, n, 1 + n // 10):
        y = np.flatnonzero(collinear[x])[-1]
        line = collinear[x] & collinear[y]  # without triangles off a line, these are the points of the line
        if y == x:
            y = np.flatnonzero(collinear[x])[0]
            line = collinear[x] & collinear[y]
        assert line.sum() == q + 1
        assert collinear[np.ix_(line, line)].all()
        assert (collinear[~line][:, line].sum(axis=1) == 1).all()


@pytest.mark.slow
def test_2752_points_of_the_quadrangle_of_order_7_and_49():
    code = quadrangle_code(7)
    cosines, counts = np.unique(np.round(code.coordinates[::50] @ code.coordinates.T, 9), return_counts=True)
    np.testing.assert_allclose(cosines, [-1 / 7, 1 / 49, 1], atol=1e-9)
    assert (counts / len(code.coordinates[::50])).tolist() == [350, 2401, 1]


def test_112_points_in_two_ways():
    """The quadrangle of order (3, 9) and the subconstituent of the McLaughlin code have the same cosines."""
    gram = quadrangle_points(3) @ quadrangle_points(3).T
    values, counts = np.unique(np.round(gram, 9), return_counts=True)
    np.testing.assert_allclose(values, [-1 / 3, 1 / 9, 1], atol=1e-9)
    assert (counts / 112).tolist() == [30, 81, 1]


def test_section_by_hand():
    """The vertices of a cube that are neighbours of one of them: an equilateral triangle, seen from there."""
    cube = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
    triangle = section(cube, (1,))
    np.testing.assert_allclose(triangle @ triangle.T, 1.5 * np.eye(3) - 0.5, atol=1e-15)
    opposite = section(cube, (), through=[(np.array([1, 1, 1]), -1)])
    np.testing.assert_allclose(opposite @ opposite.T, 1.5 * np.eye(3) - 0.5, atol=1e-15)
