"""Ctrl-C in the middle of a training step: it is noted, and the loop ends after the step. Used by loop.py."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether a Ctrl-C has come."""

    asked: bool = False


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """The first Ctrl-C is noted, so that the step in hand is finished and saved; the second one interrupts."""
    stop = Stop()

    def note(_signal: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: its owner decides
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
