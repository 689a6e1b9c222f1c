"""`python -m text.data`: what is there, what is not, and what is wrong with it."""

import hashlib
import re

import pytest

from text.data import DATASETS, STS, published
from text.data.__main__ import main, parse
from training import run_command

SMALL = {
    "collection.tsv": ["10\ta fox", "11\ta hen lays eggs"],
    "queries.train.tsv": ["7\twho barks", "8\twho clucks"],
    "qrels.train.tsv": ["8\t0\t11\t1", "7\t0\t10\t1"],
}


@pytest.fixture
def root(write, tmp_path):
    for name, lines in SMALL.items():
        write(f"msmarco-passage/{name}", lines)
    return tmp_path


def table(text):
    """The numbers of the first part by name."""
    rows = [line.split("  ") for line in text.splitlines() if "  " in line]
    return {row[0]: row[-1].strip() for row in rows}


def test_what_is_there_is_counted_and_what_is_not_is_named(root, write, capsys):
    hard = write("hard.tsv", ["8\t11\t10"])
    text = main(parse(["msmarco", "--data", str(root), "--hard-negatives", str(hard)]))
    assert capsys.readouterr().out == text
    assert DATASETS["msmarco"].title in text
    found = table(text)
    assert (found["queries"], found["passages"], found["relevant passages"]) == ("2", "2", "2")
    assert found["hard negatives a query (least, mean, most)"] == "0, 0.50, 1"
    assert found["words of a passage (median, 90 %)"] == "3, 3.8"
    assert text.count("not there: ") == 6, "all parts but train"


def test_problems_end_the_command_with_status_2_or_are_counted(root, write, capsys):
    write("msmarco-passage/qrels.train.tsv", ["8\t0\t11\t1", "8\t0\t12\t1"])
    with pytest.raises(SystemExit) as caught:
        run_command(main, parse, ["msmarco", "--data", str(root), "--split", "train"])
    assert caught.value.code == 2
    assert "qrels.train.tsv:2: needs an id of" in capsys.readouterr().err
    text = main(parse(["msmarco", "--data", str(root), "--split", "train", "--on-problem", "skip"]))
    assert table(text)["left out: unknown ids"] == "1"


def test_files_are_compared_with_the_published_checksums(root, monkeypatch):
    text = main(parse(["msmarco", "--data", str(root), "--split", "train"]))
    assert "qrels.train.tsv  NOT the published file" in text
    digest = hashlib.md5((root / "msmarco-passage/qrels.train.tsv").read_bytes()).hexdigest()
    monkeypatch.setitem(published.MD5, "msmarco", {"qrels.train.tsv": digest})
    assert "qrels.train.tsv  as published" in main(parse(["msmarco", "--data", str(root), "--split", "train"]))


def test_all_parts_that_are_there_stand_side_by_side(root, write):
    write("msmarco-passage/msmarco-test2019-queries.tsv", ["1\twho lays eggs"])
    write("msmarco-passage/2019qrels-pass.txt", ["1 Q0 11 2", "1 Q0 10 1"])
    write("msmarco-passage/queries.dev.small.tsv", ["2\twho barks"])
    write("msmarco-passage/qrels.dev.small.tsv", ["2\t0\t10\t1"])
    write("msmarco-passage/top1000.dev", ["2\t11\t-\t-", "2\t10\t-\t-"])
    text = main(parse(["msmarco", "--data", str(root / "msmarco-passage")]))
    (head,) = [line.split() for line in text.splitlines() if line.startswith("msmarco ")]
    assert head[1:] == ["train", "test", "top1000", "dl19"]
    rows = {row[0]: row[1:] for line in text.splitlines() if len(row := re.split("  +", line)) == 5}
    assert rows["relevant passages"] == ["2", "1", "1", "1"]
    assert rows["grades"] == ["-", "-", "-", "1: 1, 2: 1"]
    assert rows["relevant is a grade above"] == ["-", "-", "-", "1"]
    assert rows["order of candidates"] == ["-", "-", "none", "-"]
    assert text.count("not there: ") == 3, "dev, run and dl20"
    assert "2019qrels-pass.txt  NOT the published file" in text


def test_scored_pairs_are_counted(write, tmp_path):
    write("stsbenchmark/sts-dev.csv", ["a\tb\tc\td\t1.5\tOne two\tThree", "a\tb\tc\td\t2.5\tOne\tTwo"])
    found = table(main(parse(["stsbenchmark", "--data", str(tmp_path), "--split", "dev"])))
    assert (found["pairs"], found["scores (least, mean, most)"]) == ("2", "1.5, 2.00, 2.5")


@pytest.mark.parametrize("name", [name for name in [*DATASETS, *STS] if name != "docstrings"])
def test_where_nothing_is_there_the_status_is_2(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(main, parse, [name, "--data", str(tmp_path / "nowhere")])
    assert caught.value.code == 2
    assert str(tmp_path / "nowhere") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["squad"], "one of docstrings"),
        (["sick", "--split", "dev600"], "must be one of train, dev, test"),
        (["msmarco", "--split", "test", "--hard-negatives", "a.tsv"], "is for queries of a train part"),
    ],
)
def test_unknown_names_are_refused(argv, told, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())
