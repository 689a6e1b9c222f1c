"""The parts of MS MARCO: candidates to re-rank in every form, and TREC Deep Learning with its grades."""

import pytest

from text.data import load_texts

SMALL = {
    "collection.tsv": ["10\ta fox", "11\ta hen", "12\ta cow", "13\ta dog"],
    "queries.dev.small.tsv": ["7\twho barks", "8\twho clucks", "9\twho moos"],
    "qrels.dev.small.tsv": ["7\t0\t13\t1", "7\t0\t10\t1", "8\t0\t11\t1", "9\t0\t12\t1"],
}
RUNS = {
    "run.dev.small.tsv": ["8\t11\t2", "7\t12\t1", "8\t10\t1", "7\t13\t3", "7\t10\t2"],
    "run.dev.small.trec": [
        "8 Q0 11 2 0.5 bm25",
        "7 Q0 12 1 9.25 bm25",
        "8 Q0 10 1 1e1 bm25",
        "7 Q0 13 3 -1.5 bm25",
        "7 Q0 10 2 2.5 bm25",
    ],
}
RUNS["run.dev.small.txt"] = [line.replace(" ", "\t") for line in RUNS["run.dev.small.trec"]]


@pytest.fixture
def folder(write, tmp_path):
    """folder(name=lines, ...) -> a small MS MARCO with these files, too."""

    def go(files):
        for name, lines in (SMALL | files).items():
            write(f"msmarco-passage/{name}", lines)
        return tmp_path

    return go


def lists(of):
    return [part.tolist() for part in of]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_brings_candidates_in_the_order_of_its_ranks_or_scores(folder, name):
    """Rows of passages 12, 10, 13 for query 7, and 10, 11 for query 8; query 9 has none, and stays."""
    for texts in (load_texts("msmarco", folder({name: RUNS[name]}), "run") for _ in range(2)):
        assert list(texts.query_ids) == ["7", "8", "9"]
        assert lists(texts.candidates) == [[2, 0, 3], [0, 1], []]
        assert texts.ranked
        assert lists(texts.relevant) == [[3, 0], [1], [2]]


def test_trec_runs_are_ordered_by_score_as_trec_eval_orders_them(folder):
    lines = ["7 Q0 10 1 1.0 x", "7 Q0 11 2 3.0 x", "7 Q0 12 3 2.0 x"]
    assert lists(load_texts("msmarco", folder({"run.dev.small.trec": lines}), "run").candidates)[0] == [1, 2, 0]


@pytest.mark.parametrize("name", ["top1000.dev", "top1000.dev.tsv", "top1000.dev.gz"])
def test_top1000_is_in_no_order(folder, name):
    """The rows of candidates ascend, whatever the order of the file; its texts are not read."""
    lines = ["7\t13\tanything\t-", "8\t11\t-\t ", "7\t10\t-\t-", "7\t11\t-\t-", "7\t10\t-\t-"]
    for texts in (load_texts("msmarco", folder({name: lines}), "top1000") for _ in range(2)):
        assert lists(texts.candidates) == [[0, 1, 3], [1], []]
        assert not texts.ranked, "from the cache, too"
        assert list(texts.queries) == ["who barks", "who clucks", "who moos"]


def test_what_is_wrong_with_candidates_is_told_by_line(folder):
    root = folder({"run.dev.small.tsv": ["7\t10\t1", "7\t99\t2", "7\t12\tthird", "7 13 4"]})
    with pytest.raises(ValueError, match="got 2 malformed lines, 1 unknown ids") as caught:
        load_texts("msmarco", root, "run")
    for told in (":2: needs an id of", ":3: needs a number as rank, got 'third'", ":4: needs 3 columns with tabs"):
        assert f"run.dev.small.tsv{told}" in str(caught.value)
    assert lists(load_texts("msmarco", root, "run", on_problem="skip").candidates) == [[0], [], []]
    root = folder({"run.dev.small.tsv": ["7\t99\t1"]})
    with pytest.raises(ValueError, match=r"must name passages of .*collection.tsv to re-rank .* got none"):
        load_texts("msmarco", root, "run", on_problem="skip")


@pytest.mark.parametrize(("split", "year"), [("dl19", 2019), ("dl20", 2020)])
def test_trec_deep_learning_keeps_grades_of_which_two_and_three_are_relevant(folder, split, year):
    queries, judged = f"msmarco-test{year}-queries.tsv.gz", f"{year}qrels-pass.txt"
    lines = ["2 Q0 10 0", "2 Q0 13 3", "2 Q0 11 1", "1 0 12 2"]
    root = folder({queries: ["1\twho moos", "2\twho barks", "3\twho knows"], judged: lines})
    for texts in (load_texts("msmarco", root, split) for _ in range(2)):
        assert list(texts.query_ids) == ["1", "2"], "only those that were judged"
        assert texts.threshold == 1.0
        assert lists(texts.relevant) == [[2], [3, 1]]
        assert texts.relevant.grades.tolist() == [2, 3, 1]
        assert lists(texts.relevant.above(texts.threshold)) == [[2], [3]]
    assert load_texts("msmarco", root, "test").threshold == 0.0
    folder({judged: ["2 Q0 10"]})
    with pytest.raises(ValueError, match="needs 4 columns with spaces between them, got 3"):
        load_texts("msmarco", root, split)


@pytest.mark.parametrize(
    ("split", "remedy"),
    [
        ("top1000", r"got no top1000.dev or top1000.dev.tsv; unpack top1000.dev.tar.gz"),
        ("run", r"got no run.dev.small.tsv or .*; write the run of a first retriever there"),
        ("dl19", r"got no msmarco-test2019-queries.tsv, 2019qrels-pass.txt; .* https://trec.nist.gov/data/deep/"),
    ],
)
def test_missing_files_are_named_with_their_remedy(folder, split, remedy):
    with pytest.raises(ValueError, match=remedy):
        load_texts("msmarco", folder({}), split)
