"""Times of FLAC without a container (.flac) where FFmpeg gives none, or wrong ones.

Where files were joined byte by byte, it gives out the last frames before the join as one packet without a time. Where
their rates differ, it counts samples of the later ones as if they were of the first.

Used by opening.py and parts.py. A header of a frame has a checksum of its own (RFC 9639).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FORMAT = "flac"
SYNC = re.compile(rb"\xff[\xf8\xf9]")
"""Frames of one size, and of sizes of their own."""
SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
"""Samples of a frame by their code; 6 and 7: written behind the number of the frame, in one byte or two."""
RATES_HZ = {
    1: 88_200, 2: 176_400, 3: 192_000, 4: 8_000, 5: 16_000, 6: 22_050, 7: 24_000, 8: 32_000, 9: 44_100, 10: 48_000,
    11: 96_000,
}  # fmt: skip
"""Of a frame by their code; 12 to 14: written behind its size, in units of EXTRA_RATES_HZ; 0: as at the beginning."""
EXTRA_RATE_BYTES = {12: 1, 13: 2, 14: 2}
EXTRA_RATES_HZ = {12: 1000, 13: 1, 14: 10}
SHORTEST_HEADER_BYTES, LONGEST_HEADER_BYTES = 6, 16
POLYNOMIAL = 0x07


@dataclass(frozen=True)
class _Header:
    """What a frame says of itself."""

    is_sized: bool
    number: int
    """Of the frame, or of its first sample if frames have sizes of their own."""
    num_samples: int
    rate_hz: int
    """0 = as at the file's start."""


class FlacFrames:
    """Places packets without a time, and all from the first of another rate on, behind those before them."""

    def __init__(self, format_name: str) -> None:
        self._is_flac = format_name == FORMAT
        self._next: float | None = None
        self.is_counted_wrongly = False
        """Whether packets so far have another rate than the first."""

    def place(self, packet: Any) -> None:
        """Give such a packet its time and its length, in ticks of a sample at the first rate; take note of others."""
        if not self._is_flac or not packet.size:
            return
        first_hz = packet.stream.time_base.denominator
        own_hz = _rate_hz(packet) or first_hz
        self.is_counted_wrongly |= own_hz != first_hz
        length: float = packet.duration or 0
        if self._next is not None and (packet.pts is None or self.is_counted_wrongly):
            length = num_samples(bytes(packet)) * first_hz / own_hz
            packet.pts = packet.dts = round(self._next)
            packet.duration = round(length)
            self._next += length
        elif packet.pts is not None:
            self._next = packet.pts + length


def allow_all_sizes(container: Any) -> None:
    """Let the decoder take frames of any size: those of a recording that was joined may be larger than the first says.

    By the fields of its header (STREAMINFO): the smallest and the largest number of samples, in 16 bits each.
    """
    for stream in container.streams.audio if container.format.name == FORMAT else ():
        if header := stream.codec_context.extradata:
            stream.codec_context.extradata = header[:2] + b"\xff\xff" + header[4:]


def _rate_hz(packet: Any) -> int:
    """By the header at its beginning; 0 where that does not say it."""
    start = bytes(memoryview(packet)[:LONGEST_HEADER_BYTES])
    if len(start) > 2 and (start[2] & 0xF) in RATES_HZ:
        return RATES_HZ[start[2] & 0xF] if SYNC.match(start) else 0
    header = _header(start) if SYNC.match(start) else None
    return header.rate_hz if header is not None else 0


def num_samples(data: bytes) -> int:
    """Of the frames that follow each other from the beginning of some bytes on."""
    total, expected = 0, None
    for header in _headers(data):
        if expected is None or (header.is_sized, header.number) == expected:
            total += header.num_samples
            expected = header.is_sized, header.number + (header.num_samples if header.is_sized else 1)
    return total


def _headers(data: bytes) -> Iterator[_Header]:
    for sync in SYNC.finditer(data):
        if header := _header(data[sync.start() : sync.start() + LONGEST_HEADER_BYTES]):
            yield header


def _header(data: bytes) -> _Header | None:
    if len(data) < SHORTEST_HEADER_BYTES:
        return None
    size_code, rate_code = data[2] >> 4, data[2] & 0xF
    number, place = _number(data)
    size_bytes = {6: 1, 7: 2}.get(size_code, 0)
    stop = place + size_bytes + EXTRA_RATE_BYTES.get(rate_code, 0)
    if number is None or size_code == 0 or rate_code == 15 or len(data) <= stop or _crc8(data[:stop]) != data[stop]:
        return None
    written = int.from_bytes(data[place : place + size_bytes], "big") + 1
    written_hz = int.from_bytes(data[place + size_bytes : stop], "big") * EXTRA_RATES_HZ.get(rate_code, 0)
    return _Header(data[1] == 0xF9, number, SIZES.get(size_code, written), RATES_HZ.get(rate_code, written_hz))


def _number(data: bytes) -> tuple[int | None, int]:
    """The number behind the first four bytes, and where it ends; as UTF-8 writes characters, but with up to 36 bits."""
    first = data[4]
    num_ones = 8 - (first ^ 0xFF).bit_length()
    if num_ones == 0:
        return first, 5
    rest = data[5 : 4 + num_ones]
    if num_ones in (1, 8) or len(rest) < num_ones - 1 or any(byte >> 6 != 0b10 for byte in rest):
        return None, 5
    number = first & (0x7F >> num_ones)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, 4 + num_ones


def _crc8(data: bytes) -> int:
    checksum = 0
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum << 1 ^ POLYNOMIAL * (checksum >> 7)) & 0xFF
    return checksum
