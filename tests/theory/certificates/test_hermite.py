"""The exact certificate passes for every universally optimal code and fails for the refuted ones.

What it proves is checked by other means: the polynomial is below the potential on a fine grid, its coefficients are
found again by quadrature, its bound is the energy of the code, and random points have no less.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.special import eval_gegenbauer

from theory.certificates.hermite import code_moments, hermite_bound, hermite_certificate, hermite_polynomial
from theory.codes import CODES, cross_polytope_code, find_code, quadrangle_code, regular_polygon, simplex_code
from theory.codes.exact import exact
from theory.formulas.potentials import Exponential, Logarithm, Power, kernel_potential

OPTIMAL = [code for code in CODES if code.universally_optimal]
REFUTED = [code for code in CODES if not code.universally_optimal]
FAMILIES = [simplex_code(n, d) for n, d in ((2, 1), (2, 2), (3, 2), (5, 4), (9, 8), (65, 64), (8, 16), (100, 300))]
FAMILIES += [cross_polytope_code(d) for d in (2, 3, 4, 8, 64, 500)]
FAMILIES += [regular_polygon(n) for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 31, 100)]
FAMILIES += [quadrangle_code(q) for q in (2, 3, 7, 8, 9, 11)]

POTENTIALS = [
    *(Exponential(temperature) for temperature in (1.0, 0.5, 0.1, 0.05)),
    *(kernel_potential(kernel, 2.0) for kernel in ("gaussian", "imq", "log")),
    Power(1.0, 0.5),  # Coulomb, infinite at s = 1
    Power(1.0, -0.5, -1.0),  # minus the distance
    Logarithm(1.0),
]


def name(code):
    return code.name.replace(" ", "-")


def evaluate(f, dim, t):
    """sum_k f_k P_k(t), with scipy's polynomials."""
    if dim <= 2:
        return sum(c * np.cos(k * np.arccos(t)) for k, c in enumerate(f))
    index = dim / 2 - 1
    return sum(c * eval_gegenbauer(k, index, t) / eval_gegenbauer(k, index, 1.0) for k, c in enumerate(f))


@pytest.mark.parametrize("code", OPTIMAL + FAMILIES, ids=name)
def test_every_universally_optimal_code_is_proved(code):
    certificate = hermite_certificate(code)
    assert certificate.passed, certificate.failures
    assert certificate.smallest_coefficient >= 0


def test_which_numbers_the_check_is_done_in():
    def arithmetic(code):
        return hermite_certificate(code).arithmetic

    assert arithmetic(find_code(196560, 24)) == "Q"
    assert arithmetic(find_code(12, 3)) == arithmetic(find_code(120, 4)) == "Q(sqrt 5)"
    assert arithmetic(regular_polygon(6)) == "Q"
    assert arithmetic(regular_polygon(10)) == "Q(sqrt 5)"
    assert arithmetic(regular_polygon(7)) == "proof"


def test_icosahedron_by_hand():
    """Nodes -1, -a, -a, a, a with a^2 = 1/5; in three dimensions the P_k are Legendre's."""
    certificate = hermite_certificate(find_code(12, 3))
    assert certificate.degree == 4
    assert all(moment == 0 for moment in certificate.moments)
    first, second, third, fourth = certificate.polynomials
    a = find_code(12, 3).exact[2][0]
    assert first == (1, 1)  # t + 1
    assert second == (a + Fraction(1, 3), a + 1, Fraction(2, 3))  # (t + 1)(t + a)
    assert third[3] == Fraction(2, 5)  # t^3 = 2/5 P_3 + 3/5 P_1
    assert sum(fourth, start=exact(0)) == (a + 1) * Fraction(8, 5)  # (t + 1)(t + a)(t^2 - 1/5) at t = 1
    assert fourth[4] == Fraction(8, 35)


def test_600_cell_needs_more_than_sharpness():
    """Its moment of degree 12 is not 0, so the plain partial products do not do; the corrected ones do."""
    code = find_code(120, 4)
    moments = code_moments(code, 20)
    assert [k for k, moment in enumerate(moments, start=1) if moment != 0] == [12, 20]
    certificate = hermite_certificate(code)
    assert certificate.degree == 18
    assert certificate.passed
    assert all(r[12] == 0 for r in certificate.polynomials if len(r) > 12)
    plain = hermite_certificate(replace(code, exact=tuple((c, n + (c == 0)) for c, n in code.exact)))
    assert not plain.passed


@pytest.mark.parametrize("code", REFUTED, ids=name)
def test_refuted_codes_have_no_certificate(code):
    certificate = hermite_certificate(code)
    assert not certificate.passed
    assert "the code's moment is not 0" in certificate.failures[0]
    with pytest.raises(ValueError, match=f"certificate passes; {code.name}"):
        hermite_polynomial(code, Exponential(1.0))


def test_wrong_multiplicities_or_cosines_are_noticed():
    code = find_code(56, 7)
    miscounted = tuple((cosine, count + (cosine > 0) - (cosine == Fraction(-1, 3))) for cosine, count in code.exact)
    assert not hermite_certificate(replace(code, exact=miscounted)).passed
    moved = tuple((cosine if cosine < 0 else exact(1, 4), count) for cosine, count in code.exact)
    assert not hermite_certificate(replace(code, exact=moved)).passed
    assert not hermite_certificate(replace(code, dim=8)).passed


@pytest.mark.parametrize("code", OPTIMAL + [c for c in FAMILIES if c.n_points < 20], ids=name)
def test_bound_is_the_energy_of_the_code(code):
    for potential in POTENTIALS:
        assert hermite_bound(code, potential) == pytest.approx(code.energy(potential), rel=1e-10, abs=1e-13)


@pytest.mark.parametrize(
    "potential", [Exponential(0.5), Exponential(0.1), Power(1.0, 0.5)], ids=["0.5", "0.1", "pole"]
)
@pytest.mark.parametrize("code", [*OPTIMAL, regular_polygon(7), regular_polygon(12), simplex_code(8, 16)], ids=name)
def test_polynomial_is_below_the_potential(code, potential):
    f = hermite_polynomial(code, potential)
    assert (f[1:] >= -1e-16).all()
    t = np.linspace(-1, 1 - 1e-9, 20001)
    h = potential(t)
    assert (h - evaluate(f, code.dim, t) >= -1e-12 * np.maximum(1, h)).all()
    cosines = np.array([cosine for cosine, _ in code.similarities])
    np.testing.assert_allclose(evaluate(f, code.dim, cosines), potential(cosines), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("size", [(12, 3), (120, 4), (16, 5), (240, 8)])
def test_coefficients_by_quadrature(size):
    """The exact coefficients of r_k, against integrals over the weight (1 - t^2)^((d - 3) / 2)."""
    code = find_code(*size)
    nodes = [float(cosine) for cosine, _ in code.exact for _ in range(1 if cosine == -1 else 2)]
    angle, weight = leggauss(60)
    angle, weight = (angle + 1) * np.pi / 2, weight * np.sin((angle + 1) * np.pi / 2) ** (code.dim - 2)
    t = np.cos(angle)
    for k, r in enumerate(hermite_certificate(code).polynomials[:11], start=1):
        product = np.prod([t - node for node in nodes[:k]], axis=0)
        for j, coefficient in enumerate(r):
            basis = evaluate(np.eye(k + 1)[j], code.dim, t)
            projected = (weight * basis) @ product / ((weight * basis) @ basis)
            assert float(coefficient) == pytest.approx(projected, abs=1e-12)


@pytest.mark.parametrize("size", [(7, 2), (6, 3), (12, 3), (16, 5), (27, 6), (120, 4)])
def test_random_points_have_no_less_energy(size):
    code = find_code(*size)
    rng = np.random.default_rng(0)
    for potential in (Exponential(1.0), Exponential(0.1), Power(1.0, 0.5)):
        for noise in (1e-3, 0.1, 10.0):
            points = code.coordinates + noise * rng.normal(size=(code.n_points, code.dim))
            points /= np.linalg.norm(points, axis=1, keepdims=True)
            gram = points @ points.T
            np.fill_diagonal(gram, -1.0)
            diagonal = float(potential(np.array(-1.0)))
            assert potential(gram).sum() / code.n_points - diagonal > hermite_bound(code, potential)


def test_codes_without_exact_cosines():
    wrong = replace(regular_polygon(7), n_points=8)
    with pytest.raises(ValueError, match="exact cosines or a regular polygon, received regular 7-gon"):
        hermite_certificate(wrong)
    with pytest.raises(ValueError, match=r"those of regular 7-gon are not in Q\(sqrt 5\)"):
        code_moments(regular_polygon(7), 3)
