"""Atomic writes, JSON, JSON lines, one lock per folder, and the folder for caches. Used by every stage."""

import errno
import fcntl
import json
import os
import platform
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from vlsa.base.errors import VlsaError

Progress = Callable[[int, int, str], None]
"""Called with (done, total, message)."""
LOCK_NAME = ".lock"
"""An empty file that stays in a folder whose file system cannot lock the folder itself."""
LONGEST_JSON_BYTES = 1 << 28
"""Of a line or a document: longer ones are damaged, and would fill the memory before that is detected."""


def cache_folder() -> Path:
    """Where what can be fetched or computed again is kept: $VLSA_CACHE, by default ~/.cache/vlsa."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlsa"
    return Path(os.environ.get("VLSA_CACHE") or default)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading. Raises OSError, also for a pipe or a device, which may never end."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder has an error of its own
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return open(path, "rb")


def partial_name(path: Path) -> Path:
    """Where this process writes a file before it is whole: no other does, on any machine that sees the folder."""
    return path.with_name(f"{path.name}.{platform.node()}-{os.getpid()}.partial")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file so that a reader, or a crash, finds all of the old bytes or all of the new ones."""
    partial_path = partial_name(path)
    try:
        with naming(path), partial_path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        partial_path.unlink(missing_ok=True)
        raise
    os.replace(partial_path, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError that has none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_json_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    """Replace a file by one JSON object a line; file names that are not UTF-8 survive."""
    write_atomically(path, b"".join(map(json_line, values)))


def json_line(value: dict[str, Any]) -> bytes:
    """An object as a line of such a file."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape") + b"\n"


def read_json_lines(path: Path) -> Iterator[Any]:
    """What `write_json_lines` wrote; a blank line is None. Raises OSError and ValueError."""
    with open_regular(path) as file:
        # Lines of bytes: str.splitlines also cuts at U+2028 and others, which JSON allows inside a text.
        while line := file.readline(LONGEST_JSON_BYTES):
            yield _parse_json(line) if line.strip() else None


def read_json(path: Path) -> Any:
    """A JSON document. Raises OSError and ValueError."""
    with open_regular(path) as file:
        return _parse_json(file.read(LONGEST_JSON_BYTES))


def _parse_json(data: bytes) -> Any:
    try:
        return json.loads(data.decode(errors="surrogateescape").removeprefix("\ufeff"))  # a byte order mark
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def locked_folder(folder: Path, busy: Exception, lock_name: str | None = None) -> Iterator[None]:
    """Create a folder and lock it for writing: the folder itself, or the file `lock_name` in it.

    The lock ends with the process, however it ends. NFS only locks files that are open for writing: there the file
    LOCK_NAME is locked instead of the folder. Raises `busy` if another process holds the lock, OSError if the folder
    cannot be created, VlsaError if nothing can be locked in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _lock_folder(folder) if lock_name is None else _lock_file(folder / lock_name)
    except BlockingIOError:
        raise busy from None
    try:
        yield
    finally:
        os.close(descriptor)


def _lock_folder(folder: Path) -> int:
    """A descriptor that holds the lock. Raises as _lock_file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return _locked(descriptor)
    except BlockingIOError:
        raise
    except OSError:
        return _lock_file(folder / LOCK_NAME)


def _lock_file(path: Path) -> int:
    """A descriptor that holds the lock. Raises BlockingIOError when another process does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        return _locked(descriptor)
    except BlockingIOError:
        raise
    except OSError as error:
        raise VlsaError(
            f"{path}: cannot be locked ({error.strerror}); two processes could write here at once. "
            "Use a folder on a local disk, or on a network disk that has locks."
        ) from error


def _locked(descriptor: int) -> int:
    """The descriptor, locked; otherwise it is closed. Raises OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
