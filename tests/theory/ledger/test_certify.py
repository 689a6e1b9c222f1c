"""`certify`: value, proved bound and gap of given embeddings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import cross_polytope, simplex_etf
from theory.codes import find_code
from theory.formulas.settings import SETTINGS
from theory.ledger.certify import certify


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def points(n, dim):
    code = find_code(n, dim)
    assert code is not None
    return code.coordinates


@pytest.mark.parametrize("loss", ["info_nce", "clip_sum", "nt_xent", "dcl", "dhel_product", "kcl", "align_uniform"])
def test_the_simplex_has_no_gap(loss):
    u = simplex_etf(6, 8)
    found = certify(u, u, loss, 0.5)
    assert found.gap == pytest.approx(0, abs=1e-12)
    assert found.attained
    assert found.bound == "closed form"
    assert found.local is not None
    assert found.local.local_minimum


@pytest.mark.parametrize("loss", ["info_nce", "clip", "nt_xent"])
@pytest.mark.parametrize(("n", "dim"), [(7, 2), (12, 3), (16, 5), (27, 6)])
def test_nor_have_universally_optimal_codes(loss, n, dim):
    u = points(n, dim)
    found = certify(u, u, loss, 0.2, local=False)
    assert found.gap == pytest.approx(0, abs=1e-12)
    assert found.attained
    assert found.local is None


def test_where_no_minimum_is_known_the_gap_is_honest():
    """The 24-cell's is what the linear program leaves; the icosahedron's for DHEL is that of the simplex bound."""
    axes = cross_polytope(8, 4)
    halves = np.array(np.meshgrid(*[[-0.5, 0.5]] * 4)).reshape(4, -1).T
    cell = np.concatenate([axes, halves])
    found = certify(cell, cell, "info_nce", 0.1, local=False)
    assert found.bound == "linear program"
    assert not found.attained
    assert 0.08 < found.gap / found.value < 0.09
    u = points(12, 3)
    dhel = certify(u, u, "dhel_mean", 0.3)
    assert (dhel.bound, dhel.attained) == ("simplex", False)
    assert dhel.gap > 1
    assert dhel.local is not None
    assert dhel.local.local_minimum


def test_what_holds_only_among_antipodal_embeddings_is_said_apart():
    u = cross_polytope(8, 4)
    found = certify(u, u, "dcl", 0.3)
    assert found.if_antipodal == pytest.approx(found.value, abs=1e-12)
    assert found.lower_bound < found.value - 0.1
    rng = np.random.default_rng(0)
    other = unit(rng.standard_normal((8, 4)))
    assert certify(other, other, "dcl", 0.3).if_antipodal is None


def test_coinciding_embeddings():
    """All at one point: InfoNCE is log N, and the gap says how much is lost."""
    u = np.tile([1.0, 0.0, 0.0], (4, 1))
    found = certify(u, u, "info_nce", 1.0)
    assert found.value == pytest.approx(np.log(4))
    assert found.gap == pytest.approx(np.log(4) - np.log1p(3 * np.exp(-4 / 3)))
    assert found.local is not None
    assert not found.local.local_minimum


def test_batches():
    """The mean over all C(8, 2) batches of the cross-polytope is the minimum; with 4 it is not proved."""
    u = cross_polytope(8, 4)
    two, four = (certify(u, u, "info_nce", 0.3, batch_size) for batch_size in (2, 4))
    assert two.gap == pytest.approx(0, abs=1e-12)
    assert two.attained
    assert 0 < four.gap < 0.01 * four.value
    assert not four.attained


@settings(deadline=None, max_examples=12)
@given(st.sampled_from(sorted(SETTINGS)), st.integers(3, 6), st.integers(2, 4), st.integers(0, 2**31))
def test_no_embeddings_have_a_negative_gap(loss, n, dim, seed):
    u, v = unit(np.random.default_rng(seed).standard_normal((2, n, dim)))
    for views in ((u, v), (u, u)):
        assert certify(*views, loss, 0.5, local=False).gap >= -1e-10


def test_settings_reach_loss_and_bound():
    u = simplex_etf(5, 4)
    weak, strong = (certify(u, u, "kcl", kernel="gaussian", parameter=2.0, gamma=gamma) for gamma in (1.0, 4.0))
    assert weak.value < strong.value
    assert weak.gap == pytest.approx(0, abs=1e-12)
    assert strong.gap == pytest.approx(0, abs=1e-12)


def test_float32_rows_pass():
    u = simplex_etf(6, 8).astype(np.float32)
    assert certify(u, u, "info_nce", 0.5).gap == pytest.approx(0, abs=1e-9)


GOOD = simplex_etf(4, 3)
BAD = np.where(np.arange(4)[:, None] == 2, np.nan, GOOD)


@pytest.mark.parametrize(
    ("u", "v", "arguments", "message"),
    [
        (
            GOOD,
            1.5 * GOOD,
            (),
            r"every row of v must be a unit vector, received one of length 1.5.* in row 0 \(4 of 4",
        ),
        (BAD, GOOD, (), "every row of u must be a unit vector, received one of length nan in row 2"),
        (GOOD, GOOD[:3], (), r"of one shape with n >= 2, received \(4, 3\) and \(3, 3\)"),
        (GOOD[0], GOOD[0], (), r"two matrices \[n, dim\]"),
        (GOOD[:1], GOOD[:1], (), "with n >= 2"),
        (GOOD, GOOD, (0.0,), "temperature must be positive"),
        (GOOD, GOOD, (1.0, 7), "batch_size must lie between 2 and n_pairs = 4, received 7"),
    ],
)
def test_refusals(u, v, arguments, message):
    with pytest.raises(ValueError, match=message):
        certify(u, v, "info_nce", *arguments)


def test_too_many_batches():
    u = simplex_etf(60, 59)
    with pytest.raises(ValueError, match="all batches are written out up to 1,000,000 of them"):
        certify(u, u, "info_nce", 1.0, 30)
