"""Video without a container (.h264, .hevc), as surveillance cameras and small computers write it: no packet has a time.

Packets are numbered, and shown at the rate that FFmpeg assumes: 25 a second. Used by parts.py; display_order.py puts
frames into the order in which they are shown.
"""

from typing import Any

FORMATS = ("h264", "hevc")


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
