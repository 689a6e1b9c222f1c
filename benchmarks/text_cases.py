"""What the text benchmark trains on: MiniLM-L6's shape, pairs as long as MS MARCO's, and the sizes of batches.

Lengths are what differs most between texts, and what padding is paid for: they are MS MARCO's, whichever texts.
"""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from tokenizers import Tokenizer

from batching import derived_seed
from batching.seeded import uniforms, words
from benchmarks.floor import OPTIMIZER_PASSES, Precision, Work
from text.config import TextConfig
from text.data import load_texts
from text.data.texts import Lists, Texts
from text.data.textset import TextSet
from text.presets import PRESETS
from text.tokens import SPECIAL, Tokens, build_tokenizer, load_tokenizer

N_PAIRS = {"cpu": 4096, "cuda": 131_072}
"""Of random words."""
MAX_TOKENS = 180
VOCABULARY, LAYERS, HIDDEN, HEADS, INTERMEDIATE = 30_522, 6, 384, 12, 1536
"""MiniLM-L6-H384."""
N_PARAMETERS = 22_565_376
"""Of it, without BERT's pooler, which nobody trains; 11.7 million are embeddings of words."""

SHARES = (*(i / 20 for i in range(20)), 0.97, 0.98, 0.99, 0.995, 1.0)
QUERY_LENGTHS = (4, 6, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 11, 11, 12, 12, 13, 14, 16, 19, 21, 22, 26, 30, 69)
PASSAGE_LENGTHS = (
    *(13, 42, 48, 52, 55, 58, 61, 63, 65, 67, 70, 73, 76, 80, 85, 92, 100, 110, 122, 139),
    *(152, 160, 177, 193, 298),
)
"""Tokens of MS MARCO's training queries and of their first positives, [CLS] and [SEP] among them: the quantiles
`SHARES` over the 11,992 queries of data/msmarco-passage-sample, by the vocabulary of bert-base-uncased. The means
are 10.7 and 78.2."""

BATCHES = {"cpu": (32, 96), "cuda": (96, 1024)}
PRECISIONS: dict[str, tuple[Precision, ...]] = {"cpu": ("float32", "bfloat16"), "cuda": ("bfloat16",)}
SELECTIONS = ("graph", "spectral")
PLANNED_ON_CPU = 1536
"""Pairs that are planned for on a CPU: 16 batches of 96."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """A model's folder, and pairs of texts."""

    folder: Path
    texts: TextSet
    told: str
    """What the texts are."""
    scratch: Path
    """For what is kept of them."""

    @property
    def queries(self) -> list[str]:
        """Query of each pair."""
        return list(self.texts.queries)

    @property
    def passages(self) -> list[str]:
        """Passage of each pair."""
        return list(self.texts.passages)

    def tokens(self) -> Tokens:
        """Of all queries, then of all passages."""
        return Tokens.of(load_tokenizer(self.folder, MAX_TOKENS), self.queries + self.passages)

    def first(self, n: int) -> TextSet:
        """The first pairs."""
        return pair_set(self.texts.name, self.queries[:n], self.passages[:n])


def cases(device: str) -> dict[str, TextConfig]:
    """What is measured on a device, by name."""
    found = {}
    for precision in PRECISIONS[device]:
        for batch_size in BATCHES[device]:
            config = replace(
                PRESETS["msmarco"],
                precision=precision,
                batch_size=batch_size,
                n_pairs=None,
                max_tokens=MAX_TOKENS,
                query_tokens=MAX_TOKENS,
                loss="mnrl",
                temperature=0.05,
                learning_rate=2e-5,
                weight_decay=0.01,
            )
            found[f"{precision}, {batch_size}"] = config
    return found


def selecting(config: TextConfig, selection: str, what: Material, device: str) -> TextConfig:
    """The case with this selection; on a CPU with few pairs."""
    pairs = min(len(what.texts.queries), PLANNED_ON_CPU if device == "cpu" else N_PAIRS[device])
    batches = pairs // config.batch_size
    pool = min(batches, config.batches_per_pool or batches)
    return replace(config, selection=selection, n_pairs=batches * config.batch_size, batches_per_pool=pool)


def material(model: Path | None, data: Path, scratch: Path, n_pairs: int) -> Material:
    """MS MARCO's own texts where they and a model are there; else random words, as many as MS MARCO's texts have.

    Args:
        model: Folder of an encoder and its tokeniser; None for random weights of MiniLM's shape.
        data: Folder of the data sets.
        scratch: Where random weights are written, and large results are kept.
        n_pairs: Of random words.

    Raises:
        ValueError: If the model has another shape.
    """
    if model is not None:
        _check_shape(model)
    folder = make_folder(scratch / "model") if model is None else model
    if model is not None:
        try:
            return Material(folder=folder, texts=_own_pairs(data), told="MS MARCO", scratch=scratch)
        except ValueError as reason:
            print(f"random words: {reason}", flush=True)
    texts = drawn_pairs(load_tokenizer(folder, MAX_TOKENS), n_pairs)
    return Material(folder=folder, texts=texts, told="random words at MS MARCO's lengths", scratch=scratch)


def make_folder(folder: Path) -> Path:
    """A BERT of MiniLM's shape with random weights and a vocabulary of made-up words, as transformers writes it."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    made = [f"w{i}" for i in range(VOCABULARY - len(SPECIAL))]
    tokenizer = build_tokenizer({piece: i for i, piece in enumerate([*SPECIAL, *made])}, MAX_TOKENS)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INTERMEDIATE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(0, "weights"))
        BertModel(config).save_pretrained(folder)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names).save_pretrained(folder)
    return folder


def drawn_pairs(tokenizer: Tokenizer, n: int) -> TextSet:
    """Texts of random words, each one token, as long as `QUERY_LENGTHS` and `PASSAGE_LENGTHS` say."""
    vocabulary = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalnum())
    sides = []
    for side, quantiles in (("query", QUERY_LENGTHS), ("passage", PASSAGE_LENGTHS)):
        lengths = drawn_lengths(side, quantiles, n) - 2
        chosen = (words(0, f"{side}-words", 0, int(lengths.sum())).numpy() % len(vocabulary)).tolist()
        ends = pairwise([0, *np.cumsum(lengths).tolist()])
        sides.append([" ".join(vocabulary[i] for i in chosen[start:end]) for start, end in ends])
    return pair_set("drawn", *sides)


def drawn_lengths(side: str, quantiles: tuple[int, ...], n: int) -> Int64[np.ndarray, " n"]:
    """Lengths with these quantiles, a function of the side: linear between them."""
    return np.interp(uniforms(0, f"{side}-lengths", 0, n).numpy(), SHARES, quantiles).round().astype(np.int64)


def pair_set(name: str, queries: list[str], passages: list[str]) -> TextSet:
    """Pair i is query i and passage i."""
    numbers = Texts.of(map(str, range(len(queries))))
    return TextSet(
        name=name,
        queries=Texts.of(queries),
        passages=Texts.of(passages),
        query_ids=numbers,
        passage_ids=numbers,
        relevant=Lists.of([i] for i in range(len(queries))),
    )


def work_of_step(tokens: Tokens, texts_in_step: int) -> Work:
    """The work of a step on so many of these texts, on average: without padding, and with nothing done twice.

    Of a text of L tokens through layers of width h with feed-forward width f, forward

        L layers (2 (4 h^2 + 2 h f) + 4 L h)    operations,

    three times as many with the backward pass, and beside it what the optimiser reads and writes.
    """
    lengths = tokens.lengths.double()
    of_token = 2 * (4 * HIDDEN**2 + 2 * HIDDEN * INTERMEDIATE) + 4 * HIDDEN * lengths
    forward = float((LAYERS * lengths * of_token).mean())
    return Work(3 * forward * texts_in_step, OPTIMIZER_PASSES["adamw"] * 4 * N_PARAMETERS)


def _own_pairs(data: Path) -> TextSet:
    """Training queries of the sample, and the first passage that answers each."""
    texts = load_texts("msmarco-sample", data, "train")
    first = texts.relevant.items[texts.relevant.offsets[:-1]]
    return pair_set("MS MARCO", list(texts.queries), list(texts.passages.take(first)))


def _check_shape(model: Path) -> None:
    shape = {"num_hidden_layers": LAYERS, "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE}
    file = model / "config.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    if {name: found.get(name) for name in shape} != shape:
        raise ValueError(
            f"--model must be a folder of a MiniLM-L6-H384, got {model}; leave it out for random weights"
        )
