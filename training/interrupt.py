"""An orderly end: a signal is answered after the step that it arrives in, with a checkpoint."""

import signal
import threading
from time import monotonic
from types import FrameType, TracebackType
from typing import Any

from training.ranks import Ranks

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ONE_AND_THE_SAME = 1.0
"""Seconds in which further signals count as the first: torchrun passes on what a terminal has sent already."""
_STEPS_BETWEEN_QUESTIONS = 8
"""Processes ask each other so often, since each would have to wait for the others in every step."""


class Interrupted(SystemExit):
    """Training ended before its time, and can go on: the exit status is 128 + signal, 143 for SIGTERM.

    Attributes:
        message: How to go on.
    """

    def __init__(self, message: str, number: int) -> None:
        """With the number of the signal."""
        super().__init__(128 + number)
        self.message = message


class OrderlyEnd:
    """Inside it SIGTERM and SIGINT end nothing, but are told to whoever asks; a second one ends at once.

    Signals that are ignored stay so (nohup). Outside the main thread, where there are no handlers, it does nothing.

        with OrderlyEnd(ranks) as end:
            for step in steps:
                ...
                if number := end.asked(last=False): ...

    Args:
        ranks: Processes that end at the same step, as soon as one of them has got a signal.
        active: False leaves signals alone.
    """

    def __init__(self, ranks: Ranks, *, active: bool = True) -> None:
        """See the class."""
        self.ranks, self.active = ranks, active
        self.number = self.steps = 0
        self.since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "OrderlyEnd":
        """Listen."""
        if self.active and threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more; a signal that nobody has answered does what it would have done."""
        self._put_back()
        if self.number and kind is None:
            signal.raise_signal(self.number)

    def asked(self, *, last: bool) -> int:
        """The number of the signal to end for now, the same on all ranks; 0 for none.

        Args:
            last: Ask in any case: there will be no more steps.
        """
        if not self.active:
            return 0
        self.steps += 1
        if self.ranks.size == 1:
            return self.number
        if not last and self.steps % _STEPS_BETWEEN_QUESTIONS:
            return 0
        return self.ranks.largest(self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self.number:
            self.number, self.since = number, monotonic()
        elif monotonic() - self.since > _ONE_AND_THE_SAME:
            self._put_back()
            signal.raise_signal(number)

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()
