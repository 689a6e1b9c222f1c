"""A folder that is whole or not there: written under another name, and renamed when it is done."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def give_name(partial: Path, folder: Path, *, is_there: Callable[[], bool]) -> None:
    """Give a folder that is written its name, unless another process has been faster.

    Args:
        partial: The folder under another name, beside the place of the new one.
        folder: The new name. What has it now, of other files, of another version, or damaged, makes way; whoever
            has it open keeps what was opened.
        is_there: Whether the name stands for just this already.
    """
    if is_there():
        return
    old = partial.with_name(f"{partial.name}-old")
    with suppress(FileNotFoundError):
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
