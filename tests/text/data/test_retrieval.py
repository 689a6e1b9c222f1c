"""MS MARCO and BEIR folders: which texts are read, how ids tie them together, and what is wrong with them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from text.data import Texts, cache_folder, load_texts
from text.data.ids import Ids, distinct

SMALL = {
    "msmarco-passage/collection.tsv": ["10\ta fox", "11\ta hen", "12\ta cow", "13\ta dog"],
    "msmarco-passage/queries.train.tsv": ["7\twho barks", "8\twho clucks", "9\twho knows", "5\twho moos"],
    "msmarco-passage/qrels.train.tsv": ["8\t0\t11\t1", "7\t0\t13\t1", "5\t0\t12\t1", "7\t0\t10\t1"],
}


@pytest.fixture
def folder(write, tmp_path):
    """folder(**changes) -> a small MS MARCO, in which some files have other lines."""

    def go(**changes):
        for name, lines in SMALL.items():
            write(name, changes.get(name.split("/")[1].replace(".", "_"), lines))
        return tmp_path

    return go


def beir(write, name="toy", **changes):
    documents = [("d1", "Fox", "It barks."), ("d2", "", "Hens cluck."), ("d-three", "Cow", "")]
    records = [{"_id": i, "title": title, "text": text} for i, title, text in documents]
    write(f"{name}/corpus.jsonl", changes.get("corpus", [json.dumps(record) for record in records]))
    queries = [{"_id": "q1", "text": "who barks"}, {"_id": "q2", "text": "who moos"}, {"_id": "q3", "text": "why"}]
    write(f"{name}/queries.jsonl", changes.get("queries", [json.dumps(record) for record in queries]))
    header = "query-id\tcorpus-id\tscore"
    write(f"{name}/qrels/test.tsv", [header, *changes.get("test", ["q2\td-three\t2", "q1\td1\t1", "q2\td2\t0"])])
    return write(f"{name}/qrels/train.tsv", [header, "q3\td1\t1"]).parent.parent


def lists(of):
    return [part.tolist() for part in of]


def refused(*args, **options):
    with pytest.raises(ValueError, match="--on-problem skip") as caught:
        load_texts(*args, **options)
    return str(caught.value)


def test_queries_are_those_with_a_relevant_passage_and_passages_are_all(folder):
    texts = load_texts("msmarco", folder(), "train")
    assert texts.name == "msmarco train"
    assert list(texts.queries) == ["who barks", "who clucks", "who moos"]
    assert list(texts.query_ids) == ["7", "8", "5"]
    assert list(texts.passages) == ["a fox", "a hen", "a cow", "a dog"]
    assert list(texts.passage_ids) == ["10", "11", "12", "13"]
    assert lists(texts.relevant) == [[3, 0], [1], [2]]
    assert texts.relevant.grades is None
    assert (texts.negatives, texts.candidates, texts.skipped) == (None, None, {})


def test_the_folder_itself_and_gzipped_files_will_do(folder, write, tmp_path):
    root = folder()
    collection = root / "msmarco-passage/collection.tsv"
    write("msmarco-passage/collection.tsv.gz", collection.read_bytes())
    collection.unlink()
    assert len(load_texts("msmarco", root, "train").passages) == 4
    write("msmarco-passage/collection.tsv", SMALL["msmarco-passage/collection.tsv"])
    assert len(load_texts("msmarco", tmp_path / "msmarco-passage", "train").passages) == 4


def test_what_was_read_is_mapped_until_a_file_changes(folder):
    root = folder()
    first = load_texts("msmarco", root, "train")
    assert list((root / ".contrabatch-cache").iterdir())
    again = load_texts("msmarco", root, "train")
    assert (list(again.queries), lists(again.relevant)) == (list(first.queries), lists(first.relevant))
    folder(qrels_train_tsv=["9\t0\t13\t1"])
    assert list(load_texts("msmarco", root, "train").queries) == ["who knows"]


def test_test_queries_may_come_from_the_file_of_all_dev_queries(folder, write):
    root = folder()
    write("msmarco-passage/queries.dev.tsv", ["1\twho hunts", "2\twho sleeps"])
    write("msmarco-passage/qrels.dev.small.tsv", ["2\t0\t10\t1"])
    write("msmarco-passage/qrels.dev.tsv", ["1\t0\t10\t1", "2\t0\t10\t1"])
    assert list(load_texts("msmarco", root, "test").queries) == ["who sleeps"]
    assert list(load_texts("msmarco", root, "dev").queries) == ["who hunts", "who sleeps"]


@pytest.mark.parametrize(
    ("dataset", "data", "cache"),
    [
        ("msmarco", None, "data/.contrabatch-cache"),
        ("msmarco", "sets", "sets/.contrabatch-cache"),
        ("msmarco", "sets/msmarco-passage", "sets/.contrabatch-cache"),
        ("beir", "sets/beir", "sets/.contrabatch-cache"),
        ("pairs", "mine/pairs.tsv", "mine/.contrabatch-cache"),
        ("docstrings", "library", ".contrabatch-cache"),
    ],
)
def test_caches_lie_beside_the_files_of_a_data_set(write, tmp_path, monkeypatch, dataset, data, cache):
    monkeypatch.chdir(tmp_path)
    write("sets/msmarco-passage/collection.tsv", [])
    assert cache_folder(dataset, data and Path(data)).resolve() == tmp_path / cache


def test_double_encoded_texts_keep_their_bytes(folder):
    damaged = "presynapt â\x80¦ ic"
    texts = load_texts("msmarco", folder(collection_tsv=[f"10\t{damaged}", "11\tb", "12\tc", "13\td"]), "train")
    assert texts.passages[0] == damaged


def test_unknown_ids_are_told_by_line(folder):
    lines = ["8\t0\t11\t1", "7\t0\t99\t1", "6\t0\t10\t1", "5\t0\t12\t1"]
    root = folder(qrels_train_tsv=lines)
    told = refused("msmarco", root, "train")
    path = root / "msmarco-passage"
    assert "got 2 unknown ids:" in told
    assert f"{path}/qrels.train.tsv:3: needs an id of {path}/queries.train.tsv, got '6'" in told
    assert f"{path}/qrels.train.tsv:2: needs an id of {path}/collection.tsv, got '99'" in told
    texts = load_texts("msmarco", root, "train", on_problem="skip")
    assert list(texts.queries) == ["who clucks", "who moos"]
    assert texts.skipped == {"unknown ids": 2}
    assert load_texts("msmarco", root, "train", on_problem="skip").skipped == {"unknown ids": 2}, "from the cache"


def test_what_was_left_out_is_told_again_where_the_cache_is_read(folder, caplog):
    root = folder(
        collection_tsv=["10\ta fox", "11\ta hen", "12\t "],
        qrels_train_tsv=["7\t0\t10\t1", "8\t0\t11\t1", "8\t0\t99\t1"],
    )
    told = []
    for _ in range(2):
        caplog.clear()
        texts = load_texts("msmarco", root, "train", on_problem="skip")
        assert texts.skipped == {"empty texts": 1, "unknown ids": 1}
        told.append([record.getMessage() for record in caplog.records if record.levelname == "WARNING"])
    assert told[0] == told[1]
    assert [one.split(":")[:2] for one in told[0]] == [
        ["msmarco train", f" left out 1 {kind}"] for kind in texts.skipped
    ]
    assert "collection.tsv:3: needs the passage not to be empty" in told[1][0]


def test_the_remedy_for_a_missing_sample_is_for_everybody(tmp_path):
    with pytest.raises(ValueError, match="--dataset msmarco") as caught:
        load_texts("msmarco-sample", tmp_path, "train")
    assert f"into {tmp_path / 'msmarco-passage'}" in str(caught.value)


def test_an_id_with_two_texts_is_a_problem_and_a_line_that_is_there_twice_is_none(folder, caplog):
    root = folder(collection_tsv=["10\ta fox", "11\ta hen", "12\ta cow", "13\ta dog", "11\ta hen"])
    with caplog.at_level(logging.INFO, "contrabatch"):
        assert len(load_texts("msmarco", root, "train").passages) == 4
    assert "1 lines are there twice" in caplog.text
    root = folder(collection_tsv=["10\ta fox", "11\ta hen", "12\ta cow", "13\ta dog", "11\ta bat"])
    told = refused("msmarco", root, "train")
    assert "got 1 conflicting lines:" in told
    assert "collection.tsv:5: needs the text of line 2 for the same id '11', got 'a bat'" in told
    texts = load_texts("msmarco", root, "train", on_problem="skip")
    assert (texts.passages[1], texts.skipped) == ("a hen", {"conflicting lines": 1})


def test_a_pair_that_is_judged_twice_must_be_judged_alike(folder):
    root = folder(qrels_train_tsv=["8\t0\t11\t1", "8\t0\t11\t1"])
    assert lists(load_texts("msmarco", root, "train").relevant) == [[1]]
    root = folder(qrels_train_tsv=["8\t0\t11\t1", "8\t0\t11\t2"])
    told = refused("msmarco", root, "train")
    assert "qrels.train.tsv:2: needs the relevance of line 1 for the same query and passage, 1, got 2" in told


def test_problems_of_all_kinds_come_together(folder):
    root = folder(
        queries_train_tsv=["7\twho barks", "8", "5\t "],
        qrels_train_tsv=["7\t0\t13\tyes", "5\t0\t12\t1", "7\t0\t10\t1"],
    )
    told = refused("msmarco", root, "train")
    assert "got 2 malformed lines, 1 empty texts, 1 unknown ids:" in told
    for part in ("queries.train.tsv:2:", "queries.train.tsv:3:", "qrels.train.tsv:2:"):
        assert part in told
    assert "qrels.train.tsv:1: needs a number as relevance, got 'yes'" in told


def test_files_that_do_not_belong_together_leave_nothing(folder):
    root = folder(qrels_train_tsv=["1\t0\t2\t1"])
    with pytest.raises(ValueError, match=r"must name a relevant passage .* got none; take files that belong"):
        load_texts("msmarco", root, "train", on_problem="skip")
    root = folder(collection_tsv=[])
    with pytest.raises(ValueError, match=r"collection.tsv must hold at least one passage, got none"):
        load_texts("msmarco", root, "train")


def test_missing_files_are_named_with_where_to_get_them(tmp_path, folder):
    with pytest.raises(ValueError, match=r"must hold collection.tsv, queries.train.tsv, qrels.train.tsv") as caught:
        load_texts("msmarco", tmp_path, "train")
    assert "https://msmarco.z22.web.core.windows.net/msmarcoranking/" in str(caught.value)
    assert "there is no folder" in str(caught.value)
    with pytest.raises(ValueError, match=r"got no queries.dev.small.tsv or queries.dev.tsv, qrels.dev.small.tsv;"):
        load_texts("msmarco", folder(), "test")


def test_a_beir_folder(write):
    path = beir(write)
    texts = load_texts("beir", path, "test")
    assert texts.name == "toy test"
    assert list(texts.passages) == ["Fox It barks.", "Hens cluck.", "Cow"]
    assert list(texts.queries) == ["who barks", "who moos"]
    assert lists(texts.relevant) == [[0], [2]]
    assert texts.relevant.grades is not None
    assert texts.relevant.grades.tolist() == [1, 2]
    assert list(load_texts("beir", path, "train").query_ids) == ["q3"]
    with pytest.raises(ValueError, match=r"got no qrels/dev.tsv; its parts are train, test: name another"):
        load_texts("beir", path, "dev")


def test_queries_that_are_passages_are_known_by_their_names(write):
    assert load_texts("beir", beir(write), "test").own is None
    queries = ['{"_id": "q1", "text": "who barks"}', '{"_id": "d2", "text": "Hens cluck."}']
    path = beir(write, "same", queries=queries, test=["q1\td1\t1", "d2\td-three\t1"])
    for _ in range(2):
        texts = load_texts("beir", path, "test")
        assert texts.own.tolist() == [-1, 1]
        assert texts.query_ids[1] == texts.passage_ids[1] == "d2"


def test_what_is_wrong_in_a_beir_folder(write):
    corpus = [
        '{"_id": "d1", "text": "It barks."}',
        '{"_id": "d2", "title": "", "text": " "}',
        '{"_id": "d3", "title": "No text"}',
        '{"_id": 4, "text": "A number is a name, too."}',
        '{"_id": "d5", "text": ["a", "list"]}',
        '{"_id": "d6", "text": "half \\ud800"}',
        '{"_id": "d7", "text": "text", "title": 7}',
    ]
    path = beir(write, corpus=corpus, test=["q1\td1\t1", "q2\t4\t1"])
    told = refused("beir", path, "test")
    assert "got 1 empty texts, 3 malformed lines, 1 wrongly encoded lines:" in told
    assert f"{path}/corpus.jsonl:2: needs the text not to be empty" in told
    assert f"{path}/corpus.jsonl:3: needs the key 'text', got ['_id', 'title']" in told
    assert f"{path}/corpus.jsonl:5: needs a text as text, got ['a', 'list']" in told
    assert f"{path}/corpus.jsonl:6: needs whole characters" in told
    assert f"{path}/corpus.jsonl:7: needs a text as title, got 7" in told
    assert list(load_texts("beir", path, "test", on_problem="skip").passage_ids) == ["d1", "4"]


@pytest.mark.parametrize("longest", [3, 8, 20])
def test_names_are_found_whatever_their_length(longest):
    rng = np.random.default_rng(longest)
    names = ["".join(rng.choice(list("ab1é"), rng.integers(1, longest // 2 + 1))) for _ in range(300)]
    known, wanted = names[:200], [*names[100:], "", "x" * 30]
    expected = [known.index(name) if name in known else -1 for name in wanted]
    assert Ids(Texts.of(known)).rows(Texts.of(wanted)).tolist() == expected
    assert Ids(Texts.of([])).rows(Texts.of(wanted)).tolist() == [-1] * len(wanted)


def test_couples_are_kept_where_they_come_first():
    rows, items = np.array([1, 0, 1, 1, 0]), np.array([2, 1, 2, 0, 1])
    assert distinct(rows, items, 3).tolist() == [0, 1, 3]
