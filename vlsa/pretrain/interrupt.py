"""Ctrl-C or SIGTERM during a training step: noted, and the loop ends after the step. Used by loop.py and start.py."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A run that ended early because a signal asked for it; its checkpoint is written."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


@dataclass
class StopRequest:
    """The signal that asked the run to stop; 0 = none yet."""

    signal_number: int = 0


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Note Ctrl-C and SIGTERM (what schedulers send), so that the step in progress is finished and saved.

    A second Ctrl-C interrupts at once; a second SIGTERM does not: a scheduler and torchrun may both send one.
    """
    stop = StopRequest()

    def note(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal_number = stop.signal_number or number

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: its owner decides
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
