"""What a run on texts is made of, checked as soon as it is written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from typing_extensions import override

from losses import PAIR_LOSSES
from losses.registry import LOSSES
from text.augmentation import Augmentation
from text.data import DATASETS, OnProblem
from text.evaluate import Baseline, QuickMeasure
from text.model import Attention, Pooling, Precision
from text.model_folder import model_digest
from training.config import UNBOUNDED, LossName, Ranges, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TextConfig(TrainingConfig):
    """A run: which texts, which pairs meet, how the encoder is trained on them."""

    RANGES: ClassVar[Ranges] = {
        **TrainingConfig.RANGES,
        "n_pairs": (2, UNBOUNDED),
        "n_test": (2, UNBOUNDED),
        "n_negatives": (0, UNBOUNDED),
        "max_tokens": (3, UNBOUNDED),
        "query_tokens": (3, UNBOUNDED),
        "vocabulary_size": (1, UNBOUNDED),
        "layers": (1, UNBOUNDED),
        "hidden": (2, UNBOUNDED),
        "heads": (1, UNBOUNDED),
        "intermediate": (1, UNBOUNDED),
        "dropout": (0, 0.9),
        "embed_batch_size": (1, UNBOUNDED),
        "epochs": (1, UNBOUNDED),
        "evaluate_every": (0, UNBOUNDED),
    }
    USUAL_TEMPERATURES: ClassVar[str] = "0.02 to 0.1 is usual on texts"

    dataset: str = "docstrings"
    """Texts to train on: docstrings (come with Python), msmarco, msmarco-sample, beir (a folder), pairs (a TSV,
    JSONL or Parquet file of queries and passages), or sentences (a file with one in each line, each its own
    positive)."""
    data: Path | None = None
    """Where they lie: the folder of the data sets, or the file or folder itself for beir, pairs, sentences and
    docstrings. None for the folder data, and for the standard library of this Python."""
    on_problem: OnProblem = "refuse"
    """What becomes of lines that cannot be read, unknown ids and empty texts: refuse them all with file and line,
    or skip and count them."""
    n_pairs: int | None = None
    """Training queries, a fixed random choice; None for as many as make whole batches. A query and one of its
    passages are one pair."""
    n_test: int | None = None
    """Test queries, likewise; None for all."""
    positives: Literal["drawn", "first"] = "drawn"
    """Of several passages that answer a query: one is drawn anew in each epoch, or the first is always taken."""
    apart_ids: bool = False
    """Pairs that share a text never share a batch. They are no negatives of each other anyway: most losses are told
    of them; with those that cannot be, they are kept apart in any case."""
    hard_negatives: Path | None = None
    """File of hard negatives for the queries, as sentence-transformers publishes them for MS MARCO: JSONL with qid,
    pos and neg. None for those that the data set itself brings."""
    n_negatives: int = 0
    """Hard negatives of each pair, drawn anew in each epoch, for losses that take more keys."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    model: Path | None = None
    """Folder of an encoder as transformers or sentence-transformers writes it; None for a new BERT of the shape
    below, with a vocabulary of the training texts."""
    fresh: bool = False
    """Take shape and tokeniser of the model, but random weights."""
    pooling: Pooling | None = None
    """What becomes the embedding: the mean over the tokens, or (cls) the first token; None for what the model's
    folder says, and mean where it says nothing."""
    vocabulary_size: int = 4096
    """Word pieces, at most, without a model."""
    max_tokens: int = 64
    """Tokens of a passage that are read; the rest is cut off."""
    query_tokens: int | None = None
    """Of a query; None for as many."""
    layers: int = 1
    """Of the transformer, without a model."""
    hidden: int = 256
    """Width of the transformer, and of the embeddings, without a model."""
    heads: int = 4
    """Of its attention, without a model; they divide its width."""
    intermediate: int | None = None
    """Width inside its feed-forward layers, without a model; None for that of the transformer."""
    dropout: float | None = None
    """Part of the activations that is dropped in training; None for the model's own, and 0.1 in a new BERT."""
    precision: Precision = "float32"
    """What the transformer computes in; weights, embeddings and the loss are float32."""
    attention: Attention = "auto"
    """How texts of unequal lengths go through a BERT: packed (no padding anywhere), padded (for every model), or
    auto, which is packed where the model allows it."""

    candidates: int | None = 32
    keep: int = 8
    batches_per_pool: int | None = 8

    loss: LossName = "clip"
    temperature: float = 0.05
    batch_size: int = 64
    epochs: int = 1
    """How long to train; an epoch has as many updates as there are full batches (full and all: one)."""
    updates: int | None = None
    """How long to train, in updates; replaces --epochs."""
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "linear"] = "cosine"
    """How the learning rate falls to 0 after its peak."""
    warmup: float = 0.1
    weight_decay: float = 0.01
    """Of all weights, in AdamW."""
    embed_batch_size: int = 256
    """Pairs at a time when batches are chosen, and texts when retrieval is measured."""

    measures: tuple[QuickMeasure, ...] = ("relevant",)
    """What is measured before training and at its end: retrieval from all passages (full) or from those that are
    relevant to some test query (relevant), and re-ranking of candidates (rerank)."""
    baselines: tuple[Baseline, ...] = ()
    """Measured on the same texts, without training: tfidf, bm25."""
    evaluate_every: int = 0
    """Epochs between two measurements on the way, written to metrics.jsonl; 0 for none."""
    log_every: int = 100
    checkpoint_every: int = 1000

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {self.dataset!r}")
        if self.model is None and self.hidden % self.heads:
            raise ValueError(f"heads must divide hidden, got {self.heads} and {self.hidden}; take powers of 2")
        if self.fresh and self.model is None:
            raise ValueError("fresh takes the shape of a model, got none; leave fresh out, or give --model")
        if self.hard_negatives is not None and not self.n_negatives:
            raise ValueError("hard_negatives are for n_negatives of at least 1, got 0; set --n-negatives")
        if "bm25" in self.baselines and find_spec("bm25s") is None:
            raise ValueError("the baseline bm25 needs bm25s: `pip install bm25s`, or leave it out")
        options = LOSSES[self.loss].options
        if self.n_negatives and "negative_ids" not in options:
            able = ", ".join(name for name in PAIR_LOSSES if "negative_ids" in LOSSES[name].options)
            raise ValueError(
                f"n_negatives are keys of the queries alone, which {self.loss} does not take, got "
                f"{self.n_negatives}; take one of {able}"
            )

    @override
    def record(self) -> dict[str, Any]:
        """As of every training; and what the model's folder holds."""
        told = super().record()
        return told if self.model is None else told | {"model_sha256": model_digest(self.model)}

    def count_pairs(self, available: int) -> int:
        """How many of the training queries that there are take part.

        Raises:
            ValueError: If the selection cannot plan for so many, or there are too few.
        """
        if self.batch_size > available:
            raise ValueError(
                f"batch_size must be at most the number of training queries, {available}, got {self.batch_size}; "
                "lower it, or read more data"
            )
        n_pairs = available // self.batch_size * self.batch_size if self.n_pairs is None else self.n_pairs
        if n_pairs > available:
            raise ValueError(f"n_pairs must be at most the number of training queries, {available}, got {n_pairs}")
        self.check_sizes(n_pairs)
        return n_pairs

    def epoch_updates(self, n_pairs: int) -> int:
        """Updates in an epoch of so many pairs: the same for all selections but full and all, which make one."""
        return 1 if self.selection in ("full", "all") else n_pairs // self.batch_size

    def total_updates(self, n_pairs: int) -> int:
        """How long to train on so many pairs."""
        return self.updates if self.updates is not None else self.epochs * self.epoch_updates(n_pairs)


_SHAPE = ("vocabulary_size", "layers", "hidden", "heads", "intermediate")
"""Settings of a new encoder alone."""


def refuse_shape(argv: Sequence[str], config: TextConfig) -> None:
    """Refuse words of a command line that would do nothing: the shape of an encoder that comes with its own.

    Raises:
        ValueError: If there are such words.
    """
    given = {word.partition("=")[0].replace("_", "-") for word in argv}
    useless = [flag for name in _SHAPE if (flag := f"--{name.replace('_', '-')}") in given]
    if config.model is not None and useless:
        raise ValueError(
            f"--model brings its own shape and vocabulary, got {', '.join(useless)} too; leave them out"
        )
