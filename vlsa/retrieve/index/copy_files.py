"""Files of the local copies of indexes that lie on an object store: linked, compared, removed.

Used by remote_copy.py and publishing.py.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from vlsa.base.errors import SearchIndexError
from vlsa.data.store.range_cache import RangeCache
from vlsa.retrieve.index.remote_state import Files, StoredFile, decode

COPIED = (".json", ".jsonl")
"""Files of these suffixes are copied and not linked: a writer appends to some of them. Lance changes no file."""
WRITER_LOCK = "writer.lock"
"""In a copy: locked by the process that writes."""


def link(source: Path, path: Path) -> None:
    """Give a file a second name, or copy it where that cannot be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix not in COPIED:
        with suppress(PermissionError, OSError):
            os.link(source, path)
            return
    shutil.copy2(source, path)


def files_of(folder: Path) -> Files | None:
    """The files of a state, by the list next to its folder; None where there is none, or it is damaged."""
    path = folder.with_suffix(".json")
    try:
        return decode(path.read_bytes(), str(path))
    except (OSError, SearchIndexError):
        return None


def is_whole(folder: Path, files: Files) -> bool:
    """Whether all files of a state are there, by their sizes."""
    return all(has_size(folder / name, file) for name, file in files.items())


def has_size(path: Path, file: StoredFile) -> bool:
    """Whether a file is there, as long as it should be."""
    try:
        return path.stat().st_size == file.num_bytes
    except OSError:
        return False


def remove_state(folder: Path) -> bool:
    """Remove a state, unless a process has it open; whether it is gone."""
    lock_path = folder.with_suffix(".lock")
    with open(lock_path, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        folder.with_suffix(".json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        lock_path.unlink(missing_ok=True)
    return True


def make_room(folder: Path, num_bytes: int) -> None:
    """Remove copies of other indexes, those first that were not used for longest, until all together are in the bound.

    A copy that a process has open stays. Raises ConfigError for a bound that is none.
    """
    most = RangeCache.of_environment().most_bytes
    others = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
    sizes = {path: _num_bytes(path) for path in others}
    taken = num_bytes + sum(sizes.values())
    for path in sorted(others, key=_last_used):
        if taken <= most:
            return
        if _remove_copy(path):
            taken -= sizes[path]


def _last_used(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:  # of a person who empties the cache
        return 0


def _remove_copy(folder: Path) -> bool:
    """Remove a copy, unless a process reads, fetches or writes it; whether it is gone.

    Its locks stay: a process that waits for one has it open, and another one made under its name would be free.
    """
    try:
        with open(folder / "fetching.lock", "ab") as fetching, open(folder / WRITER_LOCK, "ab") as writing:
            for lock in (fetching, writing):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for state in {path.with_suffix("") for path in (folder / "states").glob("*")}:
                if not remove_state(state):
                    return False
            for path in folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return not folder.exists()
    return True


def _num_bytes(folder: Path) -> int:
    """What it takes on the disk: each file once, by however many names. A process may be at work in it."""
    found: dict[tuple[int, int], int] = {}
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                one = os.lstat(os.path.join(at, name))
                found[one.st_dev, one.st_ino] = one.st_size
    return sum(found.values())
