"""WAV files whose samples have fewer bits than the words that hold them: 24, 20 or 16 bits in words of 32, of 24 ...

FFmpeg takes such a word for as long as its samples need (or for floating point), and gives noise. A file is opened as
if all bits of a word counted, of which the lower ones are zero. Used by opening.py.
"""

import re
import struct
from typing import Any

from vlsa.data.media.file_view import FileView

FORMATS = ("wav", "w64")
HEADER_BYTES = 65_536
"""Among which the chunk `fmt ` is looked for; notes of broadcasters (bext) may come before it."""
EXTENSIBLE = re.compile(rb"fmt (?:.{4}|.{20})(\xfe\xff.{12}..\x16\0..{5}.{16})", re.DOTALL)
"""The chunk behind its size, which Wave64 writes behind a name of 16 bytes, in 8."""
INTEGERS = bytes.fromhex("0100000000001000800000aa00389b71")
VALID_BITS_PLACE = 18
"""Of the samples, in the chunk."""


class WithWholeWords(FileView):
    """Such a file with another number of bits in its header."""

    def __init__(self, path: str, place: int, value: bytes) -> None:
        super().__init__(path)
        self._place, self._value = place, value

    def read(self, size: int) -> bytes:
        """The next bytes."""
        start, data = self.tell(), super().read(size)
        if start + len(data) <= self._place or start >= self._place + len(self._value):
            return data
        changed = bytearray(data)
        for number, byte in enumerate(self._value, self._place - start):
            if 0 <= number < len(changed):
                changed[number] = byte
        return bytes(changed)


def with_whole_words(path: str, container: Any) -> WithWholeWords | None:
    """The file as it has to be opened instead, if it is such a one."""
    if container.format.name not in FORMATS:
        return None
    with open(path, "rb") as file:
        found = EXTENSIBLE.search(file.read(HEADER_BYTES))
    if found is None:
        return None
    num_channels, word_bytes, word_bits = struct.unpack_from("<2xH8xHH", found[1])
    valid_bits = struct.unpack_from("<H", found[1], VALID_BITS_PLACE)[0]
    is_whole = word_bits % 8 == 0 and word_bytes == num_channels * word_bits // 8
    if found[1][-16:] != INTEGERS or not is_whole or not 0 < valid_bits < word_bits:
        return None
    return WithWholeWords(path, found.start(1) + VALID_BITS_PLACE, struct.pack("<H", word_bits))
