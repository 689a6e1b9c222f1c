"""Pairs and sentences from one's own files."""

import json
import logging
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.data import load_texts
from text.data.pairs import is_held_out

FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\ufeff")).filter(str.strip)
TRAIN, TEST = [[f"q{i}" for i in range(300) if is_held_out(f"q{i}") == part] for part in (False, True)]
A, B, C = TRAIN[:3]


def lists(of):
    return [part.tolist() for part in of]


def refused(*args, **options):
    with pytest.raises(ValueError, match="--on-problem skip") as caught:
        load_texts(*args, **options)
    return str(caught.value)


def parquet(path, rows):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as format_of

    format_of.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_lines_with_the_same_query_are_one_query_and_equal_passages_are_one(write):
    path = write(
        "my.pairs.tsv", [f"{A}\tone", f"{B}\ttwo", f"{A}\tthree", f"{C}\tone", f"{A}\tone", f"{TEST[0]}\tx"]
    )
    texts = load_texts("pairs", path, "train")
    assert texts.name == "my train"
    assert (list(texts.queries), list(texts.query_ids)) == ([A, B, C], ["1", "2", "4"])
    assert (list(texts.passages), list(texts.passage_ids)) == (["one", "two", "three"], ["1", "2", "3"])
    assert lists(texts.relevant) == [[0, 2], [1], [0]]
    assert texts.negatives is None
    test = load_texts("pairs", path, "test")
    assert (list(test.queries), list(test.query_ids), list(test.passages)) == ([TEST[0]], ["6"], ["x"])


@pytest.mark.parametrize("header", ["query\tpassage\tnegative", "anchor\tpositive\tnegative", None])
def test_a_third_column_is_a_hard_negative(write, header):
    rows = [f"{A}\tone\ttwo", f"{A}\tone\tthree", f"{B}\ttwo\tone", f"{A}\tthree\ttwo"]
    texts = load_texts("pairs", write("a.tsv", [*([header] if header else []), *rows]), "train")
    assert list(texts.passages) == ["one", "two", "three"]
    assert lists(texts.relevant) == [[0, 2], [1]]
    assert lists(texts.negatives) == [[1], [0]], "three is relevant to the first query, so it is no negative"
    assert list(texts.passage_ids) == [str(1 + bool(header)), f"{1 + bool(header)}-1", f"{2 + bool(header)}-1"]


def logged_columns(caplog):
    return [record.getMessage().split(": ", 1)[1] for record in caplog.records if "are in" in record.getMessage()]


@pytest.mark.parametrize(
    ("header", "row", "negatives"),
    [
        ("Question\tANSWER", f"{A}\tone", None),
        ("context \tquestion", f"one\t{A}", None),
        ("hard_negative\ttitle\ttext", f"two\t{A}\tone", [[1]]),
        ("Premise\tentailment\tContradiction", f"{A}\tone\ttwo", [[1]]),
    ],
)
def test_a_first_line_of_known_names_says_which_column_is_which(write, caplog, header, row, negatives):
    path = write("a.tsv", [header, row])
    with caplog.at_level(logging.INFO, "contrabatch"):
        texts = load_texts("pairs", path, "train")
    assert (list(texts.queries), texts.passages[0], lists(texts.relevant)) == ([A], "one", [[0]])
    assert (None if texts.negatives is None else lists(texts.negatives)) == negatives
    (told,) = logged_columns(caplog)
    query = next(name for name in header.split("\t") if name.lower() in ("question", "title", "premise"))
    assert f"queries are in {query!r}, passages are in " in told


def test_a_first_line_that_is_no_header_is_a_pair(write):
    texts = load_texts("pairs", write("train.tsv", [f"{A}\tanswer", "id\tquestion"]), "train")
    assert texts.passages[0] == "answer"
    for header in ("question\tsentence1", "text\tanswer", "query\tnegative", "query\tanswer\ttext"):
        with pytest.raises(ValueError, match="must name one column of queries, one of passages and at most one"):
            load_texts("pairs", write("a.tsv", [header, "\t".join("abc"[: header.count("\t") + 1])]), "train")


def test_keys_of_records_may_have_other_usual_names(write, caplog):
    rows = [
        {"Question": A, "id": 7, "Answer": "one", "hard_negatives": ["two"]},
        {"premise": B, "Entailment": "two", "contradiction": "one"},
        {"sentence1": C, "sentence2": "three", "label": 1},
        {"title": "no", "query": A, "body": "no", "passage": "four"},
    ]
    with caplog.at_level(logging.INFO, "contrabatch"):
        texts = load_texts("pairs", write("a.jsonl", map(json.dumps, [*rows, rows[2]])), "train")
    assert list(texts.queries) == [A, B, C]
    assert list(texts.passages) == ["one", "two", "three", "four"]
    assert lists(texts.relevant) == [[0, 3], [1], [2]]
    assert lists(texts.negatives) == [[1], [0], []]
    assert logged_columns(caplog) == [
        "queries are in 'Question', passages are in 'Answer', hard negatives are in 'hard_negatives'",
        "queries are in 'premise', passages are in 'Entailment', hard negatives are in 'contradiction'",
        "queries are in 'sentence1', passages are in 'sentence2'",
        "queries are in 'query', passages are in 'passage'",
    ]


def test_records_may_have_one_negative_several_or_none(write, tmp_path):
    rows = [
        {"query": A, "passage": "one", "negative": "two"},
        {"anchor": B, "positive": "two", "negatives": ["three", "one"]},
        {"query": C, "passage": "three", "negatives": None, "other": 1},
    ]
    found = [load_texts("pairs", write("a.jsonl", map(json.dumps, rows)), "train")]
    found.append(load_texts("pairs", write("a.jsonl.gz", map(json.dumps, rows)), "train"))
    same = [{"query": A, "passage": "one", "negatives": ["two"]}, {"query": B, "passage": "two"}]
    same = [{"negatives": ["three", "one"]} | same[1], {"query": C, "passage": "three"}]
    same.insert(0, {"query": A, "passage": "one", "negatives": ["two"]})
    found.append(load_texts("pairs", parquet(tmp_path / "a.parquet", same), "train"))
    for texts in found:
        assert list(texts.queries) == [A, B, C]
        assert list(texts.passages) == ["one", "two", "three"]
        assert lists(texts.relevant) == [[0], [1], [2]]
        assert lists(texts.negatives) == [[1], [2, 0], []]


def test_a_tenth_of_the_queries_is_held_out_whatever_else_is_in_the_file(write):
    names = [f"query {i}" for i in range(3000)]
    path = write("a.tsv", [f"{name}\tpassage" for name in names])
    random.Random(0).shuffle(names)
    again = write("b.tsv", [f"{name}\tpassage" for name in names[:1000]])
    test, train = (set(load_texts("pairs", path, split).queries) for split in ("test", "train"))
    assert test | train == set(names)
    assert not test & train
    assert len(test) == pytest.approx(300, abs=60)
    assert set(load_texts("pairs", again, "test").queries) == test & set(names[:1000])


def test_a_folder_may_have_a_file_for_each_part(write, tmp_path):
    write("mine/train.tsv", [f"{TEST[0]}\tone"])
    write("mine/test.jsonl", [json.dumps({"query": A, "passage": "two"})])
    assert list(load_texts("pairs", tmp_path / "mine", "train").queries) == [TEST[0]]
    assert list(load_texts("pairs", tmp_path / "mine", "test").queries) == [A]
    write("mine/train.jsonl", [])
    with pytest.raises(ValueError, match=r"one train and one test file .* with train.tsv, train.jsonl, test.jsonl"):
        load_texts("pairs", tmp_path / "mine", "train")


def test_every_problem_is_told_by_line(write):
    path = write("a.tsv", [f"{A}\tone", "no tab", f"{B}\t ", f"{C}\tone\ttwo"])
    told = refused("pairs", path, "test")
    assert f"{path}:2: needs 2 columns with tabs between them, got 1: 'no tab'" in told
    assert f"{path}:3: needs the passage not to be empty" in told
    assert f"{path}:4: needs 2 columns with tabs between them, got 3" in told
    texts = load_texts("pairs", path, "train", on_problem="skip")
    assert (list(texts.queries), texts.skipped) == ([A], {"malformed lines": 2, "empty texts": 1})


def test_every_problem_of_a_record_is_told_by_line(write, tmp_path):
    rows = [
        {"query": A, "passage": "one"},
        {"query": A},
        {"query": A, "passage": None},
        {"query": A, "passage": "one", "negatives": [["two"]]},
        {"query": True, "passage": "one"},
        {"query": A, "passage": "one", "negatives": ["two", ""]},
    ]
    path = write("a.jsonl", map(json.dumps, rows))
    told = refused("pairs", path, "train")
    assert "got 3 malformed lines, 2 empty texts:" in told
    assert f"{path}:2: needs the key 'passage' or 'answer' or 'positive' or" in told
    assert f"{path}:3: needs the passage not to be empty, got none" in told
    assert f"{path}:4: needs a text or a list of texts as negatives, got [['two']]" in told
    assert f"{path}:5: needs a text as query, got True" in told
    assert f"{path}:6: needs the negative not to be empty, got ''" in told
    path = parquet(tmp_path / "a.parquet", [{"query": A, "passage": "one"}, {"query": A, "passage": None}])
    assert f"{path}:2: needs the passage not to be empty, got none" in refused("pairs", path, "train")


@pytest.mark.parametrize(
    ("dataset", "name", "told"),
    [
        ("pairs", None, "pairs needs --data, got none; a TSV"),
        ("sentences", None, "sentences needs --data, got none; a .txt file"),
        ("beir", None, "beir needs --data, got none; a folder with corpus.jsonl"),
        ("pairs", "a.csv", r"must end with one of .tsv, .tsv.gz, .* got 'a.csv'; rename it"),
        ("pairs", "nowhere.tsv", "must be a file of pairs, or a folder .* got .*nowhere.tsv, which is not there"),
        ("pairs", "empty", "must be a file of pairs, or a folder .* got .*empty with neither"),
        (
            "pairs",
            "one.tsv",
            "the test part of .*one.tsv must have at least one line, got none; take a longer file",
        ),
    ],
)
def test_where_there_is_nothing_to_read_the_remedy_is_told(write, tmp_path, dataset, name, told):
    write("a.csv", ["a,b"])
    write("one.tsv", [f"{A}\tone"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=told):
        load_texts(dataset, tmp_path / name if name else None, "test")


def test_unknown_data_sets_and_parts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data set must be one of docstrings, msmarco, .*, got 'squad'"):
        load_texts("squad", tmp_path, "train")
    with pytest.raises(ValueError, match=r"split of pairs must be one of train, test, got 'dev'"):
        load_texts("pairs", tmp_path, "dev")


def test_every_sentence_is_its_own_passage(write):
    path = write("wiki.txt", [A, f"{B} with a\ttab", A, C])
    texts = load_texts("sentences", path, "train")
    kept = [text for text in (A, f"{B} with a\ttab", C) if not is_held_out(text)]
    assert list(texts.queries) == kept
    assert texts.passages is texts.queries
    assert lists(texts.relevant) == [[i] for i in range(len(kept))]
    path = write("wiki.txt", [A, "", B])
    assert f"{path}:2: needs the sentence not to be empty" in refused("sentences", path, "train")
    assert load_texts("sentences", path, "train", on_problem="skip").skipped == {"empty texts": 1}


@settings(deadline=None, max_examples=15)
@given(rows=st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=8))
def test_what_is_written_is_read_in_every_format(rows, tmp_path_factory):
    root = tmp_path_factory.mktemp("rows")
    for name in ("tsv", "jsonl"):
        for part in ("train", "test"):
            with (root / f"{part}.{name}").open("w", newline="") as file:
                for row in rows:
                    record = dict(zip(("query", "passage", "negative"), row, strict=True))
                    file.write(("\t".join(row) if name == "tsv" else json.dumps(record)) + "\n")
        texts = load_texts("pairs", root, "train")
        pairs = {(texts.queries[i], texts.passages[row]) for i, part in enumerate(texts.relevant) for row in part}
        assert pairs == {row[:2] for row in rows}
        bad = {(texts.queries[i], texts.passages[row]) for i, part in enumerate(texts.negatives) for row in part}
        assert bad == {(a, c) for a, _, c in rows} - pairs
        for path in root.glob(f"*.{name}"):
            path.unlink()
