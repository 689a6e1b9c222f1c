"""The hinge losses: triplet and contrastive."""

import itertools
import math

import pytest
import reference_margin as reference
import torch
from torch.nn import functional

from losses.margin import contrastive, triplet

MININGS = ["all", "hardest", "semi_hard"]
SAME = torch.tensor([True, False, False, True, False, True, False])
every_mining = pytest.mark.parametrize("mining", MININGS)
every_loss = pytest.mark.parametrize(
    ("loss", "settings"),
    [
        *((triplet, {"mining": mining, "squared": squared}) for mining in MININGS for squared in (False, True)),
        (contrastive, {"margin": 1.2}),
    ],
    ids=lambda x: x.__name__ if callable(x) else "-".join(map(str, x.values())),
)


@every_mining
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_triplet_equals_the_loop(mining, squared, margin, unit_pairs):
    u, v = unit_pairs(7, 5)
    settings = {"mining": mining, "squared": squared, "margin": margin}
    expected = reference.triplet(u.numpy(), v.numpy(), **settings)
    assert triplet(u, v, **settings).item() == pytest.approx(expected, rel=1e-12, abs=1e-15)
    n, _ = unit_pairs(7, 5, seed=1)
    expected = reference.triplet(u.numpy(), v.numpy(), negatives=n.numpy(), **settings)
    assert triplet(u, v, negatives=n, **settings).item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.4])
def test_contrastive_equals_the_loop(margin, unit_pairs):
    u, v = unit_pairs(7, 3)
    for same in (None, SAME):
        expected = reference.contrastive(u.numpy(), v.numpy(), margin=margin, same=same)
        assert contrastive(u, v, margin=margin, same=same).item() == pytest.approx(expected, rel=1e-12)


@every_loss
def test_gradient_is_that_of_the_value(loss, settings, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(2, 4, 3))
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, reduction="none", **settings), (u, v))


def test_gradient_with_given_rows(unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(7, 3))
    n = unit_pairs(7, 3, seed=1)[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b, c: triplet(a, b, negatives=c, reduction="none"), (u, v, n))
    assert torch.autograd.gradcheck(lambda a, b: contrastive(a, b, same=SAME, margin=1.2, reduction="none"), (u, v))


@every_loss
def test_order_of_pairs_and_common_rotation_and_shift_do_not_matter(loss, settings, unit_pairs):
    u, v = unit_pairs(7, 4)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double())
    value = loss(u, v, **settings)
    torch.testing.assert_close(loss(u[order], v[order], **settings), value)
    torch.testing.assert_close(loss(u @ rotation + 0.3, v @ rotation + 0.3, **settings), value)


@every_loss
@pytest.mark.parametrize("shared", [True, False], ids=["one table", "a table per replicate"])
def test_batches_give_the_loss_of_each_sub_batch(loss, settings, shared, unit_pairs):
    u, v = unit_pairs(3, 6, 4)
    values, every = _over_tables(loss, u, v, {}, settings, shared=shared)
    for (r, m), expected in every.items():
        torch.testing.assert_close(values[r, m], expected)


@pytest.mark.parametrize("shared", [True, False], ids=["one table", "a table per replicate"])
def test_given_rows_are_cut_along_with_the_batches(shared, unit_pairs):
    u, v = unit_pairs(3, 6, 4)
    negatives, _ = unit_pairs(3, 6, 4, seed=1)
    same = torch.tensor([[1, 0, 0, 1, 0, 1], [0, 0, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]]).bool()
    for loss, rows in ((triplet, {"negatives": negatives}), (contrastive, {"same": same})):
        values, every = _over_tables(loss, u, v, rows, {"margin": 1.0}, shared=shared)
        for (r, m), expected in every.items():
            torch.testing.assert_close(values[r, m], expected)


def _over_tables(loss, u, v, rows, settings, *, shared):
    """The values with a table, and those of the sub-batches one by one."""
    table = torch.tensor(list(itertools.combinations(range(6), 3)))
    tables = table if shared else torch.stack([table[torch.arange(4) + 5 * r] for r in range(3)])
    expected = {}
    for r in range(3):
        for m, batch in enumerate(table if shared else tables[r]):
            cut = {name: x[r, batch] for name, x in rows.items()}
            expected[r, m] = loss(u[r, batch], v[r, batch], **cut, **settings)
    return loss(u, v, batches=tables, **rows, **settings), expected


def test_triplet_with_given_negatives_is_that_of_torch(unit_pairs):
    u, v = unit_pairs(7, 5)
    n, _ = unit_pairs(7, 5, seed=1)
    expected = functional.triplet_margin_loss(u, v, n, margin=1.0, eps=0.0)
    torch.testing.assert_close(triplet(u, v, negatives=n, margin=1.0), expected)


def test_mining_orders_the_values(unit_pairs):
    u, v = unit_pairs(9, 4)
    value = {mining: triplet(u, v, mining=mining, margin=0.3, reduction="none") for mining in MININGS}
    assert (value["hardest"] >= value["all"]).all()
    assert (value["hardest"] >= value["semi_hard"]).all()
    assert (value["semi_hard"] <= 0.3).all()
    assert len({round(x.mean().item(), 6) for x in value.values()}) == 3


def test_semi_hard_leaves_out_what_is_nearer_than_the_positive_and_what_is_far():
    """Anchor at 0, positive at 1; the negatives lie at 0.5 (too hard), 1.1 (semi-hard), 1.3 and 3 (easy)."""
    u = torch.tensor([[0.0], [50.0], [60.0], [70.0], [80.0]])
    v = torch.tensor([[1.0], [0.5], [1.1], [1.3], [3.0]])
    of_first = {mining: triplet(u, v, mining=mining, margin=0.2, reduction="none")[0] for mining in MININGS}
    torch.testing.assert_close(of_first["semi_hard"], torch.tensor(0.1))
    torch.testing.assert_close(of_first["hardest"], torch.tensor(0.7))
    torch.testing.assert_close(of_first["all"], torch.tensor(0.8 / 4))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_where_rows_coincide(loss, settings, dtype, unit_pairs):
    """The slope of the bare root is infinite at 0, and times 0 it is NaN."""
    u, v = unit_pairs(8, 4, dtype=dtype)
    one = u[:1].expand(8, 4)
    for first, second in ((u, u), (u, u.roll(1, 0)), (one, one), (one, v), (torch.zeros_like(u),) * 2):
        a, b = first.clone().requires_grad_(), second.clone().requires_grad_()
        value = loss(a, b, **settings)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()
        assert max(a.grad.abs().max(), b.grad.abs().max()) < 3


def test_finite_where_given_rows_coincide(unit_pairs):
    u, _ = unit_pairs(7, 4)
    a, b, c = (u.clone().requires_grad_() for _ in range(3))
    (triplet(a, b, negatives=c) + contrastive(a, b, same=SAME)).backward()
    for x in (a, b, c):
        assert torch.equal(x.grad, torch.zeros_like(u))
    assert triplet(u, u, negatives=u).item() == pytest.approx(0.2)


@every_loss
def test_a_single_pair_has_no_negatives(loss, settings, unit_pairs):
    u, v = unit_pairs(1, 4)
    u.requires_grad_()
    value = loss(u, v, **settings)
    value.backward()
    if loss is triplet:
        assert value.item() == 0
        assert torch.equal(u.grad, torch.zeros_like(u))
    else:
        torch.testing.assert_close(value, (u - v).square().sum() / 2)


def test_contrastive_has_two_terms():
    """An orthogonal negative is inside a margin of 1.5 by 1.5 - sqrt 2, and the positive is at distance sqrt 2."""
    u = torch.eye(2, dtype=torch.float64)
    apart = (1.5 - math.sqrt(2)) ** 2 / 2
    assert contrastive(u, u, margin=1.5).item() == pytest.approx(apart, rel=1e-12)
    assert contrastive(u, u.flip(0), margin=1.5).item() == pytest.approx(1 + 1.5**2 / 2, rel=1e-12)
    assert contrastive(u, u.flip(0), margin=1.5, same=torch.tensor([True, False])).item() == pytest.approx(
        (1 + apart) / 2, rel=1e-12
    )


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_are_reduced_in_float32(loss, settings, dtype, unit_pairs):
    u, v = (x.to(dtype) for x in unit_pairs(16, 16))
    value = loss(u, v, **settings)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(u.double(), v.double(), **settings).item(), rel=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(u, v, **settings), value)


def test_bad_settings_are_refused(unit_pairs):
    u, v = unit_pairs(4, 3)
    with pytest.raises(ValueError, match=r"margin must not be negative, got -0.1"):
        triplet(u, v, margin=-0.1)
    with pytest.raises(ValueError, match=r"margin must not be negative, got nan"):
        contrastive(u, v, margin=math.nan)
