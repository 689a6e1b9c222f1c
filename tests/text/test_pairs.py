"""Text pairs as a task: what dropout depends on, and embeddings without it."""

import pytest
import torch

from text.model import build_encoder
from text.pairs import TextPairs
from text.tokens import Tokens, build_tokenizer, build_vocabulary

QUERIES = ["open the socket", "close", "every calendar of every turtle, of every thread", "a lock"] * 100
PASSAGES = [f"{query} {'waits ' * (i % 7)}" for i, query in enumerate(QUERIES)]


@pytest.fixture
def pairs():
    tokenizer = build_tokenizer(build_vocabulary(QUERIES + PASSAGES, 200), 16)
    encoder = build_encoder(
        vocabulary_size=tokenizer.get_vocab_size(), max_tokens=16, layers=1, hidden=16, heads=2, dropout=0.5, seed=0
    )
    return TextPairs(encoder, Tokens.of(tokenizer, QUERIES), Tokens.of(tokenizer, PASSAGES), seed=3)


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


def test_queries_and_passages_share_the_encoder_and_their_order(pairs):
    pairs.model.eval()
    index = torch.tensor([7, 2, 5])
    u, v = pairs.encode(index, purpose="embed")
    torch.testing.assert_close(u, pairs.model(*pairs.queries.batch(index)))
    torch.testing.assert_close(v, pairs.model(*pairs.passages.batch(index)))


def test_embeddings_have_no_dropout_and_come_in_the_order_asked_for(pairs):
    index = torch.randperm(len(QUERIES), generator=torch.Generator().manual_seed(0))[:300]
    index[7] = index[3]
    u, v = pairs.embed(index)
    pairs.model.eval()
    expected = pairs.encode(index, purpose="embed")
    torch.testing.assert_close(u, expected[0])
    torch.testing.assert_close(v, expected[1])
    assert not u.requires_grad
    everything = pairs.embed(None)
    torch.testing.assert_close(everything[0][index], u)
    torch.testing.assert_close(u.norm(dim=1), torch.ones(300))


def test_embeddings_do_not_pad_short_texts_to_the_longest_of_all(pairs, monkeypatch):
    """With 256 of 400 texts at a time, the first chunk holds none of the longest."""
    widths = []
    forward = pairs.model.forward
    monkeypatch.setattr(pairs.model, "forward", lambda ids, mask: widths.append(ids.shape[1]) or forward(ids, mask))
    pairs.embed(None)
    longest = [int(side.lengths.max()) for side in (pairs.queries, pairs.passages)]
    assert widths[1::2] == longest
    assert widths[0] < longest[0]
