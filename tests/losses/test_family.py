"""How the losses of the log-sum-exp family relate, and the known faults of such code that ours must not have."""

import math
from functools import partial

import pytest
import reference
import torch
from torch.nn.functional import cross_entropy, normalize

from losses import (
    arc_margin,
    clip,
    clip_sum,
    dcl,
    dcl_cross,
    dcl_one_way,
    dclw,
    debiased,
    dhel_anchor,
    dhel_mean,
    dhel_product,
    flatnce,
    hcl,
    info_nce,
    mnrl,
    n_pair,
    nt_xent,
    simcse,
)

KEPT = [info_nce, mnrl, simcse, arc_margin, n_pair, clip, clip_sum, nt_xent, hcl, debiased]
REMOVED = [dcl_cross, dcl_one_way, dcl, dclw, flatnce, dhel_anchor, dhel_mean, dhel_product]
ONE_WAY = [info_nce, mnrl, simcse, arc_margin, n_pair, dcl_cross, dcl_one_way, dhel_anchor]
TAUS = [0.05, 0.1, 0.5, 1.0]

every_tau = pytest.mark.parametrize("tau", TAUS)


def slopes(loss, u, v):
    u, v = u.detach().requires_grad_(), v.detach().requires_grad_()
    return torch.stack(torch.autograd.grad(loss(u, v), (u, v)))


def assert_same(one, other, u, v, tolerance=1e-12):
    """Two names of one loss: value and gradient."""
    torch.testing.assert_close(one(u, v), other(u, v), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(slopes(one, u, v), slopes(other, u, v), rtol=tolerance, atol=tolerance)


def all_anchors(u, v, tau):
    """Logits of all 2B anchors against all 2B embeddings, and where the partner of each is."""
    z, rows = torch.cat([u, v]), torch.arange(2 * len(u))
    return z @ z.T / tau, rows, rows.roll(len(u))


def masked_cross_entropy(u, v, tau):
    """NT-Xent as it is often written."""
    logits, rows, partners = all_anchors(u, v, tau)
    return cross_entropy(logits.masked_fill(torch.eye(len(rows), dtype=torch.bool), -math.inf), partners)


def excesses(u, v, tau):
    """Log-sum of the negatives of each of the 2B anchors, minus its positive."""
    logits, rows, partners = all_anchors(u, v, tau)
    ours = (rows[:, None] == rows) | (partners[:, None] == rows)
    return logits.masked_fill(ours, -math.inf).logsumexp(1) - logits[rows, partners]


def near(unit_pairs, *shape, noise=0.4, **options):
    """Two views that are close."""
    u, v = unit_pairs(*shape, **options)
    return u, normalize(u + noise * v, dim=-1)


# ---- equalities: names for the same thing


@pytest.mark.parametrize("loss", [mnrl, simcse])
def test_mnrl_and_simcse_are_info_nce_at_temperature_005(loss, unit_pairs):
    assert_same(loss, partial(info_nce, temperature=0.05), *unit_pairs(7, 5))


@every_tau
def test_clip_is_the_mean_of_both_directions_and_clip_sum_twice_that(tau, unit_pairs):
    one_way, both = partial(info_nce, temperature=tau), partial(clip, temperature=tau)
    u, v = unit_pairs(7, 5)
    assert_same(both, lambda u, v: (one_way(u, v) + one_way(v, u)) / 2, u, v)
    assert_same(partial(clip_sum, temperature=tau), lambda u, v: 2 * both(u, v), u, v)


@every_tau
def test_nt_xent_is_the_cross_entropy_of_the_stacked_views_without_their_diagonal(tau, unit_pairs):
    assert_same(partial(nt_xent, temperature=tau), partial(masked_cross_entropy, tau=tau), *unit_pairs(7, 5))


@pytest.mark.parametrize("l2", [0.0, 0.02])
def test_n_pair_takes_raw_embeddings_and_keeps_them_short(l2):
    u, v = 2 * torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert n_pair(u, v, l2=l2).item() == pytest.approx(reference.n_pair(u.numpy(), v.numpy(), l2=l2), rel=1e-12)
    with pytest.raises(ValueError, match=r"l2 must not be negative, got -1\.0"):
        n_pair(u, v, l2=-1.0)


def test_arc_margin_without_margin_is_info_nce_and_grows_with_it(unit_pairs):
    loss = partial(arc_margin, temperature=0.1)
    u, v = near(unit_pairs, 7, 5)
    assert_same(partial(loss, margin=0.0), partial(info_nce, temperature=0.1), u, v)
    values = torch.stack([loss(u, v, margin=m, reduction="none") for m in (0.0, 0.1, 0.2, 0.5, 1.0)])
    assert (values.diff(dim=0) > 0).all()
    with pytest.raises(ValueError, match=r"margin is an angle in radians, .* got 10"):
        loss(u, v, margin=10.0)


@every_tau
def test_flatnce_has_the_gradient_of_dcl_and_the_value_of_nt_xent(tau, unit_pairs):
    u, v = unit_pairs(7, 5)
    flat = partial(flatnce, temperature=tau)
    torch.testing.assert_close(flat(u, v), nt_xent(u, v, temperature=tau), rtol=1e-12, atol=0)
    expected = slopes(partial(dcl, temperature=tau), u, v)

    def published(u, v):
        x = excesses(u, v, tau)
        return (x - x.detach()).exp().mean()

    for loss in (flat, published):
        torch.testing.assert_close(slopes(loss, u, v), expected, rtol=0, atol=1e-12)


@every_tau
def test_dcl_and_dhel_mean_are_the_means_of_both_directions(tau, unit_pairs):
    for one_way, both in ((dcl_one_way, dcl), (dhel_anchor, dhel_mean)):
        one_way, both = partial(one_way, temperature=tau), partial(both, temperature=tau)
        assert_same(both, lambda u, v, f=one_way: (f(u, v) + f(v, u)) / 2, *unit_pairs(7, 5))


@every_tau
def test_dhel_product_has_the_energies_twice(tau, unit_pairs):
    u, v = unit_pairs(7, 5)

    def energy(x):
        logits = (x @ x.T / tau).masked_fill(torch.eye(len(x), dtype=torch.bool), -math.inf)
        return logits.logsumexp(1).mean()

    def with_half_the_energies(u, v):
        return dhel_mean(u, v, temperature=tau) + (energy(u) + energy(v)) / 2

    assert_same(partial(dhel_product, temperature=tau), with_half_the_energies, u, v)


def test_dclw_weighs_positives_by_constants_that_average_to_one(unit_pairs):
    (u, v), tau, sigma = unit_pairs(7, 5), 0.2, 0.5
    weights = 2 - 7 * ((u * v).sum(-1) / sigma).softmax(0)  # constants: no slope goes through them

    def naive(u, v):
        positives = (u * v).sum(-1) / tau
        return dcl(u, v, temperature=tau) + ((1 - weights) * positives).mean()

    weighted = partial(dclw, temperature=tau, sigma=sigma)
    assert_same(weighted, naive, u, v)
    shift = dcl(u, v, temperature=tau, reduction="none") - weighted(u, v, reduction="none")
    found = 1 + tau * shift / (u * v).sum(-1)
    torch.testing.assert_close(found, weights)
    assert found.mean().item() == pytest.approx(1, rel=1e-12)
    assert_same(partial(dclw, temperature=tau, sigma=1e9), partial(dcl, temperature=tau), u, v, tolerance=1e-8)
    with pytest.raises(ValueError, match=r"sigma must be positive, got 0\.0"):
        weighted(u, v, sigma=0.0)


@every_tau
def test_hcl_without_its_two_ideas_is_nt_xent_and_with_one_of_them_debiased(tau, unit_pairs):
    u, v = unit_pairs(7, 5)
    plain = partial(hcl, temperature=tau, tau_plus=0.0, beta=0.0)
    assert_same(plain, partial(nt_xent, temperature=tau), u, v)
    unbiased = partial(debiased, temperature=tau, tau_plus=0.2)
    assert_same(unbiased, partial(hcl, temperature=tau, tau_plus=0.2, beta=0.0), u, v)


HARDNESS = [(0.0, 1.0), (0.1, 0.0), (0.1, 1.0), (0.5, 2.0), (0.01, 6.0)]


@pytest.mark.parametrize(("tau_plus", "beta"), HARDNESS)
def test_hcl_equals_the_double_loop(tau_plus, beta, unit_pairs):
    for u, v in (unit_pairs(6, 4), near(unit_pairs, 6, 4)):
        for tau in (1.0, 0.5, 0.1, 0.01):
            settings = {"temperature": tau, "tau_plus": tau_plus, "beta": beta}
            expected = reference.hcl(u.numpy(), v.numpy(), **settings)
            assert hcl(u, v, **settings).item() == pytest.approx(expected, rel=1e-10, abs=1e-300)
    for wrong in ({"tau_plus": 1.0}, {"tau_plus": -0.1}, {"beta": -1.0}):
        with pytest.raises(ValueError, match=r"tau_plus lies in \[0, 1\) and beta is at least 0"):
            hcl(u, v, **wrong)


# ---- inequalities


@pytest.mark.parametrize("seed", range(3))
def test_bounds(seed, unit_pairs):
    for u, v in (unit_pairs(9, 4, seed=seed), near(unit_pairs, 9, 4, seed=seed)):
        for tau in TAUS:
            value = {loss: loss(u, v, temperature=tau, reduction="none") for loss in (info_nce, clip, nt_xent, dcl)}
            assert (value[info_nce] >= 0).all()
            assert (value[info_nce] <= math.log(9) + 2 / tau).all()
            assert (value[nt_xent] >= value[clip]).all()  # more negatives
            assert (value[dcl] <= value[nt_xent]).all()  # one term less


# ---- faults that other code has


@pytest.mark.parametrize(("loss", "common"), [(info_nce, None), (nt_xent, masked_cross_entropy)])
def test_fault_cross_entropy_loses_its_digits_when_the_positive_wins(loss, common):
    """In float32 at a loss of 1e-7 the gradient of -log softmax is off by per cents: 1 - p is a rounding error."""
    generator, tau = torch.Generator().manual_seed(0), 1 / 17.5
    u, v = normalize(torch.eye(4) + 0.02 * torch.randn(2, 4, 4, generator=generator), dim=-1)
    common = common or (lambda u, v, tau: cross_entropy(u @ v.T / tau, torch.arange(4)))
    ours, exact = partial(loss, temperature=tau), slopes(partial(loss, temperature=tau), u.double(), v.double())
    assert 2e-8 < ours(u, v).item() < 5e-7
    assert ours(u, v).item() == pytest.approx(ours(u.double(), v.double()).item(), rel=1e-5)
    off = [((slopes(f, u, v) - exact).norm() / exact.norm()).item() for f in (ours, partial(common, tau=tau))]
    assert off[0] < 1e-5
    assert off[1] > 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("margin", [0.0, 0.17])
def test_fault_arc_cosine_of_one_has_no_slope(dtype, margin, unit_pairs):
    """acos has the slope -1/0 where two rows agree, as they do after rounding: gradients become NaN."""
    u, v = near(unit_pairs, 16, 8, noise=0.01)
    u, v = u.to(dtype), v.to(dtype)
    for a, b in ((u, u.clone()), (u, v), (u[[0, 0, *range(2, 16)]], v), (u, -u)):
        for tau in (0.05, 1e-3):
            assert slopes(partial(arc_margin, temperature=tau, margin=margin), a, b).isfinite().all()


@pytest.mark.parametrize("loss", KEPT + REMOVED)
def test_fault_a_batch_of_one_is_minus_infinity(loss, unit_pairs):
    """The log of an empty sum; here an anchor without negatives has nothing to say: 0, in value and slope."""
    u, v = unit_pairs(1, 4)
    assert loss(u, v).item() == 0
    assert (slopes(loss, u, v) == 0).all()


@pytest.mark.parametrize("loss", [dhel_anchor, dhel_mean, dhel_product])
def test_fault_exponentials_without_their_maximum_overflow(loss, unit_pairs):
    """e^(1 / 0.005) is infinite in float32."""
    u, v = near(unit_pairs, 8, 4, noise=0.05, dtype=torch.float32)
    u = u[[0, 0, *range(2, 8)]]  # two rows agree
    expected = getattr(reference, loss.__name__)(u.double().numpy(), v.double().numpy(), temperature=0.005)
    assert loss(u, v, temperature=0.005).item() == pytest.approx(expected, rel=1e-5)
    assert slopes(partial(loss, temperature=0.005), u, v).isfinite().all()


@pytest.mark.parametrize("loss", REMOVED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fault_masks_by_a_large_constant_let_the_masked_through(loss, dtype):
    """Adding -103 to the logit 200 of what is no negative leaves 97, above true negatives of -200."""
    angles = torch.tensor([0.0, math.pi, 0.02, math.pi + 0.02], dtype=torch.float64)
    u, v = torch.stack([angles.cos(), angles.sin()], -1).reshape(2, 2, 2).to(dtype)
    expected = getattr(reference, loss.__name__)(
        u.double().numpy(), v.double().numpy(), temperature=0.005, **({"sigma": 0.5} if loss is dclw else {})
    )
    assert abs(expected) > 300 or loss is flatnce
    assert loss(u, v, temperature=0.005).item() == pytest.approx(expected, rel=1e-5, abs=1e-30)


@pytest.mark.parametrize("loss", ONE_WAY)
def test_fault_hard_negatives_shift_the_positives_of_others(loss, unit_pairs):
    """Stacked under v, they move who is whose partner; as negatives they can but raise the loss of each pair."""
    u, v = near(unit_pairs, 6, 4)
    hard = normalize(u + 0.5 * unit_pairs(6, 4, seed=1)[0], dim=-1)
    without, given = loss(u, v, reduction="none"), loss(u, v, negatives=hard, reduction="none")
    assert (given > without).all()
    torch.testing.assert_close(loss(u, v, negatives=hard.flip(0), reduction="none"), given)


@pytest.mark.parametrize(("tau_plus", "beta"), HARDNESS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fault_hcl_is_not_a_number_at_small_temperatures(tau_plus, beta, dtype, unit_pairs):
    """Powers of e^(1 / tau) overflow, and their ratio is NaN."""
    u, v = unit_pairs(8, 4, dtype=dtype)
    for a, b in ((u, v), (u, u.clone()), near(unit_pairs, 8, 4, noise=0.05, dtype=dtype)):
        for tau in (0.01, 1e-3):
            loss = partial(hcl, temperature=tau, tau_plus=tau_plus, beta=beta)
            assert loss(a, b).isfinite()
            assert slopes(loss, a, b).isfinite().all()


@pytest.mark.parametrize("loss", KEPT + REMOVED)
def test_fault_one_tensor_as_both_views_has_half_a_gradient(loss, unit_pairs):
    """Code that recognises "the same tensor" must not forget that both directions have a slope."""
    u = unit_pairs(6, 4)[0].requires_grad_()
    (found,) = torch.autograd.grad(loss(u, u), u)
    torch.testing.assert_close(found, slopes(loss, u, u.clone()).sum(0))
