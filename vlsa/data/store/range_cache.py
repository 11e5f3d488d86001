"""Stretches of objects that were read, kept on the local disk up to a number of bytes. Least recently used go first.

Used by remote_place.py. Any number of processes share one folder. Reading takes no lock: a file is renamed into its
place whole, and one that is removed meanwhile is a miss. What is read is compared with the checksums of the store by
whoever asked, so that nothing here is flushed to the disk.

    FOLDER/ab/abcdef...   a stretch, by the digest of what it is of; the time of its last use is its change time
    FOLDER/used           bytes that are taken, as a number; held while it changes
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vlsa.base.errors import ConfigError
from vlsa.base.files import cache_folder

DEFAULT_GIB = 20.0
GIB_VARIABLE = "VLSA_CACHE_GIB"
ROOM_AFTER = 0.9
"""Share of the bound that stays in use when room is made: a look through all files is then rare."""


class RangeCache:
    """Bytes by their names, at most `most_bytes` of them on the disk."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes

    @classmethod
    def of_environment(cls) -> "RangeCache":
        """In $VLSA_CACHE/clips, of $VLSA_CACHE_GIB. Raises ConfigError."""
        text = os.environ.get(GIB_VARIABLE, "")
        try:
            num_gib = float(text or DEFAULT_GIB)
        except ValueError:
            num_gib = -1.0
        if not 0 <= num_gib < 2**30:
            raise ConfigError(f"{GIB_VARIABLE}={text}: not a size in GiB; 0 keeps no clips. Try {DEFAULT_GIB:g}.")
        return cls(cache_folder() / "clips", int(num_gib * 2**30))

    def get(self, name: str) -> bytes | None:
        """What was put under a name, if it is still there; whether its bytes are whole is for the caller to check."""
        path = self._path(name)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep bytes, if the disk takes them, and make room for them. `name` is a hexadecimal digest."""
        if len(data) > self.most_bytes:
            return
        path = self._path(name)
        partial_path = path.with_suffix(".partial")
        with suppress(OSError):  # what is not kept is fetched again
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._held() as used:
                self._reserve(used, len(data))
                partial_path.write_bytes(data)
                os.replace(partial_path, path)

    def drop(self, name: str) -> None:
        """Forget what is damaged."""
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    @contextmanager
    def _held(self) -> Iterator[BinaryIO]:
        """One writer at a time; a process that dies lets go."""
        with open(self.folder / "used", "a+b") as used:
            fcntl.flock(used, fcntl.LOCK_EX)
            yield used

    def _reserve(self, used: BinaryIO, num_bytes: int) -> None:
        """Count bytes that are about to be written, after making room: a writer that is killed has counted too much."""
        used.seek(0)
        text = used.read()
        taken = int(text) if text.isdigit() else self.most_bytes
        if taken + num_bytes > self.most_bytes:
            taken = self._make_room(min(int(self.most_bytes * ROOM_AFTER), self.most_bytes - num_bytes))
        used.truncate(0)
        used.write(str(taken + num_bytes).encode())
        used.flush()

    def _make_room(self, most_bytes: int) -> int:
        """Remove what was not used for longest until so many bytes are left at most; returns how many are."""
        found = []
        for path in self.folder.glob("??/*"):
            facts = path.stat()
            is_partial = path.suffix == ".partial"  # of a writer that was killed: this one holds the lock
            found.append((0 if is_partial else facts.st_mtime_ns, facts.st_size, path))
        taken = sum(size for _, size, _ in found)
        for changed_ns, size, path in sorted(found):
            if changed_ns and taken <= most_bytes:
                break
            path.unlink(missing_ok=True)
            taken -= size
        return taken
