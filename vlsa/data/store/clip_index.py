"""Reading the index of a whole store: the clip of a number, the number of an id, facts of all clips at once.

Reads STORE/clips.safetensors (index_layout.py); feeds clip_rows.py and reader.py. Nothing stays in memory but the sizes
of the shards: what is asked for is read from the file, whose pages all processes of a machine share. Columns are
checked when a store is opened, a clip when it is asked for. Axes: N clips.
"""

import bisect
import json
import os
import zlib
from collections.abc import Callable
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import ManifestError, StoreError
from vlsa.base.files import open_regular
from vlsa.data.clip import RowFacts
from vlsa.data.ingest.manifest import SPLITS, Rejection, parse_rejection
from vlsa.data.store import clip_records
from vlsa.data.store.index_build import MODALITY_BITS, id_hash
from vlsa.data.store.index_layout import HEADER_BYTES, parse_header
from vlsa.data.store.shard_index import StoredClip

CHUNK_BYTES = 1 << 20
NO_CLIP = -1
BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, ManifestError)
"""What reading an index with changed bytes raises."""


class ClipIndex:
    """The index of a whole store, open for reading; safe to share between threads and forked processes.

    Picklable: a process that is being spawned opens the file anew. `data` is the content of an index without a file,
    which is copied instead. Raises one of BROKEN for a file that is none.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path, self._data = path, data
        self._open()

    def _open(self) -> None:
        self._bytes: _File | _Memory = _File(self.path) if self._data is None else _Memory(self._data)
        self._header = self._bytes.read(HEADER_BYTES, 0)
        self.layout, self._checksum = parse_header(self._header, self._bytes.size)
        self._columns = self.layout.columns()
        self._tar_bytes = self.column("tar_bytes")
        self._split_starts = [0, *accumulate(self.column("split_counts").tolist())]
        if self._split_starts[-1] != len(self):
            raise ValueError("splits of another number of clips")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_data": self._data, "_header": self._header}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            self._open()
        except BROKEN as error:
            raise self._damaged("it cannot be read in another process") from error
        if self._header != state["_header"]:
            raise StoreError(f"{self.path}: was changed while the store was open; start the command again.")

    def __len__(self) -> int:
        return self.layout.num_clips

    def check(self) -> None:
        """Raises ValueError unless all columns have the bytes that were written."""
        place, checksum = self._columns["records"].stop, 0
        while chunk := self._bytes.read(CHUNK_BYTES, place):
            place, checksum = place + len(chunk), zlib.crc32(chunk, checksum)
        if checksum != self._checksum or set(self.digests) != {"", *SPLITS}:
            raise ValueError("columns with changed bytes")

    def column(self, name: str, first: int = 0, stop: int | None = None) -> np.ndarray:
        """A column from one place to another. Raises ValueError when the file is shorter than it was."""
        column = self._columns[name]
        size = int(column.dtype[-1])
        stop = column.length if stop is None else stop
        assert 0 <= first <= stop <= column.length, (name, first, stop)
        return np.frombuffer(
            self._bytes.read((stop - first) * size, column.start + first * size), column.dtype, stop - first
        )

    def clip(self, number: int) -> StoredClip:
        """A clip. Raises StoreError when its record is damaged."""
        try:
            if not 0 <= number < len(self):
                raise IndexError(number)
            start, stop = self.column("record_start", number, number + 2).tolist()
            if not start <= stop <= self.layout.num_record_bytes:
                raise ValueError("a record outside of the records")
            return clip_records.decode(self._bytes.read(stop - start, HEADER_BYTES + start), self._num_tar_bytes)
        except BROKEN as error:
            raise self._damaged(f"the record of clip number {number}") from error

    def find(self, clip_id: str) -> int:
        """The number of a clip. Raises KeyError."""
        wanted = id_hash(clip_id)

        def hash_at(place: int) -> int:
            return int(self.column("id_hash", place, place + 1)[0])

        place = bisect.bisect_left(range(len(self)), wanted, key=hash_at)
        while place < len(self) and hash_at(place) == wanted:
            number = int(self.column("id_clip", place, place + 1)[0])
            if self.clip(number).id == clip_id:
                return number
            place += 1
        raise KeyError(clip_id)

    def find_all(self, hashes: np.ndarray, name_of: Callable[[int], str]) -> np.ndarray:
        """int64: the numbers of the clips with ids of these hashes (`id_hash`), NO_CLIP where there is none.

        `name_of` gives the id of a hash by its place in `hashes`; it is asked where several clips have that hash.
        """
        known, clips = self.column("id_hash"), self.column("id_clip")
        order = np.argsort(hashes, kind="stable")  # ascending, so that the search goes through the column once
        first, last = (np.searchsorted(known, hashes[order], side) for side in ("left", "right"))
        found = np.full(len(hashes), NO_CLIP, np.int64)
        found[order[last > first]] = clips[first[last > first]]
        for place in order[last > first + 1].tolist():
            try:
                found[place] = self.find(name_of(place))
            except KeyError:
                found[place] = NO_CLIP
        return found

    def num_of(self, split: str | None) -> int:
        """How many clips a split has; None = all."""
        if split is None:
            return len(self)
        number = SPLITS.index(split)
        return self._split_starts[number + 1] - self._split_starts[number]

    def numbers(self, split: str | None, first: int, stop: int) -> np.ndarray:
        """int64: the numbers of the clips from one place in a split to another."""
        if split is None:
            return np.arange(first, stop)
        start = self._split_starts[SPLITS.index(split)]
        return self.column("split_clips", start + first, start + stop).astype(np.int64)

    def facts(self, numbers: np.ndarray) -> RowFacts:
        """What columns say of these clips."""
        bits = self.column("modalities")[numbers]
        modalities = {name: (bits & bit) > 0 for name, bit in MODALITY_BITS.items()}
        return RowFacts(self.column("duration_seconds")[numbers], modalities)

    @cached_property
    def digests(self) -> dict[str, list[str | None]]:
        """Digests of facts and of media, of each split, and of all under the name ""."""
        return json.loads(self.column("digests").tobytes())

    def rejections(self) -> list[Rejection]:
        """All, in the order of shards. Raises StoreError when they are damaged."""
        try:
            lines = self.column("rejections").tobytes().splitlines()
            return [parse_rejection(json.loads(line.decode(errors="surrogateescape")), "") for line in lines]
        except BROKEN as error:
            raise self._damaged("the list of rejections") from error

    def _num_tar_bytes(self, shard: int) -> int:
        return int(self._tar_bytes[shard])

    def _damaged(self, what: str) -> StoreError:
        return StoreError(
            f"{self.path}: {what} is damaged; the clips in it cannot be trusted. Delete the file: it is made anew from "
            "the shards when the store is opened."
        )


class _File:
    """A file open for reading; pread moves no file position: one serves threads and forked processes."""

    def __init__(self, path: Path) -> None:
        self._file = open_regular(path)
        self.size = os.fstat(self._file.fileno()).st_size

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def read(self, size: int, offset: int) -> bytes:
        """So many bytes; fewer at the end."""
        return os.pread(self._file.fileno(), size, offset)


class _Memory:
    """The bytes of a file that could not be written."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read(self, size: int, offset: int) -> bytes:
        """So many bytes; fewer at the end."""
        return self._data[offset : offset + size]
