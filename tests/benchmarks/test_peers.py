"""Ours and the peers' agree by the documented factor; a row says what was measured, and what did not fit."""

import pytest
import torch

from benchmarks import peers
from benchmarks.peer_cases import CASES, PEERS, Case


def case(theirs, factor=1.0):
    def ours(batch):
        return (batch.u * batch.v).sum()

    return Case("dot", "nobody", ours, lambda: theirs, "note", factor)


def too_large(_batch):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")


def measure(case):
    return peers.measure(case, 6, dim=4, repeats=2, seconds=0.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.loss} {case.peer}")
def test_values_and_gradients_are_those_of_the_peer(case):
    pytest.importorskip(PEERS[case.peer])
    row = peers.measure(case, 12, dim=16, repeats=1, seconds=0.0)
    assert row["agree"], f"{row['ours']} and {row['theirs']}"
    assert float(row["gap"]) < 1e-4


def test_a_row_without_peers():
    row = measure(case(lambda batch: 2 * (batch.v * batch.u).sum(), factor=2.0))
    assert (row["loss"], row["peer"], row["size"], row["dim"]) == ("dot", "nobody", 6, 4)
    assert row["agree"]
    assert float(row["theirs"]) == pytest.approx(2 * float(row["ours"]), rel=1e-4)
    assert float(row["gap"]) < 1e-6
    assert float(row["ours_ms"]) > 0
    assert float(row["ratio"]) > 0


def test_another_value_or_slope_is_seen():
    assert not measure(case(lambda batch: (batch.v * batch.u).sum() * 1.001))["agree"]
    row = measure(case(lambda batch: (batch.u * batch.v.detach()).sum()))
    assert row["agree"]
    assert float(row["gap"]) > 0.1


def test_what_points_along_an_embedding_is_no_gap():
    row = measure(case(lambda batch: (batch.u * batch.v).sum() + batch.u.square().sum() - len(batch.u)))
    assert row["agree"]
    assert float(row["gap"]) < 1e-5


def test_a_peer_that_does_not_fit_is_out_of_memory():
    row = measure(case(too_large))
    assert row["theirs_ms"] == row["theirs_mib"] == peers.OUT_OF_MEMORY
    assert row["theirs"] is row["agree"] is row["ratio"] is None
    assert float(row["ours_ms"]) > 0
    assert "out of memory" in peers.line(row)


def test_other_errors_are_not_taken_for_memory():
    def wrong(_batch):
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        measure(case(wrong))


def test_memory_is_the_peak_of_what_is_held_at_once():
    kept = []

    def work():
        kept.append(torch.empty(2**18))  # 1 MiB
        for _ in range(3):
            temporary = torch.empty(2**19)  # 2 MiB, one after the other
            del temporary

    assert peers.peak_mib(work, torch.device("cpu")) == 3
    x = torch.zeros(2**18, requires_grad=True)
    # exp saves its result, the sum is a number of 4 bytes, its gradient is expanded; the product is x's gradient.
    assert peers.peak_mib(lambda: x.exp().sum().backward(), torch.device("cpu")) == pytest.approx(2, abs=1e-4)


def test_missing_peers_are_named(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda _package: None)
    with pytest.raises(SystemExit, match=r"lightly is not; .*\.\[peers\]"):
        peers.main(["--only", "dcl"])


def test_the_table_goes_where_the_device_says():
    assert peers.parse([]).out == peers.RESULTS / "peers_cpu.csv"
    assert peers.parse(["--device", "cuda"]).out.name == "peers_cuda.csv"
    assert str(peers.parse(["--out", "x.csv"]).out) == "x.csv"


def test_the_last_line_names_the_worst_ratio():
    good = measure(case(lambda batch: (batch.v * batch.u).sum())) | {"ratio": "0.5"}
    bad, absent = good | {"ratio": "12.1", "loss": "dcl"}, good | {"ratio": None}
    assert peers.worst([good, bad, absent]) == "worst ratio: 12.1, dcl against nobody at 6 pairs"
    assert "none" in peers.worst([absent])


def test_the_profiler_is_silent(capfd):
    peers.peak_mib(lambda: torch.zeros(3, requires_grad=True).sum().backward(), torch.device("cpu"))
    assert capfd.readouterr().err == ""
