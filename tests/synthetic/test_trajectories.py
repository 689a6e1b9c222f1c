"""The engine, which takes a partition at once and has its gradients in closed form, against a naive loop."""

import itertools

import pytest
import reference
import torch

from losses import make_loss
from synthetic.config import PUBLISHED, SyntheticConfig
from synthetic.experiment import Accumulated
from synthetic.pairs import FreePairs
from training import constant, fit


def normalised(x):
    return x / x.norm(dim=-1, keepdim=True)


def two_directions(u, v, tau):
    """The loss of Cho et al., term by term."""
    total = 0.0
    for i in range(len(u)):
        for a, b in ((u, v), (v, u)):
            exponentials = [torch.exp(a[i] @ b[j] / tau) for j in range(len(u))]
            total = total - torch.log(exponentials[i] / sum(exponentials)) / len(u)
    return total


def naive_batches(name, x, size, rule, seed, epoch):
    """The batches of one step; `all` comes as one list whose losses are averaged."""
    n = x.shape[1]
    every = list(itertools.combinations(range(n), size))
    match name:
        case "full":
            return [list(range(n))]
        case "all":
            return every
        case "osgd":
            u, v = normalised(x)
            return [max(every, key=lambda b: two_directions(u[list(b)], v[list(b)], 1.0).item())]
        case _:
            u, v = normalised(x)
            embed = lambda i: (u[None].gather(1, rows(i, u)), v[None].gather(1, rows(i, v)))  # noqa: E731
            plan = rule.plan(n, size, seed=torch.tensor([seed]), epoch=epoch, embed=embed)
            return plan.batches[0].tolist()


def rows(index, x):
    return index[..., None].expand(*index.shape, x.shape[-1])


def naive_run(name, start, size, rule, seed, n_steps, rate):
    """Plain gradient descent with autograd, one batch after the other."""
    x = start.clone()
    for step in range(n_steps):
        for substep in range(x.shape[1] // size if name == "osgd" else 1):
            batches = naive_batches(name, x, size, rule, seed, step + substep)
            groups = [batches] if name == "all" else [[b] for b in batches]
            for group in groups:
                y = x.clone().requires_grad_()
                u, v = normalised(y)
                loss = sum(two_directions(u[list(b)], v[list(b)], 1.0) for b in group) / len(group)
                (gradient,) = torch.autograd.grad(loss, y)
                x = x - rate * gradient
    return x


def engine(name, *, n, dim, size, seeds, n_steps, rate, at_once=True):
    config = SyntheticConfig(n_pairs=n, dim=dim, batch_sizes=(size,), selections=(name,))
    rule = config.selection(name)
    seeds = torch.tensor(seeds)
    task = FreePairs(seeds, n_pairs=n, dim=dim, equal=False, batch_size=size, updates_commute=at_once)
    start = task.raw.detach().clone()
    fit(
        task,
        selection=rule,
        loss=make_loss("clip_sum", temperature=1.0),
        optimizer=torch.optim.SGD([task.raw], lr=rate),
        learning_rate=constant(rate),
        batch_size=size,
        updates=n_steps * rule.updates_per_epoch(n, size),
        seed=seeds,
        log_every=10**9,
    )
    return rule, start, task.raw.detach()


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize(("n", "dim", "size"), [(6, 8, 2), (6, 3, 3)])
def test_a_trajectory_is_that_of_the_naive_loop(name, n, dim, size):
    seeds = [3, 8]
    rule, start, found = engine(name, n=n, dim=dim, size=size, seeds=seeds, n_steps=4, rate=0.5)
    for r, seed in enumerate(seeds):
        expected = naive_run(name, start[:, r], size, rule, seed, 4, 0.5)
        torch.testing.assert_close(found[:, r], expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["fixed", "shuffled", "spectral"])
def test_disjoint_updates_commute(name):
    """Taking a partition at once is the sequence of its updates: free embeddings, plain gradient descent."""
    options = {"n": 8, "dim": 4, "size": 2, "seeds": [1, 2], "n_steps": 5, "rate": 0.5}
    together, one_by_one = (engine(name, at_once=flag, **options)[2] for flag in (True, False))
    torch.testing.assert_close(together, one_by_one, rtol=1e-12, atol=1e-13)


def test_a_replicate_does_not_know_how_many_run_beside_it():
    options = {"n": 8, "dim": 4, "size": 2, "n_steps": 3, "rate": 0.5}
    for name in PUBLISHED:
        many = engine(name, seeds=[0, 1, 2, 3], **options)[2]
        alone = engine(name, seeds=[2], **options)[2]
        torch.testing.assert_close(many[:, 2:3], alone, rtol=1e-12, atol=1e-13)


def test_the_naive_loop_has_the_loss_of_the_reference(unit_pairs):
    u, v = unit_pairs(5, 3)
    expected = reference.clip_sum(u.numpy(), v.numpy(), 1.0)
    assert two_directions(u, v, 1.0).item() == pytest.approx(expected, rel=1e-12)


def test_the_start_depends_on_the_seed_alone_and_may_be_equal():
    pairs = lambda seeds, equal: FreePairs(  # noqa: E731
        torch.tensor(seeds), n_pairs=4, dim=3, equal=equal, batch_size=2
    ).raw.detach()
    many, one = pairs([5, 6], False), pairs([6], False)
    assert torch.equal(many[:, 1:], one)
    assert not torch.equal(one[0], one[1])
    same = pairs([6], True)
    assert torch.equal(same[0], same[1])
    assert torch.equal(same[0], one[0])


def test_accumulation_counts_a_plan_as_one_update():
    config = SyntheticConfig(n_pairs=8)
    for name in PUBLISHED:
        rule = Accumulated(config.selection(name))
        assert rule.updates_per_epoch(8, 2) == 1
