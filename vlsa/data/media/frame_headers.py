"""Times of AAC without a container (ADTS, .aac), whose frames say by themselves how long they are.

FFmpeg counts all frames as long as the first; where recordings of several rates were joined, as from radio stations,
that is wrong from the second on. Used by parts.py.
"""

from typing import Any

FORMAT = "aac"
SAMPLES = 1024
"""Of a frame."""
RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
"""By their number in a header (ISO 13818-7)."""


class FrameHeaders:
    """How much later frames play than they are counted; found out while they are read."""

    def __init__(self) -> None:
        self._first_hz = 0
        self.late_seconds = 0.0
        """Of the frame that comes next."""

    def late(self, packet: Any) -> float:
        """What to add to the time of a frame, in seconds."""
        late_seconds, rate_hz = self.late_seconds, _rate_hz(bytes(packet)[:3])
        if rate_hz:
            self._first_hz = self._first_hz or rate_hz
            self.late_seconds += SAMPLES / rate_hz - SAMPLES / self._first_hz
        return late_seconds


def _rate_hz(header: bytes) -> int:
    """Samples a second by a frame's header; 0 if it has none."""
    is_header = len(header) == 3 and header[0] == 0xFF and header[1] & 0xF6 == 0xF0
    number = header[2] >> 2 & 0xF if is_header else len(RATES_HZ)
    return RATES_HZ[number] if number < len(RATES_HZ) else 0
