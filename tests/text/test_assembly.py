"""From a configuration to its parts: duplicates under every loss, and no passage more than is looked at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from text.assembly import assemble, evaluation_set, training_set, without_the_rest
from text.data import Lists, Texts, TextSet


@pytest.fixture
def of_pairs(tiny, places):
    """of_pairs(**changes) -> a configuration of texts of which some answer two queries."""
    return lambda **changes: tiny(dataset="pairs", data=places["pairs.tsv"], n_pairs=64, **changes)


@pytest.mark.parametrize("loss", ["kcl", "sogclr", "siglip"])
def test_losses_that_cannot_be_told_of_duplicates_never_see_two_in_a_batch(of_pairs, caplog, loss):
    config = of_pairs(loss=loss)
    parts = assemble(config, training_set(config))
    groups = parts.pairs.texts.groups
    assert len(groups.unique()) < len(groups)
    for epoch in range(20):
        plan = parts.rule.plan(len(groups), 8, seed=0, epoch=epoch, embed=parts.pairs.embed)
        assert all(len(groups[batch].unique()) == 8 for batch in plan.batches)
    assert "cannot be told which pairs share a text" in caplog.text


def test_with_others_duplicates_may_meet(of_pairs):
    config = of_pairs(loss="mnrl")
    parts = assemble(config, training_set(config))
    groups = parts.pairs.texts.groups
    plans = [parts.rule.plan(len(groups), 8, seed=0, epoch=epoch, embed=parts.pairs.embed) for epoch in range(20)]
    assert any(len(groups[batch].unique()) < 8 for plan in plans for batch in plan.batches)


def test_classes_of_supcon_are_the_groups(of_pairs):
    config = of_pairs(loss="supcon")
    pairs = assemble(config, training_set(config)).pairs
    told = []

    def loss(u, v, **more):
        told.append(more)
        return (u * v).sum()

    pairs.accumulate(torch.arange(8)[None], loss, 1.0)
    assert torch.equal(told[0]["labels"], pairs.texts.groups[:8])


def test_neither_loss_nor_selection_can_help(of_pairs):
    config = of_pairs(loss="kcl", selection="full")
    with pytest.raises(ValueError, match="kcl would take them for negatives, and selection full cannot keep them"):
        assemble(config, training_set(config))


def test_only_passages_that_are_looked_at_are_kept():
    texts = TextSet(
        name="made up",
        queries=Texts.of(["a", "b"]),
        passages=Texts.of(f"passage {i}" for i in range(9)),
        query_ids=Texts.of("ab"),
        passage_ids=Texts.of(map(str, range(9))),
        relevant=Lists.of([[3], [5]]),
        candidates=Lists.of([[7, 3], [8]]),
    )
    for measures, kept in (
        (("relevant",), [3, 5]),
        (("rerank",), [3, 7, 8]),
        (("relevant", "rerank"), [3, 5, 7, 8]),
    ):
        found = without_the_rest(texts, measures)
        assert list(found.passage_ids) == list(map(str, kept))
        assert [found.passages[i] for i in found.relevant.items] == [
            f"passage {i}" for i in texts.relevant.items if i in kept
        ]
    assert without_the_rest(texts, ("full", "relevant")) is texts
    assert len(without_the_rest(texts, ()).passages) == 0


def test_a_choice_of_queries_is_fixed_and_keeps_all_passages(tiny):
    whole, some = (evaluation_set(tiny(n_test=n)) for n in (None, 5))
    assert len(some.queries) == 5
    assert set(some.queries) < set(whole.queries)
    assert len(some.passages) == len(whole.passages)
    assert np.array_equal(some.relevant.items, evaluation_set(tiny(n_test=5)).relevant.items)


def test_another_model_in_the_same_place_is_another_run(tiny, places, tmp_path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(places["a model"], folder)
    config = tiny(model=folder)
    before = config.record()["model_sha256"]
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert config.record()["model_sha256"] != before
    assert replace(config, model=None).record().keys().isdisjoint({"model_sha256"})
