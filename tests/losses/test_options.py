"""What the log-sum-exp family takes beside its temperature: ids, exclude, negatives, chunk_size."""

import math

import pytest
import torch
from torch.nn.functional import normalize, softplus
from torch.utils._python_dispatch import TorchDispatchMode

import losses

TAU, SIGMA, MARGIN, TAU_PLUS, BETA = 0.4, 0.5, 0.3, 0.15, 0.7
SETTINGS = {
    "arc_margin": {"margin": MARGIN},
    "dclw": {"sigma": SIGMA},
    "hcl": {"tau_plus": TAU_PLUS, "beta": BETA},
    "debiased": {"tau_plus": TAU_PLUS},
}

# ---- the second opinion: the loss of an anchor, from the logits p of its partner and n of its negatives


def kept(p, n):
    return softplus(n.logsumexp(0) - p)


def removed(p, n):
    return n.logsumexp(0) - p


def flat(p, n):
    return removed(p, n) + (kept(p, n) - removed(p, n)).detach()


def half_pull(p, n):
    return removed(p / 2, n)


def hard(p, n, beta=BETA):
    q, count = n.exp(), len(n)
    ng = (count * (q ** (1 + beta)).sum() / (q**beta).sum() - TAU_PLUS * count * p.exp()) / (1 - TAU_PLUS)
    return torch.log1p(ng.clamp_min(count * math.exp(-1 / TAU)) / p.exp())


FAMILY = {  # the value of an anchor; whether the other view is negative, and its own; anchors in v; their weight
    "info_nce": (kept, True, False, False, 1),
    "mnrl": (kept, True, False, False, 1),
    "simcse": (kept, True, False, False, 1),
    "arc_margin": (kept, True, False, False, 1),
    "n_pair": (kept, True, False, False, 1),
    "clip": (kept, True, False, True, 0.5),
    "clip_sum": (kept, True, False, True, 1),
    "nt_xent": (kept, True, True, True, 0.5),
    "dcl_cross": (removed, True, False, False, 1),
    "dcl_one_way": (removed, True, True, False, 1),
    "dcl": (removed, True, True, True, 0.5),
    "dclw": (removed, True, True, True, 0.5),
    "flatnce": (flat, True, True, True, 0.5),
    "dhel_anchor": (removed, False, True, False, 1),
    "dhel_mean": (removed, False, True, True, 0.5),
    "dhel_product": (half_pull, False, True, True, 1),
    "hcl": (hard, True, True, True, 0.5),
    "debiased": (lambda p, n: hard(p, n, beta=0), True, True, True, 0.5),
}
ONE_WAY = [name for name, (*_, both, _weight) in FAMILY.items() if not both]

every_loss = pytest.mark.parametrize("name", FAMILY)
every_one_way_loss = pytest.mark.parametrize("name", ONE_WAY)


def loop(name, u, v, tau, skip=None, extra=(), own_log_weight=0.0):
    """Each pair's value, by a double loop; `skip[i, j]` says that j is no negative of i."""
    value, cross, within, both, weight = FAMILY[name]
    n, tau = len(u), 1.0 if name == "n_pair" else tau
    skip = torch.eye(n, dtype=torch.bool) if skip is None else skip | torch.eye(n, dtype=torch.bool)
    cosines = (u * v).sum(-1)
    if name == "dclw":
        cosines = cosines * (2 - n * (cosines.detach() / SIGMA).softmax(0))
    if name == "arc_margin":
        cosines = torch.cos(torch.acos(cosines) + MARGIN)
    values = []
    for i in range(n):
        total = u.sum() * 0
        for x, y, more in ((u, v, extra), (v, u, ()))[: 1 + both]:
            logits = [x[i] @ y[j] / tau for j in range(n) if cross and not skip[i, j]]
            logits += [x[i] @ x[j] / tau for j in range(n) if within and not skip[i, j]]
            logits += [x[i] @ key / tau + own_log_weight * (i == k) for k, key in enumerate(more)]
            if logits:
                total = total + weight * value(cosines[i] / tau, torch.stack(logits))
        values.append(total)
    return torch.stack(values)


def call(name, u, v, tau=TAU, **options):
    own = SETTINGS.get(name, {}) | ({} if name == "n_pair" else {"temperature": tau})
    return getattr(losses, name)(u, v, **own, reduction="none", **options)


def check(found, expected, inputs, **tolerance):
    """The same values of pairs, and the same gradient of a sum that tells them apart."""
    torch.testing.assert_close(found, expected, **tolerance)
    keep = {"retain_graph": True, "materialize_grads": True}
    weights = torch.linspace(0.5, 1.5, found.shape[-1], dtype=found.dtype)
    slopes = [torch.autograd.grad((x * weights).sum(), inputs, **keep) for x in (found, expected)]
    torch.testing.assert_close(*slopes, **tolerance)


def learnable(*tensors):
    tau = torch.tensor(TAU, dtype=torch.float64)
    return [x.clone().requires_grad_() for x in (*tensors, tau)]


# ---- ids: pairs of the same number are no negatives of each other

IDS = torch.tensor([7, 3, 7, 5, 3, 7])
SAME = IDS[:, None] == IDS


@every_loss
def test_ids_leave_out_the_pairs_of_the_same_number(name, unit_pairs):
    u, v, tau = learnable(*unit_pairs(6, 4))
    check(call(name, u, v, tau, ids=IDS), loop(name, u, v, tau, SAME), (u, v, tau))


@every_loss
@pytest.mark.parametrize("gradients", [False, True], ids=["values only", "with gradients"])
@pytest.mark.parametrize("own", [False, True], ids=["ids for all", "ids for each leading index"])
def test_ids_of_many_small_problems(name, gradients, own, unit_pairs):
    u, v = (x.requires_grad_(gradients) for x in unit_pairs(2, 6, 4))
    ids = torch.stack([IDS, IDS.flip(0)]) if own else IDS
    table = torch.tensor([[0, 2, 5, 1], [3, 4, 1, 0], [0, 2, 5, 5]])  # the last: nothing but one number
    whole, cut = call(name, u, v, ids=ids), call(name, u, v, ids=ids, batches=table)
    many = call(name, u, v, ids=ids, batches=torch.stack([table, table.flip(0)]))
    for r in range(2):
        mine = ids[r] if own else ids
        expected = call(name, u[r], v[r], ids=mine)
        for m, batch in enumerate(table):
            part = call(name, u[r, batch], v[r, batch], ids=mine[batch])
            torch.testing.assert_close(cut[r, m], part)
            torch.testing.assert_close(many[r, m if r == 0 else 2 - m], part)
            if gradients:
                check(cut[r, m], part, (u, v))
        torch.testing.assert_close(whole[r], expected)
        if gradients:
            check(whole[r], expected, (u, v))


@pytest.mark.parametrize("name", sorted(FAMILY.keys() - {"dclw"}))  # its weights know the size of the batch
def test_a_marked_copy_does_not_change_the_value_of_a_pair(name, unit_pairs):
    u, v = unit_pairs(6, 4)
    again = torch.tensor([0, 1, 2, 3, 4, 5, 2, 2])
    value = call(name, u, v, ids=torch.arange(6))
    torch.testing.assert_close(value, call(name, u, v))
    torch.testing.assert_close(call(name, u[again], v[again], ids=again)[[2, 6, 7]], value[[2, 2, 2]])


@every_loss
@pytest.mark.parametrize("how", ["one batch", "chunks", "leading dimension", "batches", "one pair"])
def test_without_negatives_the_value_is_zero_and_so_is_the_gradient(name, how, unit_pairs):
    u, v, tau = learnable(*unit_pairs(*((2, 6, 4) if how == "leading dimension" else (6, 4))))
    options = {"chunks": {"chunk_size": 4}, "batches": {"batches": torch.arange(6).reshape(2, 3)}}.get(how, {})
    if how == "one pair":
        options = {"batches": torch.arange(6)[:, None]}
    else:
        options = options | {"ids": torch.zeros(6, dtype=torch.long)}
    value = call(name, u, v, tau, **options)
    for slope in torch.autograd.grad(value.sum(), (u, v, tau), materialize_grads=True):
        torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=0)
    for x in (value, call(name, u.detach(), v.detach(), **options)):
        torch.testing.assert_close(x, torch.zeros_like(x), rtol=0, atol=0)


# ---- exclude: any pairs may be declared no negatives of each other


@every_loss
def test_exclude_leaves_out_what_is_marked_in_either_order(name, unit_pairs):
    u, v, tau = learnable(*unit_pairs(6, 4))
    marks = torch.zeros(6, 6, dtype=torch.bool)
    marks[0, 3] = marks[2, 1] = marks[5, 2] = marks[4, 4] = True
    marks[1, :] = True  # pair 1 has no negatives at all
    check(call(name, u, v, tau, exclude=marks), loop(name, u, v, tau, marks | marks.T), (u, v, tau))
    torch.testing.assert_close(call(name, u, v, exclude=marks.T), call(name, u, v, exclude=marks))
    torch.testing.assert_close(call(name, u, v, exclude=SAME), call(name, u, v, ids=IDS))
    both = call(name, u, v, ids=IDS, exclude=marks)
    torch.testing.assert_close(both, call(name, u, v, exclude=marks | SAME))


# ---- negatives: more keys, for the losses whose anchors are u alone


@every_one_way_loss
@pytest.mark.parametrize("n_keys", [1, 3, 9])
@pytest.mark.parametrize("chunk_size", [None, 2, 100])
def test_negatives_are_negatives_of_every_anchor_and_learn(name, n_keys, chunk_size, unit_pairs):
    u, v, keys, tau = learnable(*unit_pairs(6, 4), unit_pairs(n_keys, 4, seed=1)[0])
    found = call(name, u, v, tau, negatives=keys, ids=IDS, chunk_size=chunk_size)
    check(found, loop(name, u, v, tau, SAME, extra=keys), (u, v, keys, tau))


@every_one_way_loss
def test_negatives_come_in_the_precision_of_the_embeddings(name, unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(6, 4, dtype=torch.bfloat16))
    keys = unit_pairs(3, 4, dtype=torch.bfloat16)[1].requires_grad_()
    value = call(name, u, v, negatives=keys)
    assert value.dtype == torch.float32
    assert all(slope.isfinite().all() for slope in torch.autograd.grad(value.sum(), (u, v, keys)))
    exact = call(name, u.detach().double(), v.detach().double(), negatives=keys.detach())
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(call(name, u, v, negatives=keys[:0]), call(name, u, v))  # there may be none


@pytest.mark.parametrize("own_log_weight", [0.0, 1.5, -2.0])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_simcse_weighs_the_hard_negative_of_the_anchor_itself(own_log_weight, chunk_size, unit_pairs):
    u, v, keys, tau = learnable(*unit_pairs(6, 4), unit_pairs(6, 4, seed=1)[0])
    found = call("simcse", u, v, tau, negatives=keys, own_log_weight=own_log_weight, chunk_size=chunk_size)
    check(found, loop("simcse", u, v, tau, extra=keys, own_log_weight=own_log_weight), (u, v, keys, tau))


# ---- chunk_size: the same numbers from less memory


@every_loss
@pytest.mark.parametrize("chunk_size", [1, 3, 6, 50])
def test_chunks_change_neither_values_nor_gradients(name, chunk_size, unit_pairs):
    u, v, keys, tau = learnable(*unit_pairs(6, 4), unit_pairs(5, 4, seed=1)[0])
    marks = torch.zeros(6, 6, dtype=torch.bool)
    marks[0, 3] = marks[5, 4] = True
    more = {"negatives": keys} if name in ONE_WAY else {}
    for options in ({}, {"ids": IDS}, {"ids": IDS, "exclude": marks, **more}):
        chunked = call(name, u, v, tau, chunk_size=chunk_size, **options)
        check(chunked, call(name, u, v, tau, **options), (u, v, keys, tau), rtol=1e-12, atol=1e-13)


class Largest(TorchDispatchMode):
    """Watches every operation, of the backward pass too, for the largest tensor that it makes."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else (out,):
            if isinstance(x, torch.Tensor):
                self.entries = max(self.entries, x.untyped_storage().nbytes() // x.element_size())
        return out


@every_loss
def test_chunks_never_hold_the_matrix_in_either_pass(name):
    n, dim, chunk = 256, 8, 16
    generator = torch.Generator().manual_seed(0)
    u, v, keys = (normalize(torch.randn(n, dim, generator=generator), dim=-1).requires_grad_() for _ in range(3))
    more = {"negatives": keys} if name in ONE_WAY else {}
    sizes = {}
    for chunk_size in (chunk, None):
        with Largest() as largest:
            call(name, u, v, ids=torch.arange(n), chunk_size=chunk_size, **more).sum().backward()
        sizes[chunk_size] = largest.entries
    assert sizes[chunk] == chunk * n
    assert sizes[None] >= n * n  # the check can tell


@every_loss
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one batch", "two batches"])
def test_fault_a_tensor_of_pairs_times_pairs_times_dimensions(name, lead):
    """Broadcast cosine similarities make one, 0.5 GB at 256 pairs of 2048 dimensions; matrix products do not."""
    n, dim = 64, 64
    raw = torch.randn(2, *lead, n, dim, generator=torch.Generator().manual_seed(0))
    u, v = (x.requires_grad_() for x in normalize(raw, dim=-1))
    with Largest() as largest:
        call(name, u, v).sum().backward()
    assert largest.entries <= 4 * math.prod(lead) * n * n  # 2B x 2B logits at the most


# ---- errors


@every_loss
@pytest.mark.parametrize("many", ["batches", "leading dimension"])
def test_what_goes_with_one_batch_is_refused_for_many(name, many, unit_pairs):
    u, v = unit_pairs(*((2, 4, 3) if many == "leading dimension" else (4, 3)))
    table = {"batches": torch.arange(4).reshape(2, 2)} if many == "batches" else {}
    refused = {"exclude": torch.eye(4, dtype=torch.bool), "chunk_size": 2, "group": object()}
    for option, value in (refused | ({"negatives": v.flatten(0, -2)} if name in ONE_WAY else {})).items():
        with pytest.raises(ValueError, match=rf"{option} goes with one batch, .* leave it out"):
            call(name, u, v, **table, **{option: value})


@every_loss
@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_has_at_least_one_anchor(name, size, unit_pairs):
    with pytest.raises(ValueError, match=f"chunk_size counts anchors and is at least 1, got {size}"):
        call(name, *unit_pairs(4, 3), chunk_size=size)
