"""Test splits with noise, blur, weather and the like: the published sets, trees of pictures, recomputed sets.

    ROOT/CIFAR-100-C/fog.npy                     rows [(s-1) n, s n) are severity s of the n test images, in order
    ROOT/CIFAR-100-C-recomputed/fog.npy          the same, with a manifest.json
    ROOT/Tiny-ImageNet-C/fog/3/n01443537/*.JPEG  a file name is one picture in all of the tree, but not the picture
                                                 of that name in Tiny ImageNet
    ROOT/cifar100_c/fog/3/CLASS/*.png            any data set as such a tree

The first that is there is taken: published, then a tree, then recomputed.

References:
    Hendrycks & Dietterich, 2019, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    arXiv 1903.12261
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from vision.data.cache import load_cached
from vision.data.download import ARCHIVES
from vision.data.folders import picture_source
from vision.data.images import known_dataset
from vision.data.pictures import list_folders, list_pictures, picture_side

PUBLISHED = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "tiny-imagenet": "Tiny-ImageNet-C"}
_SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class Corruptions:
    """Corrupted versions of a test split that have been found, and are read one at a time."""

    dataset: str
    folder: Path
    names: tuple[str, ...]
    severities: tuple[int, ...]
    recomputed: bool
    """Not the published files, but made by the published recipe from the clean images that are here."""
    aligned: bool
    """Image i of every corruption is image i of the clean test split; always, image i is one picture in all."""
    n: int
    side: int

    def load(self, name: str, severity: int) -> UInt8[Tensor, "n 3 side side"]:
        """One corruption at one severity, mapped into memory.

        Pictures are decoded into the cache the first time; that takes 3 side² bytes for each on the disk.

        Raises:
            ValueError: If it is not there, or its pictures are damaged or others than in the rest of the tree.
        """
        if name not in self.names or severity not in self.severities:
            raise ValueError(
                f"{self.folder} has the corruptions {', '.join(self.names)} at the severities "
                f"{', '.join(map(str, self.severities))}, got {name!r} at {severity}; choose one of them"
            )
        path = _array_path(self.folder, name)
        return self._rows(path, severity) if path.is_file() else self._pictures(name, severity)

    def _rows(self, path: Path, severity: int) -> UInt8[Tensor, "n 3 side side"]:
        first = self.severities.index(severity) * self.n
        rows = _open_array(path)[first : first + self.n]
        return torch.from_numpy(rows).permute(0, 3, 1, 2)

    def _pictures(self, name: str, severity: int) -> UInt8[Tensor, "n 3 side side"]:
        folder = self.folder / name / str(severity)
        files = list_pictures(folder)
        paths = [file.relative_to(folder) for file in files]
        elsewhere = self.folder / self.names[0] / str(self.severities[0])
        if paths != [file.relative_to(elsewhere) for file in list_pictures(elsewhere)]:
            raise ValueError(
                f"{folder} must have pictures of the same names as {elsewhere}, but some are missing or others; "
                "unpack them again"
            )
        class_names = sorted({path.parts[0] for path in paths})
        place = {class_name: label for label, class_name in enumerate(class_names)}
        fit = known_dataset(self.dataset).default_side is not None
        source = picture_source(
            files,
            [place[path.parts[0]] for path in paths],
            class_names,
            side=self.side,
            fit=fit,
            origin="image folder",
        )
        side = self.side if fit else None
        return load_cached(
            source, self.folder.parent, name=self.folder.name, split=f"{name}-{severity}", side=side
        ).pixels


def find_corruptions(dataset: str, root: Path, side: int | None = None) -> Corruptions:
    """The corrupted test split of a data set, of which nothing but shapes and names is read.

    Args:
        dataset: One of `DATASETS`.
        root: Folder of the data sets.
        side: Of the images of `folder`, 224 for None. All others keep their own size.

    Raises:
        ValueError: If there is none, or it is incomplete.
    """
    default_side = known_dataset(dataset).default_side
    published = PUBLISHED.get(dataset, f"{dataset}-C")
    recomputed = root / f"{published}-recomputed"
    for folder in (root / published, root / f"{dataset.replace('-', '_')}_c", recomputed):
        if not folder.is_dir():
            continue
        arrays = sorted(path.stem for path in folder.glob("*.npy") if path.stem != "labels")
        if arrays or folder == recomputed:
            return _find_arrays(dataset, folder, arrays, _manifest(folder, dataset, needed=folder == recomputed))
        if list_folders(folder):
            return _find_tree(dataset, folder, None if default_side is None else side or default_side)
        raise ValueError(
            f"{folder} must hold CORRUPTION.npy or CORRUPTION/SEVERITY/CLASS/*.png, but holds neither; remove it, "
            "or unpack it again"
        )
    fetch = f"`python -m vision.data {dataset}-c --download --data {root}` fetches the published ones, and "
    fetch = fetch if f"{dataset}-c" in ARCHIVES else ""
    raise ValueError(
        f"corruptions of {dataset} are needed in {root}, in {published} or {recomputed.name}, but neither is "
        f"there; {fetch}`python -m vision.corruptions {dataset} --data {root}` "
        "computes them"
    )


def _manifest(folder: Path, dataset: str, *, needed: bool) -> dict[str, Any]:
    """What a recomputed set says of itself; empty for a published one."""
    path = folder / "manifest.json"
    if not path.is_file():
        if needed:
            raise ValueError(
                f"{folder} must have a manifest.json, which is written last: it is unfinished; run `python -m "
                f"vision.corruptions {dataset} --data {folder.parent}` again"
            )
        return {}
    try:
        manifest = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, but cannot be read ({error}); remove {folder}") from error
    if manifest.get("dataset") != dataset:
        raise ValueError(
            f"{path} must be of dataset {dataset!r}, got {manifest.get('dataset')!r}; remove {folder} or rename it"
        )
    return manifest


def _find_arrays(dataset: str, folder: Path, arrays: Sequence[str], manifest: dict[str, Any]) -> Corruptions:
    names = tuple(manifest.get("corruptions", arrays))
    severities = tuple(manifest.get("severities", _SEVERITIES))
    recomputed = bool(manifest.get("recomputed", False))
    paths = [_array_path(folder, name) for name in names]
    n = manifest.get("n") or known_dataset(dataset).n_test or len(_open_array(paths[0])) // len(severities)
    sides = {_side_of_array(path, n * len(severities)) for path in paths}
    if len(sides) != 1:
        raise ValueError(
            f"all arrays of {folder} must be of images of one size, got sides {sorted(sides)}; unpack them again"
        )
    return Corruptions(
        dataset=dataset,
        folder=folder,
        names=names,
        severities=severities,
        recomputed=recomputed,
        aligned=True,
        n=n,
        side=sides.pop(),
    )


def _side_of_array(path: Path, rows: int) -> int:
    """Look at the shape; the content stays on the disk."""
    array = _open_array(path)
    side = array.shape[1] if array.ndim == 4 else 0
    if array.dtype != np.uint8 or array.shape != (rows, side, side, 3):
        raise ValueError(
            f"{path} must be bytes of shape [{rows}, side, side, 3], got {array.dtype} {list(array.shape)}; "
            "unpack or compute it again"
        )
    return side


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"{path} must be a whole .npy file, but cannot be read ({error}); unpack or compute it again"
        ) from error


def _array_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _find_tree(dataset: str, folder: Path, side: int | None) -> Corruptions:
    names = list_folders(folder)
    severities = {name: tuple(list_folders(folder / name)) for name in names}
    first = severities[names[0]]
    for name, found in severities.items():
        if not found or found != first or not all(severity.isdecimal() for severity in found):
            raise ValueError(
                f"every folder of {folder} must have the same severities, numbers from 1, as {names[0]} has "
                f"{', '.join(first) or 'none'}, but {name} has {', '.join(found) or 'none'}; complete or remove it"
            )
    files = list_pictures(folder / names[0] / first[0])
    if not files:
        raise ValueError(
            f"{folder / names[0] / first[0]} must hold CLASS/*.png, but has no picture; unpack it again"
        )
    return Corruptions(
        dataset=dataset,
        folder=folder,
        names=tuple(names),
        severities=tuple(sorted(map(int, first))),
        recomputed=False,
        aligned=False,
        n=len(files),
        side=picture_side(files[0]) if side is None else side,
    )
