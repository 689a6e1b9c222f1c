"""Test splits with noise, blur, weather and the like: the published sets, trees of pictures, recomputed sets.

    ROOT/CIFAR-100-C/fog.npy                     rows [(s-1) n, s n) are severity s of the n test images, in order
    ROOT/CIFAR-100-C-recomputed/fog.npy          the same, with a manifest.json
    ROOT/Tiny-ImageNet-C/fog/3/n01443537/*.JPEG  a file name is one picture in all of the tree, but not the picture
                                                 of that name in Tiny ImageNet
    ROOT/cifar100_c/fog/3/CLASS/*.png            any data set as such a tree

The first that is there is taken: published, then a tree, then recomputed. A set of arrays must be complete, see
`vision.data.manifest`.

References:
    Hendrycks & Dietterich, 2019, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    arXiv 1903.12261
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from vision.data.cache import Stored, load_cached
from vision.data.download import ARCHIVES
from vision.data.folders import picture_source
from vision.data.images import known_dataset
from vision.data.manifest import EXTRA, STANDARD, complete_names, read_manifest
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
        self._check(name, severity)
        rows = self._rows(name, severity)
        if rows is None:
            return self._pictures(name, severity).pixels
        return torch.from_numpy(rows).permute(0, 3, 1, 2)

    def digest(self, severity: int) -> str:
        """The sha256 of all names and images at one severity, which tells sets of the same shape apart.

        Raises:
            ValueError: See `load`.

        Cost: Reading the arrays, 3 side² bytes for each image; decoding pictures the first time, as `load` does.
        """
        state = sha256()
        for name in self.names:
            self._check(name, severity)
            rows = self._rows(name, severity)
            content = self._pictures(name, severity).digest if rows is None else sha256(rows.data).hexdigest()
            state.update(f"{name} {content}\n".encode())
        return state.hexdigest()

    def _check(self, name: str, severity: int) -> None:
        if name not in self.names or severity not in self.severities:
            raise ValueError(
                f"{self.folder} has the corruptions {', '.join(self.names)} at the severities "
                f"{', '.join(map(str, self.severities))}, got {name!r} at {severity}; choose one of them"
            )

    def _rows(self, name: str, severity: int) -> UInt8[np.ndarray, "n side side 3"] | None:
        """Of the array of a corruption; None where it is a folder of pictures."""
        path = _array_path(self.folder, name)
        if not path.is_file():
            return None
        first = self.severities.index(severity) * self.n
        return _open_array(path)[first : first + self.n]

    def _pictures(self, name: str, severity: int) -> Stored:
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
        return load_cached(source, self.folder.parent, name=self.folder.name, split=f"{name}-{severity}", side=side)


def recomputed_folder(dataset: str, root: Path) -> Path:
    """Where `python -m vision.corruptions` puts what it makes, and `find_corruptions` looks for it."""
    return root / f"{_published(dataset)}-recomputed"


def published_corruptions(dataset: str) -> tuple[str, ...]:
    """What the published set has; where there is none, what one like CIFAR-10-C would have."""
    return STANDARD if dataset == "tiny-imagenet" else (*STANDARD, *EXTRA)


def _published(dataset: str) -> str:
    return PUBLISHED.get(dataset, f"{dataset}-C")


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
    published, recomputed = _published(dataset), recomputed_folder(dataset, root)
    for folder in (root / published, root / f"{dataset.replace('-', '_')}_c", recomputed):
        if not folder.is_dir():
            continue
        arrays = sorted(path.stem for path in folder.glob("*.npy") if path.stem != "labels")
        if arrays or folder == recomputed:
            return _find_arrays(dataset, folder, arrays, needs_manifest=folder == recomputed)
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


def _find_arrays(dataset: str, folder: Path, arrays: Sequence[str], *, needs_manifest: bool) -> Corruptions:
    manifest: dict[str, Any] = read_manifest(folder, dataset, needed=needs_manifest)
    names = complete_names(folder, dataset, arrays, manifest)
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
