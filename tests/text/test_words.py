"""Which tokens begin words, in the vocabularies that models have."""

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordLevel, WordPiece

from text.tokens import Tokens, build_tokenizer, build_vocabulary
from text.words import Words, begins_word, special_tokens

TEXTS = ["open the socket", "open the mailbox", "the printing socket"]


def names(tokenizer, which):
    return {name for name, number in tokenizer.get_vocab().items() if which[number]}


def test_word_pieces():
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 60), 16)
    assert names(tokenizer, special_tokens(tokenizer)) == {"[CLS]", "[SEP]"}, "those that it adds to texts"
    begins = names(tokenizer, begins_word(tokenizer))
    assert {"[UNK]", "the", "socket", "a"} <= begins
    assert not [name for name in begins if name.startswith("##")]
    assert len(begins_word(tokenizer)) == tokenizer.get_vocab_size()


def test_special_tokens_that_a_tokenizer_declares():
    tokenizer = Tokenizer(WordPiece({"[UNK]": 0, "[PAD]": 1, "a": 2, "##a": 3}, unk_token="[UNK]"))
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("[UNK]", "[PAD]", "[NEW]")])
    assert names(tokenizer, special_tokens(tokenizer)) == {"[PAD]", "[NEW]"}, "what is unknown stands for a word"
    assert names(tokenizer, begins_word(tokenizer)) == {"[UNK]", "a"}


def test_byte_level_sentencepiece_and_unknown_kinds():
    byte_level = Tokenizer(BPE({"a": 0, "Ġ": 1, "Ġa": 2}, [("Ġ", "a")]))
    byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    assert begins_word(byte_level).tolist() == [False, True, True]
    sentencepiece = Tokenizer(Unigram([("<unk>", 0.0), ("▁a", -1.0), ("a", -2.0)], unk_id=0))
    assert names(sentencepiece, begins_word(sentencepiece)) == {"▁a"}
    prefixed = Tokenizer(BPE({"a": 0, "##a": 1}, [], continuing_subword_prefix="##"))
    assert begins_word(prefixed).tolist() == [True, False]
    whole = Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a"))
    assert begins_word(whole).tolist() == [True, True]


@pytest.mark.parametrize("at_once", [2, 1000])
def test_replacements_are_words_of_one_token_as_often_as_they_occur(at_once, monkeypatch):
    monkeypatch.setattr("text.words._TOKENS_AT_ONCE", at_once)
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 43), 30)
    words = Words.of(tokenizer, Tokens.of(tokenizer, TEXTS))
    assert "##g" in tokenizer.encode("printing").tokens, "its first letter is no word"
    piece = {number: name for name, number in tokenizer.get_vocab().items()}
    found = [piece[number] for number in words.replacements.tolist()]
    counts = {name: sum(text.split().count(name) for text in TEXTS) for name in found}
    assert set(found) <= {"the", "open", "socket", "mailbox"}
    assert "the" in found
    expected = torch.tensor([counts[name] for name in found]).cumsum(0) / sum(counts.values())
    assert torch.allclose(words.probability.float(), expected)
    assert words.drawn(torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)).tolist() == [
        words.replacements[0],
        words.replacements[-1],
    ]


def test_no_text_gives_no_replacement():
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 60), 16)
    assert len(Words.of(tokenizer, Tokens.of(tokenizer, ["", ""])).replacements) == 0
