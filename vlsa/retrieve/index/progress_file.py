"""progress.json: how far a running `vlsa index` is, for other processes; gone when it ends.

Written by build.py while it works, which never fails of it; read by the server's page of state.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from vlsa.base.console import counted
from vlsa.base.files import Progress, read_json, write_atomically

PROGRESS_NAME = "progress.json"
"""In the index."""
WRITE_EVERY_SECONDS = 1.0
SILENT_SECONDS = 1800.0
"""A writer on another machine that has written nothing for so long is taken for dead."""


@dataclass(frozen=True)
class IndexProgress:
    """How far the writing of an index is."""

    done: int
    total: int
    """Each stage counts its own: files that are read, files that are scanned, windows that are encoded."""
    message: str
    """What is counted, and the last of it: "windows encoded: 2025/owl.mp4"."""
    seconds_left: float | None
    """Of this stage, at its speed so far; None as long as that is not known."""


class ProgressFile:
    """Records progress next to reporting it. The file is written once a second at most, and removed at the end."""

    def __init__(
        self, index_path: Path, also: Progress | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._also, self._clock = index_path / PROGRESS_NAME, also, clock
        self._written: float | None = None
        self._stage: tuple[int, str] | None = None
        self._total, self._first, self._began = -1, 0, 0.0

    def __enter__(self) -> "ProgressFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` units are complete."""
        now = self._clock()
        if (stage := (total, counted(message)[0])) != self._stage:
            self._stage, self._total, self._first, self._began = stage, total, done, now
        if self._written is None or now - self._written >= WRITE_EVERY_SECONDS:
            self._written = now
            facts = {"done": done, "total": total, "message": message, "seconds_left": self._seconds_left(now, done)}
            facts |= {"pid": os.getpid(), "host": socket.gethostname()}
            with suppress(OSError):  # a full disk, say: if it is so, what matters fails and says so
                write_atomically(self._path, json.dumps(facts).encode(errors="backslashreplace"))
        if self._also:
            self._also(done, total, message)

    def _seconds_left(self, now: float, done: int) -> float | None:
        done_here = done - self._first
        return round((now - self._began) * (self._total - done) / done_here, 1) if done_here > 0 else None


def read_progress(index_path: str | os.PathLike[str]) -> IndexProgress | None:
    """How far the process that writes an index is; None when there is none, or it was killed."""
    path = Path(index_path) / PROGRESS_NAME
    try:
        facts, age_seconds = read_json(path), time.time() - os.stat(path).st_mtime
    except (OSError, ValueError):
        return None
    if not _is_valid(facts) or not _lives(facts["pid"], facts["host"], age_seconds):
        return None
    return IndexProgress(facts["done"], facts["total"], facts["message"], facts["seconds_left"])


def _is_valid(facts: Any) -> bool:
    kinds = {"done": int, "total": int, "message": str, "pid": int, "host": str, "seconds_left": float | int | None}
    return isinstance(facts, dict) and all(isinstance(facts.get(name), kind) for name, kind in kinds.items())


def _lives(pid: int, host: str, age_seconds: float) -> bool:
    if host != socket.gethostname():
        return age_seconds < SILENT_SECONDS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        return pid > 0 and pid < 1 << 31
    return pid > 0
