"""What is special to the losses of distances: known equalities, and what singular kernels must not do."""

import inspect
import math

import numpy as np
import pytest
import reference_kernels as reference
import torch

from losses.kernel import align_uniform, alignment, kcl, spectral_contrastive, uniformity

KERNELS = [("gaussian", 2.0), ("imq", 0.5), ("log", 2.0), ("riesz", 2.0), ("riesz", -1.0)]
every_kernel = pytest.mark.parametrize(("kernel", "parameter"), KERNELS)


@every_kernel
def test_kcl_equals_the_double_loop_for_every_kernel(kernel, parameter, unit_pairs):
    u, v = unit_pairs(2, 6, 4)
    found = kcl(u, v, kernel=kernel, parameter=parameter, gamma=3.0)
    for r in range(2):
        expected = reference.kcl(u[r].numpy(), v[r].numpy(), kernel, parameter, 3.0)
        assert found[r].item() == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("t", [0.7, 2.0])
def test_align_uniform_equals_the_double_loop(alpha, t, unit_pairs):
    u, v = unit_pairs(6, 4)
    expected = reference.align_uniform(u.numpy(), v.numpy(), alpha, t, 0.3)
    found = align_uniform(u, v, alpha=alpha, t=t, weight=0.3)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    parts = alignment(u, v, alpha=alpha) + 0.3 * (uniformity(u, t=t) + uniformity(v, t=t)) / 2
    torch.testing.assert_close(found, parts)


def test_uniformity_is_that_of_the_authors_and_is_taken_per_leading_index(unit_pairs):
    x, _ = unit_pairs(3, 9, 4)
    expected = torch.stack([torch.pdist(one).square().mul(-2).exp().mean().log() for one in x])
    torch.testing.assert_close(uniformity(x), expected)


def test_alignment_of_unit_rows_is_two_minus_twice_the_similarity(unit_pairs):
    u, v = unit_pairs(5, 4)
    torch.testing.assert_close(alignment(u, v, reduction="none"), 2 - 2 * (u * v).sum(-1))


def test_uniformity_does_not_underflow(unit_pairs):
    """Where the nearest pair is far apart at the scale of t, it alone counts: -t d^2 less the log of all pairs."""
    x, _ = unit_pairs(8, 4, dtype=torch.float32)
    nearest = torch.pdist(x.double()).min().square().item()
    x.requires_grad_()
    value = uniformity(x, t=1e5)
    value.backward()
    assert torch.pdist(x.detach()).square().mul(-1e5).exp().mean().log() == -math.inf
    assert value.item() == pytest.approx(-1e5 * nearest - math.log(28), rel=1e-5)
    assert torch.isfinite(x.grad).all()


def test_collapsed_rows_have_the_highest_uniformity():
    x = torch.nn.functional.normalize(torch.ones(5, 3), dim=-1).requires_grad_()
    value = uniformity(x)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(x.grad).all()


@every_kernel
def test_the_code_of_the_authors_returns_a_known_multiple(kernel, parameter, unit_pairs):
    """As reported of it: twice the paper's form; its log kernel has 1/2 in the energy, none in the attraction."""
    u, v = unit_pairs(7, 5)
    k = {
        "gaussian": lambda d: (-parameter * d**2).exp(),
        "imq": lambda d: parameter / (parameter**2 + d**2).sqrt(),
        "log": lambda d: -0.5 * (1 + parameter * d**2).log(),
        "riesz": lambda d: math.copysign(1, parameter) * d ** (-parameter),
    }[kernel]
    attraction = k((u - v).norm(dim=1)).mean() * (2 if kernel == "log" else 1)
    theirs = -2 * attraction + 16 * (k(torch.pdist(u)).mean() + k(torch.pdist(v)).mean())
    ours = kcl(u, v, kernel=kernel, parameter=parameter, gamma=8.0 if kernel == "log" else 16.0)
    assert theirs.item() == pytest.approx((4 if kernel == "log" else 2) * ours.item(), rel=1e-3)


@pytest.mark.parametrize("n", [2, 5])
def test_kcl_of_a_simplex_is_the_minimum_in_closed_form(n):
    centred = torch.eye(n, dtype=torch.float64) - 1 / n
    simplex = torch.nn.functional.normalize(centred, dim=-1)
    expected = -1 + 16 * math.exp(-2 * 2 * n / (n - 1))
    assert kcl(simplex, simplex).item() == pytest.approx(expected, rel=1e-12)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kcl_is_finite_for_equal_views_and_duplicates(kernel, parameter, dtype, unit_pairs):
    """The Riesz kernel without smoothing is infinite at both, and drives the loss to minus infinity."""
    rows = unit_pairs(6, 4, dtype=dtype)[0][[0, 1, 2, 3, 0, 0]]
    u, v = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    value = kcl(u, v, kernel=kernel, parameter=parameter)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(u.grad).all()
    assert torch.isfinite(v.grad).all()
    expected = reference.kcl(rows.double().numpy(), rows.double().numpy(), kernel, parameter)
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_riesz_near_duplicates_keep_their_digits_in_float32():
    """Distances from products of rows are off by 1e-7, which is 1e-3 of a value and slope at d = 0.01."""
    x = torch.nn.functional.normalize(torch.randn(4, 64, generator=torch.Generator().manual_seed(0)), dim=-1)
    rows = torch.cat((x, torch.nn.functional.normalize(x + 0.01 * x.roll(1, 0), dim=-1)))
    slopes = []
    for dtype in (torch.float32, torch.float64):
        u = rows.to(dtype).requires_grad_()
        slopes.append(torch.autograd.grad(kcl(u, u.detach(), kernel="riesz"), u)[0].double())
    assert (slopes[0] - slopes[1]).abs().max() < 1e-5 * slopes[1].abs().max()


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5, 2.0])
def test_alignment_has_slope_zero_where_the_views_meet(alpha, unit_pairs):
    u, _ = unit_pairs(4, 3)
    u, v = u.clone().requires_grad_(), u.clone().requires_grad_()
    value = alignment(u, v, alpha=alpha)
    value.backward()
    assert value.item() == 0
    assert torch.equal(u.grad, torch.zeros_like(u))
    assert torch.equal(v.grad, torch.zeros_like(v))


def test_spectral_contrastive_equals_the_double_loop_for_rows_of_any_length(unit_pairs):
    u, v = unit_pairs(6, 4)
    expected = reference.spectral_contrastive(2 * u.numpy(), 3 * v.numpy())
    assert spectral_contrastive(2 * u, 3 * v).item() == pytest.approx(expected, rel=1e-12)


def test_spectral_contrastive_of_equal_unit_views_is_minus_two_plus_the_overlap(unit_pairs):
    orthonormal = torch.eye(5, dtype=torch.float64)
    assert spectral_contrastive(orthonormal, orthonormal).item() == -2
    u, _ = unit_pairs(5, 3)
    overlap = ((u @ u.T).square().sum() - 5) / 20
    torch.testing.assert_close(spectral_contrastive(u, u), -2 + overlap)


def test_a_single_pair_has_no_energy(unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(1, 4))
    distance = (u - v).square().sum()
    for found, expected in [
        (uniformity(u), 0 * distance),
        (align_uniform(u, v), distance),
        (kcl(u, v), -(-2 * distance).exp()),
        (kcl(u, v, kernel="riesz"), -1 / (distance + 1e-4)),
        (spectral_contrastive(u, v), -2 * (u * v).sum()),
    ]:
        slopes = [torch.autograd.grad(x, u, retain_graph=True)[0] for x in (found, expected)]
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(*slopes)


def test_the_value_of_a_pair_holds_its_own_energy(unit_pairs):
    u, v = unit_pairs(5, 3)
    per_pair = kcl(u, v, reduction="none", gamma=1.0)
    k = torch.exp(-2 * torch.cdist(torch.stack((u, v)), torch.stack((u, v))).square())
    energy = (k.sum(-1) - 1).mean(0) / 4
    torch.testing.assert_close(per_pair, energy - torch.exp(-2 * (u - v).square().sum(-1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda u: alignment(u, u, alpha=0.0), "alpha must be positive, got 0.0"),
        (lambda u: uniformity(u, t=-1.0), "t must be positive, got -1.0"),
        (lambda u: align_uniform(u, u, weight=-1.0), "weight must not be negative, got -1.0"),
        (lambda u: align_uniform(u, u, t=math.nan), "t must be positive, got nan"),
        (lambda u: kcl(u, u, gamma=-1.0), "gamma must not be negative, got -1.0"),
        (lambda u: kcl(u, u, parameter=0.0), "parameter must be positive, got 0.0"),
        (lambda u: kcl(u, u, kernel="riesz", parameter=-2.0), "above -2 and not 0, got -2.0"),
        (lambda u: kcl(u, u, kernel="riesz", parameter=0.0), "above -2 and not 0, got 0.0"),
    ],
)
def test_bad_settings_are_refused(call, message, unit_pairs):
    with pytest.raises(ValueError, match=message):
        call(unit_pairs(4, 3)[0])


def test_an_unknown_kernel_is_refused(unit_pairs):
    # The annotation refuses it in tests; users, who run without them, get the error of the code itself.
    u, v = unit_pairs(4, 3)
    with pytest.raises(ValueError, match="one of gaussian, imq, log, riesz; got 'laplace'"):
        inspect.unwrap(kcl)(u, v, kernel="laplace")


def test_the_double_loops_give_what_a_hand_computes():
    u, v = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert reference.alignment(u, v) == pytest.approx(1)
    assert reference.uniformity(u) == pytest.approx(-4)
    assert reference.kcl(u, v, gamma=1.0) == pytest.approx(-(math.exp(-4) + 1) / 2 + (math.exp(-4) + 1) / 2)
    assert reference.spectral_contrastive(u, v) == pytest.approx(-1 + 0.5)
