"""What a run on texts is made of, checked as soon as it is written down, and the presets."""

from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any, Literal, get_args

from batching import Selection, canonical_name, make_selection
from losses import LOSSES

Replan = Literal["epoch", "pool"]

_MOST_PAIRS_AT_ONCE = 16_384
"""In one update; more would not fit into memory, or never end."""


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """A run: which texts, which pairs meet, how the encoder is trained on them."""

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

    selection: str = "shuffled"
    """Which pairs meet in a batch: shuffled, fixed, osgd, spectral, full or all, or by the names of the published
    code s, f, osgd_NcB, sc_even, full or NcB."""
    candidates: int | None = 32
    """For osgd: random batches to score; None for all that there are."""
    keep: int = 8
    """For osgd: how many of them, those of largest loss, to train on."""
    pool_batches: int | None = 8
    """For spectral: batches made from one pool of pairs; None for one pool of all."""
    replan: Replan = "epoch"
    """For spectral: form all batches at the start of an epoch, or pool by pool with the weights of then."""

    loss: str = "clip"
    """What is minimised: info_nce, clip, clip_sum or nt_xent."""
    temperature: float = 0.05
    """Of the loss, and of the scores by which batches are chosen."""
    batch_size: int = 64
    """Pairs in a batch."""
    updates: int = 100
    """How long to train."""
    learning_rate: float = 1e-3
    """Peak of the learning rate; it ends at 0 along half a cosine."""
    warmup: float = 0.1
    """Part of the updates, from 0 to 1, in which the learning rate rises to its peak."""
    weight_decay: float = 0.01
    """Of all weights, in AdamW."""

    seed: int = 0
    """Of the weights, of dropout and of the batches."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    log_every: int = 25
    """Updates between two lines of metrics.jsonl, each with the MRR@10 of the validation pairs."""
    checkpoint_every: int = 50
    """Updates between two checkpoints; 0 for none."""
    out: Path | None = None
    """Folder of the run; an unfinished run there is continued. runs/text/PRESET-SELECTION-TIME if left out."""
    overwrite: bool = False
    """Discard a run that is in the folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is read or built."""
        object.__setattr__(self, "selection", canonical_name(self.selection))
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.replan not in get_args(Replan):
            raise ValueError(f"replan must be one of {', '.join(get_args(Replan))}, got {self.replan!r}")
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not lowest <= value <= highest:
                bounds = f"at least {lowest}" if highest == _INFINITY else f"from {lowest} to {highest}"
                default = TextConfig.__dataclass_fields__[name].default
                raise ValueError(f"{name} must be {bounds}, got {value}; the default is {default}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; 0.02 to 0.1 is usual on texts")
        if self.hidden % self.heads:
            raise ValueError(f"heads must divide hidden, got {self.heads} and {self.hidden}; take powers of 2")
        self.rule()

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
        self.rule().check(n_pairs, self.batch_size)
        at_once = {
            "full": n_pairs,
            "all": comb(n_pairs, self.batch_size) * self.batch_size,
        }.get(self.selection, self.batch_size)
        if at_once > _MOST_PAIRS_AT_ONCE:
            raise ValueError(
                f"an update may take at most {_MOST_PAIRS_AT_ONCE:,} pairs, but {self.selection!r} with batch_size "
                f"{self.batch_size} takes {at_once:,} of {n_pairs:,}; lower n_pairs, or use 'shuffled'"
            )
        return n_pairs

    def rule(self) -> Selection:
        """The selection rule with its settings."""
        return make_selection(
            self.selection,
            loss=LOSSES[self.loss],
            temperature=self.temperature,
            candidates=self.candidates,
            keep=self.keep,
            batches_per_pool=self.pool_batches,
            replan=self.replan,
        )

    def record(self) -> dict[str, Any]:
        """Everything that the result depends on, ready for JSON."""
        kept = asdict(self)
        del kept["out"], kept["overwrite"]
        return kept | {"data": None if self.data is None else str(self.data)}


_INFINITY = float("inf")
_RANGES: dict[str, tuple[float, float]] = {
    "n_pairs": (2, _INFINITY),
    "vocabulary_size": (1, _INFINITY),
    "max_tokens": (3, _INFINITY),
    "layers": (1, _INFINITY),
    "hidden": (2, _INFINITY),
    "heads": (1, _INFINITY),
    "dropout": (0, 0.9),
    "candidates": (1, _INFINITY),
    "pool_batches": (1, _INFINITY),
    "batch_size": (2, _INFINITY),
    "updates": (1, _INFINITY),
    "learning_rate": (0, _INFINITY),
    "warmup": (0, 1),
    "weight_decay": (0, _INFINITY),
    "log_every": (1, _INFINITY),
    "checkpoint_every": (0, _INFINITY),
}

PRESETS: dict[str, TextConfig] = {
    # python -m text.train docstrings --selection spectral
    # Python 3.11.7, seeds 0 and 1, 271 test pairs (standard error 0.025): MRR@10 shuffled 0.31 and 0.34, spectral
    # 0.32 and 0.32, before training 0.11, TF-IDF 0.50. Some 50 CPU seconds, 65 with spectral.
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
        pool_batches=4,
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
