"""Decoded clips kept in memory that all readers of a training process share: a small store is decoded once.

The memory is an anonymous file that each process maps (`memfd` on Linux, which the size of /dev/shm does not limit).
It takes real memory only as it fills. Changes the time that reading takes, never what is read. Used by loader.py.

    int64 used bytes | int64 offset of each row, 0 = not cached | clips: pickled facts and arrays, 64-byte aligned
"""

import fcntl
import mmap
import os
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import reduction
from typing import Any

import numpy as np

from vlsa.base.errors import ConfigError
from vlsa.base.kept import Kept
from vlsa.base.launch import started
from vlsa.data.clip import Clip, Dataset, WrappedDataset, cut, each_frame_once

ALIGNMENT = 64
KEPT_CLIPS = 8192
"""Clips whose facts each process keeps, at most some 20 MB; the frames and the audio are in the shared memory."""


class CachedClips(WrappedDataset):
    """A dataset that keeps what it has read of some rows, decoded and whole, until its share of `num_bytes` is used.

    The training processes of one machine have equal shares, and a cache each. Picklable for a process that is being
    spawned, which then shares the memory. Raises ConfigError for a size that the system refuses.
    """

    def __init__(self, source: Dataset, rows: Sequence[Any], num_bytes: float) -> None:
        super().__init__(source)
        self._numbers = {row.id: number for number, row in enumerate(rows)}
        table_bytes = _aligned(8 * (1 + len(rows)))
        self._file = _anonymous_file()
        try:
            self._num_bytes = table_bytes + int(num_bytes / started().num_local)
            os.ftruncate(self._file, self._num_bytes)
            self._map()
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"train.cache_gib={num_bytes / 2**30:g}: the system refuses so much memory ({error}); no clip could be "
                "cached. Set train.cache_gib to less than the memory of this machine."
            ) from error
        self._table[0] = table_bytes

    def _map(self) -> None:
        self._memory = mmap.mmap(self._file, self._num_bytes)
        self._table = np.frombuffer(self._memory, np.int64, 1 + len(self._numbers))
        self._found: dict[int, int] = {}
        self._whole: Kept[int, Clip] = Kept(KEPT_CLIPS)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: self.__dict__[name] for name in ("source", "_numbers", "_num_bytes")}
        return {**kept, "_file": reduction.DupFd(self._file)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _file=state["_file"].detach())
        self._map()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """The asked part of a clip."""
        whole = self._cached(clip)
        if whole is None:
            return self.source.read(clip, frame_indices=frame_indices, sound_range=sound_range)
        indices = range(len(clip.frame_seconds)) if frame_indices is None else frame_indices
        part = cut(whole, indices, *(sound_range or (0, clip.num_samples)))
        return part if frame_indices is None else each_frame_once(part)  # a list of media repeats frames in the whole

    def _cached(self, row: Any) -> Clip | None:
        """The whole clip, from the cache or put there now; None where it is not to be cached, or the cache is full."""
        number = self._numbers.get(row.id)
        if number is None:
            return None
        if offset := self._offset(number):
            return self._whole.get(offset, self._load)
        if self._table[0] >= self._num_bytes:
            return None
        clip = self.source.read(row)
        self._store(number, clip)
        return clip

    def _offset(self, number: int) -> int:
        """Where a row is cached, 0 if it is not; the lock orders its bytes before its offset."""
        if number not in self._found and self._table[1 + number]:
            with self._locked():
                self._found[number] = int(self._table[1 + number])
        return self._found.get(number, 0)

    def _load(self, offset: int) -> Clip:
        """The arrays are read-only views of the shared memory, not copies: all processes read the same bytes."""
        num_buffers = int(np.frombuffer(self._memory, np.int64, 1, offset)[0])
        sizes = np.frombuffer(self._memory, np.int64, num_buffers, offset + 8).tolist()
        view, place, parts = memoryview(self._memory).toreadonly(), offset + _aligned(8 * (1 + num_buffers)), []
        for size in sizes:
            parts.append(view[place : place + size])
            place += _aligned(size)
        return pickle.loads(parts[0], buffers=parts[1:])

    def _store(self, number: int, clip: Clip) -> None:
        """Reserve room under the lock, write outside it, then publish the offset. Where there is no room it is full."""
        arrays: list[pickle.PickleBuffer] = []
        facts = pickle.dumps(clip, protocol=5, buffer_callback=arrays.append)
        parts = [memoryview(facts), *(array.raw() for array in arrays)]
        sizes = np.array([len(parts), *(part.nbytes for part in parts)], np.int64)
        num_bytes = _aligned(sizes.nbytes) + sum(_aligned(part.nbytes) for part in parts)
        with self._locked():
            offset = int(self._table[0])
            is_full = offset + num_bytes > self._num_bytes
            self._table[0] = self._num_bytes if is_full else offset + num_bytes
        if is_full:
            return
        place = offset
        for part in (memoryview(sizes.tobytes()), *parts):
            self._memory[place : place + part.nbytes] = part
            place += _aligned(part.nbytes)
        with self._locked():
            self._table[1 + number] = offset

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; a process that dies lets go."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("vlsa clips")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT
