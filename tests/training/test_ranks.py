"""Two processes that share every batch train as one does."""

import pytest
import torch
import training_worker as worker

from batching import Plan, make_selection
from batching.rules.adjusted import Adjusted
from losses import make_loss
from training import Ranks
from training.planning import Agreed, shares_out


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes has come to."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(worker.run, args=(str(folder), 2), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def assert_equal(one, other):
    """To the last bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("case", worker.CASES)
def test_two_processes_train_as_one(case, found, tmp_path):
    alone = worker.train(case, folder=tmp_path if case in worker.LOGGED else None)
    for rank in found:
        together = rank["cases"][case]
        for part in ("weights", "memory", "loss"):
            torch.testing.assert_close(together[part], alone[part], rtol=1e-12, atol=1e-12)
    assert_equal(found[0]["cases"][case]["weights"], found[1]["cases"][case]["weights"])
    for line, expected in zip(found[0]["cases"][case]["lines"], alone["lines"], strict=True):
        if "shared" in case:  # each process measures the pools that it has planned
            line, expected = ({k: x for k, x in d.items() if "hardness" not in k} for d in (line, expected))
        assert line == pytest.approx(expected, rel=1e-6), "diagnostics too are of the whole batch"


@pytest.mark.parametrize("case", worker.IN_FLOAT32)
def test_so_they_do_in_float32(case, found):
    alone = worker.train(case, dtype=torch.float32)
    for rank in found:
        torch.testing.assert_close(rank["float32"][case]["weights"], alone["weights"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("case", ["osgd", "osgd of all", "spectral", "balanced, shared pools"])
def test_each_embeds_half_for_the_plans(case, found):
    alone = worker.train(case)["embedded"]
    assert [rank["cases"][case]["embedded"] for rank in found] == [alone / 2] * 2


@pytest.mark.parametrize("case", ["nt_xent", "spectral"])
def test_processes_stay_equal_with_batch_normalisation(case, found):
    """Each normalises by its part of the batch; the running statistics are the mean of both."""
    first, second = (rank["norm"][case]["weights"] for rank in found)
    assert {"1.running_mean", "1.running_var", "1.num_batches_tracked"} <= first.keys()
    assert first["1.num_batches_tracked"] == 2 * worker.UPDATES, "two views"
    assert_equal(first, second)


def test_the_average_is_of_gradients_statistics_and_losses(found):
    for rank in found:
        mean = rank["averaged"]
        gradients = mean["gradients"]
        expected = 1.5 * torch.arange(108.0, dtype=torch.float64).reshape(4, 3, 3, 3)
        assert_equal(gradients["0.weight"], expected)
        assert gradients["0.weight"].is_contiguous(memory_format=torch.channels_last)
        assert_equal(gradients["2.bias"], torch.tensor([1.5, 3.0]))
        assert gradients["2.weight"] is None
        assert_equal(mean["buffers"]["1.running_mean"], torch.full((4,), 1.5, dtype=torch.float64))
        assert mean["buffers"]["1.num_batches_tracked"] == 7
        assert_equal(mean["losses"], [torch.tensor([1.5]), torch.tensor([15.0, 15.0])])


def test_all_begin_with_the_weights_of_the_first(found):
    for rank in found:
        assert_equal(rank["other weights"]["weights"], found[0]["cases"]["nt_xent"]["weights"])


@pytest.mark.parametrize(("case", "at"), worker.RESUMED)
def test_a_resumed_run_equals_an_uninterrupted_one(case, at, found):
    for rank in found:
        for part in ("weights", "memory", "loss"):
            assert_equal(rank["resumed"][case, at][part], rank["cases"][case][part])
    assert found[0]["resumed"][case, at]["lines"] == found[0]["cases"][case]["lines"]


def test_a_signal_to_one_ends_all_after_the_same_update(found):
    """They ask each other after every eighth step."""
    for rank in found:
        assert rank["told"]["message"].startswith("interrupted after update 8 of 14")
        assert_equal(rank["told"]["weights"], rank["cases"]["sogclr"]["weights"])
    assert found[0]["told"]["lines"] == found[0]["cases"]["sogclr"]["lines"]


def test_what_cannot_work_is_refused_by_all_with_one_message(found):
    said, by_the_other = (rank["refusals"] for rank in found)
    assert said == by_the_other
    assert said["odd batches"] == (
        "batch_size must be a multiple of the 2 processes, which take equal parts of each batch, got 5; the next "
        "are 4 and 6"
    )
    assert "the number of pairs, which make one batch, must be a multiple of the 2" in said["odd set"]
    assert "the loss must see the pairs of all 2 processes, got one without a group" in said["loss"]
    assert said["memory"] == said["loss"]
    assert "updates must be the same in every process, got [2, 3]" in said["different"]
    assert "holds other files" in said["folder"]


def test_what_the_first_says_and_the_largest_number(found):
    assert [rank["first"] for rank in found] == ["of rank 0"] * 2
    assert [rank["largest"] for rank in found] == [1, 1]


def test_one_process_alone_is_its_own_first():
    ranks = Ranks()
    assert (ranks.size, ranks.rank, ranks.is_first) == (1, 0, True)
    batches = torch.arange(6).reshape(2, 3)
    assert torch.equal(ranks.own(batches), batches)
    assert ranks.first(lambda: 3) == ranks.largest(3) == 3
    with Ranks.from_environment("cpu") as found:
        assert found.group is None


def rule_with(name, group, **settings):
    loss = make_loss("nt_xent", temperature=0.5)
    return make_selection(name, loss=loss, temperature=0.5, group=group, **settings)


def test_rules_that_share_their_pools_out_are_known():
    group = torch.distributed.ProcessGroup(0, 2)  # of nobody
    assert shares_out(rule_with("balanced", group, batches_per_pool=2))
    assert shares_out(Adjusted(rule_with("balanced", group, batches_per_pool=2), random_fraction=0.5))
    assert not shares_out(rule_with("balanced", None))
    assert not shares_out(rule_with("shuffled", None))


def test_an_agreed_rule_is_the_rule():
    rule = rule_with("osgd", None, candidates=4, keep=2)
    agreed = Agreed(rule, Ranks())
    for name in ("uses_embeddings", "by_epoch", "disjoint", "rounded"):
        assert getattr(agreed, name) == getattr(rule, name)
    assert agreed.updates_per_epoch(24, 4) == rule.updates_per_epoch(24, 4)
    with pytest.raises(ValueError, match="batch_size must lie between"):
        agreed.check(2, 3)
    task = worker.Pairs()
    plans = [one.plan(24, 4, seed=0, epoch=1, embed=task.embed) for one in (rule, agreed)]
    assert isinstance(plans[0], Plan)
    assert torch.equal(plans[0].batches, plans[1].batches)
