"""What is special to the sigmoid losses: one core, chunks of rows, learned numbers, rows of a rank."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import reference_kernels as reference
import torch
import torch.distributed as dist
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from losses.sigmoid import nce, siglip


def on_two_ranks(run):
    """[run(group) of rank 0, of rank 1]: two ranks as threads of this process, each with its own group."""
    store = dist.HashStore()

    def start(rank):
        group = dist.ProcessGroup(dist.PrefixStore("group", store), rank, 2)
        backend = dist.ProcessGroupGloo(dist.PrefixStore("gloo", store), rank, 2)
        group._register_backend(torch.device("cpu"), dist.ProcessGroup.BackendType.GLOO, backend)
        group._set_default_backend(dist.ProcessGroup.BackendType.GLOO)
        return run(group)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(start, range(2)))


@pytest.mark.parametrize(("temperature", "bias"), [(0.1, -10.0), (1.0, 0.0), (0.3, -2.71)])
def test_siglip_equals_the_double_loop_and_cross_entropy(temperature, bias, unit_pairs):
    u, v = unit_pairs(7, 5)
    found = siglip(u, v, temperature=temperature, bias=bias)
    expected = reference.siglip(u.numpy(), v.numpy(), temperature, bias)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    logits = u @ v.T / temperature + bias
    labels = torch.eye(7, dtype=torch.float64)
    torch.testing.assert_close(found, binary_cross_entropy_with_logits(logits, labels, reduction="sum") / 7)
    torch.testing.assert_close(siglip(v, u, temperature=temperature, bias=bias), found)


@pytest.mark.parametrize("chunk_size", [1, 3, 4, 7, 100])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_chunks_change_neither_value_nor_gradient(chunk_size, reduction, unit_pairs):
    results = []
    for size in (None, chunk_size):
        leaves = [x.requires_grad_() for x in unit_pairs(7, 5)]
        leaves += [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.2, -3.0)]
        u, v, tau, bias = leaves
        value = siglip(u, v, temperature=tau, bias=bias, chunk_size=size, reduction=reduction)
        results.append([value.detach(), *torch.autograd.grad(value.square().sum(), leaves)])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)


def test_chunks_are_for_one_batch(unit_pairs):
    u, v = unit_pairs(2, 8, 5)
    with pytest.raises(ValueError, match="chunk_size goes with one batch"):
        siglip(u, v, chunk_size=2)


def test_chunks_hold_no_matrix_for_the_backward_pass(unit_pairs):
    kept = []
    u, v = (x.requires_grad_() for x in unit_pairs(64, 4))
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        value = siglip(u, v, chunk_size=8)
    assert max(kept) <= 64 * 4
    assert value.grad_fn is not None


def test_learned_temperature_and_bias_have_the_gradient_of_the_value(unit_pairs):
    u, v = unit_pairs(5, 3)
    tau, bias = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.3, -2.0))
    for loss in (
        lambda t, b: siglip(u, v, temperature=t, bias=b, reduction="none"),
        lambda t, b: nce(u, v, temperature=t, log_noise=b, reduction="none"),
    ):
        assert torch.autograd.gradcheck(loss, (tau, bias))


@pytest.mark.parametrize("loss", [siglip, nce], ids=["siglip", "nce"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tiny_temperatures_keep_value_and_gradient(loss, dtype, unit_pairs):
    rows = unit_pairs(8, 4, dtype=dtype)[0]
    for other in (rows, -rows, rows.roll(1, 0), rows[[0, 0, 1, 1, 2, 2, 3, 3]]):
        u, v = rows.clone().requires_grad_(), other.clone().requires_grad_()
        value = loss(u, v, temperature=1e-3)
        value.backward()
        exact = getattr(reference, loss.__name__)(rows.double().numpy(), other.double().numpy(), 1e-3)
        assert value.item() == pytest.approx(exact, rel=1e-4)
        assert torch.isfinite(u.grad).all()
        assert torch.isfinite(v.grad).all()


def test_a_confident_decision_does_not_lose_its_digits():
    """log(sigmoid(x)) in float32 is 0 from x = 17 on, and minus infinity below -88."""
    u = torch.tensor([[1.0, 0.0]], requires_grad=True)
    for logit in (30.0, -200.0):
        value = siglip(u, u.detach(), temperature=1.0, bias=logit - 1)
        assert value.item() == pytest.approx(math.log1p(math.exp(-logit)), rel=1e-5)
        assert torch.autograd.grad(value, u)[0][0, 0].item() == pytest.approx(-1 / (1 + math.exp(logit)), rel=1e-5)


def test_siglip_starts_where_the_paper_says():
    orthonormal = torch.eye(6, dtype=torch.float64)
    expected = math.log(2) + 5 * math.log1p(math.exp(-10))
    assert siglip(orthonormal, orthonormal).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("log_noise", [None, -1.5, "array"])
def test_nce_equals_the_double_loop(log_noise, unit_pairs):
    u, v = unit_pairs(6, 4)
    if log_noise == "array":
        log_noise = torch.linspace(-3, 0, 6, dtype=torch.float64)
        expected = reference.nce(u.numpy(), v.numpy(), 0.4, log_noise.numpy())
    else:
        expected = reference.nce(u.numpy(), v.numpy(), 0.4, log_noise)
    assert nce(u, v, temperature=0.4, log_noise=log_noise).item() == pytest.approx(expected, rel=1e-12)


def test_nce_is_siglip_with_the_bias_of_the_noise(unit_pairs):
    u, v = unit_pairs(6, 4)
    per_pair = nce(u, v, temperature=0.2, reduction="none")
    torch.testing.assert_close(
        per_pair, siglip(u, v, temperature=0.2, bias=math.log(6 / 5), reduction="none"), rtol=1e-12, atol=0.0
    )
    noise = -2.0 - math.log(5)
    torch.testing.assert_close(nce(u, v, temperature=0.2, log_noise=noise), siglip(u, v, temperature=0.2, bias=2.0))


def test_nce_weighs_every_key_by_its_own_noise(unit_pairs):
    u, v = unit_pairs(2, 6, 4)
    noise = torch.linspace(-3, 0, 6, dtype=torch.float64)
    table = torch.tensor([[0, 5, 2], [3, 1, 4]])
    shared = nce(u, v, log_noise=noise, batches=table)
    torch.testing.assert_close(nce(u, v, log_noise=noise.expand(2, -1), batches=table), shared)
    for r in range(2):
        for m, rows in enumerate(table):
            torch.testing.assert_close(shared[r, m], nce(u[r, rows], v[r, rows], log_noise=noise[rows]))
    with pytest.raises(ValueError, match=r"one entry for each row of v; got \(5,\) for \(2, 6, 4\)"):
        nce(u, v, log_noise=noise[:5])


def test_a_single_pair_is_decided_by_itself(unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(1, 4))
    similarity = (u * v).sum()
    torch.testing.assert_close(siglip(u, v, bias=-3.0), softplus(3 - 10 * similarity))
    value = nce(u, v)
    value.backward()
    assert value.item() == 0
    assert torch.equal(u.grad, torch.zeros_like(u))
    assert torch.equal(nce(u, v, batches=torch.tensor([[0], [0]])), torch.zeros(2))


@pytest.mark.parametrize("loss", [siglip, nce], ids=["siglip", "nce"])
def test_bad_settings_are_refused(loss, unit_pairs):
    u, v = unit_pairs(4, 3)
    with pytest.raises(ValueError, match=r"temperature must be positive, got 0.0"):
        loss(u, v, temperature=0.0)
    with pytest.raises(ValueError, match="chunk_size counts anchors and is at least 1, got 0"):
        siglip(u, v, chunk_size=0)


@pytest.mark.parametrize("case", ["siglip", "siglip in chunks", "nce", "nce with its noise"])
def test_the_average_over_ranks_is_the_loss_of_the_joint_batch(case, unit_pairs):
    loss = siglip if "siglip" in case else nce
    chunks = {"chunk_size": 2} if "chunks" in case else {}
    noise = torch.linspace(-3, 0, 6, dtype=torch.float64) if "noise" in case else None

    def value_and_slopes(rows, group=None):
        leaves = [x[rows].requires_grad_() for x in unit_pairs(6, 4)]
        leaves.append(torch.tensor(0.2, dtype=torch.float64, requires_grad=True))
        settings = {"temperature": leaves[2], "group": group, **(chunks if group else {})}
        if noise is not None:
            settings["log_noise"] = noise[rows]
        value = loss(*leaves[:2], **settings)
        per_pair = loss(*leaves[:2], **settings, reduction="none").detach()
        return value.detach(), per_pair, *torch.autograd.grad(value, leaves)

    whole = value_and_slopes(slice(None))
    parts = on_two_ranks(lambda group: value_and_slopes(slice(3 * group.rank(), 3 * group.rank() + 3), group))
    values, per_pair, du, dv, dtau = zip(*parts, strict=True)
    torch.testing.assert_close(sum(values) / 2, whole[0])
    torch.testing.assert_close(torch.cat(per_pair), whole[1])
    # Each rank differentiates its own mean; the average over ranks is what DistributedDataParallel takes.
    torch.testing.assert_close(torch.cat(du) / 2, whole[2])
    torch.testing.assert_close(torch.cat(dv) / 2, whole[3])
    torch.testing.assert_close(sum(dtau) / 2, whole[4])


def test_a_group_joins_one_batch_of_each_rank(unit_pairs):
    def refused(group):
        for shape, batches in (((4, 3), torch.tensor([[0, 1]])), ((2, 4, 3), None)):
            with pytest.raises(ValueError, match="group goes with one batch"):
                siglip(*unit_pairs(*shape), batches=batches, group=group)

    on_two_ranks(refused)
