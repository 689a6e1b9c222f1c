"""Text pairs as a task: which passage of a query is taken, what is told of duplicates, what dropout depends on."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from losses import info_nce, make_loss
from losses.registry import LOSSES
from text.augmentation import Augmentation
from text.data import Lists
from text.pairs import TextPairs, TrainingTexts, drawn
from text.tokens import Tokens
from text.words import Words

N, VOCABULARY = 40, 50


class Bag(nn.Module):
    """An encoder whose embedding is the mean of its tokens', with dropout: everything about a text shows."""

    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(VOCABULARY, 12)
        self.dropout = nn.Dropout(0.5)

    def forward(self, tokens):
        return functional.normalize(self.dropout(self.bag(tokens.ids.long(), tokens.offsets[:-1])), dim=-1)


def tokens_of(n, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 9, (n,), generator=generator)
    ids = torch.randint(5, VOCABULARY, (int(lengths.sum()),), generator=generator, dtype=torch.int32)
    return Tokens(ids, torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)]))


def texts(*, positives=None, negatives=None, groups=None):
    """Query i is answered by passage i unless told otherwise; there are 3N passages."""
    every = torch.ones(VOCABULARY, dtype=torch.bool)
    return TrainingTexts(
        queries=tokens_of(N, 1),
        passages=tokens_of(3 * N, 2),
        positives=Lists.of([[i] for i in range(N)] if positives is None else positives),
        negatives=None if negatives is None else Lists.of(negatives),
        groups=torch.arange(N) if groups is None else groups,
        passage_groups=torch.arange(3 * N),
        words_of=Words(
            begins=every, special=~every, replacements=torch.arange(3), probability=torch.ones(3).double()
        ),
    )


@pytest.fixture
def make():
    def go(of=None, *, loss="info_nce", **settings):
        torch.manual_seed(0)
        given = {"updates_per_epoch": 5, "seed": 3, "loss_options": LOSSES[loss].options} | settings
        return TextPairs(Bag(), texts() if of is None else of, **given)

    return go


def encode(pairs, update, index=(0, 1, 2), purpose="train"):
    pairs.model.train(purpose == "train")
    pairs.begin_update(update)
    return pairs.encode(torch.tensor(index), purpose=purpose)


def test_dropout_is_a_function_of_seed_and_update(make):
    pairs = make()
    first = torch.stack(encode(pairs, 5))
    torch.rand(11)
    assert torch.equal(torch.stack(encode(pairs, 5)), first)
    assert not torch.allclose(torch.stack(encode(pairs, 6)), first)
    pairs.seed = 4
    assert not torch.allclose(torch.stack(encode(pairs, 5)), first)


def test_pairs_come_in_the_order_asked_for_and_embeddings_have_no_gradient(make):
    pairs = make()
    index = torch.tensor([7, 2, 5, 2])
    u, v = pairs.embed(index)
    assert not u.requires_grad
    everything = pairs.embed(None)
    for view, whole, side in zip((u, v), everything, (pairs.texts.queries, pairs.texts.passages), strict=True):
        torch.testing.assert_close(view, whole[index])
        torch.testing.assert_close(view, pairs.model(side.take(index)))


def test_one_of_several_positives_is_drawn_anew_in_each_epoch(make):
    """Over many epochs each as often as the others; the same all through an epoch, and again when resumed."""
    positives = [[i, N + i, 2 * N + i] for i in range(N)]
    pairs = make(texts(positives=positives))
    rows = []
    for epoch in range(60):
        pairs.begin_update(5 * epoch)
        rows.append(pairs._passages()[:, 0].clone())
        pairs.begin_update(5 * epoch + 4)
        assert torch.equal(pairs._passages()[:, 0], rows[-1])
    drawn_ = torch.stack(rows)
    assert (drawn_ % N == torch.arange(N)).all()
    shares = torch.bincount(drawn_.flatten() // N) / drawn_.numel()
    assert ((shares - 1 / 3).abs() < 0.05).all()
    first = make(texts(positives=positives), draw_positives=False)
    assert torch.equal(first._passages()[:, 0], torch.arange(N))


def test_items_are_drawn_without_repetition_as_long_as_there_are_others():
    lists = Lists.of([[10, 11, 12, 13], [20, 21], [], [30]])
    counts = np.zeros(4)
    for epoch in range(400):
        found = drawn(lists, 3, seed=0, purpose="test", epoch=epoch)
        assert len(set(found[0])) == 3
        assert set(found[0]) <= {10, 11, 12, 13}
        assert set(found[1]) == {20, 21}
        assert (found[2] == -1).all()
        assert (found[3] == 30).all()
        counts += np.isin([10, 11, 12, 13], found[0])
    assert (np.abs(counts / 400 - 0.75) < 0.08).all()
    assert (drawn(Lists.of([[], []]), 2, seed=0, purpose="test", epoch=0) == -1).all()


def test_hard_negatives_are_keys_of_the_queries_and_never_stand_for_a_positive(make):
    """Written out: the loss of queries against all positives and all hard negatives but known answers."""
    negatives = [[N + i, 2 * N + i, (i + 1) % N] for i in range(N)]  # the last one answers the next query
    pairs = make(texts(negatives=negatives), n_negatives=3)
    u, v = encode(pairs, 0, (3, 4, 5))
    assert v.shape == (3, 4, 12)
    loss = pairs.loss_of(u, v, torch.tensor([3, 4, 5]), make_loss("info_nce", temperature=0.1))
    rows = pairs._passages()[[3, 4, 5]]
    keys, values = v.flatten(0, 1), []
    for i, anchor in enumerate((3, 4, 5)):
        own = u[i] @ v[i, 0]
        others = [u[i] @ key for key, row in zip(keys, rows.flatten(), strict=True) if int(row) != anchor]
        values.append(torch.stack([own, *others]).div(0.1).logsumexp(0) - own / 0.1)
    torch.testing.assert_close(loss, torch.stack(values).mean())


def test_a_query_without_hard_negatives_gets_any_passages(make):
    pairs = make(texts(negatives=[[] for _ in range(N)]), n_negatives=2)
    rows = pairs._passages()
    assert rows.shape == (N, 3)
    assert ((rows >= 0) & (rows < 3 * N)).all()


def test_duplicates_are_no_negatives_of_each_other(make):
    groups = torch.arange(N)
    groups[4] = groups[3]
    index = torch.tensor([3, 4, 5])
    loss = make_loss("info_nce", temperature=0.1)
    pairs = make(texts(groups=groups))
    u, v = encode(pairs, 0, index.tolist())
    torch.testing.assert_close(
        pairs.loss_of(u, v, index, loss), info_nce(u, v, temperature=0.1, ids=torch.tensor([3, 3, 5]))
    )
    assert pairs.loss_of(u, v, index, loss) < info_nce(u, v, temperature=0.1)


@pytest.mark.parametrize("name", ["sogclr", "kcl", "siglip"])
def test_losses_that_know_nothing_of_ids_work_too(make, name):
    pairs = make(texts(groups=torch.zeros(N, dtype=torch.long)), loss=name)
    value = pairs.accumulate(torch.tensor([[3, 4, 5]]), make_loss(name, temperature=0.1, n_pairs=N), 1.0)
    assert value.isfinite().all()


@pytest.mark.parametrize("n_negatives", [0, 2])
def test_a_batch_in_chunks_has_the_same_gradient(make, n_negatives):
    negatives = [[N + i, 2 * N + i] for i in range(N)]
    gradients = []
    for size in (None, 3):
        pairs = make(texts(negatives=negatives), n_negatives=n_negatives, encode_batch_size=size)
        pairs.model.dropout.p = 0.0
        pairs.begin_update(0)
        pairs.accumulate(torch.arange(8)[None], make_loss("info_nce", temperature=0.1), 1.0)
        gradients.append(pairs.model.bag.weight.grad)
    torch.testing.assert_close(*gradients)


def test_augmentation_is_for_training_alone(make):
    plain, changed = make(), make(augmentation=Augmentation(delete=0.5))
    for pairs in (plain, changed):
        pairs.model.dropout.p = 0.0
    for purpose, same in (("embed", True), ("train", False)):
        u, w = (encode(pairs, 0, range(10), purpose)[0] for pairs in (plain, changed))
        assert torch.equal(u, w) == same
