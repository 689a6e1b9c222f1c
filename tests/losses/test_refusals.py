"""What is refused, and how: no option is ignored in silence, no number comes out that means nothing."""

from functools import partial

import pytest
import torch

from losses import (
    GlobalContrastive,
    cached_backward,
    clip,
    dcl,
    diagnostics,
    effective_rank,
    hcl,
    info_nce,
    make_loss,
    moco,
    n_pair,
    nt_xent,
    positive_ranks,
    siglip,
    simcse,
    takes_index,
    value_and_gradient,
)


@pytest.mark.parametrize("loss", [info_nce, clip, nt_xent, dcl, hcl, siglip], ids=lambda loss: loss.__name__)
def test_second_derivatives_are_refused_or_right(loss, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(5, 3))
    with pytest.raises(RuntimeError, match=r"pass u\[None\] and v\[None\]"):
        torch.autograd.grad(loss(u, v, temperature=0.5), u, create_graph=True)
    assert torch.autograd.gradgradcheck(lambda a, b: loss(a[None], b[None], temperature=0.5), (u, v))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda u, v: info_nce(u, v, chunksize=3), "no option 'chunksize'; it takes .*negatives"),
        (lambda u, v: clip(u, v, negatives=v), "no option 'negatives'; it takes reduction"),
        (lambda u, v: info_nce(u, v, negatives=v, own_log_weight=1.0), "no option 'own_log_weight'"),
        (lambda u, v: n_pair(u, v, temperature=0.1), "no option 'temperature'"),
        (lambda u, v: hcl(u, v, margin=0.1), "no option 'margin'"),
    ],
)
def test_unknown_options(call, message, unit_pairs):
    with pytest.raises(TypeError, match=message):
        call(*unit_pairs(6, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda u, v: info_nce(u, v, ids=torch.arange(5)), r"ids must have shape \(6,\) .*got \(5,\)"),
        (lambda u, v: nt_xent(u, v, exclude=torch.ones(6, 5).bool()), r"exclude must have shape \(6, 6\)"),
        (lambda u, v: info_nce(u, v, negatives=v[:, :2]), r"negatives must have shape \(any, 3\)"),
        (lambda u, v: info_nce(u, v, negatives=v, negative_ids=torch.arange(6)), "give ids and negatives too"),
        (lambda u, v: simcse(u, v, own_log_weight=1.0), "there must be 6 of them, got 0"),
        (lambda u, v: simcse(u, v, own_log_weight=1.0, negatives=v[:2]), "there must be 6 of them, got 2"),
        (lambda u, v: moco(u, v, v, ids=torch.arange(6)), "both or neither"),
        (lambda u, v: info_nce(u[:0], v[:0]), r"n at least 1, got \(0, 3\)"),
        (lambda u, v: siglip(u, v, chunk_size=0), "at least 1, got 0"),
        (lambda u, v: clip(u, v, temperature=torch.tensor(-0.1)), "temperature must be positive, got -0.1"),
        (lambda *_: make_loss("clip", temperature=-1.0), "temperature must be positive, got -1.0"),
    ],
)
def test_wrong_values(call, message, unit_pairs):
    with pytest.raises(ValueError, match=message):
        call(*unit_pairs(6, 3))


def test_the_closed_form_checks_as_the_loss_does(unit_pairs):
    u, v = unit_pairs(6, 3)
    with pytest.raises(ValueError, match="temperature must be positive"):
        value_and_gradient(partial(info_nce, temperature=-0.1), u, v, batches=torch.tensor([[0, 1]]))


def test_numbered_negatives_are_no_negatives_of_their_own_pair(unit_pairs):
    u, v = unit_pairs(6, 3)
    hard, numbers = unit_pairs(4, 3)[0], torch.tensor([0, 0, 3, 9])
    found = info_nce(
        u, v, temperature=0.5, ids=torch.arange(6), negatives=hard, negative_ids=numbers, reduction="none"
    )
    for i in range(6):
        others = [j for j in range(6) if j != i]
        keys = torch.stack([v[i], *v[others], *hard[numbers != i]])
        torch.testing.assert_close(found[i], -(u[i] @ keys.T / 0.5).log_softmax(0)[0])


def test_a_wider_view_is_not_rounded_to_the_narrower(unit_pairs):
    u, v = unit_pairs(6, 3)
    for first, second in ((u, v.float()), (u.float(), v)):
        exact = info_nce(first.double(), second.double())
        assert info_nce(first, second).dtype == torch.float64
        torch.testing.assert_close(info_nce(first, second), exact)
    half = u.bfloat16()
    torch.testing.assert_close(info_nce(half, v.float()), info_nce(half.float(), v.float()))


def test_scoring_leaves_running_averages_alone(unit_pairs):
    u, v = unit_pairs(4, 3)
    loss = GlobalContrastive(8)
    assert takes_index(loss)
    assert not takes_index(partial(info_nce, temperature=0.1))
    with torch.no_grad():
        loss(u, v, index=torch.arange(4))
    assert not loss.seen.any()


def test_ranks_are_not_those_of_half_precision(unit_pairs):
    rows = torch.nn.functional.normalize(unit_pairs(64, 16)[0].float() * 0.02 + 1, dim=-1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = positive_ranks(rows, rows)
    assert torch.equal(inside, positive_ranks(rows, rows))


def test_diagnostics_outlive_a_divergence(unit_pairs):
    u, v = unit_pairs(4, 3)
    u[0, 0] = torch.nan
    assert torch.isnan(diagnostics(u, v, temperature=0.1).effective_rank)
    assert effective_rank(torch.zeros(4, 3)).item() == 1


def test_a_cached_backward_needs_chunks_and_one_number(unit_pairs):
    encode = lambda index: tuple(x[index].requires_grad_() for x in unit_pairs(4, 3))  # noqa: E731
    with pytest.raises(ValueError, match="at least one chunk"):
        cached_backward(encode, [], info_nce)
    with pytest.raises(ValueError, match=r"one number, got shape \(4,\)"):
        cached_backward(encode, [torch.arange(4)], partial(info_nce, reduction="none"))
