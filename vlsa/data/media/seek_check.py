"""Whether a seek lands where it says, tried before anything relies on it.

In a damaged or unfinished file the index (AVI), or the arithmetic that stands for one (MXF), may name other packets
than reading from the start finds at the same time. Used by probe.py; its answer goes with `MediaFacts` to container.py.
"""

import bisect
from array import array
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsa.data.media.container import Kind, Source

TRIED_AT = (0.25, 0.5, 0.75, 0.95)
"""Shares of a stream's length that are sought."""
SAME_SECONDS = 1e-6


@dataclass
class PacketPlaces:
    """Where the packets of a stream lie in the file, as reading it from the start finds them."""

    seconds: MutableSequence[float] = field(default_factory=lambda: array("d"))
    bytes_: MutableSequence[int] = field(default_factory=lambda: array("q"))
    """Offset in the file; -1 = not known. (A week has 50 million packets; lists would take four times as much.)"""

    def add(self, seconds: float, packet: Any) -> None:
        """Take note of a packet."""
        self.seconds.append(seconds)
        self.bytes_.append(-1 if packet.pos is None else packet.pos)


def seeks_exactly(source: Source, places: dict[Kind, PacketPlaces]) -> bool:
    """Whether seeks in each stream find packets that reading from the start finds at the same time.

    Moves the source. A stream of which the demuxer does not know where packets lie counts as exact.
    """
    return all(_stream_seeks_exactly(source, kind, found) for kind, found in places.items() if -1 not in found.bytes_)


def _stream_seeks_exactly(source: Source, kind: Kind, places: PacketPlaces) -> bool:
    order = sorted(range(len(places.seconds)), key=places.seconds.__getitem__)
    seconds = [places.seconds[k] for k in order]
    bytes_ = [places.bytes_[k] for k in order]
    for share in TRIED_AT:
        first = source.first_packet(kind, share * seconds[-1])
        if first is not None and not _is_known(seconds, bytes_, *first, kind == "audio"):
            return False
    return True


def _is_known(seconds: Sequence[float], bytes_: Sequence[int], time: float, place: int, may_be_part: bool) -> bool:
    """Whether a packet is one of those that are known, or (of plain samples) begins within one."""
    after = bisect.bisect_right(seconds, time + SAME_SECONDS)
    same = bisect.bisect_left(seconds, time - SAME_SECONDS)
    if same < after:
        return place in bytes_[same:after]
    return may_be_part and 0 < after < len(seconds) and bytes_[after - 1] <= place <= bytes_[after]
