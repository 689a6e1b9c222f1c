"""Folders of flat arrays: written under another name and renamed, then mapped into memory."""

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from training.folders import give_name

_VERSION = 1
"""Of the format; what another version has written is made again."""


def description(**what: Any) -> dict[str, Any]:
    """The part of the manifest that must be equal, as JSON gives it back."""
    return json.loads(json.dumps({"version": _VERSION, **what}, default=os.fspath))


def folder_for(cache: Path, name: str, key: Any) -> Path:
    """The folder of what this key (of what JSON can hold) tells apart from all else of that name."""
    plain = re.sub(r"[^\w.]+", "-", name).strip("-.")
    return cache / f"{plain}-{sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]}"


def state_of(cache: Path, files: Sequence[Path]) -> dict[str, list[int]]:
    """Size and time of change of each file, under its path seen from the cache: both may move together."""
    state: dict[str, list[int]] = {}
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise ValueError(f"{file} must be a file that can be read ({error}); replace or remove it") from error
        state[os.path.relpath(file, cache)] = [status.st_size, status.st_mtime_ns]
    return state


def read_manifest(folder: Path, about: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of a folder that fits the description; None if there is none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.items() >= about.items() else None


def mapped(folder: Path, arrays: dict[str, list[Any]]) -> dict[str, np.ndarray] | None:
    """Arrays of these names, types and lengths; None if one of them is something else."""
    found: dict[str, np.ndarray] = {}
    for name, (kind, length) in arrays.items():
        try:
            # Pages are copied where somebody writes to them: neither the file nor a warning of torch's is at stake.
            array = np.load(folder / f"{name}.npy", mmap_mode="c" if length else None)
        except (OSError, ValueError, EOFError):
            return None
        if (array.dtype.str, array.shape) != (kind, (length,)):
            return None
        found[name] = np.asarray(array)  # a plain array, many small cuts of which cost less
    return found


def publish(folder: Path, about: dict[str, Any], write: Callable[[Path], dict[str, Any]]) -> None:
    """Write a folder under another name, and rename it unless another process has been faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".partial-{folder.name}-{uuid4().hex}")
    partial.mkdir()
    try:
        (partial / "manifest.json").write_text(json.dumps(about | write(partial), indent=1) + "\n")
        _flush(partial)
        give_name(partial, folder, is_there=lambda: _is_whole(folder, about))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_whole(folder: Path, about: dict[str, Any]) -> bool:
    manifest = read_manifest(folder, about)
    return manifest is not None and mapped(folder, manifest["arrays"]) is not None


def _flush(folder: Path) -> None:
    """Have the disk hold all files, so that a name never outlives a power cut that its content did not."""
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
