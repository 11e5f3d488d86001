"""A few minutes on a GPU: the seconds that are left, the folder that is kept, and tables that end the output.

A machine that is lent for minutes may take itself back at any second, keeps one folder, and hands over the end of the
output alone. So results are written as they are measured, SIGTERM and the end of the budget lead to the tables as far
as they are, and these are printed last.
"""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType, TracebackType

from records import ROOT

STARTED = time.monotonic()
"""A budget counts from the start of the program: importing torch takes seconds too."""
MOST_CHARACTERS = 11_500
"""Of the tables; a machine may hand over 12,000."""
RESERVE_SECONDS = 8.0
"""Kept for writing and printing the tables."""


AGAIN_SECONDS = 2.0
"""Between a `Cut` and the next, as long as none has left the context."""
SIGTERM, USED_UP = "SIGTERM", "the budget is used up"


class Cut(BaseException):
    """SIGTERM, or the end of the budget."""

    @property
    def exit_code(self) -> int:
        """Of the program: the end of the budget is no failure."""
        return 143 if str(self) == SIGTERM else 0


class Budget:
    """So many seconds from the start of the program; as a context it turns their end, and SIGTERM, into `Cut`.

    `Cut` is raised again and again until it leaves the context: Python drops what is raised inside a finalizer.
    """

    def __init__(self, seconds: float) -> None:
        self.stop = STARTED + seconds - RESERVE_SECONDS

    @property
    def left(self) -> float:
        """Seconds for measuring."""
        return self.stop - time.monotonic()

    def __enter__(self) -> "Budget":
        self._before = {name: signal.signal(name, _cut) for name in (signal.SIGTERM, signal.SIGALRM)}
        signal.setitimer(signal.ITIMER_REAL, max(self.left, 0.001))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for name, handler in self._before.items():
            signal.signal(name, handler)


def _cut(number: int, _frame: FrameType | None) -> None:
    reason = SIGTERM if number == signal.SIGTERM else USED_UP

    def again(_number: int, _frame: FrameType | None) -> None:
        raise Cut(reason)

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the tables are on their way
    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
    raise Cut(reason)


def kept_folder(asked: Path | None) -> Path:
    """Where results go: the folder asked for, else the one that OUT names, else runs/gpu. It exists afterwards."""
    folder = asked or Path(os.environ.get("OUT") or ROOT / "runs" / "gpu")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def print_tables(text: str, where: Path) -> None:
    """Print what ends the output. A text that is too long loses its middle; all of it is in the file `where`."""
    if len(text) > MOST_CHARACTERS:
        half = (MOST_CHARACTERS - 200) // 2
        text = f"{text[:half]}\n... left out here; all of it is in {where.name} ...\n{text[-half:]}"
    sys.stdout.flush()
    sys.stderr.flush()
    print(f"\n{text}", flush=True)
