"""The table of codes: every code is built, and its cosines, rank and strength are counted from the coordinates.

The published table (Cohn and Kumar 2007, Table 1) is written out here once more, by hand.
"""

import time
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import eval_gegenbauer

from theory.certificates.hermite import code_moments
from theory.codes import CODES, cross_polytope_code, find_code, quadrangle_code, regular_polygon, simplex_code
from theory.formulas.potentials import Exponential

SHARP = {
    (5, 16): {"-3/5": 5, "1/5": 10},
    (6, 27): {"-1/2": 10, "1/4": 16},
    (7, 56): {"-1": 1, "-1/3": 27, "1/3": 27},
    (8, 240): {"-1": 1, "-1/2": 56, "0": 126, "1/2": 56},
    (21, 112): {"-1/3": 30, "1/9": 81},
    (21, 162): {"-2/7": 56, "1/7": 105},
    (22, 100): {"-4/11": 22, "1/11": 77},
    (22, 275): {"-1/4": 112, "1/6": 162},
    (22, 891): {"-1/2": 42, "-1/8": 512, "1/4": 336},
    (23, 552): {"-1": 1, "-1/5": 275, "1/5": 275},
    (23, 4600): {"-1": 1, "-1/3": 891, "0": 2816, "1/3": 891},
    (24, 196560): {"-1": 1, "-1/2": 4600, "-1/4": 47104, "0": 93150, "1/4": 47104, "1/2": 4600},
    (52, 325): {"-1/4": 68, "1/16": 256},
    (105, 756): {"-1/5": 130, "1/25": 625},
}
STRENGTH = {(6, 27): 4, (22, 275): 4, (7, 56): 5, (22, 891): 5, (23, 552): 5, (8, 240): 7, (23, 4600): 7,
            (24, 196560): 11, (3, 12): 5, (4, 120): 11}  # fmt: skip
FAMILIES = [
    simplex_code(2, 1),
    simplex_code(5, 4),
    simplex_code(8, 16),
    cross_polytope_code(2),
    cross_polytope_code(7),
]
FAMILIES += [regular_polygon(n) for n in (3, 4, 5, 6, 7, 10, 16, 61)] + [quadrangle_code(2), quadrangle_code(3)]
EVERY = [*CODES, *FAMILIES]


def counted(row):
    """The cosines of one point with all others, rounded, with how often each occurs."""
    counts = Counter((np.round(row, 9) + 0.0).tolist())
    counts[1.0] -= 1
    return {cosine: count for cosine, count in counts.items() if count}


def expected(code):
    return {round(cosine, 9) + 0.0: count for cosine, count in code.similarities}


def name(code):
    return code.name.replace(" ", "-")


@pytest.mark.parametrize("size", SHARP)
def test_the_published_table_is_there(size):
    code = find_code(size[1], size[0])
    assert {str(cosine): count for cosine, count in code.exact} == SHARP[size]
    assert code.strength == STRENGTH.get(size, 3)
    assert code.universally_optimal
    assert "Cohn and Kumar 2007" in code.source


def test_icosahedron_and_600_cell_have_cosines_with_the_root_of_five():
    assert {str(c): n for c, n in find_code(12, 3).exact} == {
        "-1": 1,
        "0 - 1/5 sqrt(5)": 5,
        "0 + 1/5 sqrt(5)": 5,
    }
    golden = (1 + 5**0.5) / 4
    cosines, counts = zip(*find_code(120, 4).similarities, strict=True)
    np.testing.assert_allclose(
        cosines, [-1, -golden, -1 / 2, 1 / 2 - golden, 0, golden - 1 / 2, 1 / 2, golden], rtol=1e-15
    )
    assert counts == (1, 12, 20, 12, 30, 12, 20, 12)


@pytest.mark.parametrize("code", [code for code in EVERY if code.n_points <= 5000], ids=name)
def test_every_point_sees_the_cosines_of_the_table(code):
    points = code.coordinates
    assert points.shape == (code.n_points, code.dim)
    assert points.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-14)
    gram = code.gram
    anchors = range(0, code.n_points, 1 + code.n_points // 1000)  # for 4600 points every fifth one
    assert all(counted(gram[i]) == expected(code) for i in anchors)
    assert np.linalg.matrix_rank(points) == min(code.dim, code.n_points - 1)


def test_leech_lattice_in_integers():
    code = find_code(196560, 24)
    start = time.perf_counter()
    points = code.coordinates
    assert time.perf_counter() - start < 10  # a fraction of a second where nothing else runs
    assert points.shape == (196560, 24)
    vectors = np.rint(points * np.sqrt(32)).astype(np.int8)
    np.testing.assert_allclose(vectors / np.sqrt(32), points, atol=1e-15)
    assert len(np.unique(vectors, axis=0)) == 196560
    anchors = vectors[:: 196560 // 40].astype(np.float32)
    products = (anchors @ vectors.T.astype(np.float32)).astype(np.int64)  # integers up to 32: exact
    table = {round(32 * cosine): count for cosine, count in code.similarities} | {32: 1}
    assert all(Counter(row.tolist()) == table for row in products)
    assert np.linalg.matrix_rank(points[:5000]) == 24


@pytest.mark.parametrize("code", EVERY, ids=name)
def test_strength_by_the_formula_and_by_the_points(code):
    """A t-design: the average of every P_k, 1 <= k <= t, over all pairs is 0; strength is the largest such t."""
    cosines, counts = np.array([*code.similarities, (1.0, 1)]).T
    if code.dim == 1:
        return
    index = code.dim / 2 - 1
    for k in range(1, min(code.strength, 20) + 2):
        values = np.cos(k * np.arccos(cosines)) if code.dim == 2 else eval_gegenbauer(k, index, cosines)
        scale = 1.0 if code.dim == 2 else eval_gegenbauer(k, index, 1.0)
        moment = float(counts @ values / scale)
        if k <= code.strength:
            assert abs(moment) < 1e-8 * code.n_points
        else:
            assert moment > 1e-6 * code.n_points
        if code.exact is not None:
            assert float(code_moments(code, k)[-1]) == pytest.approx(moment, abs=1e-8 * code.n_points)


@pytest.mark.parametrize("code", CODES, ids=name)
def test_points_sum_to_zero_and_are_a_tight_frame(code):
    """Strength 2 from the coordinates themselves: sum x = 0 and sum x x^T = (N / d) I."""
    points = code.coordinates
    np.testing.assert_allclose(points.sum(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(points.T @ points * code.dim / code.n_points, np.eye(code.dim), atol=1e-12)


def test_find_code_by_size():
    assert find_code(2, 1).name == "simplex of 2 points"
    assert find_code(5, 4).similarities == ((-0.25, 4),)
    assert find_code(8, 16).coordinates.shape == (8, 16)  # seven of the dimensions are used
    assert find_code(32, 16).name == "cross-polytope of 32 points"
    assert find_code(9, 2).name == "regular 9-gon"
    assert find_code(4, 2).name == "cross-polytope of 4 points"  # the square
    assert find_code(2752, 301).name == "generalised quadrangle of order (7, 49)"
    for missing in ((3, 1), (8, 3), (20, 3), (24, 4), (40, 10), (64, 14), (1333, 186)):
        assert find_code(*missing) is None


def test_only_refuted_codes_are_flagged():
    refuted = {code.name for code in CODES if not code.universally_optimal}
    assert refuted == {"cube", "dodecahedron", "24-cell"}
    assert all("refuted" in code.source for code in CODES if not code.universally_optimal)
    assert len({(code.n_points, code.dim) for code in CODES}) == len(CODES)


@pytest.mark.parametrize("code", [c for c in EVERY if c.n_points < 1000], ids=name)
def test_energy_is_that_of_the_points(code):
    terms = np.exp((code.gram - 1) / 0.5)
    np.fill_diagonal(terms, 0)
    assert code.energy(Exponential(0.5)) == pytest.approx(terms.sum() / code.n_points, rel=1e-12)


def test_coordinates_are_made_once_and_read_only():
    code = find_code(56, 7)
    assert code.coordinates is code.coordinates
    with pytest.raises(ValueError, match="read-only"):
        code.coordinates[0, 0] = 2.0


def test_exact_cosines_of_polygons_where_they_are_in_the_field():
    assert [n for n in range(3, 200) if regular_polygon(n).exact is not None] == [3, 4, 5, 6, 10]
    assert regular_polygon(5).exact[0][0] == (regular_polygon(10).exact[1][0] + Fraction(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: find_code(1, 3), "n_points >= 2 .* received n_points = 1"),
        (lambda: find_code(3, 0), "dim >= 1, received .* dim = 0"),
        (lambda: simplex_code(6, 4), "2 to 5 points, received 6; take as many, or dim = 5"),
        (lambda: simplex_code(1, 4), "received 1"),
        (lambda: cross_polytope_code(1), "dim >= 2, received 1"),
        (lambda: regular_polygon(2), "3 points or more, received 2"),
        (lambda: quadrangle_code(6), "prime power of elements, received 6"),
        (lambda: find_code(196560, 24).gram, "at most 8192 points, got 196560"),
    ],
)
def test_errors_say_requirement_received_remedy(make, message):
    with pytest.raises(ValueError, match=message):
        make()
