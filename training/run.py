"""A run is a folder.

    config.json     the resolved configuration, command line, commit, versions, device
    metrics.jsonl   one flat JSON object a line
    result.json     written last, atomically: a run that has one is finished
    checkpoint.pt   while it is unfinished
    model.pt        the trained weights, where a network was trained
    arrays.npz      what figures need beside numbers (Gram matrices, curves by seed)

Its name is chosen by the user and never parsed.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

_FILES = ("config.json", "metrics.jsonl", "result.json", "checkpoint.pt", "model.pt", "arrays.npz")


class Run:
    """A run folder, open for writing. Make one with `Run.open`."""

    def __init__(self, path: Path) -> None:
        """Use `Run.open`, which checks the folder."""
        self.path = path
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
    ) -> "Run":
        """Begin a run, or go on with an unfinished one of the same configuration.

        Args:
            path: The folder; made where it is missing.
            experiment: The kind of run: "synthetic", "vision", "text".
            config: Everything that the result depends on, ready for JSON.
            device: What it runs on, for the record.
            overwrite: Discard what an earlier run left here.

        Raises:
            ValueError: If the folder cannot be written, holds other things, a finished run, or an unfinished
                one of another configuration.
        """
        path = Path(path)
        _check_writable(path)
        is_run = (path / "config.json").exists()
        if overwrite and is_run:
            for name in _FILES:
                (path / name).unlink(missing_ok=True)
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
            write_json(path / "config.json", _stamp(experiment, plain, device))
        run = cls(path)
        if not (path / "checkpoint.pt").exists():
            (path / "metrics.jsonl").unlink(missing_ok=True)
        return run

    def log(self, line: Mapping[str, int | float | str]) -> None:
        """Append a line to metrics.jsonl; seconds since the start are added to it."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({**line, "seconds": round(self.seconds(), 3)}) + "\n")

    def seconds(self) -> float:
        """Seconds spent, those before an interruption included."""
        return self._seconds_before + perf_counter() - self._opened

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Write the state, atomically, with the length that metrics.jsonl has now."""
        metrics = self.path / "metrics.jsonl"
        size = metrics.stat().st_size if metrics.exists() else 0
        saved = {"state": state, "metrics_bytes": size, "seconds": self.seconds()}
        target = self.path / "checkpoint.pt"
        with _temporary(target).open("wb") as file:
            torch.save(saved, file)
            file.flush()
            os.fsync(file.fileno())
        _temporary(target).replace(target)

    def restore(self) -> dict[str, Any] | None:
        """The state of the last checkpoint, if there is one; lines logged after it are dropped."""
        target = self.path / "checkpoint.pt"
        if not target.exists():
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
        target = self.path / "arrays.npz"
        with _temporary(target).open("wb") as file:
            np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
        _temporary(target).replace(target)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json, which makes the run a finished one; its checkpoint is needed no more."""
        write_json(self.path / "result.json", {"status": "done", **result, "seconds": round(self.seconds(), 3)})
        (self.path / "checkpoint.pt").unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of one."""
    _temporary(path).write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
    _temporary(path).replace(path)


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


def _stamp(experiment: str, config: Mapping[str, Any], device: str) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "config": config,
        "argv": sys.argv,
        "git": _commit(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "device": torch.cuda.get_device_name(device)
        if device.startswith("cuda")
        else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit() -> dict[str, Any] | None:
    """The commit of the code that is running, or None where it is not a git checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None
