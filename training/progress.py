"""A progress bar with loss, speed and time left; plain lines where nobody watches a terminal."""

import sys
from io import StringIO
from time import perf_counter
from types import TracebackType
from typing import TextIO

from tqdm import tqdm


class Progress:
    """Shows how far a run is.

    On a terminal a bar; elsewhere (a log file, CI) a line every `seconds_between_lines`.

    Args:
        name: What is running.
        total: Updates altogether.
        stream: Where to; standard error by default, so that tables on standard output stay clean.
        seconds_between_lines: For streams that are no terminal.
        shown: False says nothing, for all but one of several processes.
    """

    def __init__(
        self,
        name: str,
        total: int,
        *,
        stream: TextIO | StringIO | None = None,
        seconds_between_lines: float = 15.0,
        shown: bool = True,
    ) -> None:
        """See the class."""
        self.name = name
        self.total = total
        self.stream = stream or sys.stderr
        self.shown = shown
        self.bar = (
            tqdm(total=total, desc=name, file=self.stream, unit="update", dynamic_ncols=True, leave=False)
            if shown and self.stream.isatty()
            else None
        )
        self.between = 0.1 if self.bar is not None else seconds_between_lines
        self.begin = self.previous = perf_counter()
        self.first_update: int | None = None

    def due(self) -> bool:
        """Whether enough time has passed to show something; cheap enough to ask at every update."""
        if not self.shown:
            return False
        if self.first_update is None:
            return True
        return perf_counter() - self.previous > self.between

    def show(self, update: int, loss: float | None) -> None:
        """Show that `update` updates are done."""
        if not self.shown:
            return
        now = perf_counter()
        if self.first_update is None:
            self.first_update = update
            if self.bar is not None:
                self.bar.initial = update
        self.previous = now
        if self.bar is not None:
            if loss is not None:
                self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self.bar.update(update - self.bar.n)
        elif now - self.begin > self.between:
            speed = (update - self.first_update) / (now - self.begin)
            left = (self.total - update) / speed if speed else float("inf")
            told = "" if loss is None else f", loss {loss:.4f}"
            self.stream.write(
                f"{self.name}: {update}/{self.total} updates{told}, {speed:.1f}/s, {left:.0f} s left\n"
            )
            self.stream.flush()

    def __enter__(self) -> "Progress":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar."""
        if self.bar is not None:
            self.bar.close()
