"""What every loss of the registry that is a function of pairs promises."""

import itertools
import subprocess
import sys
from functools import partial

import pytest
import reference
import reference_kernels
import reference_margin
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from losses import LOSSES, PAIR_LOSSES, make_loss, value_and_gradient
from theory import LOSS_NAMES, optimum, simplex_etf

FUNCTIONS = [name for name in PAIR_LOSSES if not LOSSES[name].is_stateful]
TEMPERED = [name for name in FUNCTIONS if "temperature" in LOSSES[name].settings]
COORDINATES_MATTER = {"vicreg", "barlow_twins"}  # no rotation, no single pair
GRADIENT_OF = {"flatnce": "dcl"}  # on purpose not that of its value
WEIGHTS_ARE_CONSTANT = {"dclw"}  # so that its gradient is not that of its value either

every_loss = pytest.mark.parametrize("name", FUNCTIONS)


def naive(name):
    """The double loop of this loss, called as its own settings say."""
    same_as = {"mnrl": "info_nce", "simcse": "info_nce", "flatnce": "nt_xent"}.get(name, name)
    module = next(m for m in (reference, reference_kernels, reference_margin) if hasattr(m, same_as))
    dropped = (
        {"own_log_weight"} if name == "simcse" else {"base_temperature", "labels"} if name == "supcon" else set()
    )
    return lambda u, v, **settings_: getattr(module, same_as)(
        u, v, **{key: value for key, value in settings_.items() if key not in dropped}
    )


def bound(name, temperature=None):
    return make_loss(name, temperature=temperature)


def values_of(loss):
    return {**LOSSES[next(n for n in FUNCTIONS if LOSSES[n].function is loss.func)].settings, **loss.keywords}


@every_loss
@pytest.mark.parametrize("temperature", [None, 1.0, 0.1])
def test_equals_the_double_loop(name, temperature, unit_pairs):
    if temperature and name not in TEMPERED:
        pytest.skip("has no temperature")
    u, v = unit_pairs(7, 5)
    loss = bound(name, temperature)
    expected = naive(name)(u.numpy(), v.numpy(), **values_of(loss))
    assert loss(u, v).item() == pytest.approx(expected, rel=1e-11, abs=1e-12)


@every_loss
def test_none_has_the_value_of_each_pair_and_averages_to_the_mean(name, unit_pairs):
    u, v = unit_pairs(3, 6, 4)
    loss = bound(name, 0.5)
    per_pair = loss(u, v, reduction="none")
    assert per_pair.shape == (3, 6)
    torch.testing.assert_close(per_pair.mean(-1), loss(u, v))
    torch.testing.assert_close(per_pair.sum(-1), loss(u, v, reduction="sum"))
    with pytest.raises(Exception, match="reduction"):
        loss(u, v, reduction="average")


@every_loss
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one batch", "two batches"])
def test_gradient_is_that_of_the_value(name, lead, unit_pairs):
    if name in GRADIENT_OF.keys() | WEIGHTS_ARE_CONSTANT:
        pytest.skip("has a gradient of its own, tested elsewhere")
    u, v = (x.requires_grad_() for x in unit_pairs(*lead, 5, 4))
    if name not in TEMPERED:
        assert torch.autograd.gradcheck(partial(bound(name), reduction="none"), (u, v))
        return
    tau = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    call = lambda a, b, t: LOSSES[name].function(a, b, temperature=t, reduction="none")  # noqa: E731
    assert torch.autograd.gradcheck(call, (u, v, tau))


@every_loss
@given(seed=st.integers(0, 10**6), n=st.integers(2, 9))
@settings(max_examples=20, deadline=None)
def test_order_of_pairs_and_common_rotation_do_not_matter(name, seed, n):
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.nn.functional.normalize(torch.randn(2, n, 4, generator=generator, dtype=torch.float64), dim=-1)
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    order = torch.randperm(n, generator=generator)
    loss = bound(name, 0.3)
    value = loss(u, v)
    torch.testing.assert_close(loss(u[order], v[order]), value)
    if name not in COORDINATES_MATTER:
        torch.testing.assert_close(loss(u @ rotation, v @ rotation), value, rtol=1e-6, atol=1e-9)


@every_loss
@pytest.mark.parametrize("gradients", [False, True], ids=["values only", "with gradients"])
@pytest.mark.parametrize("shared", [True, False], ids=["one table", "a table per replicate"])
@pytest.mark.parametrize("dim", [2, 40], ids=["rows are gathered", "blocks are cut"])
def test_batches_give_the_loss_of_each_sub_batch(name, gradients, shared, dim, unit_pairs):
    u, v = (x.requires_grad_(gradients) for x in unit_pairs(3, 6, dim))
    every = torch.tensor(list(itertools.combinations(range(6), 3)))
    tables = [every] * 3 if shared else [every[torch.randperm(20)[:4]] for _ in range(3)]
    loss = bound(name, 0.5)
    values = loss(u, v, batches=every if shared else torch.stack(tables))
    assert values.requires_grad == gradients
    for r, table in enumerate(tables):
        for m, batch in enumerate(table):
            torch.testing.assert_close(values[r, m], loss(u[r, batch], v[r, batch]))


@every_loss
@pytest.mark.parametrize("n_batches", [2, 15], ids=["rows are gathered", "blocks are cut"])
@pytest.mark.parametrize("size", [2, 3])
def test_value_and_gradient_is_what_autograd_gives(name, n_batches, size, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(3, 6, 4))
    batches = torch.tensor(list(itertools.combinations(range(6), size)))[:n_batches].expand(3, -1, -1)
    loss = bound(name, 0.2)
    values = loss(u, v, batches=batches)
    du, dv = torch.autograd.grad(values.sum(), (u, v))
    found = value_and_gradient(loss, u.detach(), v.detach(), batches=batches)
    for mine, expected in zip(found, (values, du, dv), strict=True):
        torch.testing.assert_close(mine, expected.detach())


def test_value_and_gradient_takes_any_loss(unit_pairs):
    u, v = unit_pairs(6, 3)
    batches = torch.arange(6).reshape(2, 3)

    def squared(u, v, *, reduction="mean", batches=None):
        assert reduction == "mean"
        return ((u - v)[batches] ** 2).sum((-1, -2)) / 2

    values, du, dv = value_and_gradient(squared, u, v, batches=batches)
    torch.testing.assert_close(values, ((u - v) ** 2).reshape(2, -1).sum(-1) / 2)
    torch.testing.assert_close(du, u - v)
    torch.testing.assert_close(dv, v - u)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_a_tiny_temperature_and_for_equal_views(name, dtype, unit_pairs):
    u, _ = unit_pairs(8, 4, dtype=dtype)
    duplicated = u[[0, 0, 0, 3, 4, 5, 6, 7]]
    for first, second in ((u, u), (u, u.roll(1, 0)), (duplicated, duplicated), (u, -u)):
        a, b = first.clone().requires_grad_(), second.clone().requires_grad_()
        value = bound(name, 1e-3)(a, b)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_reduced_in_float32(name, dtype, unit_pairs):
    u, v = (x.to(dtype).requires_grad_() for x in unit_pairs(32, 16))
    value = bound(name, 0.1)(u, v)
    assert value.dtype == torch.float32
    du, dv = torch.autograd.grad(value, (u, v))
    assert du.dtype == dv.dtype == dtype
    exact = bound(name, 0.1)(u.detach().double(), v.detach().double())
    assert value.item() == pytest.approx(exact.item(), rel=1e-4)


@every_loss
@pytest.mark.parametrize("n", [8, 32])
def test_autocast_does_not_touch_the_logits(name, n, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(n, 16, dtype=torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = bound(name, 0.05)(u, v)
    slopes = torch.autograd.grad(inside, (u, v))
    outside = bound(name, 0.05)(u, v)
    torch.testing.assert_close(inside, outside, rtol=1e-6, atol=0)
    torch.testing.assert_close(slopes, torch.autograd.grad(outside, (u, v)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name in LOSS_NAMES])
def test_the_simplex_has_the_value_that_theory_proves(name):
    etf = torch.from_numpy(simplex_etf(6, 9))
    for tau in (1.0, 0.2):
        expected = optimum(name, 6, 9, temperature=tau).value
        assert bound(name, tau)(etf, etf).item() == pytest.approx(expected, rel=1e-12)


def test_theory_knows_the_whole_log_sum_exp_family():
    assert {"info_nce", "clip", "nt_xent", "dcl", "dhel_mean", "flatnce"} <= set(LOSS_NAMES) <= set(LOSSES)


@every_loss
def test_a_single_pair_is_finite_or_refused(name, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(1, 4))
    if name in COORDINATES_MATTER:
        with pytest.raises(ValueError, match="batch"):
            bound(name)(u, v)
        return
    value = bound(name, 0.1)(u, v)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(u.grad).all()


@pytest.mark.parametrize("name", TEMPERED)
def test_a_temperature_must_be_positive(name, unit_pairs):
    u, v = unit_pairs(4, 3)
    for call in (LOSSES[name].function, partial(make_loss, name)):
        with pytest.raises(ValueError, match=r"temperature must be positive, got 0.0"):
            call(u, v, temperature=0.0) if call is LOSSES[name].function else call(temperature=0.0)


def test_views_must_pair_row_by_row():
    # The shape annotations refuse this in tests; users, who run without them, get the error of the code itself.
    program = """
import torch
from losses import PAIR_LOSSES, LOSSES
for name in PAIR_LOSSES:
    if LOSSES[name].is_stateful:
        continue
    try:
        LOSSES[name].function(torch.ones(4, 3), torch.ones(3, 3))
    except ValueError as error:
        assert "shapes must be equal; got (4, 3) and (3, 3)" in str(error), (name, error)
    else:
        raise AssertionError(name)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_bound_losses_say_what_they_take():
    with pytest.raises(ValueError, match=r"loss must be one of info_nce, .*, got 'simclr'"):
        make_loss("simclr")
    with pytest.raises(ValueError, match="cosent needs scores of the pairs"):
        make_loss("cosent")
    with pytest.raises(ValueError, match="dclw has no tau_plus; it takes temperature, sigma"):
        make_loss("dclw", tau_plus=0.1)
    with pytest.raises(ValueError, match="sogclr keeps an average for every pair"):
        make_loss("sogclr")
    assert make_loss("vicreg", temperature=0.1).keywords == {}
