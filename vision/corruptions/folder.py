"""A corrupted test set on disk.

    <name>.npy      bytes [severities * n, side, side, 3]: severity after severity, each in the test images' order
    labels.npy      bytes, the n labels once for each severity
    manifest.json   what is to be made, with what, and which corruptions are finished; see `vision.data.manifest`

The two kinds of arrays are laid out as the published CIFAR-10-C and CIFAR-100-C are.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from training.run import write_json
from vision.corruptions.registry import CORRUPTIONS
from vision.data.manifest import MANIFEST

_SAME = ("dataset", "n", "side", "severities", "seed")
"""What all corruptions of a folder share."""
_LIBRARIES = ("numpy", "scipy", "pillow", "torch", "opencv-python-headless", "opencv-python")


@dataclass(frozen=True, kw_only=True)
class CorruptedSet:
    """What a folder is to hold."""

    path: Path
    dataset: str
    n: int
    side: int
    severities: tuple[int, ...]
    seed: int
    names: tuple[str, ...]
    """Of the corruptions that this call asks for; what earlier calls asked for is to be there, too."""

    def finished(self) -> dict[str, dict[str, Any]]:
        """The corruptions that are there: mean absolute changes, CPU seconds, versions of libraries of each."""
        manifest = self.path / MANIFEST
        if not manifest.exists():
            return {}
        made = json.loads(manifest.read_text())["made"]
        return {name: made[name] for name in CORRUPTIONS if name in made and self.file(name).is_file()}

    def file(self, name: str) -> Path:
        """Of a corruption."""
        return self.path / f"{name}.npy"

    def open(self, labels: Int[np.ndarray, " n"], *, overwrite: bool) -> None:
        """Make the folder, or go on with one that is for the same.

        Args:
            labels: Of the images.
            overwrite: Discard what was made of these corruptions, and all that was made of other images,
                severities or random numbers.

        Raises:
            ValueError: If it holds something else.
        """
        before, now = self._manifest_before(), self._described()
        other = [key for key in _SAME if before is not None and before.get(key) != now[key]]
        if before and other and not overwrite:
            told = ", ".join(f"{key} {before.get(key)} and not {now[key]}" for key in other)
            raise ValueError(
                f"the corruptions in a folder must share {', '.join(_SAME)}, but {self.path} was made with "
                f"{told}; choose another folder by --out, or pass --overwrite to discard what is there"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        # Files that the manifest does not name do not count, so it is changed before they are removed.
        made = {} if other else self.finished()
        asked = {*self.names, *made, *([] if before is None or other else before.get("asked", ()))}
        if overwrite:
            made = {name: of for name, of in made.items() if name not in self.names}
        self._write_manifest(asked, made)
        for name in CORRUPTIONS.keys() - made.keys():
            self.file(name).unlink(missing_ok=True)
        repeated = np.tile(labels, len(self.severities)).astype(np.uint8)
        with _written(self.path / "labels.npy", repeated.shape) as file:
            file[:] = repeated

    @contextmanager
    def writing(self, name: str) -> Iterator[UInt8[np.ndarray, "severities n side side 3"]]:
        """The images of a corruption, to be filled; the file appears when all is well."""
        shape = (len(self.severities) * self.n, self.side, self.side, 3)
        with _written(self.file(name), shape) as file:
            yield file.reshape(len(self.severities), self.n, *shape[1:])

    def finish(self, name: str, changes: list[float], seconds: float) -> None:
        """Note that a corruption is there."""
        made = {"mean_absolute_change": changes, "cpu_seconds": seconds, "versions": _versions()}
        asked = json.loads((self.path / MANIFEST).read_text())["asked"]
        self._write_manifest(asked, {**self.finished(), name: made})

    def _manifest_before(self) -> dict[str, Any] | None:
        """What an earlier call left; None where the folder is new or empty. Files of others are not touched."""
        manifest = self.path / MANIFEST
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return None
        before = json.loads(manifest.read_text()) if manifest.is_file() else {}
        if before.get("recomputed") is not True:
            raise ValueError(
                f"--out must be new, empty or a folder of recomputed corruptions, but {self.path} is not empty and "
                f"has no {MANIFEST} of such; choose another folder"
            )
        return before

    def _described(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in _SAME} | {"severities": list(self.severities)}

    def _write_manifest(self, asked: Collection[str], made: dict[str, dict[str, Any]]) -> None:
        names = [name for name in CORRUPTIONS if name in made]
        manifest = {
            "recomputed": True,
            "recipe": "Hendrycks and Dietterich 2019",
            **self._described(),
            "asked": [name for name in CORRUPTIONS if name in asked],
            "corruptions": names,
            "versions": _versions(),
            "made": {name: made[name] for name in names},
        }
        write_json(self.path / MANIFEST, manifest)


@contextmanager
def _written(path: Path, shape: tuple[int, ...]) -> Iterator[np.memmap]:
    """An array of bytes in a file that takes its name when all is written."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        yield array
        array.flush()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    """Of the libraries that pixels depend on, as far as they are installed."""
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
