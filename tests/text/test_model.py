"""The encoder: unit rows, mean pooling, and a folder that transformers opens by itself."""

import socket

import pytest
import torch

from text.model import Encoder, build_encoder, save_model
from text.tokens import Tokens, build_tokenizer, build_vocabulary

TEXTS = ["open the socket", "close it", "a calendar of every turtle and of the thread that waits for it", ""]


@pytest.fixture
def tokenizer():
    return build_tokenizer(build_vocabulary(TEXTS, 200), 12)


def encoder_of(tokenizer, **changes):
    sizes = {"max_tokens": 12, "layers": 1, "hidden": 16, "heads": 2, "dropout": 0.1, "seed": 0}
    return build_encoder(vocabulary_size=tokenizer.get_vocab_size(), **(sizes | changes))


def everything(tokenizer):
    return Tokens.of(tokenizer, TEXTS).batch(torch.arange(len(TEXTS)))


def test_embeddings_are_the_normalised_mean_over_tokens(tokenizer):
    encoder = encoder_of(tokenizer).eval()
    ids, is_token = everything(tokenizer)
    embeddings = encoder(ids, is_token)
    states = encoder.bert(input_ids=ids, attention_mask=is_token.long()).last_hidden_state
    for i in range(len(TEXTS)):
        mean = sum(states[i, t] for t in range(ids.shape[1]) if is_token[i, t]) / is_token[i].sum()
        torch.testing.assert_close(embeddings[i], mean / mean.norm())


def test_padding_plays_no_part(tokenizer):
    encoder = encoder_of(tokenizer, layers=2).eval()
    together = encoder(*everything(tokenizer))
    alone = torch.cat([encoder(*Tokens.of(tokenizer, [text]).batch(torch.tensor([0]))) for text in TEXTS])
    torch.testing.assert_close(together, alone)


def test_weights_are_a_function_of_the_seed_and_leave_the_generator_alone(tokenizer):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = encoder_of(tokenizer, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected), "the generator is where it was"
    again, other = (encoder_of(tokenizer, seed=seed).state_dict() for seed in (1, 2))
    key = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])


def test_a_saved_model_opens_without_this_project_and_without_a_network(tokenizer, tmp_path, monkeypatch, capsys):
    from transformers import AutoModel, AutoTokenizer

    def no_network(*_args, **_kwargs):
        raise AssertionError("a network was asked for")

    encoder = encoder_of(tokenizer).eval()
    monkeypatch.setattr(socket.socket, "connect", no_network)
    save_model(tmp_path / "model", encoder, tokenizer)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""

    bert = AutoModel.from_pretrained(tmp_path / "model", add_pooling_layer=False)
    opened = AutoTokenizer.from_pretrained(tmp_path / "model")
    batch = opened(TEXTS, padding=True, truncation=True, return_tensors="pt")
    ids, is_token = everything(tokenizer)
    assert torch.equal(batch["input_ids"], ids)
    assert torch.equal(batch["attention_mask"].bool(), is_token)
    again = Encoder(bert).eval()(batch["input_ids"], batch["attention_mask"].bool())
    assert torch.equal(again, encoder(ids, is_token))
