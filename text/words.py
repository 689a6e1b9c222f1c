"""What the tokens of a vocabulary are in words: which begin one, which are special, which are one alone."""

import json
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float64, Int
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordPiece
from torch import Tensor

from text.tokens import Tokens

_SPACES = ("Ġ", "▁")
"""What stands for the space before a word: in byte-level vocabularies, and in those of sentencepiece."""
_TOKENS_AT_ONCE = 1 << 24


@dataclass(frozen=True, eq=False)
class Words:
    """What a vocabulary's tokens are in words, and which words there are to take the place of others."""

    begins: Bool[Tensor, " vocabulary"]
    """Tokens that begin a word; the others continue one, or are special."""
    special: Bool[Tensor, " vocabulary"]
    """Tokens that stand around texts or for something else than words: they stay where they are."""
    replacements: Int[Tensor, " words"]
    """Tokens that are a word alone."""
    probability: Float64[Tensor, " words"]
    """Of drawing one of these or of those before it."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, tokens: Tokens) -> "Words":
        """Of a tokenizer, with replacements drawn as often as they occur in these texts.

        Cost: a look at each token, in blocks.
        """
        begins, special = begins_word(tokenizer), special_tokens(tokenizer)
        counts = torch.zeros(len(begins), dtype=torch.int64)
        for start in range(0, len(tokens.ids), _TOKENS_AT_ONCE):
            block = tokens.ids[start : start + _TOKENS_AT_ONCE + 1].cpu().long()  # the last is only looked at
            alone = begins[block[:-1]] & (begins | special)[block[1:]]
            counts += block[:-1][alone].bincount(minlength=len(counts))
        words = counts.nonzero()[:, 0]
        total = counts[words].cumsum(0)
        return cls(begins, special, words, total.double() / total[-1:])

    def drawn(self, number: Float64[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The replacement that a number from 0 to 1 stands for."""
        return self.replacements[torch.searchsorted(self.probability, number, right=True)]

    def to(self, device: torch.device | str) -> "Words":
        """On a device."""
        return Words(*(getattr(self, field.name).to(device) for field in fields(self)))


def begins_word(tokenizer: Tokenizer) -> Bool[Tensor, " vocabulary"]:
    """Tokens that begin a word: not "##ing" of word pieces, "Ġthe" of byte-level ones, "▁the" of sentencepiece.

    Where a vocabulary shows neither, each token is a word.
    """
    vocabulary = tokenizer.get_vocab()
    begins = torch.ones(_size(tokenizer), dtype=torch.bool)
    model = tokenizer.model
    prefix = model.continuing_subword_prefix if isinstance(model, WordPiece | BPE) else None
    counts = {space: sum(name.startswith(space) for name in vocabulary) for space in _SPACES}
    if prefix:
        continues = [number for name, number in vocabulary.items() if name.startswith(prefix)]
    elif any(counts.values()):
        space = max(counts, key=counts.__getitem__)
        continues = [number for name, number in vocabulary.items() if not name.startswith(space)]
    else:
        continues = []
    begins[continues] = False
    return begins & ~special_tokens(tokenizer)


def special_tokens(tokenizer: Tokenizer) -> Bool[Tensor, " vocabulary"]:
    """Tokens that are no text; the one for what is unknown is, as it stands for a word."""
    special = torch.zeros(_size(tokenizer), dtype=torch.bool)
    model = json.loads(tokenizer.to_str())["model"]
    unknown = tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else model.get("unk_id")
    declared = [number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    special[[number for number in declared + tokenizer.encode("").ids if number != unknown]] = True
    return special


def _size(tokenizer: Tokenizer) -> int:
    """One more than the largest number of a token."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1
