"""Text pairs as a task: what dropout depends on, and embeddings without it."""

import pytest
import torch

from text.docstrings import Pair
from text.model import build_encoder
from text.pairs import TextPairs
from text.tokens import build_tokenizer, build_vocabulary

QUERIES = ["open the socket", "close", "every calendar of every turtle, of every thread", "a lock"] * 100
PASSAGES = [f"{query} {'waits ' * (i % 7)}" for i, query in enumerate(QUERIES)]


@pytest.fixture
def pairs():
    tokenizer = build_tokenizer(build_vocabulary(QUERIES + PASSAGES, 200), 16)
    encoder = build_encoder(
        vocabulary_size=tokenizer.get_vocab_size(), max_tokens=16, layers=1, hidden=16, heads=2, dropout=0.5, seed=0
    )
    return TextPairs(encoder, tokenizer, [Pair(*texts) for texts in zip(QUERIES, PASSAGES, strict=True)], seed=3)


def encode(pairs, update, index=(0, 1, 2)):
    pairs.model.train()
    pairs.begin_update(update)
    return torch.stack(pairs.encode(torch.tensor(index), purpose="train"))


def test_dropout_is_a_function_of_seed_and_update(pairs):
    first = encode(pairs, 5)
    torch.rand(11)
    assert torch.equal(encode(pairs, 5), first)
    assert not torch.allclose(encode(pairs, 6), first)
    pairs.seed = 4
    assert not torch.allclose(encode(pairs, 5), first)


def alone(pairs, text):
    """The embedding of one text by itself, without padding."""
    pairs.model.eval()
    return pairs.model(*pairs.tokens.batch(torch.tensor([text])))[0]


def test_queries_and_passages_share_the_encoder_and_come_in_the_order_asked_for(pairs):
    index = torch.tensor([7, 2, 5, 2])
    pairs.model.eval()
    u, v = pairs.encode(index, purpose="train")
    for i, pair in enumerate(index.tolist()):
        torch.testing.assert_close(u[i], alone(pairs, pair))
        torch.testing.assert_close(v[i], alone(pairs, len(QUERIES) + pair))


def test_embeddings_have_no_dropout_and_no_gradient(pairs):
    pairs.model.train()
    index = torch.randperm(len(QUERIES), generator=torch.Generator().manual_seed(0))[:300]
    u, v = pairs.embed(index)
    assert not u.requires_grad
    everything = pairs.embed(None)
    torch.testing.assert_close(everything[0][index], u)
    torch.testing.assert_close(everything[1][index], v)
    torch.testing.assert_close(u[17], alone(pairs, int(index[17])))
    torch.testing.assert_close(v.norm(dim=1), torch.ones(300))


def test_a_long_text_pads_only_its_likes(pairs, monkeypatch):
    sizes = []
    forward = pairs.model.forward
    monkeypatch.setattr(pairs.model, "forward", lambda *batch: sizes.append(batch[0].numel()) or forward(*batch))
    index = torch.arange(64)
    pairs.encode(index, purpose="train")
    lengths = pairs.tokens.lengths
    needed = int(lengths[index].sum() + lengths[index + len(QUERIES)].sum())
    side_by_side = 64 * int(lengths[index].max() + lengths[index + len(QUERIES)].max())
    assert needed <= sum(sizes) < 0.8 * side_by_side
