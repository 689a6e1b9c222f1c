"""A run is a folder.

    config.json     the resolved configuration, command line, commit, versions, device
    metrics.jsonl   one flat JSON object a line
    result.json     written last, atomically: a run that has one is finished
    checkpoint.pt   while it is unfinished
    model.pt        the trained weights, where a network was trained
    evaluation.json what was measured afterwards
    arrays.npz      what figures need beside numbers (Gram matrices, curves by seed)
    weights/        weights along the way, update-000100.pt, where they were to be kept
    tensorboard/    the numbers of metrics.jsonl for TensorBoard, where they were asked for

Its name is chosen by the user and never parsed.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from training.curves import Curves, check_tensorboard
from training.ranks import Ranks
from training.stamp import stamp

_FOLDERS = ("weights", "tensorboard")
_FILES = (
    *("config.json", "metrics.jsonl", "result.json", "checkpoint.pt", "model.pt", "arrays.npz"),
    "evaluation.json",
)


class Run:
    """A run folder, open for writing. Make one with `Run.open`.

    Of several processes the first one writes; in the others the methods do nothing.
    """

    def __init__(self, path: Path, *, writes: bool = True, curves: Curves | None = None) -> None:
        """Use `Run.open`, which checks the folder."""
        self.path = path
        self.writes = writes
        self.curves = curves
        self._seconds_before = 0.0
        self._opened = perf_counter()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        experiment: str,
        config: Mapping[str, Any],
        device: str = "cpu",
        overwrite: bool = False,
        tensorboard: bool = False,
        ranks: Ranks | None = None,
    ) -> "Run":
        """Begin a run, or go on with an unfinished one of the same configuration.

        Args:
            path: The folder; made where it is missing.
            experiment: The kind of run: "synthetic", "vision", "text".
            config: Everything that the result depends on, ready for JSON.
            device: What it runs on, for the record.
            overwrite: Discard what an earlier run left here.
            tensorboard: Write the numbers of every line for TensorBoard too.
            ranks: Processes of which the first one opens the folder, the one that it names itself; their number
                is part of the configuration.

        Raises:
            ValueError: If the folder cannot be written, holds other things, a finished run, or an unfinished
                one of another configuration; in every process.
        """
        ranks = Ranks() if ranks is None else ranks
        config = {**config, **({"processes": ranks.size} if ranks.size > 1 else {})}
        opened = ranks.first(lambda: _opened(Path(path), experiment, config, device, overwrite, tensorboard))
        curves = Curves(opened / "tensorboard") if tensorboard and ranks.is_first else None
        return cls(opened, writes=ranks.is_first, curves=curves)

    def log(self, line: Mapping[str, int | float | str]) -> None:
        """Append a line to metrics.jsonl; seconds since the start are added to it."""
        if not self.writes:
            return
        line = {**line, "seconds": round(self.seconds(), 3)}
        if self.curves is not None:
            if not self.curves.begun:
                self.curves.begin(after=last_line(self.path / "metrics.jsonl"))
            self.curves.add(line)
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def seconds(self) -> float:
        """Seconds spent, those before an interruption included."""
        return self._seconds_before + perf_counter() - self._opened

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Write the state, atomically, with the length that metrics.jsonl has now."""
        if not self.writes:
            return
        metrics = self.path / "metrics.jsonl"
        size = metrics.stat().st_size if metrics.exists() else 0
        save_atomically(
            self.path / "checkpoint.pt", {"state": state, "metrics_bytes": size, "seconds": self.seconds()}
        )

    def keep(self, update: int, weights: Mapping[str, Any]) -> None:
        """Write the weights after this update, atomically, to weights/; see `weights_name`."""
        if not self.writes:
            return
        (self.path / "weights").mkdir(exist_ok=True)
        save_atomically(self.path / "weights" / weights_name(update), weights)

    def restore(self) -> dict[str, Any] | None:
        """The state of the last checkpoint, if there is one; lines logged after it are dropped."""
        target = self.path / "checkpoint.pt"
        if not self.writes or not target.exists():
            return None
        saved = torch.load(target, map_location="cpu", weights_only=True)
        self._seconds_before = saved["seconds"]
        self._opened = perf_counter()
        metrics = self.path / "metrics.jsonl"
        if metrics.exists():
            with metrics.open("r+b") as file:
                file.truncate(saved["metrics_bytes"])
        return saved["state"]

    def save_arrays(self, **arrays: np.ndarray) -> None:
        """Write arrays.npz, atomically."""
        if not self.writes:
            return
        target = self.path / "arrays.npz"
        with _temporary(target).open("wb") as file:
            np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
        _temporary(target).replace(target)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json, which makes the run a finished one; its checkpoint is needed no more."""
        if not self.writes:
            return
        if self.curves is not None:
            self.curves.close()
        write_json(self.path / "result.json", {"status": "done", **result, "seconds": round(self.seconds(), 3)})
        (self.path / "checkpoint.pt").unlink(missing_ok=True)


def weights_name(update: int) -> str:
    """The file of the weights after this update: update-000123.pt."""
    return f"update-{update:06d}.pt"


def save_atomically(path: Path, value: Mapping[str, Any]) -> None:
    """`torch.save` so that a reader sees the old file or the new one, never half of one, also after a power cut."""
    with _temporary(path).open("wb") as file:
        torch.save(dict(value), file)
        file.flush()
        os.fsync(file.fileno())
    _temporary(path).replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of one."""
    _temporary(path).write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
    _temporary(path).replace(path)


def last_line(path: Path) -> dict[str, Any] | None:
    """The last line of a file of JSON lines, if there is one."""
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1]) if lines else None


def _opened(
    path: Path, experiment: str, config: Mapping[str, Any], device: str, overwrite: bool, tensorboard: bool
) -> Path:
    """The folder, fit to be written to; see `Run.open`."""
    if tensorboard:
        check_tensorboard()
    _check_writable(path)
    is_run = (path / "config.json").exists()
    if overwrite and is_run:
        _discard(path, _FILES)
    if (path / "result.json").exists():
        raise ValueError(
            f"--out must not hold a finished run, but {path} does; choose another folder, or pass --overwrite"
        )
    plain = json.loads(json.dumps(config))
    if (path / "config.json").exists():
        before = json.loads((path / "config.json").read_text())
        if before["experiment"] != experiment or before["config"] != plain:
            raise ValueError(
                f"an unfinished run goes on only with its own configuration, but that of {path} differs in "
                f"{_difference(before['config'], plain)}; choose another folder, or pass --overwrite"
            )
    elif not is_run and any(path.iterdir()):
        raise ValueError(
            f"--out must be a new or empty folder or an unfinished run, but {path} holds other files; "
            "choose another folder"
        )
    else:
        write_json(path / "config.json", stamp(experiment, plain, device))
    if not (path / "checkpoint.pt").exists():
        _discard(path, ("metrics.jsonl",))
    return path


def _discard(path: Path, names: Iterable[str]) -> None:
    """These files, and what was written along the way."""
    for name in names:
        (path / name).unlink(missing_ok=True)
    for name in _FOLDERS:
        if (path / name).exists():
            shutil.rmtree(path / name)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _check_writable(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"--out must be a folder that can be written, but {path} cannot ({error.strerror}); choose another"
        ) from error


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return ", ".join(f"{key} ({before.get(key)!r} then, {now.get(key)!r} now)" for key in keys) or "its kind"
