"""The ranking losses: CoSENT and the angle term of AnglE."""

import math

import pytest
import reference_margin as reference
import torch

from losses.ranking import angle, cosent, log_one_plus_sum_exp

both = pytest.mark.parametrize("loss", [cosent, angle], ids=["cosent", "angle"])

SCORES = torch.tensor([3.0, 1.0, 2.0, 2.0, 5.0, 0.0, 1.0], dtype=torch.float64)


@both
@pytest.mark.parametrize("temperature", [1.0, 0.05])
def test_equals_the_double_loop(loss, temperature, unit_pairs):
    u, v = unit_pairs(7, 6)
    expected = getattr(reference, loss.__name__)(u.numpy(), v.numpy(), SCORES.numpy(), temperature=temperature)
    assert loss(u, v, SCORES, temperature=temperature).item() == pytest.approx(expected, rel=1e-12)


@both
def test_gradient_is_that_of_the_value(loss, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(4, 6))
    tau = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    call = lambda a, b, t: loss(a, b, SCORES[:4], temperature=t)  # noqa: E731
    assert torch.autograd.gradcheck(call, (u, v, tau))


@both
def test_leading_dimensions_are_independent_problems(loss, unit_pairs):
    u, v = unit_pairs(2, 3, 7, 4)
    scores = torch.stack([SCORES.roll(k) for k in range(6)]).reshape(2, 3, 7)
    values = loss(u, v, scores)
    assert values.shape == (2, 3)
    torch.testing.assert_close(values[1, 2], loss(u[1, 2], v[1, 2], scores[1, 2]))


@both
def test_only_the_order_of_the_scores_counts(loss, unit_pairs):
    u, v = unit_pairs(7, 4)
    order = torch.tensor([2, 0, 6, 3, 1, 5, 4])
    value = loss(u, v, SCORES)
    assert torch.equal(loss(u, v, SCORES.exp() - 7), value)
    assert torch.equal(loss(u, v, SCORES.long()), value)
    torch.testing.assert_close(loss(u[order], v[order], SCORES[order]), value)


def test_only_cosent_is_invariant_to_rotations(unit_pairs):
    u, v = unit_pairs(7, 4)
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3)).double())
    torch.testing.assert_close(cosent(u @ rotation, v @ rotation, SCORES), cosent(u, v, SCORES))
    assert (angle(u @ rotation, v @ rotation, SCORES) - angle(u, v, SCORES)).abs() > 1e-3


@both
def test_equal_scores_ask_for_nothing(loss, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(2, 5, 4))
    scores = torch.stack([torch.ones(5), torch.arange(5.0)])
    values = loss(u, v, scores)
    values.sum().backward()
    assert values[0] == 0
    assert values[1] > 0
    for x in (u, v):
        assert torch.equal(x.grad[0], torch.zeros_like(x[0]))
        assert x.grad[1].abs().sum() > 0


@both
def test_a_single_pair_has_no_order(loss, unit_pairs):
    u, v = unit_pairs(1, 4)
    assert loss(u, v, torch.ones(1)) == 0


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_a_tiny_temperature_for_equal_and_for_zero_rows(loss, dtype, unit_pairs):
    u, v = unit_pairs(7, 4, dtype=dtype)
    zero = u.clone()
    zero[2] = 0
    for other in (u, v, u[:1].expand(7, 4), torch.zeros_like(u), zero):
        a, b = u.clone().requires_grad_(), other.clone().requires_grad_()
        value = loss(a, b, SCORES, temperature=1e-3)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()


@both
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_masks_hold_in_half_precision(loss, dtype, unit_pairs):
    """Subtracting 1e12 overflows float16; scores of half precision are compared as they are."""
    u, v = (x.to(dtype) for x in unit_pairs(7, 16))
    scores = SCORES.to(dtype)
    value = loss(u, v, scores)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(u.double(), v.double(), SCORES).item(), rel=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(u, v, scores), value)


@both
def test_a_right_order_is_better_than_a_wrong_one(loss):
    """Equal rows are the most similar: with the exponent's sign of Eq. (3) of AnglE they were the least."""
    u = torch.eye(4, dtype=torch.float64)[:2]
    v = torch.stack(
        [u[0], torch.tensor([0.0, 0.0, 0.0, 1.0])]
    )  # the second pair is orthogonal, also as complex rows
    v[1] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    right, wrong = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert loss(u, v, right).item() == pytest.approx(math.log1p(math.exp(-20)), rel=1e-12)
    assert loss(u, v, wrong).item() == pytest.approx(20 + math.log1p(math.exp(-20)), rel=1e-12)


def test_angle_of_a_common_turn():
    """u = e^(it) v in every component: s = |cos t + sin t|, whatever the length of the rows."""
    turns = torch.tensor([0.0, 0.3, math.pi / 4, 2.0], dtype=torch.float64)
    v = torch.tensor([[0.2, -0.5, 1.0, 0.3]], dtype=torch.float64).expand(4, 4)
    c, d = v.chunk(2, -1)
    cos, sin = turns.cos()[:, None], turns.sin()[:, None]
    u = torch.cat([c * cos - d * sin, c * sin + d * cos], -1)
    similarity = (turns.cos() + turns.sin()).abs()
    scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    total = 1.0
    for i in range(4):
        for j in range(i):
            total += math.exp((similarity[j] - similarity[i]) / 0.5)
    assert angle(u, 3 * v, scores, temperature=0.5).item() == pytest.approx(math.log(total), rel=1e-12)


def test_a_small_value_keeps_its_digits():
    u = torch.eye(2)
    value = cosent(u, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([1.0, 0.0]), temperature=0.04)
    assert value.item() == pytest.approx(math.exp(-25), rel=1e-5)


def test_log_one_plus_sum_exp_of_nothing_has_no_slope():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    value = log_one_plus_sum_exp(x, torch.tensor([[True, False], [False, False]]))
    value.sum().backward()
    torch.testing.assert_close(value, torch.tensor([math.log1p(math.e), 0.0]))
    torch.testing.assert_close(x.grad, torch.tensor([[math.e / (1 + math.e), 0.0], [0.0, 0.0]]))


@both
def test_bad_input_is_refused(loss, unit_pairs):
    u, v = unit_pairs(7, 4)
    with pytest.raises(ValueError, match=r"temperature must be positive, got 0.0"):
        loss(u, v, SCORES, temperature=0.0)


def test_angle_needs_an_even_dimension(unit_pairs):
    u, v = unit_pairs(7, 5)
    with pytest.raises(ValueError, match=r"rows of even length.* got dim 5"):
        angle(u, v, SCORES)
