"""Ctrl-C is the business of the process that a person started, not of its workers. Used by workers.py."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupt_blocked() -> Iterator[None]:
    """Processes started inside inherit a blocked SIGINT."""
    resource_tracker.ensure_running()  # it starts with the first process, and would unblock SIGINT again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
