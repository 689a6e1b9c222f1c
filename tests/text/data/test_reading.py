"""Lines and columns: what is read, and that every problem is known by file and line."""

import gzip
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.data import reading
from text.data.problems import EMPTY, MALFORMED, WRONG_ENCODING, Problems
from text.data.reading import Layout, line_blocks, read_table, tables
from text.data.records import json_lines, parquet_rows

LAYOUT = Layout(columns={0: "id", 1: "text"}, n_columns=range(2, 3))
FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\ufeff")).filter(str.strip)


def read(path, layout=LAYOUT):
    """Rows and lines of a file that must be clean."""
    problems = Problems("refuse")
    table = read_table(path, layout, problems)
    assert problems.settle("the test") == {}
    return list(zip(*table.columns, strict=True)), table.lines.tolist()


def refused(path, layout=LAYOUT):
    """What is said about a file that is not."""
    problems = Problems("refuse")
    read_table(path, layout, problems)
    with pytest.raises(ValueError, match="--on-problem skip") as caught:
        problems.settle("the test")
    return str(caught.value)


def test_columns_and_the_lines_that_they_were_in(write):
    assert read(write("a.tsv", ["1\tone", '2\t"two" and more'])) == (
        [("1", "one"), ("2", '"two" and more')],
        [1, 2],
    )


@pytest.mark.parametrize(
    "content",
    [
        b"1\tone\n2\ttwo\n",
        b"1\tone\n2\ttwo",
        b"1\tone\r\n2\ttwo\r\n",
        b"1\tone\r\n2\ttwo\r",
        b"\xef\xbb\xbf1\tone\n2\ttwo\n",
        b"1\tone\n\xef\xbb\xbf2\ttwo\n",
        b"1\tone\n2\ttwo\n\n",
        b"1\tone\r\n2\ttwo\r\n\r\n\r\n",
    ],
)
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_ends_of_lines_marks_of_byte_order_and_blank_lines_at_the_end_mean_nothing(
    write, monkeypatch, content, block
):
    monkeypatch.setattr(reading, "_BLOCK", block)
    assert read(write("a.tsv", content)) == ([("1", "one"), ("2", "two")], [1, 2])
    assert read(write("a.tsv.gz", content)) == ([("1", "one"), ("2", "two")], [1, 2])


def test_lines_end_nowhere_but_at_their_ends(write):
    odd = ["a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\u2028b", "a\rb"]
    assert read(write("a.tsv", [f"{i}\t{text}" for i, text in enumerate(odd)]))[0] == [
        (str(i), text) for i, text in enumerate(odd)
    ]


@settings(deadline=None)
@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1), block=st.integers(1, 50))
def test_what_is_written_is_read(rows, block, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "a.tsv"
    path.write_bytes("".join(f"{a}\t{b}\n" for a, b in rows).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK", block)
        assert read(path) == (rows, list(range(1, len(rows) + 1)))


@settings(deadline=None)
@given(content=st.binary(max_size=60), block=st.integers(1, 20))
def test_any_bytes_are_either_rows_or_problems_of_their_line(content, block, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / "a.tsv"
    path.write_bytes(content)
    problems = Problems("skip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK", block)
        lines = read_table(path, LAYOUT, problems).lines
        n_lines = sum(part.count(b"\n") + 1 for _, part in line_blocks(path))
    assert len(lines) + sum(problems.settle("the test").values()) == n_lines
    assert len(set(lines.tolist())) == len(lines)
    assert all(1 <= line <= content.count(b"\n") + 1 for line in lines)


def test_each_kind_of_problem_is_told_with_its_line(write):
    path = write(
        "a.tsv",
        b"1\tone\n2 two\n3\tthree\tmore\n4\tf\xfcnf\n5\t\n6\t\xc2\xa0 \n\tseven\n\n9\tnine\n",
    )
    told = refused(path)
    assert told.splitlines() == [
        "the files of the test must be free of problems, got 3 malformed lines, 1 wrongly encoded lines, "
        "3 empty texts:",
        f"  {path}:2: needs 2 columns with tabs between them, got 1: '2 two'",
        f"  {path}:3: needs 2 columns with tabs between them, got 3: '3\\tthree\\tmore'",
        f"  {path}:8: needs 2 columns with tabs between them, got 1: ''",
        f"  {path}:4: needs UTF-8, got byte 4 of the line, 0xfc, in '4\\tf\\\\xfcnf'",
        f"  {path}:5: needs the text not to be empty, got '5\\t'",
        f"  {path}:6: needs the text not to be empty, got '6\\t\\xa0 '",
        f"  {path}:7: needs the id not to be empty, got '\\tseven'",
        "correct them, or leave these lines out with --on-problem skip",
    ]


def test_problems_are_skipped_counted_and_logged(write, caplog):
    path = write("a.tsv", ["1\tone", "two", "3\t ", "4\tfour"])
    problems = Problems("skip")
    table = read_table(path, LAYOUT, problems)
    with caplog.at_level(logging.WARNING, "contrabatch"):
        assert problems.settle("the test") == {MALFORMED: 1, EMPTY: 1}
    assert (list(table.columns[1]), table.lines.tolist()) == (["one", "four"], [1, 4])
    assert f"{path}:2: needs 2 columns" in caplog.text
    assert f"{path}:3: needs the text" in caplog.text


def test_of_many_problems_all_are_counted_and_a_few_told(write):
    told = refused(write("a.tsv", ["no tab"] * 5000))
    assert "got 5,000 malformed lines:" in told
    assert told.count("needs 2 columns") == 3
    assert "\n  ...\n" in told


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_told_from_the_first_byte_on(write, encoding):
    path = write("a.tsv", "1\tüber\n".encode(encoding))
    assert f"{path}:1: needs UTF-8, got byte {1 if encoding == 'utf-16' else 3} of the line" in refused(path)


def test_a_header_is_left_out_and_lines_are_counted_with_it(write):
    layout = Layout(columns={1: "text"}, n_columns=range(2, 3), headers=(("id", "text"),))
    assert read(write("a.tsv", ["id\ttext", "1\tone"]), layout) == ([("one",)], [2])
    assert read(write("b.tsv", ["1\tone", "id\ttext"]), layout) == ([("one",), ("text",)], [1, 2])
    assert read(write("c.tsv", ["id\ttext"]), layout) == ([], [])


def test_lines_may_have_columns_that_others_have_not(write):
    layout = Layout(columns={1: "text"}, n_columns=range(2, 4))
    assert read(write("a.tsv", ["1\tone", "2\ttwo\tmore"]), layout) == ([("one",), ("two",)], [1, 2])


def test_a_large_file_is_read_some_lines_at_a_time(write, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", 100)
    parts = list(tables(write("a.tsv", [f"{i}\ttext {i}" for i in range(100)]), LAYOUT, Problems("refuse")))
    assert len(parts) > 5
    assert np.concatenate([part.lines for part in parts]).tolist() == list(range(1, 101))


def test_files_that_cannot_be_read_are_refused(write, tmp_path):
    damaged = write("a.tsv.gz", ["1\tone"] * 1000)
    damaged.write_bytes(damaged.read_bytes()[:-10])
    no_gzip = tmp_path / "b.tsv.gz"
    no_gzip.write_bytes(b"1\tone\n")
    for path in (damaged, no_gzip, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"must be a file that can be read, got .*; replace it by a good copy"):
            read_table(path, LAYOUT, Problems("skip"))


def test_json_lines_are_objects_or_problems(write):
    path = write(
        "a.jsonl",
        b'{"a": 1}\n{"a": \n\n["b"]\n{"c": "\xff"}\n' + b"[" * 100_000 + b'\n{"a": "\xc3\xbc"}\r\n\n',
    )
    problems = Problems("refuse")
    assert list(json_lines(path, problems)) == [(1, {"a": 1}), (7, {"a": "ü"})]
    with pytest.raises(ValueError, match="got 4 malformed lines, 1 wrongly encoded lines") as caught:
        problems.settle("the test")
    told = str(caught.value)
    assert f"{path}:2: needs a JSON object, got '{{\"a\": ' (Expecting value" in told
    assert f"{path}:3: needs a JSON object, got '' (" in told
    assert f"{path}:4: needs a JSON object, got ['b']" in told
    assert f"{path}:5: needs UTF-8, got byte 8 of the line, 0xff" in told


def test_parquet_rows_that_are_no_utf8_are_problems(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    text = pa.array([b"one", b"tw\xff", b"three"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"text": text}), path)
    problems = Problems("skip")
    assert list(parquet_rows(path, problems)) == [(1, {"text": "one"}), (3, {"text": "three"})]
    assert problems.settle("the test") == {WRONG_ENCODING: 1}
    path.write_bytes(b"no parquet at all")
    with pytest.raises(ValueError, match=r"a.parquet must be a whole Parquet file, got .*; write it again"):
        list(parquet_rows(path, problems))


def test_without_pyarrow_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow to be read; pip install pyarrow, or write it as JSONL"):
        list(parquet_rows(tmp_path / "a.parquet", Problems("skip")))


def test_a_gzipped_file_may_have_several_members(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"1\tone\n") + gzip.compress(b"2\ttwo\n"))
    assert read(path)[0] == [("1", "one"), ("2", "two")]
