"""Random changes of tokenised texts, by whole words: some are deleted, some change places, some are replaced."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from batching import derived_seed, uniforms
from text.tokens import Tokens
from text.words import Words


@dataclass(frozen=True)
class Augmentation:
    """How likely a word of a training text is to be changed; texts are changed anew whenever they are trained on.

    References:
        Wei and Zou, 2019, "EDA", arXiv 1901.11196, Section 2 (random deletion and swap; there any two words change
        places, here neighbours).
        Xie et al., 2017, "Data noising as smoothing", arXiv 1703.02573, Section 3.2 (replacement by words that are
        drawn as often as they occur; EDA's synonyms would need a thesaurus of the language).
    """

    delete: float = 0.0
    """Probability that a word is left out; one word of each text stays."""
    swap: float = 0.0
    """Probability that a word changes places with the one before or after it."""
    replace: float = 0.0
    """Probability that a word becomes another one, drawn as often as it occurs in the training texts."""

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= 1:
                raise ValueError(
                    f"augmentation: {field.name} must be a probability from 0 to 1, got {getattr(self, field.name)}"
                )

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed."""
        return not (self.delete or self.swap or self.replace)


def augmented(
    tokens: Tokens,
    augmentation: Augmentation,
    *,
    words_of: Words,
    seed: int,
    purpose: str,
    counter: int,
    rows: Int[Tensor, " n"],
) -> Tokens:
    """Texts with some of their words changed.

    A word is a token that begins one (or the first after a special token), and the tokens that continue it. On the
    words of the text as it was,

    1. each is replaced with probability `replace`, by a word of one token;
    2. a coin pairs the words of a text as 12 34 .. or as 1 23 45 .., and each pair changes places with probability
       `swap`;
    3. each is deleted with probability `delete`; where all would be, one of them stays.

    Special tokens stay where they are among the words, and no text gets longer. What becomes of a text depends on
    its tokens and (seed, purpose, counter, row) alone, not on those that it is in a batch with.

    Args:
        tokens: The texts of a batch.
        augmentation: The probabilities; the identity returns `tokens` themselves.
        words_of: The vocabulary, on the device of the tokens.
        seed: Of the run.
        purpose: What for; another purpose makes other changes (a second view of the same text).
        counter: Of epochs or updates; each makes other changes.
        rows: Number of each text in the data set.

    Raises:
        ValueError: If there is not one row for each text, or words shall be replaced and there are none to choose.

    Cost: 5 ms of one core for 20,000 tokens. Tokens on a GPU have the host wait for the new lengths; tokens on the
        host do not, and a batch of them is soon moved.
    """
    if augmentation.is_identity or not len(tokens):
        return tokens
    if len(rows) != len(tokens):
        raise ValueError(f"rows must hold a number for each of {len(tokens)} texts, got {len(rows)}")
    if augmentation.replace and not len(words_of.replacements):
        raise ValueError("replace needs texts with words of one token to choose from, got none; leave it at 0")
    split = _Split.of(tokens, words_of)
    key, rows = derived_seed(seed, purpose, counter), rows.to(tokens.ids.device).long()

    def draw(what: str) -> Float64[Tensor, " words"]:
        """For each word a number that its row and its place in the text settle."""
        return uniforms(key, what, rows, max(split.longest, 1))[split.of_text, split.place]

    ids, length = tokens.ids, split.length
    if augmentation.replace:
        is_replaced = draw("replace") < augmentation.replace
        chosen, words = split.word[is_replaced], words_of.drawn(draw("replacement")[is_replaced])
        ids = ids.index_copy(0, split.begin[chosen], words.to(ids.dtype))
        length = length.index_fill(0, chosen, 1)
    coin = uniforms(key, "pairing", rows, 1)[:, 0] < 0.5
    source = split.swapped(draw("swap") < augmentation.swap, coin)
    stays = split.staying(draw("delete"), augmentation.delete)
    # Words go to the units of words, so that special tokens keep theirs.
    unit = torch.arange(len(length), device=ids.device).index_copy(0, split.word, split.word[source])
    unit = unit[torch.ones_like(unit, dtype=torch.bool).index_copy(0, split.word, stays[source])]
    lengths = unit.new_zeros(len(tokens)).index_add(0, split.text[unit], length[unit])
    return _gathered(ids, split.begin[unit], length[unit], lengths)


@dataclass(frozen=True, eq=False)
class _Split:
    """Texts in units: words and special tokens, in their order."""

    begin: Int[Tensor, " units"]
    """First token."""
    length: Int[Tensor, " units"]
    text: Int[Tensor, " units"]
    word: Int[Tensor, " words"]
    """The units that are words."""
    place: Int[Tensor, " words"]
    """Of a word among those of its text."""
    n_words: Int[Tensor, " n"]
    """Of each text."""

    @classmethod
    def of(cls, tokens: Tokens, words: Words) -> "_Split":
        ids, device = tokens.ids.long(), tokens.ids.device
        numbers = torch.arange(len(tokens), device=device)
        text = numbers.repeat_interleave(tokens.lengths.to(device), output_size=len(ids))
        special = words.special[ids]
        starts = special | words.begins[ids]
        starts[1:] |= special[:-1] | (text[1:] != text[:-1])
        starts[:1] = True
        begin = starts.nonzero()[:, 0]
        word = (~special[begin]).nonzero()[:, 0]
        of_text = text[begin[word]]
        n_words = of_text.bincount(minlength=len(tokens))
        return cls(
            begin=begin,
            length=torch.cat([begin, begin.new_tensor([len(ids)])]).diff(),
            text=text[begin],
            word=word,
            place=torch.arange(len(word), device=device) - (n_words.cumsum(0) - n_words)[of_text],
            n_words=n_words,
        )

    @property
    def of_text(self) -> Int[Tensor, " words"]:
        """The text that each word is in."""
        return self.text[self.word]

    @property
    def longest(self) -> int:
        """Words of the text that has the most of them."""
        return int(self.n_words.max())

    def swapped(self, wanted: Bool[Tensor, " words"], coin: Bool[Tensor, " n"]) -> Int[Tensor, " words"]:
        """Which word comes to each place: the pair's other one, where the first of a pair is wanted."""
        is_last = self.place == self.n_words[self.of_text] - 1
        is_first = (self.place + coin[self.of_text]) % 2 == 0
        later = (wanted & is_first & ~is_last).long()
        return torch.arange(len(later), device=later.device) + later - later.roll(1)

    def staying(self, number: Float64[Tensor, " words"], delete: float) -> Bool[Tensor, " words"]:
        """Which words are not deleted; where all would be, the one of the largest number stays."""
        largest = number.new_zeros(len(self.n_words)).scatter_reduce(0, self.of_text, number, "amax")
        return (number >= delete) | (number == largest[self.of_text])


def _gathered(
    ids: Int[Tensor, " total"],
    begin: Int[Tensor, " units"],
    length: Int[Tensor, " units"],
    lengths: Int[Tensor, " n"],
) -> Tokens:
    """The tokens of units, one after the other, in texts of these lengths."""
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).cpu()
    total = int(offsets[-1])
    shift = begin - (length.cumsum(0) - length)
    place = torch.arange(total, device=ids.device) + shift.repeat_interleave(length, output_size=total)
    return Tokens(ids[place], offsets)
