"""Ctrl-C and SIGTERM while a network learns: a wish that is read between two steps, so that a run stops in order."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Stopping:
    """While the block lasts, Ctrl-C and SIGTERM only set `wanted`, which whoever reads the loop asks after each step.

    Handlers are the process's own, so outside its main thread nothing is changed and `wanted` stays None. A second
    Ctrl-C does at once what Ctrl-C did before the block (in Python's own way it raises KeyboardInterrupt), for a step
    that takes too long; a second SIGTERM changes nothing, since those who send one often send two. A signal that was
    ignored before stays so. At the end of the block the handlers from before are put back.
    """

    def __init__(self) -> None:
        self.wanted: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # None: set by a program around Python, which alone knows it
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._before):
            self._put_back(number)

    def obey(self) -> None:
        """Leave where that is wanted: raises KeyboardInterrupt for Ctrl-C (the command line's exit code 130), and
        SystemExit(143) for SIGTERM. To be asked once more after the block, for a signal that came last of all."""
        if self.wanted == signal.SIGINT:
            raise KeyboardInterrupt
        if self.wanted is not None:
            raise SystemExit(128 + self.wanted)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.wanted = self.wanted or signal.Signals(number)
        if number == signal.SIGINT:
            self._put_back(signal.SIGINT)

    def _put_back(self, number: signal.Signals) -> None:
        if number in self._before:
            signal.signal(number, self._before.pop(number))
