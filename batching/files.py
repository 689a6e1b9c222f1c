"""Pairs of embeddings from files, read as far as they are asked for, and plans into files."""

import json
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from batching.embeddings import Embeddings

Rows = np.ndarray | Tensor
"""In memory, or mapped from a file."""

_ENTRIES_AT_ONCE = 2**22
_SHORTEST, _LONGEST = 1e-12, 1e18
"""Lengths of rows that can be normalised in float32."""
_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class PairFile:
    """The embeddings of N pairs in a file; made by `read_pairs`.

    Args:
        u: Rows of any floating-point type.
        v: Row i is the positive of row i of `u`.
        label: A class number for each pair.
        index: The user's own number of each pair.
        normalise: Divide rows by their length when they are read.
        device: Where embeddings go when they are asked for.
    """

    u: Rows
    v: Rows
    label: Int[Tensor, " n_pairs"] | None
    index: Int[Tensor, " n_pairs"] | None
    normalise: bool
    device: torch.device

    @property
    def n_pairs(self) -> int:
        """N."""
        return len(self.u)

    @property
    def dim(self) -> int:
        """Length of a row."""
        return self.u.shape[1]

    def embed(self, index: Int[Tensor, " n"] | None) -> Embeddings:
        """The unit embeddings of these pairs (None: of all), an `Embed`; only their rows are read."""
        return Embeddings(*(self._unit(_take(rows, index)) for rows in (self.u, self.v)))

    def _unit(self, x: Tensor) -> Tensor:
        half = x.dtype in _HALF
        x = x.to(self.device, torch.float32 if half else x.dtype)
        return functional.normalize(x, dim=-1) if half or self.normalise else x


def read_pairs(
    paths: Sequence[Path],
    *,
    label: Path | None = None,
    index: Path | None = None,
    normalise: bool = False,
    device: torch.device | None = None,
) -> PairFile:
    """Open a file of pairs, and look through it once.

    Args:
        paths: One .npz or .pt file (a dict that torch.save wrote) that holds u, v and perhaps label and index, or
            two .npy files, u and v, which are mapped and not read into memory; so is a .pt file.
        label: A .npy file, where the pairs' own has none.
        index: The same.
        normalise: Accept rows of any length, and divide them by it.
        device: Where embeddings go; None for the CPU.

    Raises:
        ValueError: If a file or a part is missing, shapes do not fit, or a row is zero, not finite, or, without
            `normalise`, not of unit length (to 5e-4; to 0.025 in half precision, which is then made exact).
    """
    parts = _parts(paths)
    for name, path in (("label", label), ("index", index)):
        if path is not None:
            if name in parts:
                raise ValueError(f"{paths[0]} has {name} already, got --{name} {path} too; leave it out")
            parts[name] = _load(path, (".npy",))
    u, v = parts["u"], parts["v"]
    if len(u.shape) != 2 or u.shape != v.shape or not u.shape[0]:
        raise ValueError(
            f"u and v must be rows of the same pairs, [N, dim] both, got {tuple(u.shape)} and {tuple(v.shape)}"
        )
    for name, rows in (("u", u), ("v", v)):
        _check_rows(name, rows, normalise=normalise)
    if str(u.dtype) != str(v.dtype):
        raise ValueError(f"u and v must have the same precision, got {u.dtype} and {v.dtype}")
    numbers = {name: _numbers(name, parts[name], len(u)) for name in ("label", "index") if name in parts}
    device = device or torch.device("cpu")
    return PairFile(u, v, numbers.get("label"), numbers.get("index"), normalise, device)


def _parts(paths: Sequence[Path]) -> dict[str, Rows]:
    """U and v, and label and index where there are any."""
    if len(paths) == 2:
        return {name: _load(path, (".npy",)) for name, path in zip("uv", paths, strict=True)}
    if len(paths) != 1:
        raise ValueError(f"pairs are one .npz or .pt file, or two .npy files (u and v), got {len(paths)} files")
    found = _load(paths[0], (".npz", ".pt"))
    if not {"u", "v"} <= found.keys():
        raise ValueError(f"{paths[0]} must hold u and v, got {', '.join(found) or 'nothing'}")
    parts = {name: found[name] for name in ("u", "v", "label", "index") if name in found}
    for name, value in parts.items():
        if not isinstance(value, np.ndarray | Tensor):
            raise ValueError(f"{name} in {paths[0]} must be an array, got {type(value).__name__}")
    return parts


def _load(path: Path, kinds: Sequence[str]) -> Any:
    """The array of a .npy file, mapped, or all arrays of the others by name."""
    if path.suffix not in kinds:
        raise ValueError(
            f"pairs are one .npz or .pt file, or two .npy files (u and v), label and index .npy files; got {path}"
        )
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        if path.suffix == ".pt":
            return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name in ("u", "v", "label", "index")}
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        RuntimeError,
        zipfile.BadZipFile,
        pickle.PickleError,
    ) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
        raise ValueError(f"{path} cannot be read: {reason}") from error


def _take(rows: Rows, index: Int[Tensor, " n"] | None) -> Tensor:
    """These rows; a view of all of them where they are in memory."""
    if isinstance(rows, Tensor):
        return rows if index is None else rows[index.cpu()]
    taken = rows if index is None else rows[index.cpu().numpy()]
    if not taken.flags.writeable or not taken.dtype.isnative:  # mapped, or of a machine with another byte order
        taken = np.array(taken, dtype=taken.dtype.newbyteorder("="))
    return torch.from_numpy(taken)


def _check_rows(name: str, rows: Rows, *, normalise: bool) -> None:
    """Refuse the first row that no batch can be chosen by."""
    kind = rows.dtype.name if isinstance(rows, np.ndarray) else str(rows.dtype).removeprefix("torch.")
    if kind not in ("float16", "bfloat16", "float32", "float64"):
        raise ValueError(f"{name} must be float16, float32 or float64, got {kind}; convert it")
    step = max(1, _ENTRIES_AT_ONCE // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        part = _take(rows[start : start + step], None)
        length = part.double().square().sum(-1).sqrt()
        unit = (length - 1).abs() < (0.025 if part.dtype in _HALF else 5e-4)
        usable = (length > _SHORTEST) & (length < _LONGEST)  # not a number is neither
        bad = ~(usable if normalise else usable & unit)
        if bad.any():
            at = int(bad.nonzero()[0, 0])
            size = length[at].item()
            if not usable[at]:
                what = "is zero" if size <= _SHORTEST else "is not finite"
                raise ValueError(f"row {start + at} of {name} {what}: it has no direction; repair or drop the pair")
            raise ValueError(
                f"rows must have unit length, got row {start + at} of {name} of length {size:.4g}; add --normalise"
            )


def _numbers(name: str, values: Rows, n_pairs: int) -> Int[Tensor, " n_pairs"]:
    """Labels (of any kind, as class numbers) or numbers of pairs, one for each."""
    array = values.numpy() if isinstance(values, Tensor) else values
    if array.shape != (n_pairs,):
        raise ValueError(f"{name} must be one for each of the {n_pairs} pairs, got shape {tuple(array.shape)}")
    if name == "label" and array.dtype.kind in "biuUS":
        array = np.unique(array, return_inverse=True)[1]
    elif array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers{' or words' * (name == 'label')}, got {array.dtype}")
    return torch.from_numpy(array.astype(np.int64))


def check_new(target: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse to write over what is there, before any work.

    Raises:
        ValueError: If the file exists, unless it may be overwritten and is not one that is read.
    """
    if target.suffix != ".npz":
        raise ValueError(f"a plan is written as an .npz file, got {target}")
    if target.is_dir():
        raise ValueError(f"{target} is a folder; name a file in it")
    if target.exists() and any(path.exists() and path.samefile(target) for path in inputs):
        raise ValueError(f"{target} holds the pairs; write the plan to another file")
    if target.exists() and not overwrite:
        raise ValueError(f"{target} exists; name another file, or add --overwrite")


def write_plan(
    target: Path,
    batches: Int[Tensor, "n_batches batch"],
    remainder: Int[Tensor, " left"],
    index: Int[Tensor, " n_pairs"] | None,
    info: Mapping[str, Any],
) -> None:
    """Write a plan so that a reader sees a whole file or none; numpy alone reads it.

    Args:
        target: With the arrays `batches`, `remainder`, and `info`, JSON as one string; and, where pairs have
            numbers of their own, which the others then are written in, `rows`, the batches as rows of the input.
        batches: Rows of the input.
        remainder: Rows of the input.
        index: The numbers of the rows to write them in.
        info: What else to write down.
    """
    arrays = {"batches": batches.cpu(), "remainder": remainder.cpu()}
    if index is not None:
        arrays = {name: index[rows] for name, rows in arrays.items()} | {"rows": arrays["batches"]}
    written: dict[str, Any] = {name: rows.numpy() for name, rows in arrays.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **written, info=np.array(json.dumps(info)))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
