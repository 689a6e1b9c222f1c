"""What every loss of the registry promises."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from losses import LOSSES, value_and_gradient
from theory import LOSS_NAMES, minimum, simplex_etf

every_loss = pytest.mark.parametrize("name", LOSSES)


@every_loss
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_equals_the_double_loop(name, temperature, unit_pairs):
    u, v = unit_pairs(7, 5)
    expected = getattr(reference, name)(u.numpy(), v.numpy(), temperature)
    assert LOSSES[name](u, v, temperature=temperature).item() == pytest.approx(expected, rel=1e-12)


@every_loss
def test_none_has_the_value_of_each_pair_and_averages_to_the_mean(name, unit_pairs):
    u, v = unit_pairs(3, 6, 4)
    loss = LOSSES[name]
    per_pair = loss(u, v, temperature=0.5, reduction="none")
    assert per_pair.shape == (3, 6)
    torch.testing.assert_close(per_pair.mean(-1), loss(u, v, temperature=0.5))
    torch.testing.assert_close(per_pair.sum(-1), loss(u, v, temperature=0.5, reduction="sum"))


@every_loss
def test_gradient_is_that_of_the_value(name, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(5, 3))
    tau = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    call = lambda a, b, t: LOSSES[name](a, b, temperature=t, reduction="none")  # noqa: E731
    assert torch.autograd.gradcheck(call, (u, v, tau))


@every_loss
@given(seed=st.integers(0, 10**6), n=st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_order_of_pairs_and_common_rotation_do_not_matter(name, seed, n):
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.nn.functional.normalize(torch.randn(2, n, 4, generator=generator, dtype=torch.float64), dim=-1)
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    order = torch.randperm(n, generator=generator)
    loss = LOSSES[name]
    value = loss(u, v, temperature=0.3)
    torch.testing.assert_close(loss(u[order], v[order], temperature=0.3), value)
    torch.testing.assert_close(loss(u @ rotation, v @ rotation, temperature=0.3), value)


@every_loss
@pytest.mark.parametrize("shared", [True, False], ids=["one table", "a table per replicate"])
@pytest.mark.parametrize("dim", [2, 40], ids=["rows are gathered", "blocks are cut"])
def test_batches_give_the_loss_of_each_sub_batch(name, shared, dim, unit_pairs):
    u, v = unit_pairs(3, 6, dim)
    every = torch.tensor(list(itertools.combinations(range(6), 3)))
    tables = [every] * 3 if shared else [every[torch.randperm(20)[:4]] for _ in range(3)]
    loss = LOSSES[name]
    values = loss(u, v, temperature=0.5, batches=every if shared else torch.stack(tables))
    for r, table in enumerate(tables):
        for m, batch in enumerate(table):
            expected = loss(u[r, batch], v[r, batch], temperature=0.5)
            torch.testing.assert_close(values[r, m], expected)


@every_loss
@pytest.mark.parametrize("n_batches", [2, 15], ids=["rows are gathered", "blocks are cut"])
def test_value_and_gradient_is_what_autograd_gives(name, n_batches, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(3, 6, 2))
    batches = torch.tensor(list(itertools.combinations(range(6), 2)))[:n_batches].expand(3, -1, -1)
    loss = LOSSES[name]
    values = loss(u, v, temperature=0.2, batches=batches)
    du, dv = torch.autograd.grad(values.sum(), (u, v))
    found = value_and_gradient(loss, u.detach(), v.detach(), temperature=0.2, batches=batches)
    for mine, expected in zip(found, (values, du, dv), strict=True):
        torch.testing.assert_close(mine, expected.detach())


def test_value_and_gradient_takes_any_loss(unit_pairs):
    u, v = unit_pairs(6, 3)
    batches = torch.arange(6).reshape(2, 3)

    def squared(u, v, *, temperature, batches):
        return ((u - v)[batches] ** 2).sum((-1, -2)) / temperature

    values, du, dv = value_and_gradient(squared, u, v, temperature=2.0, batches=batches)
    torch.testing.assert_close(values, ((u - v) ** 2).reshape(2, -1).sum(-1) / 2)
    torch.testing.assert_close(du, u - v)
    torch.testing.assert_close(dv, v - u)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_a_tiny_temperature_and_for_equal_views(name, dtype, unit_pairs):
    u, _ = unit_pairs(8, 4, dtype=dtype)
    for v in (u, u.roll(1, 0)):
        a, b = u.clone().requires_grad_(), v.clone().requires_grad_()
        value = LOSSES[name](a, b, temperature=1e-3)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_reduced_in_float32(name, dtype, unit_pairs):
    u, v = (x.to(dtype) for x in unit_pairs(32, 16))
    value = LOSSES[name](u, v, temperature=0.1)
    assert value.dtype == torch.float32
    exact = LOSSES[name](u.double(), v.double(), temperature=0.1)
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)


@every_loss
def test_autocast_does_not_touch_the_logits(name, unit_pairs):
    u, v = unit_pairs(32, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = LOSSES[name](u, v, temperature=0.05)
    assert torch.equal(inside, LOSSES[name](u, v, temperature=0.05))


@every_loss
def test_the_simplex_has_the_value_that_theory_proves(name):
    etf = torch.from_numpy(simplex_etf(6, 9))
    for tau in (1.0, 0.2):
        expected = minimum(6, 9, loss=name, temperature=tau).value
        assert LOSSES[name](etf, etf, temperature=tau).item() == pytest.approx(expected, rel=1e-12)


def test_theory_knows_every_loss():
    assert set(LOSSES) <= set(LOSS_NAMES)


@every_loss
def test_a_single_pair_has_no_negatives(name, unit_pairs):
    u, v = unit_pairs(1, 4)
    u.requires_grad_()
    value = LOSSES[name](u, v, temperature=0.1)
    value.backward()
    assert value.item() == 0
    assert torch.equal(u.grad, torch.zeros_like(u))


@every_loss
def test_bad_input_is_refused(name, unit_pairs):
    u, v = unit_pairs(4, 3)
    with pytest.raises(ValueError, match=r"temperature must be positive, got 0.0"):
        LOSSES[name](u, v, temperature=0.0)


def test_views_must_pair_row_by_row():
    # The shape annotations refuse this in tests; users, who run without them, get the error of the code itself.
    program = """
import torch
from losses import clip
clip(torch.ones(4, 3), torch.ones(3, 3), temperature=1.0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "shapes must be equal; got (4, 3) and (3, 3)" in done.stderr


def test_the_positive_may_win_without_losing_digits():
    """A cross-entropy in float32 is 2 % wrong at a loss of 1e-7; the softplus form is not."""
    angle = 0.02
    u = torch.eye(4, dtype=torch.float64)
    v = u * np.cos(angle) + u.roll(1, 1) * np.sin(angle)
    exact = LOSSES["info_nce"](u, v, temperature=0.05)
    found = LOSSES["info_nce"](u.float(), v.float(), temperature=0.05)
    assert exact < 1e-7
    assert found.item() == pytest.approx(exact.item(), rel=1e-4)
