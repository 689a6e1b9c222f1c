"""Two and three processes against one: the batch, its loss and its gradient are the same."""

import losses_worker as worker
import pytest
import torch

SIZES = (2, 3)
both_sizes = pytest.mark.parametrize("size", SIZES, ids=["2 processes", "3 processes"])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """found[size]: what each rank of a group of this size has computed; the larger group is the whole world."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(worker.run, args=(str(folder), SIZES), nprocs=max(SIZES))
    return {n: [torch.load(folder / f"{n}-{rank}.pt") for rank in range(n)] for n in SIZES}


def assert_same_step(of_ranks, alone):
    """Each rank's (value, gradient averaged over the ranks, values of the pairs) against those of one process."""
    values, gradients, per_pair = zip(*of_ranks, strict=True)
    value, gradient, every_pair = alone
    for averaged in gradients:
        assert cosine(averaged, gradient) == pytest.approx(1, abs=1e-12)
        assert (averaged.norm() / gradient.norm()).item() == pytest.approx(1, rel=1e-9)
        torch.testing.assert_close(averaged, gradient, rtol=1e-9, atol=1e-9 * gradient.abs().max().item())
    torch.testing.assert_close(torch.stack(values).mean(), value, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(torch.cat(per_pair), every_pair, rtol=1e-10, atol=1e-12)


def cosine(x, y):
    return torch.nn.functional.cosine_similarity(x, y, dim=0).item()


@both_sizes
@pytest.mark.parametrize("case", worker.CASES)
def test_processes_together_take_the_step_of_one(case, size, found):
    alone = worker.step(case)
    assert alone[1].norm() > 1e-3, "a gradient of 0 shows nothing"
    assert_same_step([rank["steps"][case] for rank in found[size]], alone)


@both_sizes
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_running_averages_are_those_of_one_process_and_equal_on_all(chunk_size, size, found):
    alone, remembered = worker.remembering_steps()
    together = [rank["remembering"][chunk_size] for rank in found[size]]
    for batch, expected in enumerate(alone):
        assert_same_step([steps[batch] for steps, _ in together], expected)
    for _, state in together:
        torch.testing.assert_close(state, remembered, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(state, together[0][1], rtol=0, atol=0)


@both_sizes
@pytest.mark.parametrize("way", ["plain", "in chunks"])
def test_distributed_data_parallel_needs_no_factor(way, size, found):
    value, gradient, _ = worker.step("info_nce")
    values, gradients = zip(*(rank["wrapped"][way] for rank in found[size]), strict=True)
    torch.testing.assert_close(torch.stack(values).mean(), value, rtol=1e-12, atol=0)
    for averaged in gradients:
        torch.testing.assert_close(averaged, gradient, rtol=1e-10, atol=1e-12)


@both_sizes
def test_wrong_recipes_would_be_noticed(size, found):
    right = worker.step("clip")[1][:-1]  # of the encoder: the recipes have a fixed temperature
    wrong = found[size][0]["wrong"]
    assert cosine(wrong["constants_and_a_local_loss"], right) < 0.999
    assert cosine(wrong["no_exchange"], right) < 0.999
    too_short = wrong["constants_and_the_full_loss"]
    assert cosine(too_short, right) == pytest.approx(1)
    assert (right.norm() / too_short.norm()).item() == pytest.approx(size)


@both_sizes
def test_a_group_is_for_one_batch_of_each_rank(size, found):
    for rank in found[size]:
        assert "group goes with one batch, u and v of shape [n, dim]" in rank["refusals"]["lead"]
        assert "and a table of batches: leave it out" in rank["refusals"]["batches"]
        assert "use ids in a group" in rank["refusals"]["exclude"]
