"""`python -m vision.corruptions`: a test set with every corruption, as files laid out like the published ones."""

import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, NoReturn

import numpy as np
import tyro
from jaxtyping import UInt8
from tqdm import tqdm

from batching.cli import cli
from vision.corruptions.folder import CorruptedSet
from vision.corruptions.pictures import FOLDER
from vision.corruptions.recipes import RECIPES
from vision.corruptions.registry import CORRUPTIONS, check_known, check_needs, corrupt, recipe_for
from vision.data import known_dataset, load_images
from vision.data.corrupted import recomputed_folder

_AT_ONCE = 512
"""Images that a worker is given."""


@dataclass(frozen=True, kw_only=True)
class CorruptionConfig:
    """Corrupt the test images of a data set, and write them down as CIFAR-C's files are written."""

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """cifar10, cifar100, tiny-imagenet, digits or folder."""
    data: Path = Path("data")
    """Folder of the data sets, and of imagenet-c-frost with the pictures of frost."""
    names: tuple[str, ...] = tuple(CORRUPTIONS)
    """Corruptions to make; all by default."""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Of 1 to 5, in increasing order."""
    n: int | None = None
    """Take the first n test images; None for all."""
    side: int | None = None
    """Of the images of folder: 32 or 64 pixels, to which they are resized first. All others have their own."""
    seed: int = 0
    """Of all that is random."""
    workers: int = 2
    """Threads."""
    out: Path | None = None
    """Folder to write; None for one below the data's, CIFAR-100-C-recomputed for cifar100."""
    overwrite: bool = False
    """Make corruptions anew that are there, and discard a folder of other n, seed or severities."""


def parse(argv: Sequence[str]) -> CorruptionConfig:
    """The configuration that a command line asks for."""
    return cli(CorruptionConfig, argv, prog="python -m vision.corruptions")


def main(config: CorruptionConfig) -> CorruptedSet:
    """Corrupt a data set; print a table of what is there.

    Raises:
        ValueError: If the data, something that a corruption needs, or the folder is not as it must be.
    """
    frost = config.data / FOLDER
    _check(config)
    check_needs(config.names, frost)
    images = load_images(config.dataset, config.data, "test", config.side)
    if config.n is not None and config.n > len(images):
        raise ValueError(f"n must be at most the {len(images)} test images of {config.dataset}, got {config.n}")
    n, side = config.n or len(images), images.pixels.shape[-1]
    recipe_for(side)
    made = CorruptedSet(
        path=config.out or recomputed_folder(config.dataset, config.data),
        dataset=config.dataset,
        n=n,
        side=side,
        severities=config.severities,
        seed=config.seed,
        names=config.names,
    )
    made.open(images.labels[:n].numpy(), overwrite=config.overwrite)
    left = [name for name in config.names if name not in made.finished()]
    pixels = images.pixels[:n].permute(0, 2, 3, 1).contiguous().numpy()
    _make(made, left, pixels, workers=config.workers, frost=frost)
    sys.stdout.write(_table(made))
    return made


def _check(config: CorruptionConfig) -> None:
    """Refuse what no data is needed to refuse."""
    check_known(config.names, config.severities)
    if not config.severities or list(config.severities) != sorted(set(config.severities)):
        told = " ".join(map(str, config.severities))
        raise ValueError(f"severities must increase, got {told or 'none'}; try 1 2 3 4 5")
    for name in ("workers", "n"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    has_side = known_dataset(config.dataset).default_side is None
    if has_side and config.side is not None:
        raise ValueError(f"--side is for folder, but {config.dataset} has its own, got {config.side}; leave it out")
    if not has_side and config.side not in RECIPES:
        sides = " or ".join(map(str, RECIPES))
        raise ValueError(
            f"--side must be {sides} for {config.dataset}, as constants are published for no other images, "
            f"got {config.side}; give one of them"
        )


def _make(
    made: CorruptedSet,
    names: list[str],
    pixels: UInt8[np.ndarray, "n side side 3"],
    *,
    workers: int,
    frost: Path,
) -> None:
    """Corrupt, file after file; each by all workers. Numpy, scipy, PIL and OpenCV let threads work side by side."""
    steps = len(made.severities) * -(-made.n // _AT_ONCE)
    pool = ThreadPoolExecutor(workers)
    try:
        for number, name in enumerate(names, start=1):
            begin, cpu_begin = perf_counter(), process_time()
            with tqdm(total=steps, desc=f"{name} ({number}/{len(names)})", disable=None, leave=False) as bar:
                changes = _fill(made, name, pixels, pool, frost, bar)
            made.finish(name, changes, round(process_time() - cpu_begin, 2))
            if bar.disable:
                sys.stderr.write(f"{number}/{len(names)} {name}: {perf_counter() - begin:.1f} s\n")
    finally:
        pool.shutdown(cancel_futures=True)


def _fill(
    made: CorruptedSet,
    name: str,
    pixels: UInt8[np.ndarray, "n side side 3"],
    pool: Executor,
    frost: Path,
    bar: "tqdm[NoReturn]",
) -> list[float]:
    """Write the file of a corruption; the mean absolute change at each severity, in grey levels of 255."""

    def changed(place: tuple[int, int]) -> UInt8[np.ndarray, "part side side 3"]:
        severity, begin = place
        part = pixels[begin : begin + _AT_ONCE]
        index = np.arange(begin, begin + len(part))
        return corrupt(part, name, severity, seed=made.seed, index=index, frost=frost)

    places = [(severity, begin) for severity in made.severities for begin in range(0, made.n, _AT_ONCE)]
    totals = dict.fromkeys(made.severities, 0.0)
    with made.writing(name) as file:
        for (severity, begin), images in zip(places, pool.map(changed, places), strict=True):
            rows = slice(begin, begin + len(images))
            file[made.severities.index(severity), rows] = images
            totals[severity] += float(np.abs(images.astype(np.int16) - pixels[rows]).sum())
            bar.update()
    return [round(total / pixels.size, 3) for total in totals.values()]


def _table(made: CorruptedSet) -> str:
    """The corruptions that are there, and how much they change."""
    lines = [
        f"{made.path}: {made.n} images of {made.dataset} at each severity",
        "mean absolute change, in grey levels of 255, at severity",
        f"{'corruption':18}" + "".join(f"{severity:8}" for severity in made.severities) + f"{'CPU s':>9}",
    ]
    for name, of in made.finished().items():
        changes = "".join(f"{change:8.2f}" for change in of["mean_absolute_change"])
        lines.append(f"{name:18}{changes}{of['cpu_seconds']:9.1f}")
    return "\n".join(lines) + "\n"
