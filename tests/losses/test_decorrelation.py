"""What is special to the losses of features: the official forms, the factor 2, collapse, coordinates."""

import inspect

import pytest
import reference_kernels as reference
import torch
from torch.nn import functional

from losses.decorrelation import barlow_twins, vicreg

both = pytest.mark.parametrize("loss", [vicreg, barlow_twins], ids=["vicreg", "barlow_twins"])


@pytest.fixture
def views():
    """Two unnormalised views; their features are correlated, some with a deviation below 1, some above."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    base = torch.randn(9, 4, generator=generator, dtype=torch.float64) @ mix + 3
    return base, base + 0.3 * torch.randn(9, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("variance_reduction", ["mean", "sum"])
def test_vicreg_equals_the_double_loop(variance_reduction, views):
    u, v = views
    settings = {"invariance": 2.0, "variance": 3.0, "covariance": 5.0, "variance_reduction": variance_reduction}
    expected = reference.vicreg(u.numpy(), v.numpy(), **settings)
    assert vicreg(u, v, **settings).item() == pytest.approx(expected, rel=1e-11)


def test_barlow_twins_equals_the_double_loop(views):
    u, v = views
    expected = reference.barlow_twins(u.numpy(), v.numpy(), weight=0.3, scale=0.025)
    assert barlow_twins(u, v, weight=0.3, scale=0.025).item() == pytest.approx(expected, rel=1e-11)


def test_vicreg_is_made_of_the_library_operations_of_the_official_form(views):
    u, v = views
    hinge = [functional.relu(1 - (x.var(0) + 1e-4).sqrt()).mean() for x in views]
    energy = [(torch.cov(x.T) - torch.diag(x.var(0))).square().sum() / 4 for x in views]
    expected = 25 * functional.mse_loss(u, v) + 25 * (hinge[0] + hinge[1]) / 2 + energy[0] + energy[1]
    torch.testing.assert_close(vicreg(u, v), expected)
    summed = vicreg(u, v, invariance=0.0, covariance=0.0, variance_reduction="sum")
    torch.testing.assert_close(summed, 2 * vicreg(u, v, invariance=0.0, covariance=0.0))


def test_barlow_twins_standardises_as_batch_normalisation_does(views):
    u, v = (functional.batch_norm(x, None, None, training=True) for x in views)
    correlation = u.T @ v / 9
    expected = (1 - correlation.diag()).square().sum()
    expected = expected + 0.0051 * (correlation - torch.diag(correlation.diag())).square().sum()
    torch.testing.assert_close(barlow_twins(*views), expected)


def test_barlow_twins_ignores_the_scale_and_origin_of_a_feature(views):
    u, v = views
    moved = u * torch.tensor([1.0, 50.0, 3.0, 7.0], dtype=torch.float64) - 20
    torch.testing.assert_close(barlow_twins(moved, v), barlow_twins(u, v), rtol=1e-3, atol=0.0)


def test_uncorrelated_features_of_equal_views_are_optimal():
    signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    assert barlow_twins(signs, signs).item() == pytest.approx(0, abs=1e-9)
    assert vicreg(signs, signs).item() == 0
    assert vicreg(0.1 * signs, 0.1 * signs).item() > 20  # features that vary too little


@both
def test_a_common_rotation_changes_the_value(loss, views):
    u, v = views
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double())
    assert not torch.isclose(loss(u @ rotation, v @ rotation), loss(u, v), rtol=1e-2)


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_collapsed_and_constant_features_have_finite_gradients(loss, dtype):
    """The root of a variance of zero has an infinite slope, and a variance in float16 underflows to zero."""
    u = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    u[:, 0] = 0.3
    for rows in (u, u[:1].expand(6, -1)):
        a, b = rows.clone().requires_grad_(), rows.clone().requires_grad_()
        value = loss(a, b)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()


def test_vicreg_of_a_collapse_is_the_whole_hinge():
    ones = torch.ones(5, 3, dtype=torch.float64)
    assert vicreg(ones, ones).item() == pytest.approx(25 * (1 - 0.01))
    assert vicreg(ones, ones, variance_reduction="sum").item() == pytest.approx(50 * (1 - 0.01))


@both
def test_float32_keeps_the_variance_of_features_far_from_the_origin(loss, views):
    u, v = (x.float() + 1000 for x in views)
    expected = loss(u.double(), v.double()).item()
    assert loss(u, v).item() == pytest.approx(expected, rel=1e-3)


@both
def test_batch_terms_are_shared_by_all_pairs(loss, views):
    u, v = views
    per_pair = loss(u, v, reduction="none")
    own = 25 * (u - v).square().mean(-1) if loss is vicreg else torch.zeros(9)
    torch.testing.assert_close(per_pair - own, (per_pair - own)[:1].expand(9))
    torch.testing.assert_close(per_pair.mean(), loss(u, v))


@both
def test_a_table_takes_the_statistics_of_each_batch(loss, views):
    u, v = views
    table = torch.tensor([[0, 3, 5, 8], [1, 2, 4, 7]])
    values = loss(u, v, batches=table)
    torch.testing.assert_close(values, torch.stack([loss(u[rows], v[rows]) for rows in table]))


@both
def test_a_single_pair_has_no_variance(loss, views):
    u, v = views
    with pytest.raises(ValueError, match="at least 2 pairs, got 1: use larger batches"):
        loss(u[:1], v[:1])
    with pytest.raises(ValueError, match="at least 2 pairs, got 1"):
        loss(u, v, batches=torch.arange(9)[:, None])


@pytest.mark.parametrize("setting", ["invariance", "variance", "covariance"])
def test_vicreg_refuses_a_negative_weight(setting, views):
    with pytest.raises(ValueError, match=f"{setting} must not be negative, got -1.0"):
        vicreg(*views, **{setting: -1.0})


def test_vicreg_refuses_an_unknown_reduction(views):
    # The annotation refuses it in tests; users, who run without them, get the error of the code itself.
    with pytest.raises(ValueError, match="variance_reduction must be mean or sum, got 'none'"):
        inspect.unwrap(vicreg)(*views, variance_reduction="none")


def test_barlow_twins_refuses_bad_settings(views):
    with pytest.raises(ValueError, match=r"weight must not be negative, got -0.1"):
        barlow_twins(*views, weight=-0.1)
    with pytest.raises(ValueError, match=r"scale must be positive, got 0.0"):
        barlow_twins(*views, scale=0.0)
