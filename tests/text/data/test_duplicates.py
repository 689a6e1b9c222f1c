"""Pairs that share a text, or hang together by others that do, have one number."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.data import Lists, Texts, TextSet, duplicates
from text.data.duplicates import largest_component, pair_groups

SAMPLE = Path(__file__).parents[3] / "data/msmarco-passage-sample"


def a_set(queries, passages, relevant, grades=None):
    return TextSet(
        name="tiny",
        queries=Texts.of(queries),
        passages=Texts.of(passages),
        query_ids=Texts.of(map(str, range(len(queries)))),
        passage_ids=Texts.of(map(str, range(len(passages)))),
        relevant=Lists.of(relevant, grades),
    )


def groups(*args):
    queries, passages = pair_groups(a_set(*args))
    return None if queries is None else queries.tolist(), passages.tolist()


def naive(texts):
    """Union-find over queries and passages, smallest number first."""
    everything = [*texts.queries, *texts.passages]
    parent = list(range(len(everything)))

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    def tie(i, j):
        a, b = sorted((root(i), root(j)))
        parent[b] = a

    for i, text in enumerate(everything):
        tie(i, everything.index(text))
    for query in range(len(texts.queries)):
        for place, passage in enumerate(texts.relevant[query]):
            if texts.relevant.grades is None or texts.relevant.grades[texts.relevant.offsets[query] + place] > 0:
                tie(query, len(texts.queries) + int(passage))
    return [root(i) for i in range(len(everything))]


def test_a_passage_has_the_number_of_the_query_that_it_answers():
    assert groups(["a", "b"], ["x", "y", "z"], [[2], [0]]) == (None, [1, 3, 0]), "a query's is its row"


def test_queries_that_share_a_passage_share_a_number():
    assert groups(["a", "b", "c"], ["x", "y"], [[0], [1], [0]]) == ([0, 1, 0], [0, 1])


def test_queries_hang_together_by_a_third():
    assert groups(["a", "b", "c"], ["x", "y"], [[0], [0, 1], [1]])[0] == [0, 0, 0]


def test_identical_texts_are_one_wherever_they_stand():
    assert groups(["a", "a"], ["x", "y"], [[0], [1]]) == ([0, 0], [0, 0])
    assert groups(["a", "b"], ["x", "x"], [[0], [1]]) == ([0, 0], [0, 0])
    assert groups(["a", "b"], ["x", "a"], [[0], [1]]) == ([0, 0], [0, 0]), "a query that is another's passage"
    assert groups(["a"], ["x", "y", "y"], [[0]]) == ([0], [0, 2, 2]), "no query's, but a text occurs twice"


def test_judged_as_not_relevant_ties_nothing():
    assert groups(["a", "b"], ["x", "y"], [[0, 1], [1]], [[1.0, 0.0], [2.0]]) == (None, [0, 1])
    assert groups(["a", "b"], ["x", "y"], [[0, 1], [1]], [[1.0, -1.0], [2.0]]) == (None, [0, 1])


def test_nothing_at_all():
    assert groups([], [], []) == (None, [])
    assert groups([], ["x"], []) == (None, [0])


TEXT = st.text("ab", max_size=2)


@settings(deadline=None)
@given(st.data())
def test_numbers_are_those_of_a_union_find(data):
    queries, passages = data.draw(st.lists(TEXT, max_size=8)), data.draw(st.lists(TEXT, max_size=8))
    rows = st.lists(st.integers(0, len(passages) - 1), unique=True, max_size=3) if passages else st.just([])
    relevant = [data.draw(rows) for _ in queries]
    graded = st.sampled_from([-1.0, 0.0, 1.0, 2.0])
    grades = data.draw(st.booleans()) and bool(queries) and [[data.draw(graded) for _ in row] for row in relevant]
    texts = a_set(queries, passages, relevant, grades or None)
    expected, (found, of_passages) = naive(texts), pair_groups(texts)
    assert of_passages.tolist() == expected[len(queries) :]
    assert of_passages.dtype == np.int64
    if found is None:
        assert expected[: len(queries)] == list(range(len(queries)))
        assert len({*queries, *passages}) == len(queries) + len(passages)
    else:
        assert found.tolist() == expected[: len(queries)]
    sizes = np.bincount(expected[: len(queries)], minlength=1)
    assert largest_component(found) == (sizes.max() if found is not None else 1)


def test_equal_hashes_of_unequal_texts_do_no_harm(monkeypatch):
    monkeypatch.setattr(duplicates, "_hashes", lambda texts: np.zeros(len(texts), np.int64))
    assert groups(["a", "b", "c"], ["x", "y", "x"], [[0], [1], [2]])[0] == [0, 1, 0]


def test_one_giant_component_is_told(caplog):
    passages = [str(i) for i in range(100)]
    queries = [f"q{i}" for i in range(100)]
    with caplog.at_level(logging.WARNING, "contrabatch"):
        assert largest_component(pair_groups(a_set(queries, passages, [[i // 5] for i in range(100)]))[0]) == 5
        pair_groups(a_set(queries[:99], passages, [[0]] * 99))
        assert not caplog.text, "5 % is fine, and so is whatever few queries do"
        pair_groups(a_set(queries, passages, [[i // 6] for i in range(100)]))
    assert "tiny: 6 of 100 queries are tied together" in caplog.text


@pytest.mark.data
@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs data/msmarco-passage-sample")
@pytest.mark.parametrize(
    ("queries", "judged", "sharing", "largest"),
    [("train.sample", "train.sample", 158, 15), ("dev.small", "dev.small.with-text", 6, 2)],
)
def test_few_queries_of_ms_marco_hang_together(queries, judged, sharing, largest):
    def table(name):
        lines = (SAMPLE / name).read_text().split("\n")[:-1]  # some passages hold other line ends
        return dict(line.split("\t", 1) for line in lines)

    texts = table(f"queries.{queries}.tsv"), table("collection.tsv")
    query_row, passage_row = ({name: i for i, name in enumerate(part)} for part in texts)
    relevant = [[] for _ in query_row]
    for query, rest in (line.split("\t", 1) for line in (SAMPLE / f"qrels.{judged}.tsv").read_text().splitlines()):
        relevant[query_row[query]].append(passage_row[rest.split("\t")[1]])
    found, _ = pair_groups(a_set(list(texts[0].values()), list(texts[1].values()), relevant))
    assert found is not None
    sizes = np.bincount(found)
    assert (int(sizes[sizes > 1].sum()), largest_component(found)) == (sharing, largest)
