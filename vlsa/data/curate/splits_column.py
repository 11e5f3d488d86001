"""The splits of a file as a column: one number for each clip of the store, and the digests of each split.

It stands in the head of a splits file (splits_file.py), so that training opens millions of clips without reading their
lines, or their records. It counts only for the very lines and the very store that it was made of.
"""

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import StoreError
from vlsa.base.files import open_regular
from vlsa.data.clip import RowsDigest
from vlsa.data.ingest.manifest import SPLITS
from vlsa.data.store.reader import ClipStore

LEFT_OUT = -1
CHUNK_BYTES = 1 << 20
ALL = ""
"""Of all clips that have a split."""

Digests = tuple[str, str | None]
"""Of facts and of media (`RowsDigest`)."""


@dataclass(frozen=True)
class SplitsColumn:
    """Which split each clip of a store has. Axes: N clips of the store."""

    codes: np.ndarray
    """int8, N: the place of the split in SPLITS, or LEFT_OUT."""
    digests: dict[str, Digests]
    """Of the clips of each split, and of ALL; empty where they were not computed."""

    def as_json(self, store: ClipStore, lines: bytes) -> dict[str, Any]:
        """For the head of a file with these lines."""
        codes = base64.b64encode(zlib.compress(self.codes.tobytes())).decode()
        return {**_of(store), **_lines_facts([lines]), "digests": self.digests, "codes": codes}


def column_of(store: ClipStore, codes: np.ndarray) -> SplitsColumn:
    """A column with its digests: reads the record of each clip."""
    made = {split: RowsDigest() for split in (ALL, *SPLITS)}
    for clip, code in zip(store.rows(), codes.tolist(), strict=True):
        for split in (ALL, SPLITS[code]) if code != LEFT_OUT else ():
            made[split].add(clip)
    return SplitsColumn(codes, {split: (digest.facts, digest.content) for split, digest in made.items()})


def known_column(path: Path, head: dict[str, Any], store: ClipStore) -> SplitsColumn | None:
    """The column in the head of a file; None where there is none, or one of other lines or of another store.

    Raises StoreError where it does not name as many clips of each split as the lines do.
    """
    written = head.get("column")
    if not isinstance(written, dict):
        return None
    counts = dict.fromkeys(SPLITS, 0)
    if not written.items() >= {**_of(store), **_lines_facts(_counted(_lines(path), counts))}.items():
        return None
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(written["codes"], validate=True), len(store) + 1)
        codes = np.frombuffer(data, np.int8)
        digests = {split: _digests(*written["digests"][split]) for split in (ALL, *SPLITS)}
    except (ValueError, TypeError, LookupError, zlib.error):
        return None
    is_whole = len(codes) == len(store) and set(np.unique(codes).tolist()) <= {LEFT_OUT, *range(len(SPLITS))}
    if is_whole and counts != {split: int((codes == number).sum()) for number, split in enumerate(SPLITS)}:
        raise disagreeing(path)
    return SplitsColumn(codes, digests) if is_whole else None


def disagreeing(path: Path) -> StoreError:
    """The error for a file that states its splits twice, and not alike."""
    return StoreError(
        f"{path}: its first line and its other lines name different splits; clips of one would be taken for those of "
        "another. Make it again by `vlsa data split`, or remove `column` from the first line: then the lines count."
    )


def _counted(chunks: Iterator[bytes], counts: dict[str, int]) -> Iterator[bytes]:
    """The same, while the lines of each split are counted (quotes within a name are written as \\")."""
    marks = {split: f'"split": "{split}"'.encode() for split in counts}
    longest, rest = max(map(len, marks.values())), b""
    for chunk in chunks:
        for split, mark in marks.items():
            seen = rest[len(rest) - len(mark) + 1 :] if len(mark) <= len(rest) else rest
            counts[split] += (seen + chunk).count(mark)
        rest = (rest + chunk)[-longest:]
        yield chunk


def _digests(facts: Any, content: Any) -> Digests:
    """Raises TypeError for what is none."""
    if not isinstance(facts, str) or not isinstance(content, str | None):
        raise TypeError
    return facts, content


def _of(store: ClipStore) -> dict[str, Any]:
    """What the column is of."""
    return {"store_digests": list(store.clips.digests)}


def _lines(path: Path) -> Iterator[bytes]:
    """The bytes of a file behind its first line."""
    with open_regular(path) as file:
        file.readline()
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _lines_facts(chunks: list[bytes] | Iterator[bytes]) -> dict[str, int]:
    num_bytes, checksum = 0, 0
    for chunk in chunks:
        num_bytes, checksum = num_bytes + len(chunk), zlib.crc32(chunk, checksum)
    return {"lines_bytes": num_bytes, "lines_crc32": checksum}
