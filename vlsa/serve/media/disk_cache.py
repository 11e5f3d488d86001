"""Files that can be made again, kept on disk up to a total size; the ones not used for longest go first.

Used for thumbnails and other images made from the footage. Several processes may share a folder: a file is written
whole or not at all, and one that is gone is made again.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vlsa.base.files import write_atomically

KEPT_SHARE = 0.9
"""Of the total size is left when files were removed."""


class DiskCache:
    """Bytes by a key, in files below a folder."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._lock = threading.Lock()
        self.num_bytes = sum(path.stat().st_size for path in self._files())
        self.num_hits, self.num_misses = 0, 0

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        """What was kept under a key (by its `repr`), else what `make` gives. Raises what `make` raises."""
        path = self._path(key)
        with suppress(OSError):
            data = path.read_bytes()
            os.utime(path)
            self.num_hits += 1
            return data
        data = make()
        self.num_misses += 1
        with suppress(OSError):  # a full disk, or a folder that may not be written, costs time and nothing else
            self._keep(path, data)
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        with self._lock:  # threads that made the same would write into one file
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)
            self.num_bytes += len(data)
            if self.num_bytes > self._most_bytes:
                self._shrink()

    def _path(self, key: object) -> Path:
        name = hashlib.blake2b(repr(key).encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return self._folder / name[:2] / name

    def _files(self) -> list[Path]:
        return [path for path in self._folder.glob("*/*") if path.is_file()]

    def _shrink(self) -> None:
        """Remove the files that were not used for longest."""
        states = []
        for path in self._files():
            with suppress(FileNotFoundError):
                state = path.stat()
                states.append((state.st_mtime_ns, state.st_size, path))
        self.num_bytes = sum(size for _, size, _ in states)
        for _, size, path in sorted(states):
            if self.num_bytes <= KEPT_SHARE * self._most_bytes:
                break
            path.unlink(missing_ok=True)
            self.num_bytes -= size
