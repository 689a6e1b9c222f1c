"""Folders of pictures: one's own, a folder for each class, and Tiny ImageNet's.

ROOT/train/CLASS/**.jpg                              `folder`; ROOT/val or ROOT/test likewise
ROOT/tiny-imagenet-200/train/WNID/images/*.JPEG      `tiny-imagenet`
ROOT/tiny-imagenet-200/val/images/*.JPEG             their classes are in val/val_annotations.txt
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.data.pictures import decode_pictures, list_folders, list_pictures
from vision.data.source import Decoded, Source, Split

DEFAULT_SIDE = 224
"""Of the images of `folder`, in pixels."""
TINY_SIDE = 64
TINY_FOLDER = "tiny-imagenet-200"
_TINY_IMAGES = {"train": 100_000, "test": 10_000}


def find_folder(root: Path, split: Split, side: int | None) -> Source:
    """Pictures in a folder for each class; a class's index is its place among the sorted folders of train.

    The test split is ROOT/val or, where there is none, ROOT/test.

    Raises:
        ValueError: If a split, a class or its pictures are missing.
    """
    class_names = list_folders(root / "train")
    if not class_names:
        raise ValueError(
            f"folder needs pictures in {root / 'train'}/CLASS/, but there is no folder of a class; "
            "pass --data FOLDER with FOLDER/train in it"
        )
    held_out = next((name for name in ("val", "test") if list_folders(root / name)), None)
    if held_out is None:
        raise ValueError(
            f"folder needs held-out pictures in {root / 'val'}/CLASS/ or {root / 'test'}/CLASS/, but neither has a "
            "folder of a class; move some pictures of each class from train there"
        )
    unknown = sorted(set(list_folders(root / held_out)) - set(class_names))
    if unknown:
        raise ValueError(
            f"every class of {root / held_out} must be one of {root / 'train'}, but {', '.join(unknown[:5])} "
            "cannot be found there; rename or remove them"
        )
    folder = root / ("train" if split == "train" else held_out)
    by_class = [list_pictures(folder / name) for name in class_names]
    empty = [name for name, files in zip(class_names, by_class, strict=True) if not files]
    if empty and (split == "train" or len(empty) == len(class_names)):
        raise ValueError(
            f"every class folder of {folder} must hold pictures, but {', '.join(empty[:5])} has none; add some or "
            "remove the folder"
        )
    return picture_source(
        [file for files in by_class for file in files],
        np.repeat(np.arange(len(class_names)), [len(files) for files in by_class]).tolist(),
        class_names,
        side=side or DEFAULT_SIDE,
        fit=True,
        origin="image folder",
    )


def find_tiny_imagenet(root: Path, split: Split, _side: int | None) -> Source:
    """The official layout, whole or in part; a class's index is its place among the sorted wnids.

    Raises:
        ValueError: If files are missing, or there is one whose class is not known.
    """
    folder = root / TINY_FOLDER
    listing = {
        "train": (folder / "wnids.txt", folder / "words.txt"),
        "test": (folder / "wnids.txt", folder / "words.txt", folder / "val/val_annotations.txt"),
    }[split]
    absent = [str(file.relative_to(folder)) for file in listing if not file.is_file()]
    if absent:
        raise ValueError(
            f"tiny-imagenet needs its files in {folder}, but {', '.join(absent)} cannot be found there; run "
            f"`python -m vision.data tiny-imagenet --download --data {root}`, or pass --data FOLDER with "
            f"FOLDER/{TINY_FOLDER} in it"
        )
    wnids = sorted(listing[0].read_text().split())
    files, labels = _tiny_train(folder, wnids) if split == "train" else _tiny_val(folder, wnids)
    official = _TINY_IMAGES[split]
    if not 0 < len(files) <= official:
        raise ValueError(
            f"the {split} split in {folder} must have 1 to {official} pictures, got {len(files)}; remove those "
            "that are not official, or unpack it again"
        )
    words = dict(line.split("\t", 1) for line in listing[1].read_text().splitlines())
    whole = len(files) == official
    return picture_source(
        files,
        labels,
        [words.get(wnid, wnid) for wnid in wnids],
        side=TINY_SIDE,
        fit=False,
        origin="official files" if whole else f"subset of the official files, {len(files)} of {official} images",
        beside=listing,
    )


def _tiny_train(folder: Path, wnids: Sequence[str]) -> tuple[list[Path], list[int]]:
    unknown = sorted(set(list_folders(folder / "train")) - set(wnids))
    if unknown:
        raise ValueError(
            f"the folders of {folder / 'train'} must be classes of wnids.txt, but {', '.join(unknown[:5])} are "
            "not; remove them"
        )
    by_class = [list_pictures(folder / "train" / wnid / "images") for wnid in wnids]
    labels = [label for label, files in enumerate(by_class) for _ in files]
    return [file for files in by_class for file in files], labels


def _tiny_val(folder: Path, wnids: Sequence[str]) -> tuple[list[Path], list[int]]:
    """In the order of the annotations."""
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    lines = [line.split("\t") for line in (folder / "val/val_annotations.txt").read_text().splitlines()]
    there = {file.name: file for file in list_pictures(folder / "val/images")}
    unknown = sorted(there.keys() - {line[0] for line in lines} | {line[1] for line in lines} - label_of.keys())
    if unknown:
        raise ValueError(
            f"pictures and classes of {folder / 'val'} must be those of val_annotations.txt and wnids.txt, but "
            f"{', '.join(unknown[:5])} is not; remove it, or unpack them again"
        )
    chosen = [line for line in lines if line[0] in there]
    return [there[line[0]] for line in chosen], [label_of[line[1]] for line in chosen]


def picture_source(
    files: Sequence[Path],
    labels: Sequence[int],
    class_names: Sequence[str],
    *,
    side: int,
    fit: bool,
    origin: str,
    beside: Sequence[Path] = (),
) -> Source:
    """Pictures and their labels.

    Args:
        files: Pictures in order.
        labels: The class of each.
        class_names: Of all classes.
        side: Of the images.
        fit: Resize and crop; otherwise a picture of another size is refused.
        origin: Of the `Source`.
        beside: Other files that labels and names were read from.
    """
    return Source(
        files=(*files, *beside),
        origin=origin,
        depends_on=tuple(class_names),
        decode=lambda: Decoded(
            labels=np.asarray(labels, np.int64),
            class_names=tuple(class_names),
            side=side,
            blocks=decode_pictures(files, side, fit=fit),
        ),
    )
