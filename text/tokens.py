"""From texts to numbers: a word-piece vocabulary that depends on the training texts alone, and token batches."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Bool, Int
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor

PADDING, UNKNOWN, FIRST, LAST, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def build_vocabulary(texts: Iterable[str], size: int) -> dict[str, int]:
    """Word pieces and their numbers: special tokens, characters, frequent words, frequent word endings.

    All characters are taken, alone and as continuations ("##a"), so that every training text can be spelled
    out. Three quarters of the room that is left go to whole words, the rest to the endings ("##ing") of words
    that did not get in. Equal counts are settled by the alphabet, so that the same texts give the same numbers
    in every process (the trainer of `tokenizers` does not promise that).

    Args:
        texts: The training texts.
        size: Number of pieces, at most; texts with few different words give fewer.

    Raises:
        ValueError: If `size` has no room for the special tokens and the characters.
    """
    counts = Counter(word for text in texts for word in _words(text))
    characters = sorted({c for word in counts for c in word})
    pieces = [*SPECIAL, *characters, *(f"##{c}" for c in characters)]
    room = size - len(pieces)
    if room < 0:
        raise ValueError(
            f"vocabulary_size must be at least {len(pieces)} here, to spell every training text, got {size}"
        )
    whole = _most_frequent(Counter({word: n for word, n in counts.items() if len(word) > 1}), room * 3 // 4)
    endings: Counter[str] = Counter()
    for word in counts.keys() - whole:
        for start in range(1, len(word) - 1):
            endings[f"##{word[start:]}"] += counts[word]
    pieces += [*whole, *_most_frequent(endings, room - len(whole))]
    return {piece: number for number, piece in enumerate(pieces)}


def build_tokenizer(vocabulary: dict[str, int], max_tokens: int) -> Tokenizer:
    """A lower-case BERT tokeniser over these pieces: [CLS] text [SEP], cut to `max_tokens` altogether."""
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{FIRST} $A {LAST}", special_tokens=[(FIRST, vocabulary[FIRST]), (LAST, vocabulary[LAST])]
    )
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


@dataclass(frozen=True)
class Tokens:
    """Tokenised texts, one after the other in one array; text i is `ids[offsets[i] : offsets[i + 1]]`."""

    ids: Int[Tensor, " total"]
    offsets: Int[Tensor, " texts_plus_one"]

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Sequence[str], *, device: torch.device | None = None) -> "Tokens":
        """Tokenise texts, once."""
        lists = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        return cls(
            torch.tensor([number for numbers in lists for number in numbers], dtype=torch.long, device=device),
            torch.tensor([0, *accumulate(map(len, lists))], device=device),
        )

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int[Tensor, " texts"]:
        """Tokens of each text."""
        return self.offsets.diff()

    def batch(self, index: Int[Tensor, " n"]) -> tuple[Int[Tensor, "n longest"], Bool[Tensor, "n longest"]]:
        """The texts of these numbers, padded with 0 to the longest of them, and which entries are tokens."""
        index = index.to(self.offsets.device)
        begin, end = self.offsets[index], self.offsets[index + 1]
        position = begin[:, None] + torch.arange(int((end - begin).max()), device=index.device)
        is_token = position < end[:, None]
        return torch.where(is_token, self.ids[position.clamp(max=len(self.ids) - 1)], 0), is_token


def _words(text: str) -> list[str]:
    """What the tokeniser takes for words, before it cuts them into pieces."""
    normalised = BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalised)]


def _most_frequent(counts: Counter[str], n: int) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n])
