"""One view for two: what is proved for u = v holds for all u and v wherever the lemma applies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from theory.certificates import one_view


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def slack(u, v):
    """|z_i - z_j|^2 - (u_i - u_j).(v_i - v_j) for all i and j."""
    z = one_view(u, v)
    apart = ((z[:, None] - z[None]) ** 2).sum(-1)
    return apart - np.einsum("ijd,ijd->ij", u[:, None] - u[None], v[:, None] - v[None])


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0.01, 5.0), st.sampled_from(["near", "far", "any"]), st.integers(0, 2**31))
def test_the_lemma(dim, spread, where, seed):
    """For pairs that are aligned, opposed, or mixed; every pair against every other."""
    rng = np.random.default_rng(seed)
    u = unit(rng.standard_normal((30, dim)))
    sign = {"near": 1, "far": -1, "any": rng.choice([-1, 1], (30, 1))}[where]
    v = unit(sign * u + spread * rng.standard_normal((30, dim)))
    np.testing.assert_allclose(np.linalg.norm(one_view(u, v), axis=1), 1, atol=1e-9)
    assert slack(u, v).min() >= -1e-12


@pytest.mark.parametrize("dim", [2, 3, 4])
def test_the_lemma_against_an_adversary(dim):
    """A search for two pairs that break it, relative to their distance, ends at 0."""
    rng = np.random.default_rng(dim)

    def worst(flat):
        u, v = unit(flat.reshape(2, 2, dim))
        return slack(u, v)[0, 1] / (((u[0] - u[1]) ** 2).sum() + ((v[0] - v[1]) ** 2).sum() + 1e-12)

    for trial in range(12):
        start = rng.standard_normal((2, 2, dim))
        if trial % 2:
            start[1] = -start[0] + 0.5 * rng.standard_normal((2, dim))  # far pairs
        found = minimize(worst, start.ravel(), method="Nelder-Mead", options={"maxiter": 400, "adaptive": True})
        assert found.fun >= -1e-9


def test_the_inequality_of_the_proof():
    """The sum of the singular values of t t'^T - diag(cos a cos b, -sin a sin b) is at most sin^2 a + sin^2 b."""

    def t(a):
        return np.array([1.0, 0.0]) if a <= np.pi / 4 else np.array([np.sin(2 * a), -np.cos(2 * a)])

    for a in np.linspace(0, np.pi / 2, 41):
        for b in np.linspace(0, np.pi / 2, 41):
            m = np.outer(t(a), t(b)) - np.diag([np.cos(a) * np.cos(b), -np.sin(a) * np.sin(b)])
            assert np.linalg.svd(m, compute_uv=False).sum() <= np.sin(a) ** 2 + np.sin(b) ** 2 + 1e-12


def test_equal_views_stay_as_they_are():
    u = unit(np.random.default_rng(0).standard_normal((9, 4)))
    np.testing.assert_allclose(one_view(u, u), u, atol=1e-15)
    np.testing.assert_allclose(one_view(u, -u), u, atol=1e-15)


def test_the_middle_would_not_do_for_opposed_pairs():
    """(u + v) / |u + v| breaks the lemma where the pairs are opposed: the second case is needed."""
    a, b = 1.5, 0.8
    u, v = np.array([[np.cos(x), np.sin(x)] for x in (a, b)]), np.array([[np.cos(x), -np.sin(x)] for x in (a, b)])
    assert (u[0] - u[1]) @ (v[0] - v[1]) > 0.05  # but both middles are (1, 0)
    np.testing.assert_allclose(unit(u + v), [[1, 0], [1, 0]], atol=1e-15)
    assert slack(u, v)[0, 1] > 0
