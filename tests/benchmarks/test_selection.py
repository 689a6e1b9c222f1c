"""Hardness and time of selections: the data, the published procedure, a small table, and what is left out."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from batching.embeddings import Embeddings
from batching.report import hardness
from benchmarks import pairing, selection
from benchmarks.pairs import cifar_pairs, clustered_pairs, digit_pairs, make_pairs, prepare_cifar
from benchmarks.selection_cases import CASES, Published
from figures.readme import selection_table

CLUSTERED, DIGITS = [0.01116, -0.014905, 0.141166], [0.020133, -0.000222, -0.154033]


@pytest.mark.parametrize("data", ["clustered", "digits"])
def test_pairs_are_unit_rows_that_a_seed_determines(data):
    u, v, labels = make_pairs(data, 96, 1)
    assert u.shape == v.shape == (96, 128)
    assert labels.shape == (96,)
    torch.testing.assert_close(u.norm(dim=-1), torch.ones(96))
    assert all(torch.equal(a, b) for a, b in zip(make_pairs(data, 96, 1), (u, v, labels), strict=True))
    assert not torch.equal(make_pairs(data, 96, 2).u, u)
    assert (u * v).sum(-1).mean() > 0.8


def test_the_numbers_are_those_of_earlier_measurements():
    """Any other order of random draws would be other data."""
    assert clustered_pairs(1280).u[0, :3].tolist() == pytest.approx(CLUSTERED, abs=1e-6)
    assert digit_pairs(1280).u[0, :3].tolist() == pytest.approx(DIGITS, abs=1e-6)


def test_random_batches_of_the_mixture_are_as_hard_as_ever():
    u, v, _ = clustered_pairs(1280)
    batches = torch.arange(1280).reshape(40, 32)
    assert hardness(Embeddings(u, v), batches, 0.1) == pytest.approx(0.132, abs=0.02)


def test_cifar_comes_from_the_cache(tmp_path):
    u = torch.nn.functional.normalize(
        torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), dim=-1
    ).numpy()
    np.savez(tmp_path / "cifar100.npz", u=u, v=u, labels=np.arange(20))
    assert prepare_cifar(tmp_path / "nowhere", tmp_path) is None
    some = cifar_pairs(5, seed=3, cache=tmp_path)
    assert torch.equal(some.u, torch.from_numpy(u)[some.labels])
    assert cifar_pairs(20, cache=tmp_path).labels.tolist() == list(range(20))


def test_absent_data_is_named(tmp_path):
    told = prepare_cifar(tmp_path, tmp_path)
    assert told is not None
    assert "cifar100 is left out" in told
    assert str(tmp_path / "cifar-100-python") in told


def test_the_published_procedure_partitions_each_pool():
    u, v, _ = clustered_pairs(128, clusters=4)
    pools = [x.reshape(2, 64, -1) for x in (u, v)]
    cut = Published(0.1).cut(*pools, 8, seed=torch.tensor([0, 1]), epoch=0)
    for pool, (a, b) in enumerate(zip(*pools, strict=True)):
        batches = cut.batches[pool]
        assert batches.flatten().sort().values.tolist() == list(range(64))
        shuffled = torch.arange(64).reshape(8, 8)
        assert hardness(Embeddings(a, b), batches, 0.1) > hardness(Embeddings(a, b), shuffled, 0.1)


@pytest.mark.parametrize("method", [name for name, case in CASES.items() if not case.from_pairs])
def test_every_method_is_measured(method):
    if CASES[method].needs:
        pytest.importorskip(CASES[method].needs)
    found = selection.measure("clustered", 128, method, seeds=[0, 1])
    assert set(found.hardness) == {0.1, 1.0}
    for values in (found.hardness[0.1], found.hardness[1.0], found.purity, found.cpu, found.wall, found.mib):
        assert len(values) == 2
        assert min(values) >= 0
    again = selection.measure("clustered", 128, method, seeds=[0], only_time=True)
    assert not again.hardness
    assert len(again.wall) == 1


def test_rows_are_those_that_there_are_enough_pairs_and_time_for():
    methods = ["published", "spectral, 2 threads", "balanced"]
    keys = selection.keys([1280, 50_000, 200_000], ["clustered", "digits", "cifar100"], methods)
    assert [(data, n) for data, n, method in keys if method == "balanced"] == [
        ("clustered", 1280),
        ("digits", 1280),
        ("cifar100", 1280),
        ("clustered", 50_000),
        ("cifar100", 50_000),
        ("clustered", 200_000),
    ]
    assert {n for _, n, method in keys if method == "spectral, 2 threads"} == {50_000}
    assert {n for _, n, method in keys if method == "published"} == {1280, 50_000}


def test_the_table_compares_with_the_published_procedure():
    base = selection.Measured({0.1: [1.0, 2.0], 1.0: [3.0, 3.0]}, [0.5, 0.5], [2.0, 2.0], [4.0, 4.0], [1.0, 3.0])
    ours = selection.Measured({0.1: [3.0, 3.0], 1.0: [3.0, 3.0]}, [0.5, 0.7], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    found = {("digits", 64, "published"): [base], ("digits", 64, "balanced"): [ours, ours]}
    first, second = selection.table(found, "cpu")
    assert (first["hardness_0.1"], first["hardness_0.1_sd"], first["mib"]) == ("1.5000", "0.7071", "3.0")
    assert (second["hardness_0.1_ratio"], second["hardness_1_ratio"], second["time_ratio"]) == (
        "2.000",
        "1.000",
        "0.5",
    )
    assert second["purity"] == "0.600"
    assert selection.table(found, "cuda")[1]["time_ratio"] == "0.25"  # by the clock
    alone = selection.table({("digits", 64, "balanced"): [ours]}, "cpu")[0]
    assert alone["hardness_0.1_ratio"] is alone["time_ratio"] is None


def test_the_command_writes_a_table_that_the_readme_shows(tmp_path, capsys):
    out = tmp_path / "selection_cpu.csv"
    command = "--sizes 128 --only clustered cifar100 --methods published shuffled --repeats 2"
    selection.main([*command.split(), "--data", str(tmp_path), "--out", str(out)])
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["method"] for row in rows if row["data"] == "clustered"] == ["published", "shuffled"]
    assert rows[0]["time_ratio"] == "1"
    assert float(rows[1]["hardness_0.1_ratio"]) < 1
    assert "clustered" in capsys.readouterr().out
    shown = selection_table(pd.read_csv(out))
    assert "| `published` | 1.00" in shown
    assert rows[0]["torch"] in shown


def test_a_package_that_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setattr(selection, "find_spec", lambda _package: None)
    assert selection.available(["balanced", "graph"]) == ["balanced"]
    assert "graph is left out: it needs pymetis" in capsys.readouterr().out


def test_the_table_goes_where_the_device_says():
    assert selection.parse([]).out == selection.RESULTS / "selection_cpu.csv"
    assert selection.parse(["--device", "cuda"]).out.name == "selection_cuda.csv"
    assert selection.parse(["--out", "x.csv"]).out == Path("x.csv")


def test_matchings_come_near_their_bound():
    random = pairing.measure(pairing.Way(64), 1)
    matched = pairing.measure(pairing.Way(64, "assignment"), 1)
    sparse = pairing.measure(pairing.Way(64, "assignment", 8), 1)
    assert float(random["total"]) < 0.7 * float(matched["total"])
    assert 0.9 < float(matched["share"]) <= 1
    assert float(sparse["total"]) <= float(matched["total"]) * 1.001
    assert random["exact"] is False


def test_an_exact_matching_is_no_worse_than_any():
    pytest.importorskip("networkx")
    exact = pairing.measure(pairing.Way(64, "networkx"), 1)
    assert exact["exact"]
    assert float(exact["total"]) >= float(pairing.measure(pairing.Way(64, "assignment"), 1)["total"]) - 1e-9
