"""Batches of two of the largest total loss, against all perfect matchings and against networkx."""

import itertools
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batching.algorithms.affinity import pair_weights
from batching.algorithms.perfect_matching import (
    WeightedEdges,
    blossom,
    improved,
    pairing_bound,
    sparse_blossom,
    split_cycles,
)
from batching.engines.matching import Matching
from losses import clip_sum

ALL = ["auto", "pymatching", "networkx", "assignment"]


def matchings(rows):
    """Every way to pair up these rows."""
    if not rows:
        yield []
        return
    first, *rest = rows
    for other in rest:
        for more in matchings([r for r in rest if r != other]):
            yield [(first, other), *more]


def clustered(n, clusters, seed=0, dim=8, noise=0.5):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(clusters, dim, generator=generator, dtype=torch.float64)
    label = torch.randint(clusters, (n,), generator=generator)
    views = centre[label] + noise * torch.randn(2, n, dim, generator=generator, dtype=torch.float64)
    u, v = torch.nn.functional.normalize(views, dim=-1)
    return u, v


def cut(u, v, **fields):
    return Matching(temperature=0.2, **fields).cut(u[None], v[None], 2, seed=torch.tensor([0]), epoch=0)


def weight(u, v, batches):
    w = pair_weights(u, v, batch_size=2, temperature=0.2)
    return sum(w[i, j].item() for i, j in batches)


@pytest.mark.parametrize("solver", ["pymatching", "networkx"])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_hardest_of_all_partitions_into_twos(solver, seed, unit_pairs):
    u, v = unit_pairs(8, 4, seed=seed)
    batches = cut(u, v, solver=solver).batches[0]
    hardest = max(
        clip_sum(u, v, temperature=0.2, batches=torch.tensor(m)).sum().item() for m in matchings(list(range(8)))
    )
    assert clip_sum(u, v, temperature=0.2, batches=batches).sum().item() == pytest.approx(hardest, rel=1e-6)


@given(n=st.integers(1, 30).map(lambda half: 2 * half), seed=st.integers(0, 1000), clusters=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_pymatching_finds_what_networkx_finds(n, seed, clusters):
    u, v = clustered(n, clusters, seed)
    found, oracle = cut(u, v, solver="pymatching"), cut(u, v, solver="networkx")
    assert found.info["total"] == pytest.approx(oracle.info["total"], rel=1e-6)
    assert found.info["exact"] == oracle.info["exact"] == 1
    assert found.info["total"] == pytest.approx(weight(u, v, found.batches[0]))


@given(
    half=st.integers(1, 30), seed=st.integers(0, 1000), solver=st.sampled_from(ALL), k=st.sampled_from([None, 1, 3])
)
@settings(max_examples=40, deadline=None)
def test_every_row_has_one_partner_and_no_matching_exceeds_the_bound(half, seed, solver, k):
    u, v = clustered(2 * half, 3, seed)
    found = cut(u, v, solver=solver, neighbours=k)
    assert sorted(found.batches.flatten().tolist()) == list(range(2 * half))
    bound = pairing_bound(pair_weights(u, v, batch_size=2, temperature=0.2)).item()
    assert found.info["total"] <= bound * (1 + 1e-9)
    random = torch.randperm(2 * half, generator=torch.Generator().manual_seed(seed)).view(-1, 2)
    assert weight(u, v, random) <= bound * (1 + 1e-9)


def test_exactness_is_claimed_only_where_it_holds():
    """The assignment bound proves some of its own matchings; neighbours never prove anything."""
    claims = []
    for seed in range(20):
        u, v = clustered(10, 3, seed)
        best = cut(u, v, solver="networkx").info["total"]
        found = cut(u, v, solver="assignment").info
        assert found["total"] <= best * (1 + 1e-9) <= found["upper_bound"] * (1 + 2e-9)
        if found["exact"]:
            assert found["total"] == pytest.approx(best, rel=1e-9)
        claims.append(found["exact"])
        assert cut(u, v, neighbours=3).info["exact"] == 0
    assert 0 < sum(claims) < 20


def test_approximations_come_close():
    u, v = clustered(200, 30)
    best = cut(u, v, solver="pymatching").info["total"]
    assert cut(u, v, solver="assignment").info["total"] > 0.99 * best
    for solver in ("auto", "pymatching"):
        assert cut(u, v, solver=solver, neighbours=12).info["total"] > 0.985 * best


def test_pools_are_matched_as_they_would_be_alone(unit_pairs):
    u, v = unit_pairs(3, 12, 5)
    seed = torch.arange(3)
    for k in (None, 3):
        engine = Matching(0.2, neighbours=k)
        together = engine.cut(u, v, 2, seed=seed, epoch=1)
        each = [engine.cut(u[i : i + 1], v[i : i + 1], 2, seed=seed[i : i + 1], epoch=1) for i in range(3)]
        assert torch.equal(together.batches, torch.cat([one.batches for one in each]))
        assert together.info["total"] == pytest.approx(sum(one.info["total"] for one in each))
    assert together.batches.dtype == torch.int64


@pytest.mark.parametrize("solver", ALL)
@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rows_are_matched_somehow(solver, k, dtype):
    u = torch.nn.functional.normalize(torch.ones(10, 3, dtype=dtype), dim=-1)
    found = cut(u, u.clone(), solver=solver, neighbours=k)
    assert sorted(found.batches.flatten().tolist()) == list(range(10))
    assert found.info["exchanges"] == 0


@pytest.mark.parametrize("length", [2, 3, 4, 5, 6, 7, 9])
def test_cycles_are_split_in_the_best_way(length):
    rng = np.random.default_rng(length)
    for _ in range(20):
        rows = rng.permutation(length)
        after = np.empty(length, int)
        after[rows] = np.roll(rows, -1)
        weight = rng.random(length)
        mate, left = split_cycles(after, weight)
        found = sum(weight[i] for i in range(length) if mate[i] == after[i] and (length > 2 or i == rows[0]))
        edges = [(i, after[i]) for i in range(length if length > 2 else 1)]
        best = 0.0
        for some in itertools.combinations(edges, length // 2):
            if len(set(itertools.chain(*some))) == 2 * len(some):
                best = max(best, sum(weight[i] for i, _ in some))
        if length > 2:
            assert found == pytest.approx(best)
        assert len(left) == length % 2
        paired = [i for i in range(length) if i not in left]
        assert all(mate[mate[i]] == i != mate[i] for i in paired)


def test_exchanges_end_where_none_pays():
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(30, 1)
    graph = WeightedEdges(30, i, j, rng.random(len(i)))
    start = np.arange(30) ^ 1
    mate, made = improved(graph, start, graph.listed)
    total = lambda m: graph.listed(np.arange(30), m).sum() / 2  # noqa: E731
    assert made > 0
    assert total(start) < total(mate) <= total(blossom(graph)) + 1e-12
    assert total(sparse_blossom(graph)) == pytest.approx(total(blossom(graph)), rel=1e-6)
    for a, b in itertools.permutations(range(30), 2):
        c, d = mate[a], mate[b]
        if b not in (a, c):
            pay = graph.listed(np.array([a, c, a, b]), np.array([b, d, c, d]))
            assert pay[0] + pay[1] <= pay[2] + pay[3] + 1e-9


def test_bound_is_half_the_best_permutation(unit_pairs):
    u, v = unit_pairs(2, 6, 3)
    w = pair_weights(u, v, batch_size=2, temperature=0.5)
    for pool, bound in zip(w, pairing_bound(w), strict=True):
        best = max(
            sum(pool[i, p].item() for i, p in enumerate(order))
            for order in itertools.permutations(range(6))
            if all(i != p for i, p in enumerate(order))
        )
        assert bound.item() == pytest.approx(best / 2)


@pytest.mark.parametrize(
    ("fields", "pool", "size", "message"),
    [
        ({}, 12, 3, "batches of 2 from an even pool, got batch_size 3"),
        ({}, 2002, 2, "at most 2,000, got 2,002.*set neighbours=16"),
        ({"solver": "networkx"}, 600, 2, "at most 500, got 600"),
    ],
)
def test_sizes_that_are_refused(fields, pool, size, message):
    with pytest.raises(ValueError, match=message):
        Matching(0.1, **fields).check(pool, size)
    Matching(0.1, neighbours=16).check(50_000, 2)


@pytest.mark.parametrize("fields", [{"temperature": 0.0}, {"neighbours": 0}])
def test_settings_that_are_refused(fields):
    with pytest.raises(ValueError, match="must be"):
        Matching(**{"temperature": 0.1, **fields})


def test_without_optional_packages_it_says_so_and_still_works(monkeypatch):
    for name in ("pymatching", "networkx"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("batching.engines.matching.find_spec", lambda _: None)
    u, v = clustered(12, 3)
    assert "upper_bound" in cut(u, v).info
    with pytest.raises(ValueError, match="needs the package pymatching, which is not installed; pip install"):
        cut(u, v, solver="pymatching")
