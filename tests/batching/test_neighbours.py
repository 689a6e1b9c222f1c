"""Nearest neighbours of pairs, and the graphs made of them."""

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from batching.algorithms import neighbours as module
from batching.algorithms import search
from batching.algorithms.neighbours import cross_similarities, k_nearest_graph, nearest


def pairs_of_rows(n, dim, seed=0):
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, n, dim)))
    x = functional.normalize(noise[0], dim=1)
    return tuple(functional.normalize(x + 0.3 * side * noise[1] / dim**0.5, dim=1) for side in (1, -1))


def clustered(n, dim=32, clusters=40, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, dim))
    x = torch.from_numpy(centres[rng.integers(0, clusters, n)] + 0.6 * rng.standard_normal((n, dim)))
    views = (x + 0.35 * torch.from_numpy(rng.standard_normal((n, dim))) for _ in range(2))
    return tuple(functional.normalize(view, dim=1).float() for view in views)


def by_loops(u, v, k, start=0):
    """Ranks start .. start + k - 1 of everyone's neighbours, by sorting."""
    x = (u + v) / (u + v).norm(dim=1, keepdim=True)
    lists = []
    for i in range(len(x)):
        others = sorted((j for j in range(len(x)) if j != i), key=lambda j: -float(x[i] @ x[j]))
        lists.append(others[start : start + k])
    return lists


def recall(found, truth):
    return sum(torch.isin(row, found[i]).double().mean().item() for i, row in enumerate(truth)) / len(truth)


@pytest.mark.parametrize(("n", "k", "start"), [(40, 5, 0), (40, 5, 3), (7, 6, 0), (300, 2, 1)])
def test_exact_neighbours_are_those_of_a_double_loop(n, k, start):
    u, v = pairs_of_rows(n, 6)
    found = nearest(u, v, k, window_start=start, method="exact")
    assert found.index.tolist() == by_loops(u, v, k, start)
    x = functional.normalize(u + v, dim=1)
    expected = (x @ x.T).gather(1, found.index).float()
    torch.testing.assert_close(found.similarity, expected)


def test_what_is_missing_is_marked():
    u, v = pairs_of_rows(5, 3)
    found = nearest(u, v, 6, window_start=1)
    assert (found.index[:, 3:] == -1).all()
    assert (found.similarity[:, 3:] == -torch.inf).all()
    assert found.index[:, :3].tolist() == by_loops(u, v, 3, 1)
    nobody = nearest(u, v, 2, window_start=4)
    assert (nobody.index == -1).all()
    assert nobody.index.shape == nobody.similarity.shape == (5, 2)


def test_chunks_and_pools_change_nothing(monkeypatch):
    u, v = (torch.stack(side) for side in zip(*(pairs_of_rows(90, 8, seed) for seed in range(3)), strict=True))
    together = nearest(u, v, 7)
    alone = [nearest(left, right, 7) for left, right in zip(u, v, strict=True)]
    assert torch.equal(together.index, torch.stack([one.index for one in alone]))
    assert torch.equal(together.similarity, torch.stack([one.similarity for one in alone]))
    monkeypatch.setattr(search, "_entries", lambda _: 90 * 13)
    assert torch.equal(nearest(u, v, 7).index, together.index)


def test_neighbours_as_similar_as_the_positive_are_dropped():
    """Of those found, and the others move up; nobody else takes their place."""
    u, v = pairs_of_rows(60, 3)
    every = nearest(u, v, 10)
    kept = nearest(u, v, 10, max_similarity=0.8)
    dropped = 0
    for i in range(60):
        limit = float(u[i] @ v[i]) - (1 - 0.8) * abs(float(u[i] @ v[i]))
        left = [j for j in every.index[i].tolist() if max(float(u[i] @ v[j]), float(u[j] @ v[i])) <= limit]
        assert kept.index[i].tolist() == left + [-1] * (10 - len(left))
        dropped += 10 - len(left)
    assert 0 < dropped < 600


@pytest.mark.parametrize("n", [20, 3000], ids=["at once", "in chunks"])
def test_similarities_of_listed_pairs(n):
    u, v = (torch.stack(side) for side in zip(*(clustered(n, seed=seed) for seed in range(2)), strict=True))
    index = nearest(u, v, 8).index
    out, back = cross_similarities(u, v, index)
    cross = u @ v.mT
    torch.testing.assert_close(out, cross.gather(2, index))
    torch.testing.assert_close(back, cross.mT.gather(2, index))


def test_shards_find_nearly_all_and_only_true_neighbours():
    u, v = clustered(3000)
    truth = nearest(u, v, 8, method="exact")
    found = nearest(u, v, 8, method="shards", seed=3)
    assert recall(found.index, truth.index) > 0.95
    assert (found.index != torch.arange(3000)[:, None]).all()
    assert all(len(set(row)) == 8 for row in found.index.tolist())
    x = functional.normalize(u + v, dim=1)
    torch.testing.assert_close(found.similarity, torch.einsum("nd,nkd->nk", x, x[found.index]))
    assert (found.similarity.diff(dim=1) <= 0).all()
    again = nearest(u, v, 8, method="shards", seed=3)
    assert torch.equal(found.index, again.index)


@pytest.mark.parametrize("n", [2561, 2816, 3001])
def test_shards_of_rows_that_do_not_divide(n, monkeypatch):
    """Looking at every shard, all rows have their true neighbours."""
    monkeypatch.setattr(search, "_PROBES", 32)
    monkeypatch.setattr(search, "_SHARD", 64)
    u, v = clustered(n)
    found = nearest(u, v, 4, method="shards")
    truth = nearest(u, v, 4, method="exact")
    assert recall(found.index, truth.index) > 0.9
    assert (found.index < n).all()
    monkeypatch.setattr(search, "_PROBES", 64)
    assert torch.equal(nearest(u, v, 4, method="shards").index, truth.index)


def test_shards_of_equal_rows():
    ones = torch.ones(3000, 4) / 2
    found = nearest(ones, ones, 5, method="shards")
    assert ((found.index >= 0) & (found.index != torch.arange(3000)[:, None])).all()


def test_many_pairs_are_searched_in_shards(monkeypatch):
    u, v = clustered(3000)
    monkeypatch.setattr(module, "_EXACT", 2999)
    assert torch.equal(nearest(u, v, 4, seed=5).index, nearest(u, v, 4, method="shards", seed=5).index)


def test_faiss_finds_nearly_all():
    pytest.importorskip("faiss")
    u, v = clustered(3000)
    truth = nearest(u, v, 8, method="exact")
    found = nearest(u, v, 8, method="faiss")
    assert recall(found.index, truth.index) > 0.9
    assert (found.index != torch.arange(3000)[:, None]).all()
    assert torch.equal(found.index, nearest(u, v, 8, method="faiss").index)


def test_faiss_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    u, v = pairs_of_rows(10, 3)
    with pytest.raises(ValueError, match=r"method 'faiss' needs faiss; pip install faiss-cpu"):
        nearest(u, v, 2, method="faiss")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "neighbours must be at least 1"),
        ({"k": 1, "window_start": -1}, "window_start at least 0"),
        ({"k": 1, "max_similarity": 1.5}, r"lies in \(0, 1\], got 1.5; None drops none"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, message):
    u, v = pairs_of_rows(10, 3)
    with pytest.raises(ValueError, match=message):
        nearest(u, v, **settings)


def test_the_graph_joins_both_ways():
    index = torch.tensor([[1, 2], [0, 3], [3, -1], [1, 0]])
    weights = torch.tensor([[1.0, 2.0], [5.0, 4.0], [7.0, 9.0], [3.0, 8.0]])
    either = k_nearest_graph(index, weights).toarray()
    expected = torch.zeros(4, 4)
    for (i, j), w in {(0, 1): 5.0, (0, 2): 2.0, (1, 3): 4.0, (2, 3): 7.0, (0, 3): 8.0}.items():
        expected[i, j] = expected[j, i] = w
    assert either.tolist() == expected.tolist()
    mutual = k_nearest_graph(index, weights, mutual=True).toarray()
    expected[0, 2] = expected[2, 0] = expected[0, 3] = expected[3, 0] = 0  # in one list only, and not its first
    expected[0, 1] = expected[1, 0] = 5
    expected[1, 3] = expected[3, 1] = 3  # both ways: the smaller weight
    assert mutual.tolist() == expected.tolist()
