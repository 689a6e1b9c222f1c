"""Retrieval measures against plain loops; ties count against the system."""

import math

import pytest
import torch

from text.retrieve import METRICS, comparison, retrieval_metrics, tfidf_embeddings


def by_loops(queries, passages):
    """Sort nothing, count everything: the rank is 1 plus the other passages that score at least as high."""
    reciprocal, hits = 0.0, {1: 0, 10: 0, 100: 0}
    for i in range(len(queries)):
        own = float(queries[i] @ passages[i])
        rank = 1 + sum(float(queries[i] @ passages[j]) >= own for j in range(len(passages)) if j != i)
        reciprocal += 1 / rank if rank <= 10 else 0
        for k in hits:
            hits[k] += rank <= k
    n = len(queries)
    return {"mrr_at_10": reciprocal / n} | {f"recall_at_{k}": hits[k] / n for k in hits}


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_metrics_equal_plain_loops(unit_pairs, noise):
    u, v = unit_pairs(150, 8)
    queries = torch.nn.functional.normalize(v + noise * u, dim=-1)
    assert retrieval_metrics(queries, v) == pytest.approx(by_loops(queries, v))


def test_with_ties_metrics_equal_plain_loops_too():
    u = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(6, 1)
    expected = by_loops(u, u)
    assert retrieval_metrics(u, u) == pytest.approx(expected)
    assert expected["mrr_at_10"] == pytest.approx(1 / 6), "six passages are equally good: the last place counts"


def test_a_collapsed_encoder_scores_nothing():
    same = torch.ones(200, 4) / 2
    assert retrieval_metrics(same, same) == dict.fromkeys(METRICS, 0.0)


def test_tfidf_is_one_plus_log_count_times_idf():
    passages = ["socket socket open", "open calendar", "thread open"]
    queries, documents = tfidf_embeddings(["socket"], passages)
    words = ["calendar", "open", "socket", "thread"]
    idf = {w: math.log((1 + 3) / (1 + sum(w in p.split() for p in passages))) + 1 for w in words}
    weights = torch.tensor([0.0, idf["open"], (1 + math.log(2)) * idf["socket"], 0.0])
    torch.testing.assert_close(documents[0], weights / weights.norm())
    torch.testing.assert_close(queries[0], torch.tensor([0.0, 0.0, 1.0, 0.0]))


def test_tfidf_finds_shared_words_and_gains_nothing_without_them():
    passages = ["open the socket now", "print a calendar", "lock every thread"]
    found = retrieval_metrics(*tfidf_embeddings(["socket", "calendar", "thread"], passages))
    assert found["recall_at_1"] == 1
    lost = retrieval_metrics(*tfidf_embeddings(["turtle", "turtle", "turtle"], passages))
    assert lost["mrr_at_10"] == pytest.approx(1 / 3), "all three tie, and the last place counts"


def test_the_comparison_is_a_table():
    zeros, ones = (dict.fromkeys(METRICS, value) for value in (0.0, 1.0))
    lines = comparison({"tfidf": zeros, "trained": ones}).splitlines()
    assert lines[0].split() == ["MRR@10", "Recall@1", "Recall@10", "Recall@100"]
    assert lines[2].split() == ["tfidf"] + ["0.0000"] * 4
    assert lines[3].split() == ["trained"] + ["1.0000"] * 4
