"""Where the files of a store are: in a folder of this machine, or on an object store. reader.py reads through it.

Both kinds have the same verbs, so that nothing else asks which one it is. remote_place.py has the other kind.
"""

import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from vlsa.base.errors import StoreError
from vlsa.base.files import open_regular
from vlsa.data.store.clip_index import ClipIndex
from vlsa.data.store.index_open import ShardFiles, list_shards, open_index
from vlsa.data.store.shard_index import NO_CHECKSUM, StoredClip, damaged
from vlsa.data.store.shards import read_header, shard_path

MAX_OPEN_SHARDS = 512
"""Below the usual limit of 1,024 open files; of more shards, those read last stay open."""
Span = Sequence[int]
"""Offset and size in bytes, and CRC-32, of a member of a shard."""


class Place(ABC):
    """Where the files of a store are. Picklable, and safe in threads and forked processes."""

    path: Path | str
    """What a user calls it, and what opens it again."""

    @abstractmethod
    def header(self) -> dict[str, Any]:
        """What store.json says. Raises StoreError: no store, or one of another version."""

    @abstractmethod
    def shard_files(self) -> ShardFiles:
        """The shards that are there."""

    @abstractmethod
    def index(self, num_shards: int, found: ShardFiles) -> ClipIndex:
        """The index of all shards, none of which is missing. Raises StoreError."""

    @abstractmethod
    def members(self, clip: StoredClip, spans: Sequence[Span]) -> list[bytes]:
        """Some members of a clip, each compared with its checksum. Raises StoreError."""

    @abstractmethod
    def shard_name(self, number: int) -> str:
        """What a user calls the tar of a shard."""

    @abstractmethod
    def shard_folder(self, number: int) -> AbstractContextManager[Path]:
        """A local folder that has, as a store does, the tar and the index of this shard."""

    @abstractmethod
    def fetched(self, name: str) -> Path:
        """A small file of the store, or a folder of them, as a local path; nothing is there if the store has none."""

    @abstractmethod
    def num_bytes(self) -> int:
        """Of all files."""


class LocalPlace(Place):
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def header(self) -> dict[str, Any]:
        """As `Place`."""
        return read_header(self.path)

    def shard_files(self) -> ShardFiles:
        """As `Place`."""
        return list_shards(self.path)

    def index(self, num_shards: int, found: ShardFiles) -> ClipIndex:
        """As `Place`."""
        return open_index(self.path, num_shards, found)

    def members(self, clip: StoredClip, spans: Sequence[Span]) -> list[bytes]:
        """As `Place`; each is read by itself, since a disk does not mind."""
        shard = self._open_shard(clip.shard)
        return [shard.read(*span) for span in spans]

    def shard_name(self, number: int) -> str:
        """As `Place`."""
        return str(shard_path(self.path, number))

    @contextmanager
    def shard_folder(self, number: int) -> Iterator[Path]:
        """As `Place`."""
        yield self.path

    def fetched(self, name: str) -> Path:
        """As `Place`."""
        return self.path / name

    def num_bytes(self) -> int:
        """As `Place`."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @cached_property
    def _open_shard(self) -> Callable[[int], "_OpenShard"]:
        path = self.path  # not self: a cycle would keep the files open
        return lru_cache(MAX_OPEN_SHARDS)(lambda number: _OpenShard(shard_path(path, number)))


class _OpenShard:
    """A shard open for reading. It is closed when the last of those who read it lets go of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open_regular(path)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be read ({error.strerror}); its clips are needed. Check it and its permissions."
            ) from error

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def read(self, offset: int, size: int, crc32: int) -> bytes:
        """A member, whole. pread moves no file position: one open file serves threads and forked processes."""
        data = os.pread(self._file.fileno(), size, offset)
        if not is_whole(data, size, crc32):
            raise damaged(self.path, f"the member of {size} bytes at {offset}")
        return data


def is_whole(data: bytes | memoryview, size: int, crc32: int) -> bool:
    """Whether bytes are those of a member."""
    return len(data) == size and crc32 in (NO_CHECKSUM, zlib.crc32(data))
