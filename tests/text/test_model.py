"""The encoder: unit rows, two poolings, two ways through the transformer."""

import pytest
import torch
from torch.nn import functional
from transformers import (
    DistilBertConfig,
    DistilBertModel,
)

from text.model import Encoder, build_encoder
from text.tokens import Tokens, build_tokenizer, build_vocabulary

TEXTS = ["open the socket", "close it", "a calendar of every turtle and of the thread that waits for it", ""]


@pytest.fixture
def tokenizer():
    return build_tokenizer(build_vocabulary(TEXTS, 200), 12)


def encoder_of(tokenizer, **changes):
    sizes = {
        "max_tokens": 12,
        "layers": 1,
        "hidden": 16,
        "heads": 2,
        "dropout": 0.1,
        "seed": 0,
        "intermediate": None,
    }
    return build_encoder(vocabulary_size=tokenizer.get_vocab_size(), **(sizes | changes)).eval()


@pytest.mark.parametrize("attention", ["packed", "padded"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embeddings_are_the_normalised_mean_or_first_state(tokenizer, pooling, attention):
    encoder = encoder_of(tokenizer, layers=2, pooling=pooling, attention=attention)
    embeddings = encoder(Tokens.of(tokenizer, TEXTS))
    for text, embedding in zip(TEXTS, embeddings, strict=True):
        ids = torch.tensor([tokenizer.encode(text).ids])
        states = encoder.transformer(input_ids=ids).last_hidden_state[0]
        pooled = states[0] if pooling == "cls" else sum(states) / len(states)
        torch.testing.assert_close(embedding, pooled / pooled.norm())


def test_packed_is_the_default_where_the_model_is_known(tokenizer):
    assert encoder_of(tokenizer).is_packed
    assert not encoder_of(tokenizer, attention="padded").is_packed
    config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=8)
    assert not Encoder(DistilBertModel(config)).is_packed


@pytest.mark.parametrize("attention", ["packed", "padded"])
def test_many_texts_come_back_in_their_order(tokenizer, attention):
    encoder = encoder_of(tokenizer, attention=attention)
    tokens = Tokens.of(tokenizer, TEXTS * 40)
    few = encoder(Tokens.of(tokenizer, TEXTS))
    torch.testing.assert_close(encoder(tokens), few.repeat(40, 1))
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder(tokens.take(order)), few.repeat(40, 1)[order])


@pytest.mark.parametrize("attention", ["packed", "padded"])
def test_bfloat16_is_inside_alone(tokenizer, attention):
    exact, rounded = (encoder_of(tokenizer, attention=attention, precision=p) for p in ("float32", "bfloat16"))
    tokens = Tokens.of(tokenizer, TEXTS)
    embeddings = rounded(tokens)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(TEXTS)))
    assert not torch.equal(embeddings, exact(tokens))
    assert functional.cosine_similarity(embeddings, exact(tokens)).min() > 0.999
    embeddings.sum().backward()
    assert {p.grad.dtype for p in rounded.parameters() if p.grad is not None} == {torch.float32}


def test_no_texts_have_no_embeddings(tokenizer):
    encoder = encoder_of(tokenizer)
    assert encoder(Tokens.of(tokenizer, TEXTS).take(torch.arange(0))).shape == (0, encoder.dim)


def test_texts_without_tokens_and_too_long_ones_are_refused(tokenizer):
    encoder = encoder_of(tokenizer)
    for offsets in ([0, 2, 2], [0, 13]):
        tokens = Tokens(torch.zeros(offsets[-1], dtype=torch.int32), torch.tensor(offsets))
        with pytest.raises(ValueError, match="1 to 12 tokens"):
            encoder(tokens)


def test_weights_are_a_function_of_the_seed_and_leave_the_generator_alone(tokenizer):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = encoder_of(tokenizer, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected), "the generator is where it was"
    again, other = (encoder_of(tokenizer, seed=seed).state_dict() for seed in (1, 2))
    key = "transformer.embeddings.word_embeddings.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])


def test_minilm_has_the_size_of_its_own():
    with torch.device("meta"):
        encoder = build_encoder(
            vocabulary_size=30522,
            max_tokens=512,
            layers=6,
            hidden=384,
            heads=12,
            intermediate=1536,
            dropout=0.1,
            seed=0,
        )
    assert sum(p.numel() for p in encoder.parameters()) == 22_713_216 - 384 * 385  # without a pooling layer
