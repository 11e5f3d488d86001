"""Times of FLAC without a container (.flac) where FFmpeg gives none.

Where files were joined byte by byte, it gives out the last frames before the join as one packet without a time.

Used by container.py. A header of a frame has a checksum of its own (RFC 9639).
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
EXTRA_RATE_BYTES = {12: 1, 13: 2, 14: 2}
SHORTEST_HEADER_BYTES, LONGEST_HEADER_BYTES = 6, 16
POLYNOMIAL = 0x07


@dataclass(frozen=True)
class _Header:
    """What a frame says of itself."""

    is_sized: bool
    number: int
    """Of the frame, or of its first sample if frames have sizes of their own."""
    num_samples: int


class FlacFrames:
    """Places packets without a time behind those before them."""

    def __init__(self, format_name: str) -> None:
        self._is_flac = format_name == FORMAT
        self._next: int | None = None

    def place(self, packet: Any) -> None:
        """Give a packet that has none its time and its length, in ticks of a sample; take note of others."""
        if not self._is_flac:
            return
        if packet.pts is None and packet.size and self._next is not None:
            packet.pts = packet.dts = self._next
            packet.duration = num_samples(bytes(packet))
        if packet.pts is not None:
            self._next = packet.pts + (packet.duration or 0)


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
    return _Header(data[1] == 0xF9, number, SIZES.get(size_code, written))


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
