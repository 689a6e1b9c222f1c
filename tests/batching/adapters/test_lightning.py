"""Planned batches under Lightning, and in loops with its loader; `test_processes.py` has two processes."""

import planned_rules as rules
import planned_worker as worker
import pytest

from batching.adapters.lightning import PlannedLoader
from batching.sampler import PlannedBatchSampler

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),  # Lightning 2.6, torch 2.15
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]


def loader_of(workers):
    sampler = PlannedBatchSampler(rules.Ranked(), worker.N, worker.B, embed=rules.Moving(worker.N))
    settings = {"num_workers": workers, "prefetch_factor": 4} if workers else {}
    return PlannedLoader(worker.Pairs(), sampler, **settings)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("trained", [2, 6])
def test_the_loader_counts_what_it_handed_out(workers, trained):
    loader, resumed = loader_of(workers), loader_of(workers)
    batches = iter(loader)
    for _ in range(trained):
        next(batches)
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, trained)
    rest = [batch["index"].tolist() for batch in batches]
    resumed.load_state_dict(state)
    assert [batch["index"].tolist() for batch in resumed] == rest
    assert resumed.state_dict()["epoch"] == 1
    assert len(resumed) == len(loader) == worker.N // worker.B


def test_nothing_is_planned_before_the_first_batch():
    loader = loader_of(1)
    batches = iter(loader)
    assert loader.planned.selection.planned == []
    loader.planned.set_epoch(5)
    next(batches)
    assert loader.planned.selection.planned == [5]


@pytest.mark.parametrize("workers", [0, 1])
def test_the_module_sees_what_is_planned_and_goes_on_with_it_from_a_checkpoint(tmp_path, workers):
    pytest.importorskip("lightning")
    found = worker.with_lightning(tmp_path, workers=workers)
    assert found["seen"] == found["plans"]
    assert found["planned"] == [0, 1]
    assert found["plans"][0] != found["plans"][1]
    assert found["length"] == worker.N // worker.B
    for step, planned in ((2, [1]), (6, [1]), (8, [])):
        resumed = worker.with_lightning(tmp_path, workers=workers, resume=step)
        assert resumed["flat"] == found["flat"][step:]
        assert resumed["planned"] == planned
