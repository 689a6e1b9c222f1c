"""Planned batches under SentenceTransformerTrainer, in one process; `test_processes.py` has two."""

import pickle
from functools import partial

import planned_worker as worker
import pytest
import torch

from batching import Bisection, Partitioned
from batching.adapters.embedding import embed_with
from batching.adapters.sentence_transformers import Planned, model_embed
from batching.rules.oblivious import Shuffled

pytest.importorskip("sentence_transformers")


@pytest.mark.parametrize("by_class", [False, True], ids=["a callable", "a class"])
def test_the_loss_sees_what_is_planned_and_goes_on_with_it_from_a_checkpoint(tmp_path, by_class):
    found = worker.with_sentences(tmp_path, by_class=by_class)
    assert found["seen"] == found["plans"]
    assert found["planned"] == [0, 1]
    assert found["plans"][0] != found["plans"][1]
    assert found["length"] == worker.N // worker.B
    resumed = worker.with_sentences(tmp_path, resume=8, by_class=by_class)
    assert resumed["flat"] == found["flat"][8:]
    assert resumed["planned"] == []


def test_every_part_of_a_dictionary_has_its_own_plan(tmp_path):
    from datasets import DatasetDict

    parts = DatasetDict({"one": worker.sentences(), "other": worker.sentences(worker.N)})
    found = worker.with_sentences(tmp_path, parts=parts)
    assert found["planned"] == [0, 0, 1, 1]
    for epoch in (0, 1):
        seen = found["seen"][epoch]
        of_part = [[[i % worker.N for i in b] for b in seen if b[0] // worker.N == part] for part in (0, 1)]
        plans = found["plans"][2 * epoch : 2 * epoch + 2]
        assert sorted(plans) == sorted(of_part)
    assert found["length"] == 2 * (worker.N // worker.B)


def test_embeddings_are_those_of_the_moment_and_the_mode_stays():
    model = worker.sentence_model()
    embed = model_embed(model, worker.sentences(), ("positive", "anchor"), batch_size=2)
    model.train()
    v, u = embed(None)
    assert model.training
    swapped = model_embed(model, worker.sentences())(torch.tensor([3, 1]))
    torch.testing.assert_close(swapped, (u[[3, 1]], v[[3, 1]]))
    table = next(model.parameters())
    expected = torch.nn.functional.normalize(table[: worker.N], dim=-1)
    torch.testing.assert_close(u, expected.detach())
    with torch.no_grad():
        table.neg_()
    torch.testing.assert_close(embed(None)[1], -u)


def test_neither_the_model_nor_the_rule_is_saved_with_the_arguments():
    """Both may hold what cannot be saved: a teacher's function, a process group."""
    teacher = embed_with(lambda index: (torch.eye(3)[index], torch.eye(3)[index]), 3, 2)
    rule = Partitioned(Bisection(), features=teacher)
    planned = Planned(rule, embed=partial(model_embed, worker.sentence_model()), seed=3)
    saved = pickle.loads(pickle.dumps(planned))
    assert (saved.selection, saved.embed, saved.seed) == (repr(rule), None, 3)


@pytest.mark.parametrize(("own", "expected"), [(None, 5), (3, 3)])
def test_the_seed_is_that_of_the_arguments_unless_given(own, expected):
    sampler = Planned(Shuffled(), seed=own)(worker.sentences(), batch_size=4, drop_last=False, seed=5)
    assert sampler.seed == expected
