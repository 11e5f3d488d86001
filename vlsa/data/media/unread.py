"""What of a file is there and not read: recordings behind the first one, broken fragments at the end of an MP4.

Looks at the headers of boxes and chunks alone. Used by opening.py and probe.py; the messages, of which one is on what
raw_frames.py assumes, by ingest/scan.py.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from vlsa.data.media.file_view import FileView
from vlsa.data.media.raw_frames import ASSUMED

LATER_RECORDINGS = "later-recordings-unread"
"""The word on a file of recordings that were joined byte by byte, in a format that says where the first one ends."""
LAST_FRAGMENTS = "last-fragments-unread"
"""The word on an MP4 in fragments, the last of which are broken, as after a crash of the recorder."""
BEGINNINGS = {
    "tta": re.compile(rb"TTA1[\x01-\x03]\x00"),
    "wv": re.compile(rb"wvpk.{4}[\x02-\x10]\x04.{6}\x00{4}", re.DOTALL),
    "caf": re.compile(rb"caff\x00\x01\x00\0desc"),
    "w64": re.compile(rb"riff\x2e\x91\xcf\x11"),
    "flv": re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09"),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"),
    "mxf": re.compile(rb"\x06\x0e\x2b\x34\x02\x05\x01.\x0d\x01\x02\x01\x01\x02[\x01-\x04]\x00", re.DOTALL),
}
"""With what recordings of these formats begin, which FFmpeg reads up to the end of the first one."""
SEARCHED_BYTES = 2**23
"""Behind what was read, where tags with an image or an index may come first."""
MXF_FOOTER_PLACE = 24
"""In the first partition of an MXF, behind the length of the pack: the place of the last one, in 8 bytes."""
MOST_BOXES = 100_000
MOST_TRIED = 4
"""Fragments at the end that may be broken."""
MESSAGES = {
    LATER_RECORDINGS: (
        "holds recordings that were joined byte by byte; its format ends with the first one, and only that is read. "
        "Join them with a program that knows the format, or keep them apart."
    ),
    LAST_FRAGMENTS: "the last fragments are broken, as after a crash of the recorder; it is read up to there.",
    ASSUMED: (
        "has no times, as video without a container, and does not state a rate: 25 frames a second are assumed. If "
        "it has another rate, put it into a container: ffmpeg -framerate 30 -i IN -c copy OUT.mkv"
    ),
}


class Beginning(FileView):
    """A file as if it ended after some bytes."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__(path)
        self._size = size

    def read(self, size: int) -> bytes:
        """The next bytes."""
        return super().read(max(min(size, self._size - self.tell()), 0))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return super().seek(self._size + offset) if whence == os.SEEK_END else super().seek(offset, whence)


def fragment_ends(path: str) -> list[int]:
    """Where the last fragments of an MP4 end that have all their bytes, the later ones first; [] for other files."""
    size, ends = os.path.getsize(path), []
    with open(path, "rb") as file:
        before = b""
        for name, stop in _boxes(file, size):
            if (before, name) == (b"moof", b"mdat") and stop <= size:
                ends.append(stop)
            before = name
    return ends[: -MOST_TRIED - 1 : -1]


def unread_words(path: str, read_bytes: int, format_name: str, num_parts: int, last_byte: int) -> list[str]:
    """The words on a file of a format, of which so many bytes are looked at, and so many recordings were found.

    last_byte: where the last packet that was read ends.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        has_later = num_parts == 1 and _has_later(file, size, format_name, last_byte)
    return [LATER_RECORDINGS] * has_later + [LAST_FRAGMENTS] * (0 < read_bytes < size)


def unread_remarks(path: str | os.PathLike[str], choices: Sequence[str]) -> list[tuple[str, str]]:
    """Reason and message for each of these words among those on a file."""
    return [("choice", f"{path}: {message}") for word, message in MESSAGES.items() if word in choices]


def _has_later(file: BinaryIO, size: int, format_name: str, last_byte: int) -> bool:
    if "mp4" in format_name.split(","):
        return sum(name == b"moov" for name, _ in _boxes(file, size)) > 1
    if format_name in BEGINNINGS:
        file.seek((_mxf_footer(file) if format_name == "mxf" else last_byte) or size)
        return BEGINNINGS[format_name].search(file.read(SEARCHED_BYTES)) is not None
    if format_name not in ("wav", "aiff"):
        return False
    first = file.read(12)
    length = int.from_bytes(first[4:8], "little" if first[:4] == b"RIFF" else "big")
    file.seek(8 + length + length % 2)
    later = file.read(12)
    return length > 0 and later[:4] == first[:4] and later[8:] == first[8:]


def _mxf_footer(file: BinaryIO) -> int:
    """Where the last partition of the first recording begins; 0 = not known."""
    head = file.read(64)
    length_bytes = 1 + (head[16] & 0x7F if len(head) == 64 and head[16] & 0x80 else 0)
    place = 16 + length_bytes + MXF_FOOTER_PLACE
    return int.from_bytes(head[place : place + 8], "big")


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Name and end of the outermost boxes of an MP4; none of other files."""
    offset = 0
    for _ in range(MOST_BOXES):
        file.seek(offset)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        length = int.from_bytes(header[8:16], "big") if length == 1 else length
        if length < 8 or (offset == 0 and header[4:8] != b"ftyp"):
            return
        yield header[4:8], offset + length
        offset += length
        if offset >= size:
            return
