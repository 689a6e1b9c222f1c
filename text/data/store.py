"""Texts that have been read once, and tokenised once: as files that are mapped into memory, not read.

    CACHE/NAME-KEY/queries.content.npy ...          the arrays of a `TextSet`
                   manifest.json                    what it is, and of which files and settings it was made
    CACHE/NAME-tokens-KEY/ids.npy, offsets.npy      int32 [total], int64 [texts + 1]
                          manifest.json             of which texts and which tokenizer

KEY tells apart what was made with other settings, of other texts, or by another tokenizer. A folder is made under
another name and renamed, so it is whole or not there. What a killed process leaves behind begins with `.partial-`
and may be deleted, and so may all of the rest.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import tokenizers
import torch
from jaxtyping import Int32, Int64
from tokenizers import Tokenizer
from tqdm import tqdm

from text.data.folders import description, folder_for, mapped, publish, read_manifest, state_of
from text.data.problems import LeftOut
from text.data.texts import Lists, Texts
from text.data.textset import TextSet
from text.tokens import Tokens, encode

_SMALL = 20_000
"""Fewer texts are tokenised in a few seconds: not worth files."""
_TEXTS_AT_ONCE = 10_000
_SECONDS_BETWEEN_LINES = 15.0
"""Of progress, where nobody watches a terminal."""
_LOG = logging.getLogger("contrabatch")


def cached(
    cache: Path | None, name: str, files: Sequence[Path], settings: Mapping[str, Any], build: Callable[[], TextSet]
) -> TextSet:
    """Map a data set into memory, built now if that was not done before, or a file or a setting has changed.

    The log "contrabatch" says where the cache cannot be written, and, each time, what was left out of the files.

    Args:
        cache: Folder of the cache, made where there is none; None to build in memory.
        name: Of data set and part, for people who look into the folder.
        files: All that is read; a set of no files is never cached.
        settings: All else that the result depends on; of what JSON can hold, and paths.
        build: Reads the files.

    Raises:
        ValueError: If a file cannot be read, or whatever `build` raises.

    Cost: microseconds for each file; the first time, what `build` takes, and as much disk as memory.
    """
    if cache is None or not files:
        return build()
    state = state_of(cache, files)
    about = description(name=name, settings=dict(settings), files=state)
    folder = folder_for(cache, name, {"settings": about["settings"], "files": sorted(state)})
    stored = _open_set(folder, about)
    if stored is not None:
        if isinstance(stored.skipped, LeftOut):
            _LOG.warning("%s", stored.skipped.told)
        return stored
    built = build()
    try:
        publish(folder, about, lambda partial: _write_set(partial, built))
    except OSError as error:
        _LOG.info("%s cannot be written (%s): %s stays in memory", folder, error, name)
    return _open_set(folder, about) or built


def tokenised(texts: Texts, tokenizer: Tokenizer, cache: Path | None, *, name: str = "texts") -> Tokens:
    """Tokenise texts once; what is large is mapped from files from then on.

    The files belong to the content of the texts and of the tokenizer, truncation included: other ones get other
    files. Texts are tokenised in blocks, and written as they come. Fewer than 20,000 stay in memory, and so do all
    where the cache cannot be written, of which the log "contrabatch" speaks.

    Args:
        texts: What to tokenise.
        tokenizer: With truncation as wished, and without padding.
        cache: Folder of the cache; None for memory.
        name: Of the texts, for people who look into the folder or wait for it.

    Raises:
        ValueError: If the tokenizer pads, or a text gives no token.

    Cost: a look at every byte of the texts (a second for each GB or so); the first time, a second on a core for
        8,000 passages of 77 tokens, and 4 bytes of disk for each token.
    """
    if cache is None or len(texts) < _SMALL:
        return _tokenised_in_memory(texts, tokenizer, name)
    sources = {"texts": texts.digest(), "tokenizer": sha256(tokenizer.to_str().encode()).hexdigest()}
    about = description(name=name, n=len(texts), tokenizers=tokenizers.__version__, **sources)
    folder = folder_for(cache, f"{name}-tokens", sources)
    stored = _open_tokens(folder, about)
    if stored is not None:
        return stored
    try:
        publish(folder, about, lambda partial: _write_tokens(partial, _blocks(texts, tokenizer, name)))
    except OSError as error:
        _LOG.info("%s cannot be written (%s): tokens of %s stay in memory", folder, error, name)
    written = _open_tokens(folder, about)
    return _tokenised_in_memory(texts, tokenizer, name) if written is None else written


def digest(texts: TextSet) -> str:
    """The sha256 of all texts, names and lists, and of what says how they count, where that is not as usual."""
    state = sha256()
    for name, value in _settings(texts).items():
        state.update(f"{name} {value!r}\n".encode())
    for name, array in _arrays(texts).items():
        state.update(f"{name} {array.dtype.str} {len(array)}\n".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()


def _settings(texts: TextSet) -> dict[str, Any]:
    """Numbers and flags of a data set that are not those of most."""
    usual = {field.name: field.default for field in fields(texts) if isinstance(field.default, bool | float)}
    return {name: getattr(texts, name) for name, value in usual.items() if getattr(texts, name) != value}


def _arrays(texts: TextSet) -> dict[str, np.ndarray]:
    """All arrays of a data set, under their names: "relevant.items", "own"."""
    found: dict[str, np.ndarray] = {}
    for field in fields(texts):
        part = getattr(texts, field.name)
        if isinstance(part, Texts | Lists):
            parts = {f"{field.name}.{inner.name}": getattr(part, inner.name) for inner in fields(part)}
            found |= {name: array for name, array in parts.items() if array is not None}
        elif isinstance(part, np.ndarray):
            found[field.name] = part
    return found


def _write_set(partial: Path, texts: TextSet) -> dict[str, Any]:
    arrays = _arrays(texts)
    for name, array in arrays.items():
        np.save(partial / f"{name}.npy", np.ascontiguousarray(array))
    return {
        "set": texts.name,
        "skipped": dict(texts.skipped),
        "told": texts.skipped.told if isinstance(texts.skipped, LeftOut) else None,
        "settings_of_set": _settings(texts),
        "counts": {"queries": len(texts.queries), "passages": len(texts.passages)},
        "arrays": {name: [array.dtype.str, len(array)] for name, array in arrays.items()},
        "sha256": digest(texts),
    }


def _open_set(folder: Path, about: dict[str, Any]) -> TextSet | None:
    """What was made of these very files; None if there is none, or it is damaged."""
    manifest = read_manifest(folder, about)
    arrays = None if manifest is None else mapped(folder, manifest["arrays"])
    if manifest is None or arrays is None:
        return None
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        field, _, inner = name.partition(".")
        parts.setdefault(field, {})[inner] = array
    of: dict[str, Any] = {
        field: inner[""] if "" in inner else (Texts if "content" in inner else Lists)(**inner)
        for field, inner in parts.items()
    }
    skipped = LeftOut(manifest["skipped"], manifest["told"]) if manifest.get("told") else manifest["skipped"]
    return TextSet(name=manifest["set"], skipped=skipped, **manifest.get("settings_of_set", {}), **of)


def _write_tokens(
    partial: Path, blocks: Iterator[tuple[Int32[np.ndarray, " total"], Int64[np.ndarray, " n"]]]
) -> dict[str, Any]:
    state, total, lengths = sha256(), 0, [np.empty(0, np.int64)]
    with (partial / "ids.npy").open("wb") as file:
        # Written, not mapped: on a full disk that is an error, and not a signal that ends the process.
        _write_header(file, 0)
        begin = file.tell()
        for ids, of_block in blocks:
            state.update(ids.data)
            file.write(ids.data)
            total += len(ids)
            lengths.append(of_block)
        file.seek(0)
        _write_header(file, total)
        if file.tell() != begin:
            raise RuntimeError(f"the header of an array has {file.tell()} bytes, {begin} were left for it")
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))])
    np.save(partial / "offsets.npy", offsets)
    arrays = {"ids": [np.dtype(np.int32).str, total], "offsets": [offsets.dtype.str, len(offsets)]}
    return {"arrays": arrays, "sha256_of_ids": state.hexdigest()}


def _write_header(file: Any, n: int) -> None:
    """The beginning of an .npy file of n tokens; numpy gives it the same size for every n."""
    header = {"descr": np.dtype(np.int32).str, "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(file, header)


def _open_tokens(folder: Path, about: dict[str, Any]) -> Tokens | None:
    manifest = read_manifest(folder, about)
    arrays = None if manifest is None else mapped(folder, manifest["arrays"])
    return None if arrays is None else Tokens(*(torch.from_numpy(arrays[name]) for name in ("ids", "offsets")))


def _tokenised_in_memory(texts: Texts, tokenizer: Tokenizer, name: str) -> Tokens:
    ids, lengths = zip(
        (np.empty(0, np.int32), np.zeros(1, np.int64)), *_blocks(texts, tokenizer, name), strict=True
    )
    return Tokens(torch.from_numpy(np.concatenate(ids)), torch.from_numpy(np.concatenate(lengths).cumsum()))


def _blocks(
    texts: Texts, tokenizer: Tokenizer, name: str
) -> Iterator[tuple[Int32[np.ndarray, " total"], Int64[np.ndarray, " n"]]]:
    """Tokens of one block of texts after the other, and how many each text has."""
    with tqdm(
        total=len(texts),
        desc=f"tokenising {name}",
        unit="text",
        unit_scale=True,
        delay=1,
        dynamic_ncols=True,
        leave=False,
        disable=not (sys.stderr.isatty() and _is_first()),
    ) as bar:
        told = perf_counter()
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            if not sys.stderr.isatty() and perf_counter() - told > _SECONDS_BETWEEN_LINES and _is_first():
                told = perf_counter()
                sys.stderr.write(f"tokenising {name}: {start}/{len(texts)} texts\n")
            ends = texts.offsets[start : start + _TEXTS_AT_ONCE + 1]
            content = texts.content[ends[0] : ends[-1]].tobytes()
            strings = [content[a:b].decode() for a, b in pairwise((ends - ends[0]).tolist())]
            yield encode(tokenizer, strings, first=start)
            bar.update(len(strings))


def _is_first() -> bool:
    """Of torchrun's processes, which all say the same."""
    return os.environ.get("RANK", "0") == "0"
