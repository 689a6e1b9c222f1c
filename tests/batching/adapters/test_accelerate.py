"""Planned batches under accelerate, in one process; `test_processes.py` has two."""

import planned_rules as rules
import planned_worker as worker
import pytest
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader

from batching.adapters.accelerate import planned_loader, planned_samplers
from batching.rules.oblivious import Shuffled
from batching.sampler import PlannedBatchSampler

pytest.importorskip("accelerate")


@pytest.mark.parametrize("by", ["sampler", "accelerate"])
def test_the_model_sees_what_is_planned_and_a_new_plan_every_epoch(by):
    found = worker.accelerated(by=by)
    assert found["seen"] == found["plans"]
    assert found["planned"] == [0, 1]
    assert found["plans"][0] != found["plans"][1]
    assert found["length"] == worker.N // worker.B


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_resumed_in_mid_epoch_it_goes_on(stop):
    whole = worker.accelerated(stop=stop)
    resumed = worker.accelerated(state=whole["state"], weights=whole["weights"])
    assert resumed["flat"] == whole["seen"][-1][stop:]
    assert resumed["planned"] == []


def test_skip_first_batches_keeps_the_epoch():
    from accelerate import Accelerator, skip_first_batches

    loader = planned_loader(Accelerator(cpu=True), worker.Pairs(), Shuffled(), worker.B)
    (sampler,) = planned_samplers(loader)
    rest = skip_first_batches(loader, 2)
    rest.set_epoch(3)
    expected = PlannedBatchSampler(Shuffled(), worker.N, worker.B)
    expected.set_epoch(3)
    assert [batch["index"].tolist() for batch in rest] == list(expected)[2:]
    assert sampler.epoch == 4


@pytest.mark.parametrize("setting", ["split_batches", "dispatch_batches"])
def test_only_one_shares_batches_out(setting):
    from accelerate import Accelerator, DataLoaderConfiguration

    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**{setting: True}))
    with pytest.raises(ValueError, match=f"{setting}=True.*layout='split'"):
        planned_loader(accelerator, worker.Pairs(), Shuffled(), worker.B)


def test_planned_samplers_are_found_in_any_wrapping():
    class Mixed(BatchSampler):
        def __init__(self, batch_samplers):
            self.batch_samplers, self.sampler = batch_samplers, self

        def __iter__(self):
            return iter([[0]])

        def __len__(self):
            return 1

    one, other = (PlannedBatchSampler(rule, worker.N, worker.B) for rule in (Shuffled(), rules.Counted()))
    mixed = Mixed([one, other, BatchSampler(range(3), 1, False)])
    loader = DataLoader(ConcatDataset([worker.Pairs()]), batch_sampler=mixed)
    assert planned_samplers(loader) == [one, other]
    assert planned_samplers(DataLoader(worker.Pairs())) == []
