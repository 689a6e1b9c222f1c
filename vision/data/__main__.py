"""Check a data set, decode it into the cache, and say what is there: `python -m vision.data NAME [options]`.

    python -m vision.data cifar100 --download
    python -m vision.data folder --data my-pictures --side 96
    python -m vision.data cifar100-c                # corrupted test images

Training does the same when it starts; doing it before saves every process of a distributed run from doing it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro

from batching.cli import cli
from training import aligned, run_command
from vision.data.cache import CACHE, digest
from vision.data.corrupted import PUBLISHED, find_corruptions
from vision.data.download import download
from vision.data.images import DATASETS, load_images
from vision.data.source import Split

_SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to check."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """cifar10, cifar100, tiny-imagenet, folder or digits; with -c at its end, its corrupted images."""
    data: Path = Path("data")
    """Folder of the data sets."""
    download: bool = False
    """Fetch the data set from its publisher, if it is not there."""
    side: int | None = None
    """Height and width of the images of folder, 224 if not given; all others have their own."""

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            ValueError: If it is unknown.
        """
        if self.dataset not in DATASETS:
            raise ValueError(
                f"NAME must be one of {', '.join(DATASETS)}, or one of them followed by -c, got {self.name!r}"
            )
        if self.side is not None and DATASETS[self.dataset].default_side is None:
            raise ValueError(f"--side is for folder, but {self.dataset} has its own; leave it out")

    @property
    def corrupted(self) -> bool:
        """Whether corrupted images are meant."""
        return self.name.endswith("-c")

    @property
    def dataset(self) -> str:
        """The data set."""
        return self.name.removesuffix("-c")


def main(options: Options) -> str:
    """Fetch, check, decode.

    Returns:
        The table that is printed.

    Raises:
        ValueError: If something cannot be fetched, is absent or damaged.
    """
    if options.download:
        download(options.name, options.data)
    table = _corruptions(options) if options.corrupted else _splits(options)
    sys.stdout.write(table)
    return table


def _splits(options: Options) -> str:
    rows = []
    for split in _SPLITS:
        start = perf_counter()
        images = load_images(options.dataset, options.data, split, options.side)
        if digest(images.pixels, images.labels) != images.digest:
            raise ValueError(
                f"the decoded {split} split must have the sha256 {images.digest} that it was written with, but "
                f"has not: it is damaged; delete {options.data / CACHE}"
            )
        side, seconds = images.pixels.shape[-1], perf_counter() - start
        counts = [str(len(images)), str(len(images.class_names)), str(side)]
        rows.append([split, images.source, *counts, images.digest[:12], f"{seconds:.1f}"])
    return aligned(["split", "source", "images", "classes", "side", "sha256", "seconds"], rows, words=2)


def _corruptions(options: Options) -> str:
    found = find_corruptions(options.dataset, options.data, options.side)
    rows = []
    for name in found.names:
        start = perf_counter()
        for severity in found.severities:
            found.load(name, severity)
        seconds = perf_counter() - start
        severities = ",".join(map(str, found.severities))
        published = found.folder.name in PUBLISHED.values()
        origin = "recomputed" if found.recomputed else "published files" if published else "image folder"
        rows.append([name, origin, severities, str(found.n), str(found.side), f"{seconds:.1f}"])
    return aligned(["corruption", "source", "severities", "images", "side", "seconds"], rows, words=2)


def parse(argv: Sequence[str]) -> Options:
    """The options that a command line asks for."""
    return cli(Options, argv, prog="python -m vision.data", description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
