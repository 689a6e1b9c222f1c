"""The encoder of a run, or of a folder that transformers or sentence-transformers wrote."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from text.assembly import build_model, without_the_rest
from text.config import TextConfig
from text.data import TextSet
from text.data.store import tokenised
from text.evaluate.protocols import evaluate
from text.evaluate.sets import EvaluationSet
from text.evaluate.sts import similarity
from text.model import Encoder, Precision, load_encoder
from text.model_folder import model_digest
from text.tokens import load_tokenizer
from training.evaluations import Evaluations

WEIGHTS = "model"
"""What a finished run leaves."""
_MAX_TOKENS = 256


@dataclass(frozen=True, eq=False)
class Model:
    """What is measured."""

    name: str
    config: TextConfig | None
    """Of the run; None for the folder of a model."""
    encoder: Encoder
    query: Tokenizer
    passage: Tokenizer
    known: Evaluations | None
    """What was measured before, of a run."""
    start: str | None = None
    """The sha256 of weights that a training began with; None for others."""

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens of a query and of a passage that are read."""
        cuts: list[Any] = [self.query.truncation, self.passage.truncation]
        return cuts[0]["max_length"], cuts[1]["max_length"]

    @property
    def precision(self) -> Precision:
        """What it computes in."""
        return self.encoder.precision

    def measure(
        self, of: EvaluationSet, measures: Sequence[str], *, batch_size: int, threshold: float | None
    ) -> dict[str, float]:
        """See `evaluate` and `similarity`."""
        texts = of.texts
        if isinstance(texts, TextSet):
            texts = without_the_rest(texts, measures)
            queries = tokenised(texts.queries, self.query, of.cache, name=f"{texts.name} queries")
            passages = tokenised(texts.passages, self.passage, of.cache, name=f"{texts.name} passages")
            return evaluate(
                *(self.encoder, texts, queries, passages, measures), batch_size=batch_size, threshold=threshold
            )
        first, second = (tokenised(x, self.passage, of.cache, name=texts.name) for x in (texts.first, texts.second))
        return similarity(self.encoder, texts, first, second, batch_size=batch_size)


def load_model(
    what: Path, *, device: torch.device, max_tokens: int | None = None, precision: Precision | None = None
) -> Model:
    """The encoder to measure, on the device.

    Args:
        what: Folder of a finished run, or of an encoder.
        device: Where it computes.
        max_tokens: Tokens of a query and of a passage that are read; None for what the run has read, and, with
            other folders, for 256 or what the model can take.
        precision: What it computes in; None for what the run did, and float32 with other folders.

    Raises:
        ValueError: If the folder holds neither, a run that has not ended, or a model with fewer positions.
    """
    config = read_config(what)
    folder = what if config is None else what / WEIGHTS
    if config is not None and not folder.is_dir():
        raise ValueError(
            f"{what} must be a finished run, with {WEIGHTS}/, but it has none: it has not ended yet; finish it by "
            "its own command"
        )
    encoder = load_encoder(
        folder,
        precision=precision or (config.precision if config else "float32"),
        attention=config.attention if config else "auto",
        max_tokens=max_tokens,
    )
    lengths = _lengths(encoder, config) if max_tokens is None else (max_tokens, max_tokens)
    query, passage = (load_tokenizer(folder, length) for length in lengths)
    known = None
    if config is not None:
        known = Evaluations(
            folder=what, weights=WEIGHTS, sha256=model_digest(folder), final=True, measured_on="texts"
        )
    return Model(what.resolve().name, config, encoder.to(device), query, passage, known)


def load_untrained(trained: Model, what: Path) -> Model:
    """The same run with the weights that its training began with: of the model's folder, or random ones.

    Raises:
        ValueError: If it is no run, or the folder of the model that it began with holds another one now.
    """
    config = trained.config
    if config is None:
        raise ValueError(
            f"--untrained needs a run, whose training began with other weights, got {what}; leave it out"
        )
    before = json.loads((what / "config.json").read_text())["config"].get("model_sha256")
    if config.model is not None and before is not None and model_digest(config.model) != before:
        raise ValueError(
            f"--untrained needs the model that {what} began with, but {config.model} holds another one now; put it "
            "back, or leave --untrained out"
        )
    if config.precision != trained.precision:
        config = replace(config, precision=trained.precision)
    device = next(trained.encoder.parameters()).device
    encoder = build_model(config, trained.passage.get_vocab_size())
    state = sha256()
    for name, weights in encoder.state_dict().items():
        state.update(f"{name} {tuple(weights.shape)}\n".encode())
        state.update(np.ascontiguousarray(weights.numpy()).data)
    return replace(trained, encoder=encoder.to(device), start=state.hexdigest())


def read_config(folder: Path) -> TextConfig | None:
    """The configuration of a run; None if the folder is none.

    Raises:
        ValueError: If it is a run of another kind, or cannot be read.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        kind = found.get("experiment")
    except (json.JSONDecodeError, AttributeError) as error:
        raise ValueError(f"{path} must be a JSON object, but cannot be read ({error}); restore it") from error
    if kind is None:
        return None
    if kind != "text":
        raise ValueError(f"WHAT must be a run on texts, but {folder} is one of {kind!r}; choose another folder")
    return TextConfig.from_record(found["config"])


def _lengths(encoder: Encoder, config: TextConfig | None) -> tuple[int, int]:
    """Tokens of a query and of a passage, where nobody asks for others."""
    if config is not None:
        return config.query_tokens or config.max_tokens, config.max_tokens
    return min(_MAX_TOKENS, encoder.max_tokens), min(_MAX_TOKENS, encoder.max_tokens)
