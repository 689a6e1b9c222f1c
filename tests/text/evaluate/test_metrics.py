"""Measures of ranked lists, against pytrec_eval and ir_measures, and by hand."""

import numpy as np
import pytest

from text.data import Lists
from text.evaluate import accuracy, average_precision, judge, ndcg, precision, recall, reciprocal_rank


def test_a_list_by_hand():
    """Passages 7 and 5 answer the query; it finds 5 at rank 2 and not 7."""
    judged = judge(np.array([[3, 5, 4, -1]]), Lists.of([[7, 5]]))
    assert reciprocal_rank(judged, 10).tolist() == [0.5]
    assert reciprocal_rank(judged, 1).tolist() == [0.0]
    assert recall(judged, 10).tolist() == [0.5]
    assert precision(judged, 10).tolist() == [0.1]
    assert accuracy(judged, 10).tolist() == [1.0]
    assert average_precision(judged).tolist() == [0.25]
    assert ndcg(judged, 10) == pytest.approx(1 / np.log2(3) / (1 + 1 / np.log2(3)))


def test_queries_without_judgements_are_left_out_and_those_without_an_answer_count_0():
    relevant = Lists.of([[1], [], [2, 3], [4]], [[1.0], [], [0.0, -1.0], [1.0]])
    judged = judge(np.array([[1, 2], [1, 2], [2, 3], [-1, -1]]), relevant)
    assert judged.queries.tolist() == [0, 2, 3]
    for values in (reciprocal_rank(judged, 10), recall(judged, 10), ndcg(judged, 10), average_precision(judged)):
        assert values.tolist() == [1.0, 0.0, 0.0]


def test_the_threshold_says_which_grades_are_relevant():
    rows, relevant = np.array([[1, 2]]), Lists.of([[1, 2]], [[1.0, 2.0]])
    assert reciprocal_rank(judge(rows, relevant), 10).tolist() == [1.0]
    strict = judge(rows, relevant, threshold=1.0)
    assert reciprocal_rank(strict, 10).tolist() == [0.5]
    assert recall(strict, 10).tolist() == [1.0]
    assert ndcg(strict, 10).tolist() == ndcg(judge(rows, relevant), 10).tolist() != [1.0]


def test_what_cannot_be_judged_is_refused():
    rows = np.array([[1, 2]])
    with pytest.raises(ValueError, match="a list for each of the 1 queries, got 2"):
        judge(rows, Lists.of([[1], [2]]))
    with pytest.raises(ValueError, match="judged twice"):
        judge(rows, Lists.of([[1, 1]]))
    with pytest.raises(ValueError, match="must not be negative"):
        judge(rows, Lists.of([[1]]), threshold=-1.0)
    with pytest.raises(ValueError, match="got none; measure on other queries"):
        judge(rows, Lists.of([[]]))


MEASURES = {
    "recip_rank_10": lambda judged: reciprocal_rank(judged, 10),
    **{f"ndcg_cut_{k}": (lambda judged, k=k: ndcg(judged, k)) for k in (5, 10)},
    **{f"recall_{k}": (lambda judged, k=k: recall(judged, k)) for k in (1, 10, 100, 1000)},
    **{f"P_{k}": (lambda judged, k=k: precision(judged, k)) for k in (1, 5, 10)},
    **{f"success_{k}": (lambda judged, k=k: accuracy(judged, k)) for k in (1, 5, 10)},
    "map": average_precision,
    "map_cut_10": lambda judged: average_precision(judged, 10),
}


def drawn(seed, n=40, passages=300):
    """Lists of all lengths, some empty, and judgements with grades -1 to 3, some empty."""
    generator = np.random.default_rng(seed)
    rows = np.full((n, passages), -1)
    for row in rows:
        length = generator.choice([0, 3, 20, passages])
        row[:length] = generator.permutation(passages)[:length]
    counts = generator.choice([0, 1, 2, 30], n)
    items = [generator.choice(passages, count, replace=False).tolist() for count in counts]
    return rows, Lists.of(items, [generator.integers(-1, 4, count).astype(float).tolist() for count in counts])


def for_libraries(rows, relevant):
    """Judgements and runs by name, with scores that fall by rank: where libraries order equal scores by name, there
    are none."""
    grades = {
        f"q{i}": {f"p{p}": int(g) for p, g in zip(items, relevant.take(np.array([i])).grades, strict=True)}
        for i, items in enumerate(relevant)
        if len(items)
    }
    run = {f"q{i}": {f"p{p}": float(-at) for at, p in enumerate(row) if p >= 0} for i, row in enumerate(rows)}
    return grades, run


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_pytrec_eval_gives_the_same_for_each_query(seed, level):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rows, relevant = drawn(seed)
    judged = judge(rows, relevant, threshold=level - 1.0)
    grades, run = for_libraries(rows, relevant)
    names = {"ndcg_cut.5,10", "recall.1,10,100,1000", "P.1,5,10", "success.1,5,10", "map", "map_cut.10"}
    found = pytrec_eval.RelevanceEvaluator(grades, names, relevance_level=level).evaluate(run)
    first = {q: dict(sorted(places.items(), key=lambda item: -item[1])[:10]) for q, places in run.items()}
    only = pytrec_eval.RelevanceEvaluator(grades, {"recip_rank"}, relevance_level=level).evaluate(first)
    for name, measure in MEASURES.items():
        for query, value in zip(judged.queries, measure(judged), strict=True):
            key = f"q{query}"
            their = only[key].get("recip_rank") if name == "recip_rank_10" else found[key].get(name)
            # Of a query for which nothing was retrieved trec_eval says nothing, and `-c` counts 0.
            assert value == pytest.approx(their or 0.0, abs=1e-9), (name, key)


@pytest.mark.parametrize("level", [1, 2])
def test_ir_measures_gives_the_same_means(level):
    ir_measures = pytest.importorskip("ir_measures")
    rows, relevant = drawn(100)
    judged = judge(rows, relevant, threshold=level - 1.0)
    text = f"RR(rel={level})@10 nDCG@10 AP(rel={level}) AP(rel={level})@10 P(rel={level})@5 Success(rel={level})@5 "
    text += " ".join(f"R(rel={level})@{k}" for k in (1, 10, 100, 1000))
    names = [ir_measures.parse_measure(word) for word in text.split()]
    theirs = ir_measures.calc_aggregate(names, *for_libraries(rows, relevant))
    ours = [
        reciprocal_rank(judged, 10),
        ndcg(judged, 10),
        average_precision(judged),
        average_precision(judged, 10),
        precision(judged, 5),
        accuracy(judged, 5),
        *(recall(judged, k) for k in (1, 10, 100, 1000)),
    ]
    for name, values in zip(names, ours, strict=True):
        assert values.mean() == pytest.approx(theirs[name], abs=1e-9), str(name)
