"""From texts to numbers: a word-piece vocabulary that depends on the training texts alone, and token batches."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int, Int32, Int64
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from text.transfer import sent

PADDING, UNKNOWN, FIRST, LAST, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PARALLELISM = "TOKENIZERS_PARALLELISM"
_FORKING: list[bool] = []
"""Holds something while a process forks that has not set the variable itself."""


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

    Cost: five seconds for 100,000 passages.
    """
    counts = _word_counts(texts)
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


def load_tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """The tokeniser of a model that transformers or sentence-transformers wrote.

    It adds the model's special tokens, cuts texts to `max_tokens` with them, and pads none.

    Args:
        folder: Of the model. What has no tokenizer.json is left to transformers to convert.
        max_tokens: More than the special tokens that the model puts around each text.

    Raises:
        ValueError: If the folder holds no tokeniser, or one that `tokenizers` cannot run.
    """
    file = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else _converted(folder)
    except (
        Exception
    ) as error:  # `tokenizers` raises nothing narrower, transformers whatever a missing file leads to
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else "no folder"
        raise ValueError(
            f"{folder} must hold a fast tokeniser (tokenizer.json, or files that transformers can make one of), "
            f"got {found} ({str(error).partition(chr(10))[0]}); save the model together with its tokeniser"
        ) from error
    special = tokenizer.num_special_tokens_to_add(is_pair=False)
    if max_tokens <= special:
        raise ValueError(
            f"max_tokens must be at least {special + 1}, as {special} special tokens are put around each text, "
            f"got {max_tokens}"
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], *, first: int = 0
) -> tuple[Int32[np.ndarray, " total"], Int64[np.ndarray, " texts"]]:
    """Tokens of texts, one text after the other, and how many each has.

    Args:
        tokenizer: Without padding.
        texts: All are in memory twice meanwhile.
        first: Number of the first text, for errors.

    Raises:
        ValueError: If the tokenizer pads, or a text gives no token.
    """
    if tokenizer.padding is not None:
        raise ValueError("the tokenizer must not pad, but this one does; call its no_padding() first")
    lists = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    if not lengths.all():
        empty = int(lengths.argmin())
        raise ValueError(
            f"every text must give a token, but text {first + empty} ({texts[empty][:40]!r}) gives none; leave it "
            "out, or take a tokenizer that puts special tokens around texts"
        )
    return np.fromiter(chain.from_iterable(lists), np.int32, int(lengths.sum())), lengths


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
        ids, lengths = encode(tokenizer, texts)
        return cls(
            torch.from_numpy(ids), torch.from_numpy(np.concatenate([np.zeros(1, np.int64), lengths.cumsum()]))
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
        return Tokens(sent(self.ids, device), self.offsets)

    def take(self, index: Int[Tensor, " n"]) -> "Tokens":
        """The texts of these numbers, in this order; numbers on a device have the host wait for them.

        Cost: that of the texts that are taken, whatever there are beside them.
        """
        index = index.cpu()
        start = self.offsets[:-1][index]
        lengths = self.offsets[1:][index] - start
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        shift, count = sent(torch.stack([start - offsets[:-1], lengths]), self.ids.device)
        total = int(offsets[-1])
        place = torch.arange(total, device=shift.device)
        place += shift.repeat_interleave(count, output_size=total)
        return Tokens(self.ids[place], offsets)

    @staticmethod
    def join(parts: "Sequence[Tokens]") -> "Tokens":
        """The texts of all, one after the other."""
        lengths = torch.cat([part.lengths for part in parts])
        return Tokens(torch.cat([part.ids for part in parts]), torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

    def padded(self) -> tuple[Int[Tensor, "texts longest"], Bool[Tensor, "texts longest"]]:
        """The texts, padded with 0 to the longest of them, and which entries are tokens."""
        offsets = sent(self.offsets, self.ids.device)
        position = offsets[:-1, None] + torch.arange(self.longest, device=offsets.device)
        is_token = position < offsets[1:, None]
        return torch.where(is_token, self.ids[position.clamp(max=len(self.ids) - 1)], 0).long(), is_token


def _word_counts(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs, as the tokeniser takes for words what it then cuts into pieces.

    Whatever stands between two spaces is normalised and split once, however often it occurs: neither looks across a
    space.
    """
    between_spaces: Counter[str] = Counter()
    for text in texts:
        between_spaces.update(text.split(" "))
    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    counts: Counter[str] = Counter()
    for string, n in between_spaces.items():
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(string)):
            counts[word] += n
    return counts


def _most_frequent(counts: Counter[str], n: int) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n])


def _converted(folder: Path) -> Tokenizer:
    from transformers import AutoTokenizer  # seconds to import

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True).backend_tokenizer


def _serial_after_fork() -> None:
    """Have a forked process tokenise on one thread, which `tokenizers` does anyway, but not without a warning."""
    if _PARALLELISM not in os.environ:
        os.environ[_PARALLELISM] = "false"
        _FORKING.append(True)


def _parallel_again() -> None:
    if _FORKING:
        _FORKING.pop()
        del os.environ[_PARALLELISM]


os.register_at_fork(before=_serial_after_fork, after_in_parent=_parallel_again)
