"""Video without a container (.h264, .hevc), as surveillance cameras and small computers write it: no packet has a time.

Packets are numbered, and shown at the rate that the stream states (VUI), else at the one that FFmpeg assumes: 25 a
second. Used by opening.py, parts.py and probe.py; display_order.py puts frames into the order in which they are shown.
"""

from typing import Any

FORMATS = ("h264", "hevc")
RATE_OPTION = "framerate"
"""Of FFmpeg, for these formats."""
RATES = (0.1, 300.0)
"""Frames a second; others are the ticks of a clock that an encoder writes where the rate varies."""
ASSUMED = "25-assumed"
"""The word on a file that states none."""


def stated_rate(container: Any) -> str | None:
    """Frames a second by the stream itself, for RATE_OPTION; None for other formats, and where none is stated."""
    if container.format.name not in FORMATS or not container.streams.video:
        return None
    rate = container.streams.video[0].codec_context.framerate
    return str(rate) if rate and RATES[0] <= rate <= RATES[1] else None


def assumed_words(container: Any) -> list[str]:
    """ASSUMED, where it holds."""
    return [ASSUMED] * (container.format.name in FORMATS and RATE_OPTION not in container.options)


class RawFrames:
    """Gives the packets of such a file their times, from the first on."""

    def __init__(self, format_name: str) -> None:
        self._is_raw = format_name in FORMATS
        self._num_seen = 0

    def place(self, packet: Any) -> None:
        """Give the packet that comes next its time and its length."""
        if self._is_raw and packet.size and packet.pts is None:
            packet.duration = round(1 / (packet.stream.average_rate * packet.stream.time_base))
            packet.pts = packet.dts = self._num_seen * packet.duration
            self._num_seen += 1
