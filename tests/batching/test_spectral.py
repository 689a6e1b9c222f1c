"""The published spectral selection, step by step, against scipy and scikit-learn."""

import itertools
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.manifold import spectral_embedding as sklearn_embedding

from batching import Partitioned, Spectral, pair_weights
from batching.algorithms.assignment import (
    augmenting_paths,
    balanced_assignment,
    transport,
    transports,
)
from batching.algorithms.kmeans import kmeans_centres
from batching.engines.spectral import block_lanczos, spectral_embedding
from losses import clip_sum


def test_pair_weights_equal_the_double_loop(unit_pairs):
    u, v = unit_pairs(7, 4)
    found = pair_weights(u, v, batch_size=3, temperature=0.5)
    expected = torch.from_numpy(reference.pair_weights(u.numpy(), v.numpy(), 3, 0.5))
    off = ~torch.eye(7, dtype=torch.bool)
    torch.testing.assert_close(found[off], expected[off])


@pytest.mark.parametrize("size", [2, 3, 5])
def test_pair_weights_bound_the_batch_loss_from_below(size, unit_pairs):
    """Jensen; and for two pairs they are the loss."""
    u, v = unit_pairs(8, 4)
    w = pair_weights(u, v, batch_size=size, temperature=0.5)
    for batch in itertools.combinations(range(8), size):
        index = torch.tensor(batch)
        inside = w[index][:, index].triu(1).sum() / (size * (size - 1))
        loss = clip_sum(u[index], v[index], temperature=0.5)
        assert inside <= loss + 1e-12
        if size == 2:
            assert inside.item() == pytest.approx(loss.item(), rel=1e-12)


@pytest.mark.parametrize("n", [12, 300], ids=["dense", "Lanczos"])
def test_embedding_spans_what_scikit_learn_finds(n, unit_pairs):
    u, v = unit_pairs(n, 6)
    w = pair_weights(u, v, batch_size=4, temperature=0.5)
    found = spectral_embedding(w[None], 4)[0].numpy()
    expected = sklearn_embedding(np.exp(w.numpy()), n_components=4, drop_first=False, random_state=0)
    for column in range(4):
        a, b = found[:, column], expected[:, column]
        cosine = abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)
        assert cosine == pytest.approx(1, abs=1e-6)
    lengths = np.linalg.norm(found, axis=0) / np.linalg.norm(expected, axis=0)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)


def test_block_lanczos_finds_the_same_for_many_pools(unit_pairs):
    """What a GPU does instead of Lanczos' iteration, one pool after the other."""
    u, v = unit_pairs(2, 300, 6)
    w = pair_weights(u, v, batch_size=4, temperature=0.5)
    affinity = torch.exp(w - w.logsumexp(-1, keepdim=True) / 2 - w.logsumexp(-2, keepdim=True) / 2)
    found = block_lanczos(affinity, 5, tolerance=1e-9)
    expected = torch.linalg.eigh(affinity).eigenvectors[..., -5:].flip(-1)
    cosines = (found * expected).sum(-2).abs()
    torch.testing.assert_close(cosines, torch.ones_like(cosines), atol=1e-6, rtol=0)


def test_embedding_does_not_overflow_where_exp_of_the_weights_does(unit_pairs):
    u, v = unit_pairs(12, 4)
    w = pair_weights(u, v, batch_size=4, temperature=0.002)
    assert not torch.isfinite(w.exp()).all()
    assert torch.isfinite(spectral_embedding(w[None], 3)).all()


def naive_assignment(cost, size):
    square = np.repeat(cost, size, axis=1)
    return square[linear_sum_assignment(square)].sum()


@pytest.mark.parametrize(("k", "size"), [(4, 2), (3, 3), (2, 5)])
def test_balanced_assignment_is_the_cheapest(k, size, unit_pairs):
    cost = unit_pairs(6, k * size, k)[0]
    label = balanced_assignment(cost, size)
    for c, found in zip(cost, label, strict=True):
        assert torch.bincount(found, minlength=k).tolist() == [size] * k
        total = c.gather(1, found[:, None]).sum().item()
        assert total == pytest.approx(naive_assignment(c.numpy(), size), abs=1e-12)


@pytest.mark.parametrize(("k", "size"), [(4, 2), (3, 5), (40, 16), (6, 1), (1, 4)])
def test_transport_is_the_cheapest_too(k, size, unit_pairs):
    for cost in (*unit_pairs(3, k * size, k)[0].numpy(), np.round(unit_pairs(k * size, k)[1].numpy(), 1)):
        found = transport(cost, size)
        assert np.bincount(found, minlength=k).tolist() == [size] * k
        assert cost[range(k * size), found].sum() == pytest.approx(naive_assignment(cost, size), abs=1e-9)


INTERPRETER = """
import torch
from test_spectral import problems, same_cost
for cost, size in problems(2):
    assert same_cost(cost, size), (cost.shape, size)
cost[0] = torch.nan  # ends, with what cannot be an assignment, and leaves the other problems alone
assert same_cost(cost, size) is False and same_cost(cost[1:], size)
print("the kernel's assignments are the cheapest")
"""


def problems(count, device="cpu"):
    """Costs and the size of a cluster: with and without ties, in both precisions."""
    generator = torch.Generator().manual_seed(0)
    for k, size in ((4, 2), (3, 3), (1, 4), (6, 1), (1, 1), (5, 4)):
        cost = torch.randn(count, k * size, k, generator=generator, dtype=torch.float64)
        yield cost.to(device), size
        yield cost.round().float().to(device), size


def same_cost(cost, size):
    labels = augmenting_paths(cost, size)
    full = all(sorted(row.tolist()) == sorted(list(range(cost.shape[-1])) * size) for row in labels)
    totals = cost.gather(2, labels[..., None]).double().sum((1, 2)).tolist()
    return full and totals == pytest.approx([naive_assignment(c, size) for c in cost.cpu().numpy()], abs=1e-6)


@pytest.mark.skipif(find_spec("triton") is None, reason="this build of torch has no Triton")
def test_the_kernel_finds_the_cheapest_in_the_interpreter():
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": os.pathsep.join(str(root / folder) for folder in ("", "tests", "tests/batching")),
    }
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETER], env=environment, capture_output=True, text=True, check=False
    )
    assert "are the cheapest" in done.stdout, done.stderr


@pytest.mark.gpu
def test_the_kernel_finds_the_cheapest_on_a_gpu():
    for cost, size in problems(1000, "cuda"):
        assert same_cost(cost, size)
    cost = torch.randn(500, 64, 8, device="cuda", dtype=torch.float64)
    assert same_cost(cost, 8)


def test_assignment_refuses_uneven_numbers():
    with pytest.raises(ValueError, match=r"items must equal size \* clusters, got 7 items"):
        balanced_assignment(torch.zeros(7, 3), 2)


def inertia(points, centres):
    return cdist(points, centres, "sqeuclidean").min(1).sum()


def test_kmeans_is_as_good_as_scikit_learns():
    """Mean cost over 40 random starts, on points with more clusters than centres."""
    generator = torch.Generator().manual_seed(0)
    blobs = torch.randn(9, 2, generator=generator, dtype=torch.float64) * 4
    points = (blobs[:, None] + torch.randn(9, 20, 2, generator=generator, dtype=torch.float64)).flatten(0, 1)
    ours = [inertia(points, kmeans_centres(points, 6, seed=s)) for s in range(40)]
    theirs = [
        KMeans(6, n_init=1, random_state=s).fit(points.numpy()).inertia_  # the published settings
        for s in range(40)
    ]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.05)
    centres = kmeans_centres(points, 6, seed=0)
    nearest = torch.cdist(points, centres).argmin(1)
    for c in range(6):
        torch.testing.assert_close(centres[c], points[nearest == c].mean(0))


def published(u, v, size, temperature, seed):
    """The procedure as it stands in the original code, with scikit-learn and scipy."""
    w = reference.pair_weights(u, v, size, temperature)
    k = len(u) // size
    maps = sklearn_embedding(np.exp(w), n_components=k, drop_first=False, eigen_solver="arpack", random_state=seed)
    centres = KMeans(k, n_init=1, random_state=seed).fit(maps).cluster_centers_
    label = linear_sum_assignment(cdist(maps, np.repeat(centres, size, axis=0)))[1] // size
    return torch.from_numpy(np.argsort(label, kind="stable").reshape(k, size))


def test_batches_are_as_hard_as_the_published_procedures():
    ours, theirs, random = [], [], []
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        centre = torch.randn(6, 8, generator=generator, dtype=torch.float64)
        x = centre[torch.randint(6, (48,), generator=generator)]
        noise = torch.randn(2, 48, 8, generator=generator, dtype=torch.float64)
        u, v = torch.nn.functional.normalize(x + 0.8 * noise, dim=-1)
        plan = Partitioned(Spectral(0.2)).plan(48, 6, seed=seed, epoch=0, embed=lambda i, u=u, v=v: (u[i], v[i]))
        for found, batches in (
            (ours, plan.batches),
            (theirs, published(u.numpy(), v.numpy(), 6, 0.2, seed)),
            (random, torch.randperm(48, generator=generator).reshape(8, 6)),
        ):
            found.append(clip_sum(u, v, temperature=0.2, batches=batches).mean().item())
    assert np.mean(theirs) > 1.3 * np.mean(random)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.04)


def test_weights_themselves_may_be_clustered(unit_pairs):
    u, v = unit_pairs(24, 4)
    plans = [
        Partitioned(Spectral(0.2, exponential=e)).plan(24, 4, seed=0, epoch=0, embed=lambda i: (u[i], v[i])).batches
        for e in (True, False)
    ]
    assert not torch.equal(*plans)


def sets(batches):
    return {frozenset(batch) for batch in batches.tolist()}


def test_pool_after_pool_uses_the_weights_of_the_moment(unit_pairs):
    """replan="pool": plan e covers pool e of the order that "epoch" cuts all its pools from."""
    u, v = unit_pairs(26, 4)
    embed = lambda i: (u[i], v[i])  # noqa: E731
    whole = Partitioned(Spectral(0.5), batches_per_pool=2).plan(26, 3, seed=1, epoch=0, embed=embed)
    single = [
        Partitioned(Spectral(0.5), batches_per_pool=2, replan="pool").plan(26, 3, seed=1, epoch=e, embed=embed)
        for e in range(5)
    ]
    assert sets(torch.cat([plan.batches for plan in single[:4]])) == sets(whole.batches)
    assert len(whole.remainder) == 2
    assert set(single[4].batches.flatten().tolist()) != set(single[0].batches.flatten().tolist())


@pytest.mark.slow
def test_transports_are_the_same_in_several_processes():
    """Beside a GPU; starting them takes seconds, once."""
    costs = torch.rand(5, 64, 4, generator=torch.Generator().manual_seed(0)).numpy()
    here, there = (transports(costs, 16, workers=workers) for workers in (1, 2))
    assert all((one == other).all() for one, other in zip(here, there, strict=True))
