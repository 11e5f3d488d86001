"""Files whose time stamps do not go on: recordings that were joined byte by byte, as by cameras and `cat`; broadcasts.

Feeds container.py, which moves the time stamps of later parts behind the earlier ones.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vlsa.data.media.flac_frames import FlacFrames
from vlsa.data.media.frame_headers import FORMAT, FrameHeaders
from vlsa.data.media.raw_frames import RawFrames

RESTART_SECONDS = 1.0
"""A stream starts again where its time of decoding steps back by more, to its first time or nearly so."""
JUMP_SECONDS = 10.0
"""A part starts where time leaps by more than this past all that has played; a shorter gap is lost signal."""
BROADCAST_FORMATS = ("mpegts", "mpeg")
"""Whose time stamps may start anywhere: what was joined steps back or leaps to any time."""
CHAINED_FORMAT = "ogg"
"""Whose first page after a join goes on in time, by FFmpeg; the pages after it step back to their place in the part."""
SAME_SECONDS = 0.05
"""A page that begins so near to the start of the file begins its part; so does a packet that says only when it is
shown, which may be before earlier ones."""
STEP_BACK_SECONDS = 0.2
"""In those formats a part starts where a stream steps back by more; pieces of one broadcast overlap by less."""
FOLLOWS_SECONDS = 2.0
"""After so much of a part all streams are in it: what is joined byte by byte begins together."""
JOIN_SECONDS = 0.5
"""Before the place where a part starts, a packet that looks broken is cut off by the join, not damaged."""


class Parts:
    """How much later each part of a file plays than its time stamps say; found out while its packets are read."""

    def __init__(
        self,
        shifts_seconds: Sequence[float] = (0.0,),
        format_name: str = "",
        first_seconds: Mapping[int, float] | None = None,
    ) -> None:
        """`first_seconds`: when streams begin in the file, where it is not read from its first packet on."""
        self.shifts_seconds = list(shifts_seconds)
        self._sees_all = False
        """Whether packets of all streams come by: a gap of one is no leap where another plays on."""
        self._is_broadcast = format_name in BROADCAST_FORMATS
        self._is_chained = format_name == CHAINED_FORMAT
        self._headers = FrameHeaders() if format_name == FORMAT else None
        self._flac = FlacFrames(format_name)
        self._untimed = self._flac, RawFrames(format_name)
        self._first = dict(first_seconds or {})
        self._latest: dict[int, float] = {}
        """Time of decoding, of the last packet of a stream that has one."""
        self._latest_shown: dict[int, float] = {}
        self._longest_step: dict[int, float] = {}
        self._part: dict[int, int] = {}
        self.num_seen = 1
        """Parts of which packets were read."""
        self._end_seconds = self._begun_seconds = 0.0
        self._join_seconds = math.inf

    def streams_to_read(self, wanted: Iterable[Any], streams: Iterable[Any | None]) -> list[Any]:
        """The wanted streams; in a file of several parts also the others of `streams`: all tell where parts start."""
        own = [stream for stream in streams if stream is not None]
        read = {stream.index: stream for stream in (*wanted, *(own if len(self.shifts_seconds) > 1 else ()))}
        self._sees_all = all(stream.index in read for stream in own)
        return list(read.values())

    def is_of_next(self, delay_seconds: float) -> bool:
        """Whether a packet is shown so long after it is decoded that its time is from the next part, by the demuxer."""
        return self._is_broadcast and abs(delay_seconds) > JUMP_SECONDS

    def give_time(self, packet: Any) -> None:
        """Place the packet that comes next behind those before it, if it has no time of its own, or a wrong one."""
        for frames in self._untimed:
            frames.place(packet)

    def late_seconds(self, packet: Any) -> float:
        """What to add to the time of the next packet, since those before it were longer than FFmpeg counted."""
        return 0.0 if self._headers is None else self._headers.late(packet)

    @property
    def is_counted_wrongly(self) -> bool:
        """Whether packets so far were longer, or shorter, than FFmpeg counted: a seek would land elsewhere."""
        return self._flac.is_counted_wrongly or (self._headers is not None and self._headers.late_seconds != 0)

    def shift(
        self, stream: int, seconds: float | None, duration_seconds: float, shown_seconds: float | None = None
    ) -> float:
        """What to add to the time of the next packet of a stream, given its time of decoding and its duration.

        Where its time of decoding is not known (None), the one at which it is shown counts.
        """
        latest, near_seconds = (self._latest, RESTART_SECONDS)
        if seconds is None:
            assert shown_seconds is not None
            latest, near_seconds, seconds = self._latest_shown, SAME_SECONDS, shown_seconds
        self._first.setdefault(stream, seconds)
        step = seconds - latest.get(stream, seconds)
        latest[stream] = seconds
        self._latest_shown[stream] = seconds if shown_seconds is None else shown_seconds
        if self._starts_part(stream, seconds, step, near_seconds):
            self._part[stream] = self._next_part(stream, seconds, step)
            if latest is self._latest_shown:
                self._latest.pop(stream, None)
        else:
            self._longest_step[stream] = max(self._longest_step.get(stream, 0.0), step)
        shift = self._shift_of(stream)
        self._end_seconds = max(self._end_seconds, seconds + duration_seconds + shift)
        return shift

    def without_joins(self, bad_seconds: list[float]) -> list[float]:
        """Times of broken packets, less those that a part which has just started cut off: demuxers call them broken."""
        until, self._join_seconds = self._join_seconds - JOIN_SECONDS, math.inf
        return bad_seconds if until == math.inf else [bad for bad in bad_seconds if bad < until]

    def _shift_of(self, stream: int) -> float:
        return self.shifts_seconds[self._part.get(stream, 0)]

    def _starts_part(self, stream: int, seconds: float, step: float, near_seconds: float) -> bool:
        if not self._is_broadcast:
            is_at_start = self._is_chained or seconds < self._first[stream] + near_seconds
            return step < -RESTART_SECONDS and is_at_start
        if self._part.get(stream, 0) < self.num_seen - 1:  # another stream is in a later part
            later_step = step + self.shifts_seconds[self._part.get(stream, 0) + 1] - self._shift_of(stream)
            is_unusual = 0 < 2 * self._longest_step.get(stream, 0.0) < step
            is_over = self._end_seconds > self._begun_seconds + FOLLOWS_SECONDS
            return step < 0 or abs(later_step) < step or is_unusual or is_over
        if step < -STEP_BACK_SECONDS:
            return True
        is_unlike_before = 0 < JUMP_SECONDS * self._longest_step.get(stream, 0.0) < step  # a slide show leaps always
        lands_at = seconds + self._shift_of(stream)
        leaps = step > JUMP_SECONDS and lands_at > self._end_seconds + JUMP_SECONDS
        return self._sees_all and is_unlike_before and leaps

    def _next_part(self, stream: int, seconds: float, step: float) -> int:
        """The part that another stream has begun already, if the packet follows there; else a new one."""
        before = seconds - step + self._shift_of(stream)
        for part in range(self._part.get(stream, 0) + 1, self.num_seen):
            lands_at = seconds + self.shifts_seconds[part]
            if before - RESTART_SECONDS < lands_at < self._end_seconds + JUMP_SECONDS:
                return part
        if self.num_seen == len(self.shifts_seconds):
            nearly_seconds = STEP_BACK_SECONDS if self._is_broadcast else RESTART_SECONDS
            nearly_seconds = SAME_SECONDS if self._is_chained else nearly_seconds
            is_like_first = abs(self._first[stream] - seconds) <= nearly_seconds  # else, it stood elsewhere
            self.shifts_seconds.append(self._end_seconds - (0.0 if is_like_first else seconds))
        self._join_seconds = self._begun_seconds = self._end_seconds
        self.num_seen += 1
        return self.num_seen - 1
