"""Step-scope rules: each batch is chosen from a pool of candidates with the current embeddings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batching.pickers.diversity import EffectiveRank, spectral_rank
from batching.pickers.jest import Jest
from batching.pickers.picker import OrderedSamples, RhoLoss, UniformPick
from batching.rules.picked import Picked
from batching.seeded import uniforms
from losses import dcl_cross, effective_rank, make_loss

LOSS = make_loss("clip", temperature=0.5)
PICKERS = [
    UniformPick(),
    OrderedSamples(LOSS),
    RhoLoss(LOSS),
    Jest(0.5, n_chunks=3),
    Jest(0.5, n_chunks=3, loss="sigmoid", bias=-1.0),
    Jest(0.5, n_chunks=3, kind="hard"),
    Jest(0.5, n_chunks=3, kind="easy_reference"),
    EffectiveRank(candidates=4),
    EffectiveRank(candidates=None, views="both"),
    EffectiveRank(candidates=4, order=1),
]
every_picker = pytest.mark.parametrize("picker", PICKERS, ids=lambda p: repr(p).split("loss=functools")[0])


def choose(picker, u, v, batch_size, known, *, seed=3, epoch=1):
    reference = known if picker.needs_reference else None
    return picker.pick(u, v, batch_size, reference=reference, seed=seed, epoch=epoch)


@every_picker
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_choice_is_a_batch(picker, data):
    pool = data.draw(st.integers(1, 14), label="pool")
    size = data.draw(st.integers(1, pool), label="batch_size")
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]), label="dtype")
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000), label="embeddings"))
    u, v = torch.nn.functional.normalize(torch.randn(2, pool, 3, generator=generator, dtype=dtype), dim=-1)
    known = tuple(torch.nn.functional.normalize(torch.randn(2, pool, 5, generator=generator), dim=-1))
    batch = choose(picker, u, v, size, known, seed=data.draw(st.integers(0, 2**40), label="seed"))
    assert batch.dtype == torch.int64
    assert batch.shape == (size,)
    assert len(set(batch.tolist())) == size
    assert 0 <= batch.min() <= batch.max() < pool


@every_picker
def test_each_replicate_chooses_as_it_would_alone(picker, unit_pairs):
    u, v = unit_pairs(4, 12, 5)
    known = unit_pairs(4, 12, 7, seed=1)
    seeds = torch.tensor([7, 3, 11, 5])
    together = choose(picker, u, v, 5, known, seed=seeds)
    for r, seed in enumerate(seeds.tolist()):
        alone = choose(picker, u[r], v[r], 5, tuple(x[r] for x in known), seed=seed)
        assert torch.equal(together[r], alone)


def test_a_uniform_pick_is_random_and_repeatable(unit_pairs):
    u, v = unit_pairs(9, 3)
    first = UniformPick().pick(u, v, 4, seed=0, epoch=0)
    assert torch.equal(first, UniformPick().pick(u, v, 4, seed=0, epoch=0))
    drawn = torch.stack([UniformPick().pick(u, v, 4, seed=0, epoch=e) for e in range(900)])
    assert (drawn.flatten().bincount() / 900 - 4 / 9).abs().max() < 0.06


def test_ordered_samples_are_those_of_largest_loss(unit_pairs):
    u, v = unit_pairs(12, 4)
    losses = LOSS(u, v, reduction="none").tolist()
    by_hand = sorted(range(12), key=lambda i: -losses[i])[:5]
    assert OrderedSamples(LOSS).pick(u, v, 5, seed=0, epoch=0).tolist() == by_hand


def test_rho_loss_takes_the_largest_excess_over_the_reference(unit_pairs):
    u, v = unit_pairs(12, 4)
    known = unit_pairs(12, 6, seed=1)
    sharper = make_loss("clip", temperature=0.1)
    excess = LOSS(u, v, reduction="none") - sharper(*known, reduction="none")
    by_hand = sorted(range(12), key=lambda i: -excess[i].item())[:5]
    rule = RhoLoss(LOSS, reference_loss=sharper)
    assert rule.pick(u, v, 5, reference=known, seed=0, epoch=0).tolist() == by_hand


@pytest.mark.parametrize("rule", [OrderedSamples(LOSS), RhoLoss(LOSS)])
def test_ties_fall_in_the_order_of_the_pool(rule):
    u = torch.eye(6)
    known = (u, u)
    assert choose(rule, u, u, 4, known).tolist() == [0, 1, 2, 3]


def log_sum_exp(values):
    return math.log(sum(math.exp(x) for x in values))


def loss_among(jest, u, v, tau, i, chosen):
    """l_i(C), term by term."""
    z = (u @ v.T / tau).tolist()
    if jest.loss == "softmax":
        out, back = (log_sum_exp(terms) for terms in ([z[i][k] for k in chosen], [z[k][i] for k in chosen]))
        return -z[i][i] + (out + back) / 2
    entry = lambda a, b: math.log1p(math.exp((-1 if a == b else 1) * (z[a][b] + jest.bias)))  # noqa: E731
    return entry(i, i) + sum(entry(i, k) + entry(k, i) for k in chosen)


@pytest.mark.parametrize("kind", ["learnability", "hard", "easy_reference"])
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_jest_is_its_definition_pair_by_pair(kind, loss, unit_pairs):
    u, v = unit_pairs(13, 4)
    known = unit_pairs(13, 6, seed=1)
    jest = Jest(
        0.3,
        n_chunks=3,
        kind=kind,
        loss=loss,
        gain=0.7,
        reference_temperature=None if kind == "hard" else 0.2,
        bias=-1.0 if loss == "sigmoid" else None,
    )
    noise = (-(-uniforms(5, "jest", 2, 3 * 13).log()).log()).reshape(3, 13).tolist()
    chosen: list[int] = []
    for number, size in enumerate([3, 3, 2]):
        score = {}
        for i in set(range(13)) - set(chosen):
            score[i] = noise[number][i]
            if chosen and kind != "easy_reference":
                score[i] += 0.7 * loss_among(jest, u, v, 0.3, i, chosen)
            if chosen and kind != "hard":
                score[i] -= 0.7 * loss_among(jest, *known, 0.2, i, chosen)
        chosen += sorted(score, key=lambda i: -score[i])[:size]
    assert choose(jest, u, v, 8, known, seed=5, epoch=2).tolist() == chosen


def test_the_two_conditional_losses_of_jest(unit_pairs):
    """Softmax: `dcl_cross` of the pair in its batch, both directions. Sigmoid: what a batch's sum grows by."""
    u, v = unit_pairs(6, 4)
    softmax, chosen = Jest(0.5), [1, 2, 4]
    batch = [3, *chosen]
    one_way = [dcl_cross(a[batch], b[batch], temperature=0.5, reduction="none")[0] for a, b in ((u, v), (v, u))]
    assert loss_among(softmax, u, v, 0.5, 3, chosen) == pytest.approx(sum(one_way).item() / 2)
    siglip = make_loss("siglip", temperature=0.5, bias=-1.0)
    total = lambda rows: siglip(u[rows], v[rows], reduction="sum").item()  # noqa: E731
    sigmoid = Jest(0.5, loss="sigmoid", bias=-1.0)
    assert loss_among(sigmoid, u, v, 0.5, 3, chosen) == pytest.approx(total(batch) - total(chosen))


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_jest_puts_mutually_hard_pairs_together(loss):
    """Pairs 2i and 2i + 1 have the same views: each is the other's only hard negative."""
    u = torch.eye(8, dtype=torch.float64).repeat_interleave(2, 0)
    jest = Jest(0.02, kind="hard", n_chunks=2, loss=loss)
    for seed in range(20):
        batch = jest.pick(u, u, 8, seed=seed, epoch=0)
        first, second = batch[:4].tolist(), batch[4:].tolist()
        unmet = [i for i in first if i ^ 1 not in first]
        assert {i ^ 1 for i in unmet} <= set(second)


def test_learnability_leaves_out_what_is_hard_for_the_reference_as_well():
    """Pairs 0..7 have swapped views (noise, for every model); 8..15 are hard for the current weights alone."""
    axes = torch.eye(24, dtype=torch.float64)
    swap = torch.arange(24)
    swap[:16] = swap[:16].reshape(8, 2).flip(1).flatten()
    u, v = axes, axes[swap]
    noise_only = torch.where(torch.arange(24) < 8, swap, torch.arange(24))
    known = (axes, axes[noise_only])
    count = {"learnability": [0, 0, 0], "hard": [0, 0, 0]}
    for kind, found in count.items():
        jest = Jest(0.1, n_chunks=8, kind=kind)
        for seed in range(20):
            later = choose(jest, u, v, 8, known, seed=seed)[1:]
            for i in later.tolist():
                found[i // 8] += 1
    noise, learnable, easy = count["learnability"]
    assert learnable > 20 * (noise + easy)
    noise, learnable, easy = count["hard"]
    assert noise > learnable / 2 > 10 * easy


def test_gain_leads_from_random_to_greedy(unit_pairs):
    u, v = unit_pairs(40, 4)
    mean = lambda gain: np.mean(  # noqa: E731
        [
            LOSS(u[batch], v[batch]).item()
            for seed in range(20)
            for batch in [Jest(0.5, n_chunks=8, kind="hard", gain=gain).pick(u, v, 8, seed=seed, epoch=0)]
        ]
    )
    assert mean(0.0) < mean(1.0) < mean(10.0)
    assert torch.equal(
        Jest(0.5, kind="hard", gain=0.0).pick(u, v, 8, seed=0, epoch=0),
        Jest(0.1, kind="hard", gain=0.0).pick(v, u, 8, seed=0, epoch=0),
    )


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
def test_spectral_rank_is_that_of_the_eigenvalues(shape, unit_pairs):
    x, _ = unit_pairs(*shape)
    eigenvalues = np.linalg.eigvalsh(x.numpy().T @ x.numpy())
    shares = eigenvalues[eigenvalues > 1e-12] / eigenvalues.sum()
    assert spectral_rank(x, order=1).item() == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert spectral_rank(x, order=2).item() == pytest.approx(1 / (shares**2).sum())
    assert 1 <= spectral_rank(x, order=2) <= spectral_rank(x, order=1) <= effective_rank(x) <= 5
    torch.testing.assert_close(spectral_rank(torch.eye(4), order=1), torch.tensor(4.0))


@pytest.mark.parametrize("views", ["u", "both"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("candidates", [None, 4])
def test_each_pair_is_the_best_of_its_candidates(candidates, order, views, unit_pairs):
    u, v = (x * torch.linspace(0.5, 1.5, 11)[:, None] for x in unit_pairs(11, 4))  # the rank needs no unit rows
    x = u if views == "u" else torch.cat([u, v], -1)
    rule = EffectiveRank(candidates=candidates, order=order, views=views)
    batch = rule.pick(u, v, 6, seed=9, epoch=2).tolist()
    for step in range(1, 6):
        draw = uniforms(9, "effective rank", 2 * 6 + step, 11).tolist()
        others = sorted(set(range(11)) - set(batch[:step]), key=lambda i: -draw[i])[: candidates or 11]
        best = max(others, key=lambda i: spectral_rank(x[[*batch[:step], i]], order=order).item())
        assert batch[step] == best


@pytest.mark.parametrize("order", [1, 2])
def test_orthogonal_clusters_give_one_pair_each(order):
    clusters = torch.arange(40) % 8
    u = torch.eye(8)[clusters]
    batch = EffectiveRank(candidates=None, order=order).pick(u, u, 8, seed=0, epoch=0)
    assert sorted(clusters[batch].tolist()) == list(range(8))


def test_greedy_batches_of_clustered_data_have_more_directions_than_random_ones(unit_pairs):
    centres, _ = unit_pairs(12, 24)
    generator = torch.Generator().manual_seed(1)
    label = (12 * torch.rand(128, generator=generator).square()).long()  # of uneven size
    noisy = centres[label] + 0.1 * torch.randn(128, 24, generator=generator, dtype=torch.float64)
    u = torch.nn.functional.normalize(noisy, dim=-1)
    rank = {
        rule: np.mean([spectral_rank(u[rule.pick(u, u, 16, seed=s, epoch=0)]).item() for s in range(8)])
        for rule in (UniformPick(), EffectiveRank(candidates=4), EffectiveRank(candidates=64))
    }
    few, some, many = rank.values()
    assert 1.1 * few < some < many


class Embeddings:
    """An `Embed` that remembers which pairs it was asked for."""

    def __init__(self, u, v):
        self.u, self.v, self.asked = u, v, []

    def __call__(self, index):
        self.asked.append(index)
        if index.dim() == 1:
            return self.u[index], self.v[index]
        rows = index[..., None].expand(*index.shape, self.u.shape[-1])
        return self.u.gather(1, rows), self.v.gather(1, rows)


def test_every_pair_is_a_candidate_once_in_an_order(unit_pairs):
    embed = Embeddings(*unit_pairs(26, 4))
    rule = Picked(OrderedSamples(LOSS), pool_factor=2.0)
    plans = [rule.plan(26, 3, seed=1, epoch=t, embed=embed) for t in range(8)]
    assert [len(pool) for pool in embed.asked] == [6] * 8, "only the pool is embedded"
    for order in (embed.asked[:4], embed.asked[4:]):
        assert len(set(torch.cat(order).tolist())) == 24
    assert not torch.equal(embed.asked[0], embed.asked[4])
    for pool, plan in zip(embed.asked, plans, strict=True):
        loss = LOSS(*(x[pool] for x in (embed.u, embed.v)), reduction="none")
        assert plan.batches.tolist() == [pool[loss.topk(3).indices].tolist()]
        assert (plan.kind, plan.n_updates, plan.remainder.numel()) == ("subset", 1, 0)
    assert rule.updates_per_epoch(26, 3) == 8


@every_picker
def test_a_plan_is_a_function_of_its_arguments_for_each_replicate(picker, unit_pairs):
    u, v = unit_pairs(3, 20, 5)
    known = unit_pairs(3, 20, 7, seed=1)
    seeds = torch.tensor([7, 3, 11])

    def plan(rows, epoch=5):
        reference = Embeddings(*(x[rows] for x in known)) if picker.needs_reference else None
        rule = Picked(picker, pool_factor=2.5, reference=reference)
        return rule.plan(20, 4, seed=seeds[rows], epoch=epoch, embed=Embeddings(u[rows], v[rows])).batches

    together = plan(slice(0, 3))
    assert together.shape == (3, 1, 4)
    assert torch.equal(together, plan(slice(0, 3)))
    for r in range(3):
        assert torch.equal(together[r], plan(slice(r, r + 1))[0])
    assert not torch.equal(together, plan(slice(0, 3), epoch=6))


def test_a_choice_records_no_gradients(unit_pairs):
    u, v = (x.requires_grad_() for x in unit_pairs(8, 4))
    recorded = []

    def loss(u, v, **options):
        per_pair = LOSS(u, v, **options)
        recorded.append(per_pair.requires_grad)
        return per_pair

    OrderedSamples(loss).pick(u, v, 3, seed=0, epoch=0)
    assert recorded == [False]


class Stateful(torch.nn.Module):
    takes_index = True

    def forward(self, u, v, *, index, reduction="mean"):
        raise NotImplementedError


def test_what_is_refused(unit_pairs):
    u, v = unit_pairs(6, 4)
    embed = Embeddings(u, v)
    with pytest.raises(ValueError, match=r"RhoLoss compares with a reference model, got none; give its embeddings"):
        Picked(RhoLoss(LOSS))
    with pytest.raises(ValueError, match=r"Jest compares with a reference model, got none"):
        Jest(0.1).pick(u, v, 2, seed=0, epoch=0)
    with pytest.raises(ValueError, match=r"Jest with these settings compares with no reference, got one; leave it"):
        Picked(Jest(0.1, kind="hard"), reference=embed)
    with pytest.raises(ValueError, match=r"scored by a loss without a state, got Stateful.*choose another loss"):
        OrderedSamples(Stateful())
    with pytest.raises(ValueError, match=r"pool_factor must be at least 1, got 0\.5"):
        Picked(UniformPick(), pool_factor=0.5)
    with pytest.raises(ValueError, match=r"= 8 pairs needs at least as many pairs, got 6; lower pool_factor to 3 "):
        Picked(UniformPick()).check(6, 2)
    with pytest.raises(ValueError, match=r"between 1 and the size of the pool, 6, got 7"):
        UniformPick().pick(u, v, 7, seed=0, epoch=0)
    with pytest.raises(ValueError, match=r"at most 64 pairs, got batch_size 65; use order=2"):
        Picked(EffectiveRank(order=1)).check(1000, 65)
    with pytest.raises(ValueError, match=r"candidates must be at least 1, got 0"):
        EffectiveRank(candidates=0)
    with pytest.raises(ValueError, match=r"n_chunks must be at least 1 and gain at least 0, got 0 and 1\.0"):
        Jest(0.1, n_chunks=0)
    with pytest.raises(ValueError, match=r"bias belongs to the sigmoid loss, got -1\.0 for 'softmax'"):
        Jest(0.1, bias=-1.0)
    with pytest.raises(ValueError, match=r"kind 'hard' has no reference, got a reference_temperature"):
        Jest(0.1, kind="hard", reference_temperature=0.1)
    with pytest.raises(ValueError, match=r"same pool, \(6,\) pairs, got \(5,\)"):
        RhoLoss(LOSS).pick(u, v, 2, reference=(u[:5], v[:5]), seed=0, epoch=0)
    with pytest.raises(ValueError, match=r"chosen by finite embeddings, got inf or NaN"):
        UniformPick().pick(u / 0, v, 2, seed=0, epoch=0)
