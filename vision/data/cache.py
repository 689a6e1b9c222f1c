"""Splits that have been decoded once: as files that are mapped into memory, not read.

    ROOT/.contrabatch-cache/NAME-SPLIT[-SIDE]/pixels.npy      bytes [n, 3, side, side]
                                              labels.npy      int64 [n]
                                              manifest.json   what it is, and of which files it was made

A folder is made under another name and renamed, so it is whole or not there. What a killed process leaves behind
begins with `.partial-` and may be deleted, and so may all of the rest.
"""

import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from training.folders import give_name
from vision.data.source import Decoded, Source

CACHE = ".contrabatch-cache"
"""The folder of the cache, in the folder of the data sets."""
_VERSION = 1
"""Of the format; what another version has written is made again."""
_LOG = logging.getLogger("contrabatch")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A decoded split."""

    pixels: UInt8[Tensor, "n 3 side side"]
    """Mapped from a file, copied where they are written to."""
    labels: Int64[Tensor, " n"]
    class_names: tuple[str, ...]
    digest: str
    """Of the pixels and labels, see `digest`."""


def load_cached(source: Source, root: Path, *, name: str, split: str, side: int | None = None) -> Stored:
    """Map a split into memory, decoded now if that was not done before or its files have changed.

    A source without files is never cached.

    Where the cache cannot be written, the split is decoded in memory, and the log "contrabatch" says so.

    Args:
        source: What to decode.
        root: Folder of the data sets.
        name: Of the data set.
        split: Of it.
        side: Where a split may have several.

    Raises:
        ValueError: If files are damaged.

    Cost: 5 microseconds a file for a look at each; the first time, decoding, and the disk that the pixels take.
    """
    if not source.files:
        return decode_in_memory(source)
    folder = root / CACHE / "-".join([name, split] + ([] if side is None else [str(side)]))
    files = _state(root, source)
    stored = _open(folder, files)
    if stored is not None:
        return stored
    try:
        _build(folder, source, {"version": _VERSION, "name": name, "split": split, "files": files})
        stored = _open(folder, files)
    except OSError as error:
        _LOG.info("%s cannot be written (%s): %s %s is decoded in memory", folder, error, name, split)
    return decode_in_memory(source) if stored is None else stored


def decode_in_memory(source: Source) -> Stored:
    """A split without a cache."""
    decoded = source.decode()
    pixels = np.empty((len(decoded.labels), 3, decoded.side, decoded.side), np.uint8)
    done = 0
    for block in decoded.blocks:
        pixels[done : done + len(block)] = block
        done += len(block)
    tensors = torch.from_numpy(pixels), torch.from_numpy(decoded.labels)
    return Stored(pixels=tensors[0], labels=tensors[1], class_names=decoded.class_names, digest=digest(*tensors))


def digest(pixels: UInt8[Tensor, "n 3 side side"], labels: Int64[Tensor, " n"]) -> str:
    """The sha256 of the pixels' bytes followed by the labels' (little-endian)."""
    state = hashlib.sha256(np.ascontiguousarray(pixels.numpy()).reshape(-1).data)
    state.update(labels.numpy().astype("<i8").data)
    return state.hexdigest()


def _state(root: Path, source: Source) -> dict[str, Any]:
    """Changes whenever a file appears, goes away, is renamed or written to."""
    listing, size = hashlib.sha256(json.dumps(source.depends_on).encode()), 0
    prefix = os.fspath(root / "_")[:-1]
    for file in source.files:
        try:
            status = file.stat()
        except OSError as error:
            raise ValueError(f"{file} must be a file that can be read ({error}); replace or remove it") from error
        path = os.fspath(file).removeprefix(prefix)
        listing.update(f"{path}\t{status.st_size}\t{status.st_mtime_ns}\n".encode())
        size += status.st_size
    return {"count": len(source.files), "bytes": size, "sha256_of_paths_sizes_and_times": listing.hexdigest()}


def _open(folder: Path, files: dict[str, Any]) -> Stored | None:
    """What was made of these very files; None if there is none, or it is damaged."""
    manifest = _manifest(folder, files)
    if manifest is None:
        return None
    try:
        # Pages are copied where somebody writes to them: neither the file nor a warning of torch's is at stake.
        pixels = np.load(folder / "pixels.npy", mmap_mode="c")
        labels = np.load(folder / "labels.npy")
    except (OSError, ValueError, EOFError):
        return None
    shape = (manifest["n"], 3, manifest["side"], manifest["side"])
    if (pixels.shape, pixels.dtype, labels.shape, labels.dtype) != (shape, np.uint8, shape[:1], np.int64):
        return None
    return Stored(
        pixels=torch.from_numpy(pixels),
        labels=torch.from_numpy(labels),
        class_names=tuple(manifest["class_names"]),
        digest=manifest["sha256"],
    )


def _manifest(folder: Path, files: dict[str, Any]) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest if (manifest.get("version"), manifest.get("files")) == (_VERSION, files) else None


def _build(folder: Path, source: Source, about: dict[str, Any]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".partial-{folder.name}-{uuid4().hex}")
    partial.mkdir()
    try:
        decoded = source.decode()
        about |= {
            "origin": source.origin,
            "n": len(decoded.labels),
            "side": decoded.side,
            "sha256": _write(partial, decoded),
            "class_names": decoded.class_names,
        }
        (partial / "manifest.json").write_text(json.dumps(about, indent=1) + "\n")
        give_name(partial, folder, is_there=lambda: _open(folder, about["files"]) is not None)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(partial: Path, decoded: Decoded) -> str:
    """Write pixels block by block, and labels; the digest of both."""
    shape = (len(decoded.labels), 3, decoded.side, decoded.side)
    state = hashlib.sha256()
    with (partial / "pixels.npy").open("wb") as file:
        # Written, not mapped: on a full disk that is an error, and not a signal that ends the process.
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in decoded.blocks:
            content = np.ascontiguousarray(block).reshape(-1).data
            state.update(content)
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
    labels = decoded.labels.astype("<i8")
    state.update(labels.data)
    np.save(partial / "labels.npy", labels)
    return state.hexdigest()
