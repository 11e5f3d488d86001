"""Files whose time stamps start again: recordings that were joined byte by byte, as cameras and `cat` do.

Feeds container.py, which moves the time stamps of later parts behind the earlier ones.
"""

from collections.abc import Sequence

RESTART_SECONDS = 1.0
"""A stream starts again where its time of decoding steps back by more, to its first time or nearly so."""


class Parts:
    """How much later each part of a file plays than its time stamps say; found out while its packets are read."""

    def __init__(self, shifts_seconds: Sequence[float] = (0.0,)) -> None:
        self.shifts_seconds = list(shifts_seconds)
        self._first: dict[int, float] = {}
        self._latest: dict[int, float] = {}
        self._part: dict[int, int] = {}
        self.num_seen = 1
        """Parts of which packets were read."""
        self._end_seconds = 0.0

    def shift(self, stream: int, seconds: float, duration_seconds: float) -> float:
        """What to add to the time of the next packet of a stream, given its time of decoding and its duration."""
        first = self._first.setdefault(stream, seconds)
        latest = self._latest.get(stream, seconds)
        self._latest[stream] = seconds
        part = self._part.get(stream, 0)
        if seconds < latest - RESTART_SECONDS and seconds < first + RESTART_SECONDS:
            part += 1
            if part == len(self.shifts_seconds):
                stood_later = first - seconds > RESTART_SECONDS  # as in a file whose halves were swapped
                self.shifts_seconds.append(self._end_seconds - (seconds if stood_later else 0.0))
        self._part[stream] = part
        self.num_seen = max(self.num_seen, part + 1)
        shift = self.shifts_seconds[part]
        self._end_seconds = max(self._end_seconds, seconds + duration_seconds + shift)
        return shift
