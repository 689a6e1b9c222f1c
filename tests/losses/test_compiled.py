"""Losses inside a compiled function."""

import warnings

import pytest
import torch

from losses import make_loss


@pytest.mark.slow
@pytest.mark.parametrize("name", ["info_nce", "clip", "dcl", "hcl", "siglip", "vicreg"])
def test_a_compiled_loss_has_the_same_value_and_gradient(name, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(16, 8, dtype=torch.float32))
    loss = make_loss(name, temperature=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler about itself
        value = torch.compile(lambda a, b: loss(a, b))(u, v)
        slopes = torch.autograd.grad(value, (u, v))
    expected = loss(u, v)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(slopes, torch.autograd.grad(expected, (u, v)), rtol=1e-4, atol=1e-6)
