"""Scored pairs of sentences."""

import pytest

from text.data import load_sts

STS = ["main\tMSR\t2012\t1\t5.000\tA plane.\tAn air plane.", 'main\tMSR\t2012\t2\t0\t"Yes\tNo"\tfrom\tthere']
SICK = [
    "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment",
    "6\tNo boy\tSome kids\t3.3\tNEUTRAL",
]


def test_sentences_and_scores_of_the_sts_benchmark(write, tmp_path):
    write("stsbenchmark/sts-dev.csv", STS)
    for data in (tmp_path, tmp_path / "stsbenchmark"):
        pairs = load_sts("stsbenchmark", data, "dev")
        assert pairs.name == "stsbenchmark dev"
        assert (list(pairs.first), list(pairs.second)) == (["A plane.", '"Yes'], ["An air plane.", 'No"'])
        assert pairs.scores.tolist() == [5, 0]


def test_sentences_and_scores_of_sick(write, tmp_path):
    write("sick/SICK_trial.txt", "".join(f"{line}\r\n" for line in SICK).encode())
    pairs = load_sts("sick", tmp_path, "dev")
    assert (list(pairs.first), list(pairs.second), pairs.scores.tolist()) == (["No boy"], ["Some kids"], [3.3])


def test_lines_that_are_no_scored_pair_are_told_or_skipped(write, tmp_path):
    bad = ["main\tMSR\t2012\t3\t5.1\tA\tB", "main\tMSR\t2012\t4\tnan\tA\tB", "main\tMSR\t2012\t5\t1\tA"]
    path = write("stsbenchmark/sts-test.csv", [*STS, *bad])
    with pytest.raises(ValueError, match="got 3 malformed lines:") as caught:
        load_sts("stsbenchmark", tmp_path, "test")
    assert f"{path}:3: needs a number from 0 to 5 as score, got '5.1'" in str(caught.value)
    assert f"{path}:4: needs a number from 0 to 5 as score, got 'nan'" in str(caught.value)
    assert f"{path}:5: needs 7 or 8 or 9 columns with tabs between them, got 6" in str(caught.value)
    pairs = load_sts("stsbenchmark", tmp_path, "test", on_problem="skip")
    assert (len(pairs.scores), pairs.skipped) == (2, {"malformed lines": 3})


def test_what_is_not_there_is_told(tmp_path, write):
    with pytest.raises(ValueError, match=r"must be one of stsbenchmark, sick, got 'sts12'"):
        load_sts("sts12", tmp_path, "test")
    with pytest.raises(ValueError, match=r"split of sick must be one of train, dev, test, got 'validation'"):
        load_sts("sick", tmp_path, "validation")
    with pytest.raises(ValueError, match=r"must hold SICK_train.txt .* or name another folder with --data"):
        load_sts("sick", tmp_path, "train")
    write("sick/SICK_train.txt", SICK[:1])
    with pytest.raises(ValueError, match=r"must hold at least one pair, got none"):
        load_sts("sick", tmp_path, "train")
