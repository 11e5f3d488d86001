"""Finding the index of a whole store, or making it anew: it is used only if it belongs to the shards that are there.

Used by reader.py when a store is opened, and so by prepare.py at its end. An index belongs to shards when their indexes
have the sizes that it names, and are older than it, or have the bytes that it was made of; a copy of a store may have
other times.
"""

import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlsa.base.files import partial_name
from vlsa.data.store.clip_index import BROKEN, ClipIndex
from vlsa.data.store.index_build import write_index
from vlsa.data.store.index_layout import NAME
from vlsa.data.store.shard_index import damaged
from vlsa.data.store.shards import index_path, shard_path

NO_FILE = -1


@dataclass(frozen=True)
class ShardFiles:
    """What a folder of shards holds, by the number of the shard."""

    tar_bytes: dict[int, int]
    index_bytes: dict[int, int]
    """NO_FILE for what is no regular file, as are those that `tar_bytes` has not."""
    index_changed_ns: dict[int, int]

    def num_missing(self, num_shards: int) -> int:
        """How many of the first `num_shards` have no index."""
        return num_shards - sum(number < num_shards for number in self.index_bytes)


def list_shards(store_path: Path) -> ShardFiles:
    """The shards that a store has, by one look into its folder."""
    found = ShardFiles({}, {}, {})
    for number, suffix, entry in _entries(store_path / "shards"):
        facts = entry.stat() if entry.is_file() else None
        if suffix == ".jsonl":
            found.index_bytes[number] = facts.st_size if facts else NO_FILE
            found.index_changed_ns[number] = facts.st_mtime_ns if facts else 0
        elif facts:
            found.tar_bytes[number] = facts.st_size
    return found


def _entries(folder: Path) -> Iterator[tuple[int, str, os.DirEntry[str]]]:
    """Number and suffix of each file that is named as a part of a shard is."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if part := shard_part(entry.name):
                yield *part, entry


def shard_part(name: str) -> tuple[int, str] | None:
    """The number of a shard and the suffix, of the name of its tar or its index; None for other names."""
    stem, suffix = os.path.splitext(name)
    digits = stem.removeprefix("shard-")
    is_part = suffix in (".jsonl", ".tar") and stem == f"shard-{digits}" and digits.isascii() and digits.isdigit()
    return (int(digits), suffix) if is_part else None


def open_index(
    store_path: Path, num_shards: int, found: ShardFiles, fetch_shards: Callable[[], None] | None = None
) -> ClipIndex:
    """The index of a store of which no shard is missing; made anew where there is none that belongs to its shards.

    `fetch_shards` brings their indexes into the folder, if they are elsewhere. What is made is written into the store,
    and kept in memory where that is not possible. Raises StoreError: a shard is damaged or cut short, or a clip occurs
    twice.
    """
    index = _index_of(store_path, num_shards, found)
    if index is None:
        if fetch_shards:
            fetch_shards()
        return _made_anew(store_path, num_shards)
    sizes = np.array([found.tar_bytes.get(number, 0) for number in range(num_shards)], np.uint64)
    wanted = index.column("tar_bytes")
    for number in np.flatnonzero(sizes != wanted)[:1].tolist():
        what = f"the shard ({sizes[number]} of {wanted[number]} bytes exist)"
        raise damaged(shard_path(store_path, number), what)
    return index


def _index_of(store_path: Path, num_shards: int, found: ShardFiles) -> ClipIndex | None:
    """The index in the store; None where there is none, or one of other shards, or a damaged one."""
    path = store_path / NAME
    try:
        index = ClipIndex(path)
        changed_ns = path.stat().st_mtime_ns
        index.check()
        if not _has_sizes(index, num_shards, found):
            return None
        newer = [number for number in range(num_shards) if found.index_changed_ns[number] >= changed_ns]
        checksums = index.column("index_crc32")
        if not all(_checksum(store_path, number) == checksums[number] for number in newer):
            return None
    except BROKEN:
        return None
    if newer:
        with suppress(OSError):
            os.utime(path)  # so that they are not read again
    return index


def _has_sizes(index: ClipIndex, num_shards: int, found: ShardFiles) -> bool:
    sizes = np.array([found.index_bytes[number] for number in range(num_shards)], np.int64)
    return index.layout.num_shards == num_shards and np.array_equal(index.column("index_bytes"), sizes)


def _checksum(store_path: Path, number: int) -> int:
    return zlib.crc32(index_path(store_path, number).read_bytes())


def _made_anew(store_path: Path, num_shards: int) -> ClipIndex:
    path = store_path / NAME
    partial_path = partial_name(path)
    try:
        with partial_path.open("w+b") as file:
            write_index(store_path, num_shards, file)
        path.unlink(missing_ok=True)  # a rename over it would wait for the disk
        os.replace(partial_path, path)
        return ClipIndex(path)
    except OSError:  # no right to write, no room, or another process swept it away
        memory = io.BytesIO()
        write_index(store_path, num_shards, memory)
        return ClipIndex(path, memory.getvalue())
    finally:
        with suppress(OSError):
            partial_path.unlink(missing_ok=True)
