"""Exact search against sorting everything."""

import numpy as np
import pytest
import torch

from losses import positive_ranks
from text.data import Lists
from text.evaluate import judge, reciprocal_rank, search
from text.evaluate.search import Best, ordered


def by_sorting(scores, k, relevant=None):
    """For each query: sort all passages by (-score, is relevant, grade, row)."""
    scores = scores.double().numpy() + 0.0
    found = []
    for i, row in enumerate(scores):
        grade = np.zeros(len(row))
        if relevant is not None:
            one = relevant.take(np.array([i]))
            grade[one.items] = 1 if one.grades is None else np.maximum(one.grades, 0)
        found.append(np.lexsort((np.arange(len(row)), grade, -row))[:k])
    return torch.from_numpy(np.stack(found))


def drawn(seed, n=23, m=150, dim=4, levels=None):
    """Integer vectors, whose products are exact in any order, and tie often; judgements with grades 0 to 3."""
    generator = np.random.default_rng(seed)
    queries, passages = (torch.from_numpy(generator.integers(-2, 3, (size, dim))).float() for size in (n, m))
    counts = generator.choice([0, 1, 4, 40], n)
    items = [generator.choice(m, count, replace=False).tolist() for count in counts]
    grades = [generator.integers(0, 4, count).astype(float).tolist() for count in counts]
    return queries, passages, Lists.of(items, None if levels == 1 else grades)


@pytest.mark.parametrize("k", [1, 7, 150])
@pytest.mark.parametrize(("queries_at_once", "passages_at_once"), [(23, None), (5, 1), (10, 13), (1, 150)])
def test_blocks_of_any_size_give_the_order_of_sorting(k, queries_at_once, passages_at_once):
    queries, passages, relevant = drawn(0)
    sizes = {"queries_at_once": queries_at_once, "passages_at_once": passages_at_once}
    for judged in (None, relevant):
        expected = by_sorting(queries @ passages.T, k, judged)
        scores, rows = search(queries, passages, k, relevant=judged, **sizes)
        assert torch.equal(rows, expected)
        assert torch.equal(scores, (queries @ passages.T).gather(1, expected))


@pytest.mark.parametrize("seed", range(1, 8))
def test_ties_at_the_end_of_a_list_are_settled_as_all_others(seed):
    queries, passages, relevant = drawn(seed, dim=2, levels=seed % 2)
    for k in (3, 10, 40):
        found = search(queries, passages, k, relevant=relevant, passages_at_once=60)[1]
        assert torch.equal(found, by_sorting(queries @ passages.T, k, relevant))


def test_passages_may_come_in_blocks_of_any_precision():
    queries, passages, relevant = drawn(3)
    whole = search(queries, passages, 10, relevant=relevant)
    parts = (part.half() for part in passages.split([0, 1, 100, 49]))
    assert all(map(torch.equal, whole, search(queries.bfloat16(), parts, 10, relevant=relevant)))


def test_lists_end_where_there_are_no_more_passages():
    scores, rows = search(torch.ones(2, 3), torch.ones(2, 3), 4, relevant=Lists.of([[0], []]))
    assert rows.tolist() == [[1, 0, -1, -1], [0, 1, -1, -1]]
    assert scores.tolist() == [[3.0, 3.0, -torch.inf, -torch.inf]] * 2


def test_ties_count_against_the_query_as_in_positive_ranks(unit_pairs):
    """An encoder that maps everything to one point finds nothing; single positives rank as in `losses`."""
    same = torch.ones(200, 4) / 2
    own = Lists.of([[i] for i in range(200)])
    assert reciprocal_rank(judge(search(same, same, 100, relevant=own)[1].numpy(), own), 10).sum() == 0
    u, v = (x.float().mul(2).round() for x in unit_pairs(200, 3))
    rows = search(u, v, 200, relevant=own)[1]
    ranks = 1 + (rows == torch.arange(200)[:, None]).int().argmax(1)
    assert torch.equal(ranks, positive_ranks(u, v))


def test_negative_zero_is_zero():
    best = Best(1, 2, torch.device("cpu"))
    best.add(0, 0, torch.tensor([[-0.0, 0.0, -1.0]]))
    assert best.result()[1].tolist() == [[0, 1]]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("where", [0, 3])
def test_what_is_not_a_number_is_refused(sign, where):
    passages = torch.ones(20, 2)
    passages[where] = sign * torch.nan
    with pytest.raises(ValueError, match="must give finite numbers"):
        search(torch.ones(2, 2), passages, 3, relevant=Lists.of([[0], [1]]))
    with pytest.raises(ValueError, match="must give finite numbers"):
        ordered(torch.tensor([1.0, sign * torch.nan]), Lists.of([[3, 4]]), Lists.of([[3]]))


def test_bad_sizes_are_refused():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        search(x, x, 0)
    with pytest.raises(ValueError, match="sizes must be positive"):
        search(x, x, 1, queries_at_once=0)
    with pytest.raises(ValueError, match="a list for each of the 2 queries, got 1"):
        search(x, x, 1, relevant=Lists.of([[0]]))


@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_ordered_by_the_same_rule(seed):
    queries, passages, relevant = drawn(seed)
    generator = np.random.default_rng(seed)
    candidates = Lists.of(
        [generator.choice(150, count, replace=False).tolist() for count in generator.choice([0, 5, 30], 23)]
    )
    scores = (queries[torch.from_numpy(candidates.rows)] * passages[torch.from_numpy(candidates.items)]).sum(1)
    rows = ordered(scores, candidates, relevant)
    assert rows.shape == (23, 30)
    everything = by_sorting(queries @ passages.T, 150, relevant).numpy()
    for row, order, chosen in zip(rows, everything, candidates, strict=True):
        expected = [p for p in order if p in chosen]
        assert row.tolist() == expected + [-1] * (30 - len(expected))


@pytest.mark.gpu
def test_on_a_gpu_the_order_is_the_same():
    queries, passages, relevant = drawn(5, n=300, m=5000)
    rules = {"relevant": relevant, "own": np.arange(-1, 299)}
    expected = search(queries, passages, 100, **rules)[1]
    for held in (passages, passages.cuda()):
        found = search(queries.cuda(), held, 100, **rules, queries_at_once=70, passages_at_once=900)[1]
        assert torch.equal(found.cpu(), expected)
