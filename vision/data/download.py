"""Data sets from their publishers, with the published md5 of every archive."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A published file that holds one folder."""

    address: str
    md5: str
    folder: str
    size: str
    """To know what to expect."""


ARCHIVES: dict[str, Archive] = {
    "tiny-imagenet": Archive(
        address="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        md5="90528d7ca1a48142e341f4ef8d21d0de",
        folder="tiny-imagenet-200",
        size="248 MB",
    ),
    "cifar10-c": Archive(
        address="https://zenodo.org/records/2535967/files/CIFAR-10-C.tar",
        md5="56bf5dcef84df0e2308c6dcbcbbd8499",
        folder="CIFAR-10-C",
        size="2.9 GB",
    ),
    "cifar100-c": Archive(
        address="https://zenodo.org/records/3555552/files/CIFAR-100-C.tar",
        md5="11f0ed0f1191edbf9fa23466ae6021d3",
        folder="CIFAR-100-C",
        size="2.9 GB",
    ),
    "tiny-imagenet-c": Archive(
        address="https://zenodo.org/records/2536630/files/Tiny-ImageNet-C.tar",
        md5="f9c9a9dbdc11469f0b850190f7ad8be1",
        folder="Tiny-ImageNet-C",
        size="1.8 GB",
    ),
}
"""What has no class of its own in torchvision."""


def download(name: str, root: Path) -> None:
    """Fetch a data set and unpack it below root; nothing is done where it is there already.

    Args:
        name: "cifar10", "cifar100", or one of `ARCHIVES`.
        root: Folder of the data sets.

    Raises:
        ValueError: If it cannot be downloaded, or what came is not what was published.
    """
    fetch, address = _fetcher(name)
    try:
        fetch(root)
    except (OSError, RuntimeError, HTTPException, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{name} must be downloaded from {address} into {root}, but that failed: {reason}; try again, or "
            f"fetch it on another machine and unpack it into {root}"
        ) from error


def _fetcher(name: str) -> tuple[Callable[[Path], object], str]:
    # Imported here: torchvision.datasets takes a second.
    from torchvision import datasets

    if name in ARCHIVES:
        archive = ARCHIVES[name]
        return lambda root: _fetch_archive(archive, root), f"{archive.address} ({archive.size})"
    classes = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}
    if name not in classes:
        can = ", ".join(sorted([*classes, *ARCHIVES]))
        raise ValueError(f"what --download can fetch is {can}; got {name!r}: leave --download out")
    return lambda root: classes[name](root, download=True), classes[name].url


def _fetch_archive(archive: Archive, root: Path) -> None:
    """Unpack beside its place and rename, so that the folder is whole or not there."""
    from torchvision.datasets.utils import download_and_extract_archive

    target = root / archive.folder
    if target.exists():
        return
    unpacked = root / f".unpacked-{archive.folder}"
    shutil.rmtree(unpacked, ignore_errors=True)
    download_and_extract_archive(archive.address, root, unpacked, md5=archive.md5, remove_finished=True)
    (unpacked / archive.folder).rename(target)
    shutil.rmtree(unpacked)
