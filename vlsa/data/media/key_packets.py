"""Starting in the middle of a stream without a seek: packets are read from the first on, and decoded from a key packet.

Used by container.py for files in which a seek does not land where it says.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

MOST_HELD_BYTES = 2**26
"""Packets that may have to be decoded; where key packets are further apart, the earlier ones are decoded too."""


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
