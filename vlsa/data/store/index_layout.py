"""Where what lies in STORE/clips.safetensors: the index of a whole store, by column.

A file of the safetensors format, so that anyone can read it: a header of one page, then the records of the clips
(clip_records.py), then a column for each fact that is asked of all clips at once. The header follows from four numbers,
and a header that is not the one of its numbers is damaged. Written by index_build.py, read by clip_index.py.
Axes: N clips, S shards, R bytes of rejections.
"""

import json
from dataclasses import dataclass
from typing import Any

NAME = "clips.safetensors"
HEADER_BYTES = 4096
VERSION = "1"
DTYPES = {"U8": "|u1", "U32": "<u4", "U64": "<u8", "F64": "<f8"}
COLUMNS = {
    "record_start": ("U64", "starts"),  # in `records`; N + 1, the last is the end
    "duration_seconds": ("F64", "clips"),
    "id_hash": ("U64", "clips"),  # ascending
    "split_counts": ("U64", "splits"),  # clips of train, val and test
    "tar_bytes": ("U64", "shards"),
    "index_bytes": ("U64", "shards"),
    "id_clip": ("U32", "clips"),  # the clip of each id_hash
    "split_clips": ("U32", "clips"),  # those of train, then of val, then of test
    "first_of_source": ("U32", "clips"),  # the first clip from the same media file
    "index_crc32": ("U32", "shards"),
    "modalities": ("U8", "clips"),  # 1 video + 2 audio + 4 text
    "digests": ("U8", "digests"),  # JSON
    "rejections": ("U8", "rejections"),  # JSON lines
}
"""Type, and what there is one of; the wider types first, so that all are aligned."""
DIGEST_BYTES = 512
NUM_SPLITS = 3


@dataclass(frozen=True)
class Column:
    """A stretch of the file."""

    kind: str
    """As safetensors names it."""
    length: int
    start: int
    """In bytes from the beginning of the file."""

    @property
    def dtype(self) -> str:
        """As NumPy names it."""
        return DTYPES[self.kind]

    @property
    def stop(self) -> int:
        """Behind its last byte."""
        return self.start + self.length * int(self.dtype[-1])


@dataclass(frozen=True)
class Layout:
    """The four numbers that the places of all columns follow from."""

    num_record_bytes: int
    """A multiple of 8."""
    num_clips: int
    num_shards: int
    num_rejection_bytes: int

    def columns(self) -> dict[str, Column]:
        """All, in their order in the file."""
        lengths = {
            "starts": self.num_clips + 1,
            "clips": self.num_clips,
            "shards": self.num_shards,
            "splits": NUM_SPLITS,
            "digests": DIGEST_BYTES,
            "rejections": self.num_rejection_bytes,
        }
        found = {"records": Column("U8", self.num_record_bytes, HEADER_BYTES)}
        place = found["records"].stop
        for name, (kind, length) in COLUMNS.items():
            found[name] = Column(kind, lengths[length], place)
            place = found[name].stop
        return found

    def header(self, checksum: int) -> bytes:
        """The first HEADER_BYTES of the file; `checksum` is the CRC-32 of all that follows the records."""
        entries: dict[str, Any] = {
            "__metadata__": {"format": "vlsa-clip-index", "version": VERSION, "crc32": f"{checksum:08x}"}
        }
        for name, column in self.columns().items():
            place = [column.start - HEADER_BYTES, column.stop - HEADER_BYTES]
            entries[name] = {"dtype": column.kind, "shape": [column.length], "data_offsets": place}
        text = json.dumps(entries).encode()
        return (HEADER_BYTES - 8).to_bytes(8, "little") + text.ljust(HEADER_BYTES - 8)


def parse_header(data: bytes, num_file_bytes: int) -> tuple[Layout, int]:
    """The layout that a header has, and its checksum. Raises ValueError, LookupError or TypeError for any other."""
    entries = json.loads(data[8:HEADER_BYTES])
    names = ("records", "duration_seconds", "tar_bytes", "rejections")
    numbers = [entries[name]["shape"][0] for name in names]
    checksum = int(entries["__metadata__"]["crc32"], 16)
    if not all(type(number) is int and 0 <= number <= num_file_bytes for number in numbers):
        raise ValueError("no sizes")
    layout = Layout(*numbers)
    if data != layout.header(checksum) or layout.columns()["rejections"].stop != num_file_bytes:
        raise ValueError("another header than that of its sizes")
    return layout, checksum
