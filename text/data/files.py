"""Which files a data set is made of, and what to do where they are not there."""

from collections.abc import Sequence
from pathlib import Path

CACHE = ".contrabatch-cache"
"""Folder beside a data set, for what has been parsed and tokenised."""
READER = 2
"""Of the code that parses: another number, and what is in the cache is made anew."""


class MissingFilesError(ValueError):
    """A part of a data set is not there."""


def find_files(folder: Path, wanted: Sequence[tuple[str, ...]], remedy: str) -> list[Path]:
    """The files of these names, of each the first alternative that there is, plain or with .gz behind its name.

    Raises:
        MissingFilesError: If one is missing; it names all that are looked for.
    """
    found = [_first(folder, names) for names in wanted]
    missing = [" or ".join(names) for names, path in zip(wanted, found, strict=True) if path is None]
    if missing:
        needed = ", ".join(" or ".join(names) for names in wanted)
        raise MissingFilesError(
            f"{folder} must hold {needed} (or the same with .gz), got no {', '.join(missing)}"
            f"{'' if folder.is_dir() else f': there is no folder {folder}'}; {remedy}"
        )
    return [path for path in found if path is not None]


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    paths = (folder / f"{name}{end}" for name in names for end in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)
