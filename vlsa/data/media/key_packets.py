"""Decoding from key packets on: without a seek where none lands right, and past what lies between two wanted frames.

Used by container.py, which reads the packets; frames.py says what is wanted.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

MOST_HELD_BYTES = 2**26
"""Packets that may have to be decoded; where key packets are further apart, the earlier ones are decoded too."""
KEY_TOLERANCE_SECONDS = 1e-4
"""Time stamps of packets and of their frames are rounded."""
NEED_KEY_FRAMES = frozenset({"flv", "h263", "mpeg4", "msmpeg4", "msmpeg4v1", "msmpeg4v2", "wmv1", "wmv2"})
"""Of which the decoder makes an image without the frame that another was to change. (H.264 and HEVC wait for one.)"""


class MissedKeyFrame(Exception):
    """Decoding did not begin again with the key frame that was jumped to; decode from the start of the stretch."""


class CannotShare(Exception):
    """What overlapping stretches need is not sure to be the same when it is decoded once; decode each by itself."""


@runtime_checkable
class Needs(Protocol):
    """Which frames are needed."""

    def may_skip(self, seconds: float) -> bool:
        """Whether a frame that no other one needs may be left out at this time."""

    def note_broken(self, seconds: float) -> None:
        """Learn of a broken packet that is decoded all the same."""

    def next_seconds(self) -> float:
        """Decoding may go on from any key frame that is shown at this time or before; -inf = from none."""


class KeyJumps:
    """The packets of a stream, less those behind which a key packet follows in time for what is needed next.

    A jump empties the decoder, so what comes after it is what comes after a seek to that packet.
    """

    def __init__(self, source: Any, packets: Iterable[Any], needs: Needs) -> None:
        self._source, self._packets, self._needs = source, packets, needs  # a `Source`, whose packets they are
        self._held: deque[Any] = deque()
        self._key_seconds = -math.inf
        """Of the key packet that was jumped to last."""
        self._is_awaited = False
        """Whether its frame is still to come."""

    def __iter__(self) -> Iterator[Any]:
        num_bytes = 0
        for packet in self._packets:
            seconds = self._source.packet_seconds(packet)
            if self._held and packet.is_keyframe and seconds <= self._needs.next_seconds():
                self._jump(packet, seconds)
                num_bytes = 0
            self._held.append(packet)
            num_bytes += packet.size
            while self._held and (num_bytes > MOST_HELD_BYTES or not seconds <= self._needs.next_seconds()):
                num_bytes -= self._held[0].size
                yield from self._decoding(self._held.popleft())

    def _jump(self, packet: Any, seconds: float) -> None:
        self._held.clear()
        packet.stream.codec_context.flush_buffers()
        self._key_seconds, self._is_awaited = seconds, True

    def _decoding(self, packet: Any) -> Iterator[Any]:
        """The packet; until the key frame has come, and if shown before it, it may lack its past and is not broken."""
        num_bad = self._source.num_bad
        if packet.is_corrupt:
            self._needs.note_broken(self._source.packet_seconds(packet))
        yield packet
        if self._is_awaited or self._source.packet_seconds(packet) < self._key_seconds:
            found = self._source.bad_seconds[num_bad:]
            self._source.bad_seconds[num_bad:] = [bad for bad in found if self._is_key_frame(bad)]

    def _is_key_frame(self, seconds: float) -> bool:
        return abs(seconds - self._key_seconds) <= KEY_TOLERANCE_SECONDS

    def check(self, frame: Any, seconds: float) -> None:
        """Look at each frame that comes. Raises MissedKeyFrame if one was jumped to and another comes first."""
        if self._is_awaited:
            if not (frame.key_frame and self._is_key_frame(seconds)):
                raise MissedKeyFrame
            self._is_awaited = False


def from_key_packet(packets: Iterable[Any], start_seconds: float, seconds_of: Callable[[Any], float]) -> Iterator[Any]:
    """The packets of a stream from the last key packet on that is shown at `start_seconds` or before.

    `seconds_of(packet)` is when it is shown; nan = not known.
    """
    packets, held, num_bytes = iter(packets), [], 0
    for packet in packets:
        seconds = seconds_of(packet)
        if packet.is_keyframe and seconds <= start_seconds:
            held, num_bytes = [], 0
        held.append(packet)
        num_bytes += packet.size
        if seconds > start_seconds:
            break
        if num_bytes > MOST_HELD_BYTES:
            yield from held
            held, num_bytes = [], 0
    yield from held
    yield from packets
