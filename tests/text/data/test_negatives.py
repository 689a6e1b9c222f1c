"""Hard negatives by id: interleaved over systems, without positives, nothing twice, nothing unknown."""

import json

import pytest

from text.data import load_texts
from text.data.negatives import interleaved

LINE = {"qid": 1, "pos": [10], "neg": {"bm25": [11, 12, 13], "dense": [12, 14]}}


@pytest.fixture
def root(write, tmp_path):
    write("msmarco-passage/collection.tsv", [f"{i}\tpassage {i}" for i in range(10, 18)])
    write("msmarco-passage/queries.train.tsv", ["1\tone", "2\ttwo", "3\tthree"])
    write("msmarco-passage/qrels.train.tsv", ["1\t0\t10\t1", "1\t0\t17\t1", "2\t0\t12\t1"])
    return tmp_path


def negatives(root, file, **options):
    texts = load_texts("msmarco", root, "train", hard_negatives=file, **options)
    assert texts.negatives is not None
    ids = list(texts.passage_ids)
    return [[int(ids[row]) for row in part] for part in texts.negatives], texts.skipped


def test_the_first_of_each_system_comes_before_the_second_of_any():
    assert interleaved([["a", "b", "c"], ["b", "d"], []]) == ["a", "b", "d", "c"]


@pytest.mark.parametrize("name", ["hard.jsonl", "hard.jsonl.gz"])
def test_lists_of_several_systems_are_interleaved(root, write, name):
    file = write(name, [json.dumps(LINE), json.dumps({"qid": "2", "neg": ["16", 15, "16"]})])
    assert negatives(root, file) == ([[11, 12, 14, 13], [16, 15]], {})


def test_what_is_relevant_by_the_judgements_or_the_file_is_no_negative(root, write):
    line = {"qid": 1, "pos": [11], "neg": [17, 11, 10, 13]}
    assert negatives(root, write("hard.jsonl", [json.dumps(line)]))[0] == [[13], []]


def test_known_queries_without_a_relevant_passage_have_none_to_keep(root, write):
    line = {"qid": 3, "pos": [], "neg": [17]}
    assert negatives(root, write("hard.jsonl", [json.dumps(line)])) == ([[], []], {})


@pytest.mark.parametrize("name", ["triples.tsv", "triples.tsv.gz"])
def test_triples_are_grouped_by_query(root, write, name):
    file = write(name, ["2\t12\t11", "1\t10\t14", "1\t17\t13", "1\t10\t14", "1\t10\t17"])
    assert negatives(root, file) == ([[14, 13], [11]], {})


def test_triples_with_problems_are_told_by_line(root, write):
    file = write("triples.tsv", ["2\t12\t11", "1\t10", "9\t10\t14", "1\t10\t99"])
    with pytest.raises(ValueError, match="got 1 malformed lines, 2 unknown ids:") as caught:
        negatives(root, file)
    assert f"{file}:3: needs the id of a query that there is, got '9'" in str(caught.value)
    assert f"{file}:4: needs the id of a passage that there is, got '99'" in str(caught.value)
    assert negatives(root, file, on_problem="skip") == ([[], [11]], {"malformed lines": 1, "unknown ids": 2})


def test_lists_with_problems_are_told_by_line(root, write):
    lines = [
        json.dumps({"qid": 99, "pos": [1], "neg": [2, 3]}),
        json.dumps({"qid": 1, "pos": [10], "neg": {"bm25": [11, 98], "dense": [97]}}),
        json.dumps({"qid": 1, "pos": [10]}),
        json.dumps({"pos": [10], "neg": []}),
        json.dumps({"qid": 1, "neg": {"bm25": "11"}}),
        json.dumps({"qid": 1, "pos": [1.5], "neg": []}),
    ]
    file = write("hard.jsonl", lines)
    with pytest.raises(ValueError, match="got 4 malformed lines, 3 unknown ids:") as caught:
        negatives(root, file)
    told = str(caught.value)
    assert f"{file}:3: needs the key 'neg', got ['qid', 'pos']" in told
    assert f"{file}:4: needs the key 'qid', got ['pos', 'neg']" in told
    assert f"{file}:5: needs a list of ids as neg of bm25, got '11'" in told
    assert f"{file}:1: needs the id of a query that there is, got '99'" in told
    assert f"{file}:2: needs the id of a passage that there is, got '97'" in told
    assert negatives(root, file, on_problem="skip")[0] == [[11], []]


def test_triples_of_texts_are_another_data_set(root, write):
    file = write("triples.tsv", ["who barks\ta dog\ta cow"])
    with pytest.raises(ValueError, match=r"must hold ids .* got the texts .*pairs --data .*triples.tsv"):
        negatives(root, file)
    texts = load_texts("pairs", write("more.tsv", ["who barks\ta dog\ta cow"] * 2), "train")
    assert [texts.passages[row] for row in texts.negatives[0]] == ["a cow"]


@pytest.mark.parametrize(
    ("dataset", "split", "name", "told"),
    [
        (
            "msmarco",
            "test",
            "hard.jsonl",
            "hard negatives are for the train part, got the test part; leave them out",
        ),
        ("msmarco", "train", "nowhere.jsonl", "must be a JSONL or TSV file, plain or gzipped, got .*nowhere"),
        (
            "docstrings",
            "train",
            "hard.jsonl",
            "by their ids, which msmarco, msmarco-sample, beir have, got it for doc",
        ),
    ],
)
def test_where_they_make_no_sense_they_are_refused(root, write, dataset, split, name, told):
    write("hard.jsonl", [json.dumps(LINE)])
    with pytest.raises(ValueError, match=told):
        load_texts(dataset, root, split, hard_negatives=root / name)
