"""Two processes that share every batch train on texts as one does; the first alone writes."""

import json
import shutil

import pytest
import text_worker as worker
import torch


@pytest.fixture(scope="module")
def data(library, places, tmp_path_factory):
    """Files of which nothing has been made yet."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(library, folder / "library")
    shutil.copy(places["pairs.tsv"], folder / "pairs.tsv")
    return {"library": folder / "library", "pairs": folder / "pairs.tsv"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def found(data, place):
    """What each of two processes has come to."""
    torch.multiprocessing.spawn(worker.run, args=(str(place), data, 2), nprocs=2)
    return [torch.load(place / f"{rank}.pt") for rank in range(2)]


def lines(folder):
    every = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: x for name, x in line.items() if name != "seconds"} for line in every]


@pytest.mark.parametrize("case", worker.ALONE)
def test_two_processes_train_as_one(case, data, place, found, tmp_path):
    alone = worker.trained(case, data, tmp_path)
    # Attention is the same whatever the keys' bias: its gradient is rounding alone, of which Adam makes full steps.
    expected = {name: x for name, x in alone["weights"].items() if not name.endswith("key.bias")}
    for rank in found:
        weights = {name: x for name, x in rank["cases"][case]["weights"].items() if name in expected}
        torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-4)
    for line, expected in zip(lines(place / case), lines(tmp_path), strict=True):
        if case == "graph":  # each process measures the pools that it has planned
            line, expected = (
                {name: x for name, x in d.items() if "hardness" not in name} for d in (line, expected)
            )
        assert line == pytest.approx(expected, rel=1e-3, abs=1e-4), "the numbers are of whole batches"


@pytest.mark.parametrize("case", worker.CASES)
def test_both_end_with_the_same_weights_and_result(case, found):
    first, second = (rank["cases"][case] for rank in found)
    torch.testing.assert_close(first["weights"], second["weights"], rtol=0, atol=0)
    assert first["result"] == second["result"]
    assert first["result"]["pairs_seen"] == 9 * 8


def test_a_resumed_run_equals_an_uninterrupted_one(place, found):
    for rank in found:
        torch.testing.assert_close(
            rank["resumed"]["weights"], rank["cases"][worker.RESUMED]["weights"], rtol=0, atol=0
        )
    assert lines(place / "resumed") == lines(place / worker.RESUMED)


def test_the_first_alone_writes(data, found):
    first, second = found
    assert second["written"] == []
    assert any(name.endswith("metrics.jsonl") for name in first["written"])
    assert second["published"] == []
    assert len(first["published"]) == len(set(first["published"])), "each file of the cache once"
    caches = list(data["pairs"].parent.glob("*/*/manifest.json"))
    assert {cache.parent.name for cache in caches} == set(first["published"])
    assert sum("tokens" in name for name in first["published"]) >= 4, "queries and passages, of two parts"
