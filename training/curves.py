"""The numbers of metrics.jsonl as TensorBoard's curves."""

import weakref
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def check_tensorboard() -> None:
    """Refuse to go on without the library.

    Raises:
        ValueError: If it is not installed.
    """
    if find_spec("tensorboard") is None:
        raise ValueError("writing for TensorBoard needs tensorboard: pip install tensorboard, or leave it out")


class Curves:
    """A scalar for every number of a line, by its name, at the line's update.

    Args:
        folder: TensorBoard's log directory.
    """

    def __init__(self, folder: Path) -> None:
        """See the class."""
        self.folder = folder
        self._writer: Any = None

    @property
    def begun(self) -> bool:
        """Whether there is a file to write to."""
        return self._writer is not None

    def begin(self, *, after: Mapping[str, Any] | None) -> None:
        """Begin a file.

        Args:
            after: The last line of metrics.jsonl: curves that an interrupted run had drawn further are cut off
                behind it.
        """
        from torch.utils.tensorboard import SummaryWriter  # seconds to import, for those who want it

        first = 0 if after is None else after.get("update", -1) + 1
        self._writer = SummaryWriter(str(self.folder), purge_step=first)
        weakref.finalize(self, self._writer.close)

    def add(self, line: Mapping[str, int | float | str]) -> None:
        """A point for every number of the line."""
        for name, value in line.items():
            if name != "update" and not isinstance(value, str):
                self._writer.add_scalar(name, value, line.get("update", 0))
        self._writer.flush()

    def close(self) -> None:
        """End the file; another line would begin a new one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
