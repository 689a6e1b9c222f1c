"""Opening the folders in which transformers and sentence-transformers keep encoders."""

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

# transformers is imported where it is used: it takes seconds, which `--help` and bad input need not wait for.

Pooling = Literal["mean", "cls"]

_MODULES = "modules.json"
_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)
"""What configurations call the parts that are dropped between and inside the layers."""


def model_digest(folder: Path) -> str:
    """The sha256 of the names and contents of all files of a model.

    Raises:
        ValueError: If there is no model in the folder.

    Cost: a tenth of a second for 100 MB, once in a process unless a file changes.
    """
    find_transformer(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _digest(folder, tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=8)
def _digest(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    state = sha256()
    for path, size, _ in files:
        state.update(f"{path.relative_to(folder).as_posix()} {size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(2**24):
                state.update(block)
    return state.hexdigest()


def find_transformer(folder: Path) -> tuple[Path, Pooling | None]:
    """Where in a folder the transformer lies, and how its states are pooled (None: the folder does not say).

    Of sentence-transformers' modules, a transformer, a pooling and a normalisation are understood.

    Raises:
        ValueError: If there is no folder or no model in it, or it has other modules or another pooling.
    """
    if not folder.is_dir():
        raise ValueError(
            f"model must be a folder, got {folder}; nothing is there: give the path of a downloaded model"
        )
    transformer, pooling = folder, None
    if (folder / _MODULES).is_file():
        for module in read_json(folder / _MODULES):
            name, path = module["type"].rsplit(".", 1)[-1], folder / module["path"]
            if name == "Transformer":
                transformer = path
            elif name == "Pooling":
                pooling = _read_pooling(path / "config.json")
            elif name != "Normalize":
                raise ValueError(
                    f"{folder / _MODULES} may have the modules Transformer, Pooling and Normalize, got {name}; "
                    "take a model without it"
                )
    if not (transformer / "config.json").is_file():
        raise ValueError(
            f"{folder} must hold a model as transformers or sentence-transformers write it, "
            f"got no {transformer / 'config.json'}"
        )
    return transformer, pooling


def open_transformer(folder: Path, *, fresh: bool, seed: int, dropout: float | None) -> Any:
    """The transformer of a folder, in float32, with its weights or (fresh) random ones, without asking a network.

    Args:
        folder: As `find_transformer` gives it.
        fresh: Take the configuration alone.
        seed: Of the random weights.
        dropout: Replaces the configuration's, between and inside the layers; None to keep it.

    Raises:
        ValueError: If transformers cannot open it, if it decodes, or if its weights are not all that its
            configuration asks for, or more.
    """
    from transformers import MODEL_MAPPING, AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.is_encoder_decoder or getattr(config, "is_decoder", False):
            raise ValueError("it has a decoder")
        if dropout is not None:
            _set_dropout(config, dropout)
        # The pooling layer of BERT and its kin is for another task; its weights would never be trained.
        model_class = MODEL_MAPPING[type(config)]
        takes = inspect.signature(model_class.__init__).parameters
        more: dict[str, Any] = {"add_pooling_layer": False} if "add_pooling_layer" in takes else {}
        if fresh:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return AutoModel.from_config(config, dtype=torch.float32, **more)
        with quiet():
            model, report = AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
                **more,
            )
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} must hold an encoder that transformers opens, but: {error}") from error
    _check_weights(folder, model, report)
    return model


def n_positions(transformer: Any) -> int:
    """Tokens that a text may have, at most."""
    table = getattr(getattr(transformer, "embeddings", None), "position_embeddings", None)
    if isinstance(table, nn.Embedding):
        # RoBERTa and its kin count positions from the one after that of padding.
        return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return int(getattr(transformer.config, "max_position_embeddings", None) or 2**31 - 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from showing bars and reports of loading; what matters in them, the caller must check."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _set_dropout(config: Any, dropout: float) -> None:
    names = [name for name in _DROPOUTS if hasattr(config, name)]
    if not names:
        raise ValueError(f"its configuration says nothing of dropout, got {dropout} for it; leave dropout as it is")
    for name in names:
        setattr(config, name, dropout)


def _check_weights(folder: Path, model: nn.Module, report: dict[str, Any]) -> None:
    """Weights of heads for other tasks may be left over; none of the transformer may be missing or left over."""
    parts = {name for name, _ in model.named_children()}
    extra = [
        key
        for key in report["unexpected_keys"]
        if not key.endswith("position_ids") and parts & set(key.split(".")[:2])
    ]
    wrong = {"missing": report["missing_keys"], "of another shape": report["mismatched_keys"], "left over": extra}
    for what, keys in wrong.items():
        if keys:
            some = ", ".join(str(key) for key in sorted(keys)[:3])
            raise ValueError(
                f"{folder} must have the weights of its config.json, but {len(keys)} are {what}, as {some}; "
                "copy the model again"
            )


def _read_pooling(path: Path) -> Pooling:
    """What a Pooling module does, in the notation of version 6 (`pooling_mode`) or before (`pooling_mode_*`)."""
    config: dict[str, Any] = read_json(path)
    modes: Any = config.get("pooling_mode")
    if modes is None:
        old = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        modes = [old.get(key, key) for key, on in config.items() if key.startswith("pooling_mode_") and on is True]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if modes == ["mean"]:
        return "mean"
    if modes == ["cls"]:
        return "cls"
    raise ValueError(f"{path} must pool by mean or cls, got {', '.join(modes) or 'nothing'}; take another model")


def read_json(path: Path) -> Any:
    """What is in the file, or a ValueError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} must be a JSON file, got: {error}; copy the model again") from error
