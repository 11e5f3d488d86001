"""How long a process may work at something before it counts as hung, however busy its machine is.

A wall clock also counts what other processes take. So patience is over when the process has used as much time of a
processor, or when it stands still. Used by workers.py.
"""

import os
import time
from pathlib import Path

LEAST_SHARE = 0.01
"""Of a processor; a process with less stands still: it waits for what does not come."""
NEXT_LOOK_SHARE, NEXT_LOOK_SECONDS = 0.1, 1.0
"""Of the patience, and at least so long, passes between two looks."""


class Patience:
    """With what a process does now."""

    def __init__(self, process_id: int | None, seconds: float) -> None:
        """seconds: of the wall clock, and longer where the process gets only a part of a processor."""
        self._process_id = process_id
        self._seconds = seconds
        self._begun_seconds = self._seen_seconds = processor_seconds(process_id)
        self._looked_at = time.monotonic()
        self.deadline = self._looked_at + seconds
        """When to look whether it is over (time.monotonic())."""

    def is_over(self) -> bool:
        """Whether the process counts as hung. If it does not at the deadline, there is a later one."""
        now = time.monotonic()
        if now < self.deadline:
            return False
        used = processor_seconds(self._process_id)
        if used is None or self._begun_seconds is None or self._seen_seconds is None:
            return True
        spent, since = used - self._begun_seconds, used - self._seen_seconds
        if spent >= self._seconds or since < LEAST_SHARE * (now - self._looked_at):
            return True
        self._seen_seconds, self._looked_at = used, now
        self.deadline = now + max(self._seconds - spent, NEXT_LOOK_SHARE * self._seconds, NEXT_LOOK_SECONDS)
        return False


def processor_seconds(process_id: int | None) -> float | None:
    """How long a process has been computing, all threads together; None where the system does not say."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # in its own code, in the system's
    except (OSError, ValueError, IndexError):
        return None
