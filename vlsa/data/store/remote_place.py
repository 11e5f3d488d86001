"""A store on an object store, read: its index from a local copy, its clips by ranges through a cache of bounded size.

Reads objects.py and range_cache.py; feeds reader.py. The local copy of the index belongs to one version of the store
(the ETags of store.json and of the index), so that all processes of a machine fetch it once and map the same file. The
members of a clip lie side by side in their shard: one request brings a clip.
"""

import fcntl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from vlsa.base.errors import StoreError
from vlsa.base.files import cache_folder
from vlsa.data.store.clip_index import ClipIndex
from vlsa.data.store.index_layout import NAME as INDEX_NAME
from vlsa.data.store.index_open import ShardFiles, open_index
from vlsa.data.store.local_copy import (
    HEADER_NAME,
    UNFINISHED_NAME,
    fetch_shard_indexes,
    naming_address,
    shards_among,
    writing_cache,
)
from vlsa.data.store.objects import ObjectMissing, Objects, Stored, is_address, short_digest
from vlsa.data.store.place import LocalPlace, Place, Span, is_whole
from vlsa.data.store.range_cache import RangeCache
from vlsa.data.store.shard_index import StoredClip
from vlsa.data.store.shards import index_path, read_header, shard_path

GAP_BYTES = 1 << 16
"""Members with less between them are neighbours: headers of the tar, and the facts of the clip."""
MOST_RUN_BYTES = 1 << 24
"""Of longer clips members are read one by one."""


def place_of(path: str | Path) -> Place:
    """The place that a path or an address names. Raises ConfigError for an address that cannot be."""
    return RemotePlace(str(path)) if is_address(path) else LocalPlace(Path(path))


class RemotePlace(Place):
    """A folder on an object store."""

    def __init__(self, address: str) -> None:
        self._objects = Objects(address)
        self._cache = RangeCache.of_environment()
        self.path = self._objects.address
        self._found: dict[str, Stored] = {}
        self._folder = cache_folder() / "stores"
        self._last = ("", b"")  # frames and audio of a clip are asked for one after the other

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": ("", b"")}

    def header(self) -> dict[str, Any]:
        """As `Place`."""
        self._found = self._objects.list()
        if HEADER_NAME not in self._found:
            if UNFINISHED_NAME in self._found:
                raise StoreError(
                    f"{self.path}: unfinished; a part of the clips would be left out. Run the same `vlsa prepare` "
                    "again: it resumes where it stopped."
                )
            raise StoreError(
                f"{self.path}: no clip store there; one is needed. Make one with `vlsa prepare FOLDER {self.path}`."
            )
        versions = [self._found[name].version for name in (HEADER_NAME, INDEX_NAME) if name in self._found]
        self._folder = cache_folder() / "stores" / short_digest(self.path, versions)
        self._fetch([HEADER_NAME])
        with self._naming():
            return read_header(self._folder)

    def shard_files(self) -> ShardFiles:
        """As `Place`. The index of all shards is put there after theirs, so that their times do not count."""
        found = ShardFiles({}, {}, {})
        for number, suffix, stored in shards_among(self._objects.list("shards")):
            if suffix == ".tar":
                found.tar_bytes[number] = stored.num_bytes
            else:
                found.index_bytes[number], found.index_changed_ns[number] = stored.num_bytes, 0
        return found

    def index(self, num_shards: int, found: ShardFiles) -> ClipIndex:
        """As `Place`; fetched, or made anew from the indexes of all shards, if it is not in the cache."""
        with self._naming(), self._one_process():
            path = self._folder / INDEX_NAME
            if INDEX_NAME in self._found and not path.exists():
                self._fetch([INDEX_NAME])
            return open_index(self._folder, num_shards, found, lambda: self._fetch_shard_indexes(num_shards, found))

    def members(self, clip: StoredClip, spans: Sequence[Span]) -> list[bytes]:
        """As `Place`; what is damaged in the cache is fetched again."""
        runs = {short_digest(self.path, clip.shard, run): run for run in _runs(clip)}
        found = []
        for span in map(tuple, spans):
            name = next(name for name, run in runs.items() if span in run)
            found.append(self._member(clip, runs[name], name, span))
        return found

    def _member(self, clip: StoredClip, run: list[Span], name: str, span: Span) -> bytes:
        start, (offset, size, crc32) = run[0][0], span
        for is_fresh in (False, True):
            data = self._run(clip, run, name, is_fresh)
            member = data[offset - start : offset - start + size]
            if is_whole(member, size, crc32):
                return member
            self._last = ("", b"")
            self._cache.drop(name)
        raise StoreError(
            f"{self.shard_name(clip.shard)}: the {size} bytes at {offset} are not those of clip {clip.id}; the shard "
            "was replaced since the store was opened, or is damaged. Start the command again; if that does not help, "
            f"delete {index_path('', clip.shard).name} next to it and run the same `vlsa prepare` again."
        )

    def _run(self, clip: StoredClip, run: list[Span], name: str, is_fresh: bool) -> bytes:
        """The bytes of neighbouring members: those that were read last, from the cache, or from the object store."""
        last_name, last = self._last  # once: another thread may replace it
        if last_name == name:
            return last
        data = None if is_fresh else self._cache.get(name)
        if data is None:
            data = self._objects.read(f"shards/{shard_path('', clip.shard).name}", run[0][0], _stop(run))
            self._cache.put(name, data)
        self._last = (name, data)
        return data

    def shard_name(self, number: int) -> str:
        """As `Place`."""
        return f"{self.path}/shards/{shard_path('', number).name}"

    @contextmanager
    def shard_folder(self, number: int) -> Iterator[Path]:
        """As `Place`; what is fetched for it is removed at its end."""
        (cache_folder() / "checking").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder() / "checking") as folder, self._naming(Path(folder)):
            self._objects.fetch([f"shards/{index_path('', number).name}"], Path(folder))
            with suppress(ObjectMissing):  # of which every clip was rejected
                self._objects.fetch([f"shards/{shard_path('', number).name}"], Path(folder))
            yield Path(folder)

    def fetched(self, name: str) -> Path:
        """As `Place`."""
        names = [name] if name in self._found else [f"{name}/{one}" for one in self._objects.list(name)]
        self._fetch([one for one in names if one == name or not (self._folder / one).exists()])
        return self._folder / name

    def num_bytes(self) -> int:
        """As `Place`."""
        folders = ("", "shards", "transcripts", "scenes")
        return sum(stored.num_bytes for folder in folders for stored in self._objects.list(folder).values())

    def _fetch(self, names: Sequence[str]) -> None:
        if names:
            with writing_cache(self._folder):
                self._objects.fetch(names, self._folder)

    def _fetch_shard_indexes(self, num_shards: int, found: ShardFiles) -> None:
        """Bring what the index of all shards is made from."""
        with writing_cache(self._folder):
            fetch_shard_indexes(self._objects, self._folder, range(num_shards), found.tar_bytes)

    def _naming(self, folder: Path | None = None) -> AbstractContextManager[None]:
        return naming_address(folder or self._folder, self.path)

    @contextmanager
    def _one_process(self) -> Iterator[None]:
        """One process of this machine fetches what all read."""
        with open(self._folder / "fetching.lock", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _runs(clip: StoredClip) -> list[list[Span]]:
    """The members of a clip in their order, those together that one request brings."""
    sound = [] if clip.sound_span is None else [clip.sound_span]
    runs: list[list[Span]] = []
    for span in sorted(map(tuple, [*clip.frame_spans.tolist(), *sound])):
        if runs and span[0] - _stop(runs[-1]) <= GAP_BYTES:
            runs[-1].append(span)
        else:
            runs.append([span])
    return [part for run in runs for part in ([run] if _stop(run) - run[0][0] <= MOST_RUN_BYTES else _each(run))]


def _stop(run: list[Span]) -> int:
    return run[-1][0] + run[-1][1]


def _each(run: list[Span]) -> list[list[Span]]:
    return [[span] for span in run]
