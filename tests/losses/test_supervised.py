"""SupCon: many positives per anchor."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import reference_margin as reference
import torch

from losses import nt_xent
from losses.supervised import supcon

LABELS = torch.tensor([0, 3, 0, 1, 3, 0, 7])


@pytest.mark.parametrize("labels", [None, LABELS, torch.zeros(7, dtype=torch.int32)], ids=["none", "some", "one"])
@pytest.mark.parametrize("temperature", [1.0, 0.07])
def test_equals_the_double_loop(labels, temperature, unit_pairs):
    u, v = unit_pairs(7, 5)
    known = None if labels is None else labels.tolist()
    expected = reference.supcon(u.numpy(), v.numpy(), labels=known, temperature=temperature)
    assert supcon(u, v, labels=labels, temperature=temperature).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_a_class_for_every_pair_is_nt_xent(temperature, unit_pairs):
    """An anchor without a second member in its class has its partner: no NaN, as where only one view is given."""
    u, v = unit_pairs(3, 6, 4)
    expected = nt_xent(u, v, temperature=temperature, reduction="none")
    distinct = torch.stack([torch.randperm(6, generator=torch.Generator().manual_seed(r)) for r in range(3)])
    for labels in (None, distinct):
        found = supcon(u, v, labels=labels, temperature=temperature, reduction="none")
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_base_temperature_is_a_factor(unit_pairs):
    u, v = unit_pairs(7, 4)
    value = supcon(u, v, labels=LABELS, temperature=0.2)
    torch.testing.assert_close(
        supcon(u, v, labels=LABELS, temperature=0.2, base_temperature=0.07), value * 0.2 / 0.07
    )
    torch.testing.assert_close(supcon(u, v, labels=LABELS, temperature=0.2, base_temperature=0.2), value)


def test_gradient_is_that_of_the_value(unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(2, 5, 3))
    tau = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 0, 1, 2, 1], [4, 4, 4, 4, 4]])
    call = lambda a, b, t: supcon(a, b, labels=labels, temperature=t, reduction="none")  # noqa: E731
    assert torch.autograd.gradcheck(call, (u, v, tau))


def test_names_of_classes_and_order_of_pairs_and_a_rotation_do_not_matter(unit_pairs):
    u, v = unit_pairs(7, 4)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double())
    value = supcon(u, v, labels=LABELS)
    assert torch.equal(supcon(u, v, labels=9 - LABELS), value)
    torch.testing.assert_close(supcon(u[order], v[order], labels=LABELS[order]), value)
    torch.testing.assert_close(supcon(u @ rotation, v @ rotation, labels=LABELS), value)
    torch.testing.assert_close(supcon(v, u, labels=LABELS), value)


@pytest.mark.parametrize("shared", [True, False], ids=["one table", "a table per replicate"])
def test_labels_are_cut_along_with_the_batches(shared, unit_pairs):
    u, v = unit_pairs(3, 7, 4)
    labels = torch.stack([LABELS, LABELS.flip(0), LABELS.roll(2)])
    every = torch.tensor(list(itertools.combinations(range(7), 4)))
    tables = every if shared else torch.stack([every[torch.arange(5) + 3 * r] for r in range(3)])
    values = supcon(u, v, labels=labels, batches=tables)
    per_pair = supcon(u, v, labels=labels, batches=tables, reduction="none")
    torch.testing.assert_close(per_pair.mean(-1), values)
    for r in range(3):
        for m, batch in enumerate(every if shared else tables[r]):
            expected = supcon(u[r, batch], v[r, batch], labels=labels[r, batch])
            torch.testing.assert_close(values[r, m], expected)


@pytest.mark.slow
def test_labels_are_gathered_along_with_the_pairs(tmp_path):
    """Two processes, one of them without a second member of its class: the mean of their losses is that of all."""
    program = """
import sys, torch, torch.distributed as dist
from losses.supervised import supcon
rank = int(sys.argv[1])
dist.init_process_group("gloo", store=dist.FileStore(sys.argv[2], 2), rank=rank, world_size=2)
generator = torch.Generator().manual_seed(0)
u, v = torch.nn.functional.normalize(torch.randn(2, 6, 4, generator=generator, dtype=torch.float64), dim=-1)
u, v, labels = u.requires_grad_(), v.requires_grad_(), torch.tensor([0, 1, 2, 0, 2, 2])
whole = supcon(u, v, labels=labels, reduction="none")
expected = torch.autograd.grad(whole.mean(), (u, v))
mine = slice(3 * rank, 3 * rank + 3)
part = supcon(u[mine], v[mine], labels=labels[mine], reduction="none", group=dist.group.WORLD)
torch.testing.assert_close(part, whole[mine])
for found, wanted in zip(torch.autograd.grad(part.mean() / 2, (u, v)), expected):
    dist.all_reduce(found)
    torch.testing.assert_close(found, wanted)
dist.destroy_process_group()
"""
    run = [sys.executable, "-W", "ignore", "-c", program]
    ranks = [
        subprocess.Popen([*run, str(rank), str(tmp_path / "store")], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for rank in ranks:
        _, errors = rank.communicate(timeout=60)
        assert rank.returncode == 0, errors


def test_the_best_value_with_more_positives_is_the_log_of_their_number():
    """Classes collapsed to opposite points: log 3 for two pairs a class, and a gap of e^(-2/tau) to it."""
    point = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    value = supcon(point, point, labels=torch.tensor([0, 0, 1, 1]), temperature=0.5)
    assert value.item() == pytest.approx(math.log(3) + math.log1p(4 / 3 * math.exp(-4)), rel=1e-12)


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 0, 1, 1, 2, 3, 3, 3]), torch.zeros(8, dtype=torch.long)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_a_tiny_temperature_and_for_equal_rows(labels, dtype, unit_pairs):
    u, _ = unit_pairs(8, 4, dtype=dtype)
    for first, second in ((u, u), (u, u.roll(1, 0)), (u[:1].expand(8, 4), u[:1].expand(8, 4))):
        a, b = first.clone().requires_grad_(), second.clone().requires_grad_()
        value = supcon(a, b, labels=labels, temperature=1e-3)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()


@pytest.mark.parametrize("labels", [None, torch.tensor([5])])
def test_a_single_pair_has_no_negatives(labels, unit_pairs):
    u, v = unit_pairs(1, 4)
    u.requires_grad_()
    value = supcon(u, v, labels=labels)
    value.backward()
    assert value.item() == 0
    assert torch.equal(u.grad, torch.zeros_like(u))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_reduced_in_float32(dtype, unit_pairs):
    u, v = (x.to(dtype) for x in unit_pairs(7, 16))
    value = supcon(u, v, labels=LABELS)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(supcon(u.double(), v.double(), labels=LABELS).item(), rel=1e-5)


def test_autocast_does_not_touch_the_logits(unit_pairs):
    u, v = unit_pairs(7, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = supcon(u, v, labels=LABELS)
    assert torch.equal(inside, supcon(u, v, labels=LABELS))


def test_the_positive_may_win_without_losing_digits():
    u = torch.eye(4, dtype=torch.float64)
    v = u * np.cos(0.02) + u.roll(1, 1) * np.sin(0.02)
    exact = supcon(u, v, temperature=0.05)
    assert exact < 1e-6
    assert supcon(u.float(), v.float(), temperature=0.05).item() == pytest.approx(exact.item(), rel=1e-4)


def test_bad_settings_are_refused(unit_pairs):
    u, v = unit_pairs(4, 3)
    with pytest.raises(ValueError, match=r"^temperature must be positive, got 0.0"):
        supcon(u, v, temperature=0.0)
    with pytest.raises(ValueError, match=r"base_temperature must be positive, got -1.0"):
        supcon(u, v, base_temperature=-1.0)
