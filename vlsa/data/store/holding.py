"""Who may write a store: one run at a time, or the parts of one that share a folder (`prepare --shard i/n`).

A whole run holds the folder. A part holds a file of its own while it works, and the folder for the moments in which it
reads or writes what all parts share. So parts never wait for each other's shards, and a whole run and a part never
meet. Used by prepare.py.
"""

import contextlib
import logging
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import ConfigError, StoreError
from vlsa.base.files import locked_folder
from vlsa.data.store import given_up
from vlsa.data.store.index_layout import NAME as INDEX_NAME
from vlsa.data.store.objects import is_address
from vlsa.data.store.summary import REPORT_NAME

_LOG = logging.getLogger(__name__)
SILENT_SECONDS = 5.0
"""After so long a part says that it waits for another, which reads the list of clips or writes the index."""
RETRY_SECONDS = 0.1
PART_LOCKS = "part-*.lock"


@dataclass(frozen=True)
class Part:
    """Every `of`-th shard, beginning with that of number `number` - 1."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            last = max(self.of, 1)
            raise ConfigError(f"--shard {self}: there is no such part. The parts are 1/{last} to {last}/{last}.")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> "Part":
        """From `i/n`. Raises ConfigError."""
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if not found:
            raise ConfigError(f"--shard {text}: a part is i/n, as 3/16 for the third of sixteen.")
        return cls(int(found[1]), int(found[2]))

    def has(self, shard: int) -> bool:
        """Whether a shard is one of this part."""
        return shard % self.of == self.number - 1

    @property
    def label(self) -> str:
        """For names of files."""
        return f"{self.number}-of-{self.of}"


def check_options(store_path: str | Path, part: Part | None, *, add: bool, restart: bool) -> None:
    """Raises ConfigError for options of `prepare` that exclude each other."""
    if part and is_address(store_path):
        raise ConfigError(
            f"{store_path}: --shard on an object store: parts take turns by locks of a file system, which it does not "
            "have. Make the parts in a folder that all machines see and copy it there, or prepare in one run."
        )
    if part and restart:
        raise ConfigError(
            f"{store_path}: --restart with --shard: each part would delete what others made. Delete the store first."
        )
    if part and add:
        raise ConfigError(
            f"{store_path}: --add with --shard: parts that see other new files would delete each other's shards. "
            "Run `vlsa prepare --add` without --shard, or make a new store of all files in parts."
        )
    if add and restart:
        raise ConfigError(
            f"{store_path}: --add with --restart: one keeps what the store holds, the other deletes it. "
            "Leave one of them out."
        )


@contextlib.contextmanager
def whole_store(store_path: Path) -> Iterator[None]:
    """Make the folder and hold it. Raises StoreError when another run, or a part of one, is writing there."""
    with _folder(store_path), contextlib.ExitStack() as parts:
        for path in sorted(store_path.glob(PART_LOCKS)):
            busy = StoreError(f"{store_path}: a part of it ({path.stem}) is being prepared. Wait for it, or end it.")
            parts.enter_context(locked_folder(store_path, busy, path.name))
        yield
        forget_parts(store_path)


def forget_parts(store_path: Path) -> None:
    """Remove the files that parts held, when the store is whole."""
    _remove(store_path.glob(PART_LOCKS))


@contextlib.contextmanager
def shared_moment(store_path: Path) -> Iterator[None]:
    """Make the folder and hold it. Whoever holds it is waited for, however long: a lock ends with its process."""
    silent_until: float | None = time.monotonic() + SILENT_SECONDS
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(_folder(store_path))
                break
            except _Busy:
                if silent_until is not None and time.monotonic() >= silent_until:
                    silent_until = None
                    _LOG.info("%s: another prepare is at work on what all parts share; waiting for it", store_path)
                time.sleep(RETRY_SECONDS)
        yield


@contextlib.contextmanager
def one_part(store_path: Path, part: Part) -> Iterator[None]:
    """Hold a part; to be entered in a shared moment. Raises StoreError when another process has it."""
    busy = StoreError(f"{store_path}: part {part} is being prepared by another process. Wait for it, or end it.")
    with locked_folder(store_path, busy, f"part-{part.label}.lock"):
        yield


class _Busy(StoreError):
    """Another process holds the folder."""


@contextlib.contextmanager
def _folder(store_path: Path) -> Iterator[None]:
    """Two runs at once would waste each other's work."""
    busy = _Busy(f"{store_path}: another prepare is writing this store. Wait for it, or end it.")
    try:
        with locked_folder(store_path, busy):
            yield
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        if error.filename != str(store_path):
            raise
        raise StoreError(f"{store_path}: cannot be made ({error.strerror}); name one that can.") from error


def sweep_shared(store_path: Path, part: Part | None) -> None:
    """Remove what killed processes left half written of what parts share; of lists of crashes, that of `part` alone.

    Other parts may be writing theirs; None = all lists.
    """
    crashes = given_up.name_of_part(part.label) if part else given_up.PATTERN
    for name in ("store.json", REPORT_NAME, INDEX_NAME, "manifest*.jsonl", "sources.jsonl", crashes):
        _remove(store_path.glob(f"{name}.*.partial"))


def sweep_shards(store_path: Path, part: Part | None) -> None:
    """Remove what killed processes left half written of the shards of a part; None = of all."""
    found = store_path.glob("shards/shard-*.partial")
    if part is not None:
        found = (path for path in found if path.name[6:12].isdigit() and part.has(int(path.name[6:].split(".")[0])))
    _remove(found)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)
