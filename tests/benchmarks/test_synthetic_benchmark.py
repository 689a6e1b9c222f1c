"""The floor of an update of free embeddings, and that a row says what was measured."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.synthetic import Peaks, candidates, study, throughput, work
from synthetic.trajectories import Problem

CPU = torch.device("cpu")


@pytest.mark.parametrize(("selection", "size"), [("full", 16), ("shuffled", 4), ("osgd", 4), ("spectral", 4)])
def test_a_step_multiplies_as_often_as_torch_counts(selection, size):
    """Forward and backward of one batch by autograd; the rest of an osgd or spectral update is its plan."""
    n, b, d = 16, 4, 12
    u, v = torch.randn(2, size, d, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        similarities = u @ v.mT
        (similarities.logsumexp(0) + similarities.logsumexp(1) - 2 * similarities.diag()).mean().backward()
    planning = {"osgd": (2 * n * n * d + 80 * b * b) / 8, "spectral": (2 * n * n * d + 9 * n**3) / (n / b)}
    assert work(selection, n, b, d)[0] == counter.get_total_flops() + planning.get(selection, 0)


def test_ordered_sgd_looks_at_all_batches_while_they_are_few():
    assert candidates("osgd", 8, 2) == {}
    assert candidates("osgd", 64, 8) == {"candidates": 80, "keep": 8}
    assert candidates("spectral", 64, 8) == {}


def test_the_floor_is_the_slower_of_two():
    peaks = Peaks(operations=100.0, bandwidth=80.0)
    assert peaks.floor(200.0, 10.0) == (2.0, "arithmetic")
    assert peaks.floor(50.0, 10.0) == (1.0, "memory")


def test_a_row_of_throughput():
    row = throughput("shuffled", 8, 2, 3, CPU, Peaks(1e10, 1e10))
    assert (row["replicates"], row["bound"]) == (3, "memory")
    ratio = float(row["updates_per_second"]) / float(row["floor_updates_per_second"])
    assert float(row["of_floor"]) == pytest.approx(ratio, rel=1e-2)
    assert 0 < float(row["of_floor"]) < 1
    assert 0 < float(row["planning_share"]) < 1


def test_a_projection_is_proportional_to_steps_and_replicates():
    row = study("shuffled", 4, 20, CPU)
    assert row["projected"]
    assert row["updates"] == 2000 * Problem(n_pairs=8, dim=16, batch_size=2).rule("shuffled").updates_per_epoch(
        8, 2
    )
    expected = row["updates"] * 10_000 / float(row["updates_per_second"])
    assert float(row["seconds"]) == pytest.approx(expected, rel=1e-2)
