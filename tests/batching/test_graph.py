"""Engines on the nearest-neighbour graph: METIS with its guards, and the order of least bandwidth."""

import math
from importlib import util

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch.nn import functional

from batching.algorithms.neighbours import nearest
from batching.engines import bandwidth
from batching.engines import graph as module
from batching.engines.bandwidth import Bandwidth, near_order
from batching.engines.graph import Graph, exact_sizes
from losses import make_loss

ENGINES = [
    Graph(0.1),
    Graph(0.1, neighbours=4, window_start=2, max_similarity=0.9),
    Bandwidth(),
    Bandwidth(quantile=0.95),
]
NAMES = ["graph", "graph, window", "bandwidth", "bandwidth, quantile"]


def clustered(n, dim=16, clusters=12, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, dim))
    x = torch.from_numpy(centres[rng.integers(0, clusters, n)] + 0.7 * rng.standard_normal((n, dim)))
    views = (x + 0.3 * torch.from_numpy(rng.standard_normal((n, dim))) for _ in range(2))
    return tuple(functional.normalize(view, dim=1).float() for view in views)


def cut(engine, u, v, batch_size, seed=0, epoch=0):
    """One pool: batches and info."""
    result = engine.cut(u[None], v[None], batch_size, seed=torch.tensor([seed]), epoch=epoch)
    assert result.batches.shape == (1, len(u) // batch_size, batch_size)
    assert result.batches.flatten().sort().values.equal(torch.arange(len(u)))
    return result.batches[0], result.info


def hardness(u, v, batches):
    return make_loss("clip_sum", temperature=0.1)(u, v, batches=batches).mean().item()


@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
@pytest.mark.parametrize(("n", "size"), [(240, 8), (240, 2), (60, 60), (6, 1), (1, 1), (4, 2), (99, 33)])
def test_every_pair_is_in_one_batch(engine, n, size):
    u, v = clustered(n)
    cut(engine, u, v, size)


@pytest.mark.parametrize("engine", [ENGINES[0], *ENGINES[2:]], ids=[NAMES[0], *NAMES[2:]])
def test_batches_are_much_harder_than_random_ones(engine):
    u, v = clustered(480)
    batches, _ = cut(engine, u, v, 16)
    random = torch.randperm(480, generator=torch.Generator().manual_seed(0)).reshape(-1, 16)
    assert hardness(u, v, batches) > 2 * hardness(u, v, random)


def test_a_window_and_a_limit_make_batches_easier():
    u, v = clustered(480)
    hard, _ = cut(Graph(0.1, neighbours=8), u, v, 16)
    milder, _ = cut(Graph(0.1, neighbours=8, window_start=30), u, v, 16)
    mildest, _ = cut(Graph(0.1, neighbours=8, max_similarity=0.3), u, v, 16)
    assert hardness(u, v, hard) > hardness(u, v, milder)
    assert hardness(u, v, hard) > hardness(u, v, mildest)


@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
def test_pools_side_by_side_are_cut_as_alone(engine):
    u, v = (torch.stack(side) for side in zip(*(clustered(120, seed=seed) for seed in range(3)), strict=True))
    together = engine.cut(u, v, 8, seed=torch.tensor([4, 9, 4]), epoch=2).batches
    for pool, seed in enumerate([4, 9, 4]):
        assert torch.equal(together[pool], cut(engine, u[pool], v[pool], 8, seed=seed, epoch=2)[0])


def test_the_seed_and_the_epoch_decide():
    u, v = clustered(480)
    first, _ = cut(Graph(0.1), u, v, 8, seed=1)
    assert torch.equal(first, cut(Graph(0.1), u, v, 8, seed=1)[0])
    assert not torch.equal(first, cut(Graph(0.1), u, v, 8, seed=2)[0])
    assert not torch.equal(first, cut(Graph(0.1), u, v, 8, seed=1, epoch=1)[0])


@pytest.mark.parametrize("engine", [Graph(0.1), Bandwidth()], ids=["graph", "bandwidth"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_blobs_are_taken_apart(engine, dtype):
    """A graph in two pieces, whose pairs lie interleaved."""
    side = torch.arange(64) % 2
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 8)))
    u = functional.normalize(10 * functional.one_hot(side, 8) + noise, dim=1).to(dtype)
    for size in (32, 8):
        batches, _ = cut(engine, u, u, size)
        assert (side[batches] == side[batches][:, :1]).all()


@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
def test_equal_rows(engine):
    ones = torch.ones(64, 4) / 2
    for size in (2, 8):
        cut(engine, ones, ones, size)


def test_edge_weights_are_what_two_pairs_add_to_sums_of_negatives():
    u, v = clustered(40)
    found = nearest(u[None], v[None], 5)
    weights = module._edge_weights(u[None], v[None], found, 0.2)
    for i, neighbours in enumerate(found.index[0].tolist()):
        for place, j in enumerate(neighbours):
            anchors = [(u[i], v[i], v[j]), (v[i], u[i], u[j]), (u[j], v[j], v[i]), (v[j], u[j], u[i])]
            expected = sum(math.exp(anchor @ (other - own) / 0.2) for anchor, own, other in anchors)
            assert weights[0, i, place].item() == pytest.approx(expected, rel=1e-5)


def test_weights_for_metis_are_integers_without_extremes():
    integers = module._integers(np.array([1e-30, 0.0, 0.5, 1.0, 1e13] + [1.0] * 20))
    assert integers.tolist() == [1, 1, 500, 1000, 1000] + [1000] * 20


# --- METIS may fail ---


def refuse(*_):
    raise RuntimeError("METIS_ERROR")


@pytest.mark.parametrize(
    "metis",
    [
        refuse,
        lambda _, parts, __: [parts] * 120,
        lambda *_: [-1] + [0] * 119,
        lambda _, parts, __: list(range(parts)),
        lambda *_: [0.5] * 120,
        lambda _, parts, __: [i % (parts - 1) for i in range(120)],
    ],
    ids=["raises", "out of range", "negative", "too few labels", "no labels", "incomplete"],
)
def test_a_failure_of_metis_is_survived_and_counted(metis, monkeypatch):
    monkeypatch.setattr(module, "_metis", metis)
    u, v = clustered(120)
    batches, info = cut(Graph(0.1), u, v, 8)
    assert info == {"moved": 0, "fallbacks": 1}
    assert torch.equal(batches, cut(Bandwidth(), u, v, 8)[0])


@pytest.mark.parametrize(
    "script", ["import os; os.abort()", "print('no array')", "", "import time; time.sleep(60)"]
)
def test_a_crash_takes_nothing_along_where_metis_is_isolated(script, monkeypatch):
    monkeypatch.setattr(module, "_SCRIPT", script)
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    u, v = clustered(120)
    _, info = cut(Graph(0.1, isolated=True), u, v, 8)
    assert info["fallbacks"] == 1


def test_isolation_changes_no_batch():
    u, v = clustered(240)
    apart, info = cut(Graph(0.1, isolated=True), u, v, 8, seed=3)
    assert info["fallbacks"] == 0
    assert torch.equal(apart, cut(Graph(0.1), u, v, 8, seed=3)[0])


def test_metis_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "pymetis" else util.find_spec(name))
    with pytest.raises(ValueError, match="graph needs METIS, which is missing; pip install pymetis"):
        Graph(0.1).check(100, 10)


# --- exact sizes ---


@pytest.mark.parametrize("at_once", [2048, 7])
@pytest.mark.parametrize("uneven", ["skewed", "all in one", "exact"])
def test_repair_moves_no_more_than_it_must(uneven, at_once, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    labels = {
        "skewed": np.minimum(rng.geometric(0.2, 120) - 1, 14),
        "all in one": np.full(120, 3),
        "exact": rng.permutation(np.arange(120) % 15),
    }[uneven]
    rows = functional.normalize(torch.from_numpy(rng.standard_normal((120, 5))), dim=1).numpy()
    empty = csr_array((120, 120), dtype=np.int64)
    exact = exact_sizes(labels, empty, rows, 8)
    assert np.bincount(exact, minlength=15).tolist() == [8] * 15
    surplus = np.maximum(np.bincount(labels, minlength=15) - 8, 0).sum()
    assert (exact != labels).sum() == surplus


def test_repair_moves_the_weakly_attached_to_where_they_belong():
    """Part 0 holds one of part 1, joined by a light edge only; part 1 is one short."""
    rows = np.repeat(np.eye(2), 3, axis=0)
    labels = np.array([0, 0, 0, 0, 1, 1])
    edges = [(0, 1, 9), (1, 2, 9), (0, 3, 1), (4, 5, 9), (3, 4, 9)]
    i, j, w = np.array([*edges, *[(b, a, c) for a, b, c in edges]]).T
    assert exact_sizes(labels, csr_array((w, (i, j)), shape=(6, 6)), rows, 3).tolist() == [0, 0, 0, 1, 1, 1]


# --- bandwidth ---


def test_the_order_of_a_shuffled_path_is_found():
    """Points along an arc: each batch is a run of it."""
    angle = torch.linspace(0, 3, 96, dtype=torch.float64)
    shuffled = torch.randperm(96, generator=torch.Generator().manual_seed(1))
    u = torch.stack([angle.cos(), angle.sin()], 1)[shuffled]
    order = shuffled[torch.from_numpy(near_order(nearest(u, u, 6).index).copy())]
    assert (order.diff().abs() <= 4).all()
    batches, _ = cut(Bandwidth(neighbours=6), u, u, 12)
    places = shuffled[batches].sort(dim=1).values
    assert (places[:, -1] - places[:, 0] <= 16).all()


def test_pairs_above_the_quantile_are_joined():
    product = torch.tensor([[0.0, 0.9, 0.1], [0.2, 0.95, 0.3], [0.4, 0.8, 0.5]])
    joined = bandwidth._above(product, 0.6).toarray()  # above 0.4 lie 0.9, 0.95, 0.8 and 0.5
    assert joined.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_the_quantile_needs_pools():
    with pytest.raises(ValueError, match=r"pools of at most 8,192 pairs, got 10,000; make pools smaller"):
        Bandwidth(quantile=0.99).check(10_000, 10)
    Bandwidth().check(10_000, 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Graph(0.0), "temperature must be positive"),
        (lambda: Graph(0.1, neighbours=0), "neighbours must be at least 1"),
        (lambda: Graph(0.1, window_start=-1), "window_start at least 0"),
        (lambda: Graph(0.1, max_similarity=0.0), "None drops none"),
        (lambda: Bandwidth(neighbours=0), "neighbours must be at least 1"),
        (lambda: Bandwidth(quantile=1.0), "None uses neighbours"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
