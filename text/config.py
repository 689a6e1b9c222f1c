"""What a run on texts is made of, checked as soon as it is written down, and the presets."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from training.config import UNBOUNDED, LossName, Ranges, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TextConfig(TrainingConfig):
    """A run: which texts, which pairs meet, how the encoder is trained on them."""

    RANGES: ClassVar[Ranges] = {
        **TrainingConfig.RANGES,
        "n_pairs": (2, UNBOUNDED),
        "vocabulary_size": (1, UNBOUNDED),
        "max_tokens": (3, UNBOUNDED),
        "layers": (1, UNBOUNDED),
        "hidden": (2, UNBOUNDED),
        "heads": (1, UNBOUNDED),
        "dropout": (0, 0.9),
    }
    USUAL_TEMPERATURES: ClassVar[str] = "0.02 to 0.1 is usual on texts"

    data: Path | None = None
    """Folder of Python files whose docstrings are read; the standard library of this Python if left out."""
    n_pairs: int | None = None
    """Training pairs, a fixed random choice; None for as many as make whole batches."""
    vocabulary_size: int = 4096
    """Word pieces, at most."""
    max_tokens: int = 64
    """Tokens of a text that are read; the rest is cut off."""

    layers: int = 1
    """Of the transformer."""
    hidden: int = 256
    """Width of the transformer, and of the embeddings."""
    heads: int = 4
    """Of its attention; they divide its width."""
    dropout: float = 0.1
    """Part of the activations that is dropped in training."""

    candidates: int | None = 32
    keep: int = 8
    batches_per_pool: int | None = 8

    loss: LossName = "clip"
    temperature: float = 0.05
    batch_size: int = 64
    updates: int = 100
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    """Of all weights, in AdamW."""

    log_every: int = 25
    """Updates between two lines of metrics.jsonl, each with the MRR@10 of the validation pairs."""
    checkpoint_every: int = 50

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden % self.heads:
            raise ValueError(f"heads must divide hidden, got {self.heads} and {self.hidden}; take powers of 2")

    def count_pairs(self, available: int) -> int:
        """How many of the training pairs that there are take part.

        Raises:
            ValueError: If the selection cannot plan for so many, or there are too few.
        """
        if self.batch_size > available:
            raise ValueError(
                f"batch_size must be at most the number of training pairs, {available}, got {self.batch_size}; "
                "lower it, or read a folder with more docstrings"
            )
        n_pairs = available // self.batch_size * self.batch_size if self.n_pairs is None else self.n_pairs
        if n_pairs > available:
            raise ValueError(f"n_pairs must be at most the number of training pairs, {available}, got {n_pairs}")
        self.check_sizes(n_pairs)
        return n_pairs


PRESETS: dict[str, TextConfig] = {
    # python -m text.train docstrings --selection spectral
    # Python 3.11.7, seeds 0 and 1, 271 test pairs (standard error 0.025): MRR@10 shuffled 0.31 and 0.34, spectral
    # 0.32 and 0.34, before training 0.11, TF-IDF 0.50. Some 50 CPU seconds, 65 with spectral.
    "docstrings": TextConfig(),
    # python -m text.train smoke
    "smoke": TextConfig(
        n_pairs=64,
        vocabulary_size=512,
        max_tokens=16,
        hidden=16,
        heads=2,
        candidates=8,
        keep=4,
        batches_per_pool=4,
        batch_size=8,
        updates=6,
        log_every=1,
        checkpoint_every=2,
    ),
}

DESCRIPTIONS: dict[str, str] = {
    "docstrings": "The standard library's docstrings, under a minute on 2 cores: MRR@10 from 0.11 to 0.3.",
    "smoke": "The same with 64 pairs and 6 updates, to see that everything runs.",
}
"""One line for each preset, shown by --help."""
