"""The set says what counts: which grades, which passages are queries, and whether candidates have an order."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from text.data import Lists, Texts, TextSet
from text.evaluate import BASELINES, Embedded, evaluate, first_order, scored, search
from text.evaluate.protocols import NUMBERS
from text.tokens import Tokens

MEASURES = ["full", "relevant", "rerank"]
N, M = 12, 60


def a_set(seed, **changes):
    """Embeddings, and a set without words: grades 1 to 3, candidates, and queries that are passages, one of them
    its own answer."""
    generator = np.random.default_rng(seed)
    u, v = (torch.from_numpy(generator.standard_normal((size, 3))).float() for size in (N, M))
    counts = generator.integers(1, 9, N)
    relevant = Lists.of(
        [generator.choice(M, count, replace=False).tolist() for count in counts],
        [generator.integers(1, 4, count).astype(float).tolist() for count in counts],
    )
    drawn = [generator.choice(M, 5, replace=False).tolist() for _ in range(N)]
    candidates = [
        list(dict.fromkeys([*row, *extra[:2].tolist()])) for row, extra in zip(drawn, relevant, strict=True)
    ]
    own = np.where(np.arange(N) % 3 == 0, -1, [row[0] for row in candidates])
    own[1] = relevant[1][0]
    texts = TextSet(
        name="small",
        queries=Texts.of(["?"] * N),
        passages=Texts.of(["!"] * M),
        query_ids=Texts.of(map(str, range(N))),
        passage_ids=Texts.of(map(str, range(M))),
        relevant=relevant,
        candidates=Lists.of(candidates),
        **{"own": own} | changes,
    )
    return u, v, texts


def run_by_loops(u, v, texts, measure):
    """{query: {passage: score}}: every passage that may be found, one by one."""
    pools = {
        "full": [range(M)] * N,
        "relevant": [set(texts.relevant.items.tolist())] * N,
        "rerank": [row.tolist() for row in texts.candidates],
    }
    own = [-1] * N if texts.own is None else texts.own.tolist()
    return {f"q{i}": {f"p{j}": float(u[i] @ v[j]) for j in pools[measure][i] if j != own[i]} for i in range(N)}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_pytrec_eval_gives_the_same_means_at_the_level_of_the_set(measure, level):
    """Its relevance_level is the least grade that is relevant; ours is exceeded. nDCG takes all grades."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    u, v, texts = a_set(level, threshold=level - 1.0)
    graded = zip(texts.relevant.rows, texts.relevant.items, texts.relevant.grades, strict=True)
    grades = {f"q{i}": {} for i in range(N)}
    for i, j, grade in graded:
        grades[f"q{i}"][f"p{j}"] = int(grade)
    run = run_by_loops(u, v, texts, measure)
    names = {"map_cut.1000", "recall.1,10,100,1000", "ndcg_cut.10"}
    theirs = pytrec_eval.RelevanceEvaluator(grades, names, relevance_level=level).evaluate(run)
    short = {q: dict(sorted(of.items(), key=lambda item: -item[1])[:10]) for q, of in run.items()}
    first = pytrec_eval.RelevanceEvaluator(grades, {"recip_rank"}, relevance_level=level).evaluate(short)
    keys = {"map": "map_cut_1000", "ndcg_at_10": "ndcg_cut_10"}
    found = scored(Embedded(u, v), texts, [measure])
    for name in NUMBERS[measure]:
        values = [
            first[q]["recip_rank"] if name == "mrr_at_10" else theirs[q][keys.get(name, name.replace("_at_", "_"))]
            for q in run
        ]
        assert found[f"{measure}_{name}"] == pytest.approx(np.mean(values), abs=1e-9), name
    assert len(found) == len(NUMBERS[measure])


def test_ir_measures_gives_the_same_with_rel_2():
    ir_measures = pytest.importorskip("ir_measures")
    u, v, texts = a_set(7, threshold=1.0)
    run = run_by_loops(u, v, texts, "full")
    graded = zip(texts.relevant.rows, texts.relevant.items, texts.relevant.grades, strict=True)
    judged = [ir_measures.Qrel(f"q{i}", f"p{j}", int(grade)) for i, j, grade in graded]
    names = {
        "mrr_at_10": "RR(rel=2)@10",
        "map": "AP(rel=2)",
        "ndcg_at_10": "nDCG@10",
        "recall_at_10": "R(rel=2)@10",
    }
    parsed = {name: ir_measures.parse_measure(text) for name, text in names.items()}
    theirs = ir_measures.calc_aggregate(list(parsed.values()), judged, run)
    found = scored(Embedded(u, v), texts, ["full"])
    for name, measure in parsed.items():
        assert found[f"full_{name}"] == pytest.approx(theirs[measure], abs=1e-9), name


class Given(nn.Module):
    """Text i of ids (i) is row i of a table."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, tokens):
        return self.table[tokens.ids.long()]


def one_token_each(first, n):
    return Tokens(torch.arange(first, first + n, dtype=torch.int32), torch.arange(n + 1))


def test_the_threshold_is_that_of_the_set_unless_another_is_given():
    u, v, texts = a_set(3, threshold=1.0)
    usual = replace(texts, threshold=0.0)
    assert scored(Embedded(u, v), texts, MEASURES) == scored(Embedded(u, v), usual, MEASURES, threshold=1.0)
    assert scored(Embedded(u, v), texts, MEASURES, threshold=0.0) == scored(Embedded(u, v), usual, MEASURES)
    assert (
        scored(Embedded(u, v), texts, ["full"])["full_map"] != scored(Embedded(u, v), usual, ["full"])["full_map"]
    )
    assert first_order(texts) == first_order(usual, threshold=1.0) != first_order(usual)
    tokens = one_token_each(0, N), one_token_each(N, M)
    found = evaluate(Given(torch.cat([u, v])), texts, *tokens, MEASURES)
    assert found == pytest.approx(scored(Embedded(u, v), texts, MEASURES))


@pytest.mark.parametrize("sizes", [{}, {"queries_at_once": 5, "passages_at_once": 7}])
def test_a_query_never_finds_itself(sizes):
    """Against sorting all others, however passages are cut into blocks; the list is one shorter."""
    u, v, texts = a_set(4)
    rows = search(u, v, M, relevant=texts.relevant, own=texts.own, **sizes)[1]
    for i in range(N):
        others = [j for j in range(M) if j != texts.own[i]]
        expected = sorted(others, key=lambda j: -float(u[i] @ v[j]))
        assert rows[i].tolist() == expected + [-1] * (M - len(others))
    with pytest.raises(ValueError, match="own must have a passage or -1 for each of the 12 queries, got 1"):
        search(u, v, 3, own=np.array([0]))


def test_nor_is_it_among_its_candidates():
    u, v, texts = a_set(5)
    found = scored(Embedded(u, v), texts, ["rerank"])
    without = [[j for j in row.tolist() if j != own] for row, own in zip(texts.candidates, texts.own, strict=True)]
    cut = replace(texts, candidates=Lists.of(without), own=None)
    assert cut.candidates.lengths.sum() < texts.candidates.lengths.sum()
    assert (
        found
        == scored(Embedded(u, v), cut, ["rerank"])
        != scored(Embedded(u, v), replace(texts, own=None), ["rerank"])
    )
    assert first_order(texts) == first_order(cut)


@pytest.mark.parametrize("name", BASELINES)
def test_word_counts_do_not_find_the_query_either(name):
    if name == "bm25":
        pytest.importorskip("bm25s")
    arguments = ["cars ruin cities", "trains save cities", "cars save time"]
    texts = TextSet(
        name="arguments",
        queries=Texts.of(arguments[:1]),
        passages=Texts.of(arguments),
        query_ids=Texts.of(["a"]),
        passage_ids=Texts.of("abc"),
        relevant=Lists.of([[1]]),
        own=np.array([0]),
    )
    assert BASELINES[name](texts, ["full"])["full_mrr_at_10"] == 0.5, "cars and cities tie"
    assert BASELINES[name](replace(texts, own=None), ["full"])["full_mrr_at_10"] == pytest.approx(1 / 3)


def test_queries_and_passages_that_are_chosen_keep_theirs():
    _, _, texts = a_set(6, threshold=1.0)
    some = texts.of_queries(np.array([4, 0, 1]))
    assert some.own.tolist() == texts.own[[4, 0, 1]].tolist()
    kept = np.array([texts.own[4], 59, texts.own[0]])[:2]
    fewer = some.of_passages(kept)
    assert fewer.own.tolist() == [0, -1, 1 if texts.own[1] == 59 else -1]
    assert (fewer.threshold, fewer.ranked) == (1.0, True)


def test_candidates_in_no_order_have_no_first_order():
    u, v, texts = a_set(8, ranked=False)
    with pytest.raises(ValueError, match="candidates of small are in no order; take a run"):
        first_order(texts)
    assert scored(Embedded(u, v), texts, ["rerank"])["rerank_mrr_at_10"] > 0
