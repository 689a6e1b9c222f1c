"""Writing an encoder so that transformers and sentence-transformers open it, without this project."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from text.model_folder import Pooling, quiet, read_json
from text.tokens import FIRST, LAST, MASK, PADDING, UNKNOWN

_OF_TOKENIZER = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
)


def write_model(
    folder: Path, transformer: Any, tokenizer: Tokenizer, *, pooling: Pooling, max_tokens: int, source: Path | None
) -> None:
    """Write all files of a model into a folder that exists: weights, tokeniser, and sentence-transformers' own."""
    with quiet():
        transformer.save_pretrained(folder)
        if source is None:
            _wrapped(tokenizer, max_tokens).save_pretrained(folder)
        else:
            _copy_tokenizer(folder, tokenizer, source, max_tokens)
    names = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        # The names of version 2, which all later ones open.
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    for path in paths[1:]:
        (folder / path).mkdir()
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    _write(folder / "1_Pooling" / "config.json", _pooling_config(pooling, transformer.config.hidden_size))
    _write(folder / "config_sentence_transformers.json", {"prompts": {}, "similarity_fn_name": "cosine"})


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `folder` when all is written.

    Raises:
        ValueError: If `folder` holds other things than a model: they would be lost.
    """
    if folder.exists() and not (
        folder.is_dir() and ((folder / "config.json").exists() or not any(folder.iterdir()))
    ):
        raise ValueError(
            f"model must go to a new folder, or replace an older model, got {folder}; choose another name"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)


def _pooling_config(pooling: Pooling, dim: int) -> dict[str, Any]:
    modes = {"cls_token": pooling == "cls", "mean_tokens": pooling == "mean", "max_tokens": False}
    return {"word_embedding_dimension": dim, **{f"pooling_mode_{name}": on for name, on in modes.items()}}


def _wrapped(tokenizer: Tokenizer, max_tokens: int) -> Any:
    """As transformers wants it, with those special tokens of BERT that it has."""
    from transformers import PreTrainedTokenizerFast

    special = {"pad": PADDING, "unk": UNKNOWN, "cls": FIRST, "sep": LAST, "mask": MASK}
    known = {f"{name}_token": token for name, token in special.items() if tokenizer.token_to_id(token) is not None}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_tokens, **known)


def _copy_tokenizer(folder: Path, tokenizer: Tokenizer, source: Path, max_tokens: int) -> None:
    """The tokeniser itself, with the settings of the folder that it came from."""
    for name in _OF_TOKENIZER:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = folder / _OF_TOKENIZER[0]
    if settings.is_file():
        # transformers cuts texts to this length, whatever tokenizer.json says.
        _write(settings, read_json(settings) | {"model_max_length": max_tokens})
    else:
        _wrapped(tokenizer, max_tokens).save_pretrained(folder)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
