"""A configuration put together: everything that takes a step, and the texts in the form that steps take them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor

from batching import Report, Selection, derived_seed, permutation
from losses import Loss
from losses.registry import LOSSES
from text.config import TextConfig
from text.data import TextSet, cache_folder, load_texts
from text.data.duplicates import pair_groups
from text.data.store import tokenised
from text.evaluate.sets import chosen
from text.model import Encoder, build_encoder, load_encoder
from text.pairs import TextPairs, TrainingTexts
from text.tokens import Tokens, build_tokenizer, build_vocabulary, load_tokenizer
from text.words import Words
from training import Ranks, make_optimizer, warmup_cosine, warmup_linear

_LOG = logging.getLogger("contrabatch")
_DROPOUT = 0.1
"""Of a new BERT, where nothing else is asked for."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What `training.fit` is given, beside a run and what to watch, and what reads further texts."""

    encoder: Encoder
    pairs: TextPairs
    rule: Selection
    loss: Loss
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]
    report: Report
    updates: int
    tokenizers: "Tokenizers"


@dataclass(frozen=True, eq=False)
class Tokenizers:
    """Those of queries and passages, which may be cut to different lengths, and where large results are kept."""

    query: Tokenizer
    passage: Tokenizer
    cache: Path | None

    def read(self, texts: TextSet) -> tuple[Tokens, Tokens]:
        """The queries and the passages in tokens."""
        queries = tokenised(texts.queries, self.query, self.cache, name=f"{texts.name} queries")
        return queries, tokenised(texts.passages, self.passage, self.cache, name=f"{texts.name} passages")


def training_set(config: TextConfig) -> TextSet:
    """The texts to train on: a fixed random choice of the queries that have an answer, and the passages they need.

    Raises:
        ValueError: If the files cannot be read, or there are too few queries.
    """
    texts = load_texts(
        config.dataset, config.data, "train", on_problem=config.on_problem, hard_negatives=config.hard_negatives
    )
    relevant = texts.relevant.above(0.0)
    answered = np.flatnonzero(relevant.lengths)
    count = config.count_pairs(len(answered))
    taken = np.sort(answered[permutation(0, "pairs", 0, len(answered))[:count].numpy()])
    texts = texts.of_queries(taken)
    relevant = relevant.take(taken)
    if config.n_negatives and texts.negatives is None:
        raise ValueError(
            f"n_negatives draws from hard negatives, but {texts.name} brings none, got {config.n_negatives}; give "
            "--hard-negatives FILE, or leave n_negatives out"
        )
    negatives = texts.negatives if config.n_negatives else None
    needed = np.unique(
        np.concatenate([relevant.items, [] if negatives is None else negatives.items]).astype(np.int64)
    )
    number = np.full(len(texts.passages), -1, np.int64)
    number[needed] = np.arange(len(needed))
    return TextSet(
        name=texts.name,
        queries=texts.queries,
        passages=texts.passages.take(needed),
        query_ids=texts.query_ids,
        passage_ids=texts.passage_ids.take(needed),
        relevant=relevant.renumbered(number),
        negatives=None if negatives is None else negatives.renumbered(number),
        skipped=texts.skipped,
    )


def evaluation_set(config: TextConfig, split: str = "test") -> TextSet:
    """The texts to measure on: a fixed random choice of the queries, and all passages."""
    return chosen(load_texts(config.dataset, config.data, split, on_problem=config.on_problem), config.n_test)


def without_the_rest(texts: TextSet, measures: Sequence[str]) -> TextSet:
    """With those passages alone that these measures look at, so that no others are tokenised."""
    if "full" in measures:
        return texts
    lists = [texts.relevant] if "relevant" in measures else []
    lists += [texts.candidates] if "rerank" in measures and texts.candidates is not None else []
    return texts.of_passages(np.unique(np.concatenate([np.empty(0, np.int64), *(one.items for one in lists)])))


def assemble(config: TextConfig, texts: TextSet, ranks: Ranks | None = None) -> Parts:
    """The parts of a training.

    Args:
        config: What is trained, and how.
        texts: Those of `training_set`.
        ranks: Processes that train together; None for this one alone, on the CPU.

    Raises:
        ValueError: If the parts do not fit each other or the texts.
    """
    ranks = Ranks() if ranks is None else ranks
    n_pairs = len(texts.queries)
    groups, passage_groups = pair_groups(texts)
    first = torch.from_numpy(passage_groups[texts.relevant.items[texts.relevant.offsets[:-1]]])
    shared = None if groups is None else first
    rule = _rule(config, shared, ranks)
    rule.check(n_pairs, config.batch_size)
    ranks.check(rule, n_pairs, config.batch_size)
    tokenizers = build_tokenizers(config, texts)
    encoder = build_model(config, tokenizers.passage.get_vocab_size())
    queries, passages = tokenizers.read(texts)
    # Words are shuffled where the host need not wait for their new places.
    home = ranks.device if config.augmentation.is_identity else torch.device("cpu")
    pairs = TextPairs(
        encoder.to(ranks.device),
        TrainingTexts(
            queries=queries.to(home),
            passages=passages.to(home),
            positives=texts.relevant,
            negatives=texts.negatives,
            groups=first,
            passage_groups=torch.from_numpy(passage_groups),
            words_of=None if config.augmentation.is_identity else Words.of(tokenizers.passage, passages),
        ),
        updates_per_epoch=config.epoch_updates(n_pairs),
        draw_positives=config.positives == "drawn",
        n_negatives=config.n_negatives,
        augmentation=config.augmentation,
        raw=LOSSES[config.loss].raw,
        loss_options=LOSSES[config.loss].options,
        seed=config.seed,
        embed_batch_size=config.embed_batch_size,
        encode_batch_size=config.encode_batch_size,
        temperature=config.temperature,
    )
    updates = config.total_updates(n_pairs)
    schedule = {"cosine": warmup_cosine, "linear": warmup_linear}[config.schedule]
    return Parts(
        encoder=encoder,
        pairs=pairs,
        rule=rule,
        loss=config.loss_function(n_pairs, ranks.device, group=ranks.group),
        optimizer=make_optimizer(
            "adamw", encoder.parameters(), learning_rate=config.learning_rate, weight_decay=config.weight_decay
        ),
        learning_rate=schedule(config.learning_rate, updates, warmup=round(config.warmup * updates)),
        report=Report(config.temperature, shared),
        updates=updates,
        tokenizers=tokenizers,
    )


def _rule(config: TextConfig, shared: Int[Tensor, " n_pairs"] | None, ranks: Ranks) -> Selection:
    """The selection; pairs that share a text stay apart where they shall, and where the loss cannot be told of it.

    Args:
        config: Of the training.
        shared: Pairs of the same number share a text; None where none do.
        ranks: Processes that train together.

    Raises:
        ValueError: If neither loss nor selection can do anything about duplicates.
    """
    told = {"ids", "labels"} & LOSSES[config.loss].options
    if shared is None or (told and not config.apart_ids):
        return config.rule(group=ranks.group)
    if not told and not config.apart_ids:
        _LOG.warning("%s cannot be told which pairs share a text: they are kept in different batches", config.loss)
    try:
        return config.rule(shared, group=ranks.group)
    except ValueError as error:
        raise ValueError(
            f"some training pairs share a text; {config.loss} would take them for negatives, and selection "
            f"{config.selection} cannot keep them apart ({error}); take another of the two"
        ) from error


def build_tokenizers(config: TextConfig, texts: TextSet) -> Tokenizers:
    """Those of the model, or new ones with a vocabulary of these texts.

    Raises:
        ValueError: If the model's folder has none, or the vocabulary is too small to spell the texts.
    """
    lengths = (config.query_tokens or config.max_tokens, config.max_tokens)
    if config.model is not None:
        query, passage = (load_tokenizer(config.model, length) for length in lengths)
    else:
        every = (text for side in (texts.queries, texts.passages) for text in side)
        vocabulary = build_vocabulary(every, config.vocabulary_size)
        query, passage = (build_tokenizer(vocabulary, length) for length in lengths)
    return Tokenizers(query, passage, cache_folder(config.dataset, config.data))


def build_model(config: TextConfig, vocabulary_size: int) -> Encoder:
    """The encoder with its first weights, on the CPU."""
    seed = derived_seed(config.seed, "weights")
    longest = max(config.query_tokens or config.max_tokens, config.max_tokens)
    if config.model is not None:
        return load_encoder(
            config.model,
            fresh=config.fresh,
            seed=seed,
            dropout=config.dropout,
            pooling=config.pooling,
            precision=config.precision,
            attention=config.attention,
            max_tokens=longest,
        )
    return build_encoder(
        vocabulary_size=vocabulary_size,
        max_tokens=longest,
        layers=config.layers,
        hidden=config.hidden,
        heads=config.heads,
        intermediate=config.intermediate,
        dropout=_DROPOUT if config.dropout is None else config.dropout,
        seed=seed,
        pooling=config.pooling or "mean",
        precision=config.precision,
        attention=config.attention,
    )
