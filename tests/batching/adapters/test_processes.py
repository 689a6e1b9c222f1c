"""Two processes that share planned batches: plain torch, and under every trainer."""

import planned_rules as rules
import planned_worker as worker
import pytest
import torch

from batching.adapters.embedding import embed_with

both_layouts = pytest.mark.parametrize("layout", ["own", "split"])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """found[rank]: what each process saw."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(worker.run, args=(str(folder), 2), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def assert_shared(found, layout):
    """Both ranks trained on their parts of the plans of rank 0, planned once an epoch, as long as announced."""
    plans = found[0]["plans"]
    assert [rank["planned"] for rank in found] == [[0, 1], [0, 1]]
    assert plans[0] != plans[1]
    for epoch, plan in enumerate(plans):
        first, second = (rank["seen"][epoch] for rank in found)
        assert len(first) == len(second) == found[0]["length"] == found[1]["length"]
        if layout == "own":
            assert (first, second) == (plan[::2], plan[1::2])
        else:
            assert [a + b for a, b in zip(first, second, strict=True)] == plan


@both_layouts
def test_data_parallel_training_sees_what_is_planned(found, layout):
    assert_shared([rank["plain"][layout] for rank in found], layout)


def test_ranks_agree_however_their_embeddings_differ(found):
    first, second = (rank["disagreeing"] for rank in found)
    assert first["own"] != second["own"]
    assert first["batches"] == second["batches"] == first["own"]
    states = [rank["state"] for rank in (first, second)]
    plans = [state.pop("plans")[0].pop("batches") for state in states]
    assert torch.equal(*plans)
    assert states[0] == states[1]


def test_plans_are_made_by_all_ranks_in_step(found):
    first, second = (rank["several"] for rank in found)
    assert first["planned"] == second["planned"] == list(range(6))
    assert first["batches"] == [plan[0] for plan in first["plans"][::2]]
    assert second["batches"] == [plan[0] for plan in first["plans"][1::2]]


@pytest.mark.parametrize(("n_pairs", "shares"), [(24, (12, 12)), (36, (24, 12)), (12, (12, 0))])
def test_pools_are_shared_out_and_all_end_with_the_same_plan(found, n_pairs, shares):
    alone = worker.shared_pools(n_pairs, None)
    for rank, share in zip(found, shares, strict=True):
        mine = rank["pools"][n_pairs]
        assert torch.equal(mine["batches"], alone["batches"])
        assert mine["swaps"] == alone["swaps"]
        assert mine["asked"] == share


def test_embeddings_are_shared_out_and_gathered_in_order(found):
    u, v = rules.unit(worker.N, seed=3)
    found = [rank["embedded"] for rank in found]
    index = found[0]["index"]
    for rank in found:
        expected = embed_with(lambda i: (u[i], v[i]), worker.N, 100)(index)
        torch.testing.assert_close(rank["rows"], expected)
        torch.testing.assert_close(rank["few"], tuple(side[:1] for side in expected))
        assert f"as v of pair {index[-2]}, the first of 1" in rank["complaint"], "every rank knows"
        assert "must ask for the same pairs, got [27, 27] pairs, others on each" in rank["different"]
    torch.testing.assert_close(found[0]["rows"], found[1]["rows"], rtol=0, atol=0)
    encoded = [rank["encoded"] for rank in found]
    assert [len(chunk) for chunk in encoded[0]] == [len(chunk) for chunk in encoded[1]]
    assert sum(map(len, encoded[0])) == 2 * 14 + 1, "half of 27 pairs, twice, and one pair"


@both_layouts
@pytest.mark.parametrize("by", ["sampler", "accelerate"])
def test_accelerate(found, layout, by):
    pytest.importorskip("accelerate")
    assert_shared([rank["accelerate"][layout, by] for rank in found], layout)


def test_transformers(found):
    pytest.importorskip("transformers")
    assert_shared([rank["transformers"] for rank in found], "own")
    for rank in found:
        assert rank["transformers, resumed"]["flat"] == rank["transformers"]["flat"][4:]
        assert rank["transformers, resumed"]["planned"] == []


@both_layouts
def test_sentence_transformers(found, layout):
    pytest.importorskip("sentence_transformers")
    assert_shared([rank["sentence_transformers"][layout == "split"] for rank in found], layout)


@both_layouts
def test_lightning(found, layout):
    pytest.importorskip("lightning")
    assert_shared([rank["lightning"][layout] for rank in found], layout)


def test_lightning_resumed_and_set_wrongly(found):
    pytest.importorskip("lightning")
    for rank in found:
        assert rank["lightning, resumed"]["flat"] == rank["lightning"]["own"]["flat"][4:]
        assert rank["lightning, resumed"]["planned"] == []
        assert "set Trainer(use_distributed_sampler=False)" in rank["lightning, wrong"]
