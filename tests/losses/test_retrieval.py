"""Ranks by exact search, and what is computed from them."""

import pytest
import torch

from losses import mean_reciprocal_rank, positive_ranks, recall_at


def naive_ranks(queries, documents, positives):
    ranks = []
    for query, right in zip(queries, positives, strict=True):
        scores = [float(query @ document) for document in documents]
        ranks.append(sum(score >= scores[right] for score in scores))
    return ranks


@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_ranks_equal_a_naive_search(chunk_size, unit_pairs):
    queries, documents = unit_pairs(20, 6)
    positives = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    found = positive_ranks(queries, documents, positives, chunk_size=chunk_size)
    assert found.tolist() == naive_ranks(queries, documents, positives)


def test_row_i_answers_query_i_by_default(unit_pairs):
    u, _ = unit_pairs(9, 5)
    assert positive_ranks(u, u).tolist() == [1] * 9


def test_ties_count_against_the_query():
    collapsed = torch.ones(5, 3) / 3**0.5
    ranks = positive_ranks(collapsed, collapsed)
    assert ranks.tolist() == [5] * 5
    assert recall_at(ranks, 1) == 0


def test_measures_of_known_ranks():
    ranks = torch.tensor([1, 2, 4, 11])
    assert recall_at(ranks, 1) == 0.25
    assert recall_at(ranks, 4) == 0.75
    assert mean_reciprocal_rank(ranks, 10) == pytest.approx((1 + 1 / 2 + 1 / 4) / 4)
