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


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokenised texts, one after the other in one array; text i is `ids[offsets[i] : offsets[i + 1]]`.

    A batch of texts is one of these, too: nothing is padded until somebody asks for it. Where texts begin is known
    on the host, so that the size of a batch never has to be asked of a GPU.
    """

    ids: Int[Tensor, " total"]
    """On the device, or mapped from a file."""
    offsets: Int[Tensor, " texts_plus_one"]
    """On the host."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Sequence[str]) -> "Tokens":
        """Tokenise texts, once."""
        lists = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        return cls(
            torch.tensor([number for numbers in lists for number in numbers], dtype=torch.int32),
            torch.tensor([0, *accumulate(map(len, lists))]),
        )

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int[Tensor, " texts"]:
        """Tokens of each text, on the host."""
        return self.offsets.diff()

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return int(self.lengths.max()) if len(self) else 0

    def to(self, device: torch.device | str) -> "Tokens":
        """With the tokens on a device."""
        return Tokens(self.ids.to(device), self.offsets)

    def take(self, index: Int[Tensor, " n"]) -> "Tokens":
        """The texts of these numbers, in this order."""
        index = index.cpu()
        lengths = self.lengths[index]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        shift = (self.offsets[:-1][index] - offsets[:-1]).to(self.ids.device)
        total = int(offsets[-1])
        place = torch.arange(total, device=shift.device)
        place += shift.repeat_interleave(lengths.to(shift.device), output_size=total)
        return Tokens(self.ids[place], offsets)

    @staticmethod
    def join(parts: "Sequence[Tokens]") -> "Tokens":
        """The texts of all, one after the other."""
        lengths = torch.cat([part.lengths for part in parts])
        return Tokens(
            torch.cat([part.ids for part in parts]), torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        )

    def padded(self) -> tuple[Int[Tensor, "texts longest"], Bool[Tensor, "texts longest"]]:
        """The texts, padded with 0 to the longest of them, and which entries are tokens."""
        offsets = self.offsets.to(self.ids.device)
        position = offsets[:-1, None] + torch.arange(self.longest, device=offsets.device)
        is_token = position < offsets[1:, None]
        return torch.where(is_token, self.ids[position.clamp(max=len(self.ids) - 1)], 0).long(), is_token


def _words(text: str) -> list[str]:
    """What the tokeniser takes for words, before it cuts them into pieces."""
    normalised = BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalised)]


def _most_frequent(counts: Counter[str], n: int) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n])
