"""The local copy of an index that lies on an object store: whole states of it, each a folder that never changes.

Reads remote_state.py; feeds reader.py, which opens such a folder as any index, and publishing.py. What a state has in
common with the one before is a hard link. A state that is being read is kept; others go when a newer one is there.

    $VLSA_CACHE/indexes/<digest of the address>/
        states/<number>-<version>/       a state; its list is next to it as .json; whoever reads it has locked the .lock
        fetching/                        what has arrived of the next one, so that a broken fetch goes on
        writing/                         of the process that writes (publishing.py), which has locked writer.lock
    $VLSA_CACHE/indexes/<digest of the address>.owner
                                         what the writers of this machine have in common
"""

import fcntl
import functools
import logging
import math
import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.base.files import cache_folder, write_atomically
from vlsa.data.store.local_copy import writing_cache
from vlsa.data.store.objects import ObjectMissing, Objects, short_digest
from vlsa.retrieve.index.copy_files import files_of, has_size, is_whole, link, make_room, remove_state
from vlsa.retrieve.index.remote_state import (
    FILES,
    LONGEST_BYTES,
    DamagedState,
    Files,
    StateName,
    StoredFile,
    address_of,
    decode,
    digest,
    encode,
    newest,
    num_bytes,
)

_LOG = logging.getLogger(__name__)
ASK_AGAIN_SECONDS = 5.0
"""So long a process goes on with the state that it has before it asks for a newer one."""
PATIENCE_SECONDS = 1.0
"""So long whoever has a state waits for a newer one; then it goes on with it, and the newer one arrives meanwhile."""
MOST_TRIES = 5
"""A state may be replaced, and its files removed, while it is fetched."""
FILES_PER_REQUEST = 32
"""Fetched together; what has arrived is not fetched again."""
DATED = "index.json"
"""Has the time at which its state was written. It is copied and not linked, so no other state has it."""
NEXT = "fetching"
"""What has arrived of a state that is not whole yet."""


class HeldState:
    """A state on this disk, which is not removed as long as this object is there."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        weakref.finalize(self, os.close, lock)


class IndexCopy:
    """States of one index. Safe in threads; processes of a machine share them."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError for an address that cannot be."""
        self.objects = Objects(address)
        self.address = self.objects.address
        self.folder = cache_folder() / "indexes" / short_digest(self.address)
        self._first, self._lock = threading.Lock(), threading.Lock()
        self._held: HeldState | None = None
        self._asked = -math.inf
        self._answered, self._is_slow = threading.Event(), False
        self._answered.set()
        self._problem: SearchIndexError | None = None

    def latest(self) -> HeldState:
        """The index as it was ASK_AGAIN_SECONDS ago; as it was before where the object store is slow or not reached.

        Only who has no state yet waits for one. Raises SearchIndexError: none there, or damaged; StoreError.
        """
        with self._first:
            if self._held is None or not self._held.path.is_dir():
                self._held, self._asked, self._problem = self.fetch(), time.monotonic(), None
                return self._held
            self._ask(self._held)
        if not self._answered.wait(0.0 if self._is_slow else PATIENCE_SECONDS):
            self._is_slow = True  # nobody waits again until it has answered
        with self._lock:
            if self._problem:
                raise SearchIndexError(str(self._problem)) from self._problem
            assert self._held
            return self._held

    def _ask(self, held: HeldState) -> None:
        """Ask for a newer state, in a thread of its own, unless that was done lately or is being done."""
        with self._lock:
            if not self._answered.is_set() or time.monotonic() < self._asked + ASK_AGAIN_SECONDS:
                return
            self._answered.clear()
            threading.Thread(target=self._follow, args=[held], name="index", daemon=True).start()

    def _follow(self, before: HeldState) -> None:
        """Take the state that is there now in place of the one before; one that is not whole changes nothing."""
        found, problem = before, None
        try:
            found, self._is_slow = self.fetch(), False
        except SearchIndexError as error:
            problem = error
        except VlsaError as error:
            _LOG.warning("%s Searches go on with what was fetched before.", error)
        finally:
            with self._lock:
                if self._held is before:  # else a run of this process has written a newer one
                    self._held = before if found.path == before.path else found
                    self._asked, self._problem = time.monotonic(), problem
                self._answered.set()

    def fetch(self) -> HeldState:
        """The index as it is now. Raises SearchIndexError: none there, DamagedState; StoreError: not reached."""
        for _ in range(MOST_TRIES):
            state = newest(self.objects)
            try:
                with writing_cache(self.folder):
                    if held := self._hold(state) or self._fetch(state):
                        return held
            except ObjectMissing as error:
                missing = error
        raise DamagedState(
            f"{missing} The index names it: it was removed, or is replaced faster than it can be fetched. Try again; "
            "if it stays so, index again with --restart."
        )

    def naming(self) -> AbstractContextManager[None]:
        """Errors on a state name the index itself. A state is a folder that is called as `_place` does."""
        return _naming(re.compile(rf"{re.escape(str(self.folder / 'states'))}/[0-9]+-[0-9a-f]+"), self.address)

    def adopt(self, state: StateName, files: Files, folder: Path) -> None:
        """Take the files of a state from a folder of this machine. Raises StoreError."""
        with writing_cache(self.folder), self._one_process():
            make_room(self.folder, num_bytes(files.values()))
            self._make(state, files, {file.digest: folder / path for path, file in files.items()})
        with self._lock:
            self._held, self._asked, self._problem = self._hold(state) or self._held, -math.inf, None

    def files(self, held: HeldState) -> Files:
        """Of a state that is held."""
        return files_of(held.path) or {}

    def _place(self, state: StateName) -> Path:
        return self.folder / "states" / f"{state.number:012d}-{short_digest(state.version)[:8]}"

    def _hold(self, state: StateName) -> HeldState | None:
        """The state, if it is on this disk and whole."""
        path = self._place(state)
        files = files_of(path)
        if files is None:
            return None
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not is_whole(path, files):  # damaged, or removed since
            os.close(lock)
            return None
        with suppress(OSError):
            os.utime(self.folder)  # for `make_room`
        return HeldState(path, lock)

    def _fetch(self, state: StateName) -> HeldState | None:
        """Raises ObjectMissing where another state has taken its place."""
        with self._one_process():
            if held := self._hold(state):  # another process has fetched it
                return held
            data = self.objects.read(state.name, 0, LONGEST_BYTES)
            files = decode(data, f"{self.address}/{state.name}")
            make_room(self.folder, num_bytes(files.values()))
            self._make(state, files, self._arrived(files))
        return self._hold(state)

    def _arrived(self, files: Files) -> dict[str, Path]:
        """Where the bytes of each file are on this disk, by digest; what is missing is fetched and compared."""
        here = self._here()
        needed = {file.digest: file for file in files.values()}
        arriving = self.folder / NEXT
        missing = [file for key, file in needed.items() if not has_size(here.get(key, arriving / file.name), file)]
        self._check_sizes(missing)
        for start in range(0, len(missing), FILES_PER_REQUEST):
            part = missing[start : start + FILES_PER_REQUEST]
            self.objects.fetch([file.name for file in part], arriving)
            for file in part:
                self._check(arriving / file.name, file)
        return {key: here.get(key, arriving / file.name) for key, file in needed.items()}

    def _here(self) -> dict[str, Path]:
        """Files of older states, by digest."""
        found: dict[str, Path] = {}
        for path in (self.folder / "states").glob("*.json"):
            folder = path.with_suffix("")
            for name, file in (files_of(folder) or {}).items():
                if has_size(folder / name, file):
                    found[file.digest] = folder / name
        return found

    def _check_sizes(self, missing: list[StoredFile]) -> None:
        """Before anything is fetched: an object of another size would fill the disk, and be of no use."""
        if not missing:
            return
        there = self.objects.list(FILES)
        for file in missing:
            stored = there.get(file.digest)
            if stored is None:
                raise ObjectMissing(f"{self.address}/{file.name}: not there.")
            if stored.num_bytes != file.num_bytes:
                raise self._damaged(file)

    def _check(self, path: Path, file: StoredFile) -> None:
        if not has_size(path, file) or digest(path) != file.digest:
            path.unlink(missing_ok=True)
            raise self._damaged(file)

    def _damaged(self, file: StoredFile) -> DamagedState:
        return DamagedState(
            f"{self.address}/{file.name}: has other bytes than were written; nothing can be searched. Try again; if it "
            "stays so, index again with --restart."
        )

    def _make(self, state: StateName, files: Files, sources: dict[str, Path]) -> None:
        """Make the folder of a state from files of this disk; the list, which goes last, says that it is whole."""
        path = self._place(state)
        partial = path.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for name, file in files.items():
            link(sources[file.digest], partial / name)
        if state.modified_seconds is not None and DATED in files:
            os.utime(partial / DATED, (state.modified_seconds,) * 2)
        path.with_suffix(".json").unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
        write_atomically(path.with_suffix(".json"), encode(files))
        shutil.rmtree(self.folder / NEXT, ignore_errors=True)
        for other in (self.folder / "states").glob("*.json"):
            if other.with_suffix("") != path:
                remove_state(other.with_suffix(""))

    @contextmanager
    def _one_process(self) -> Iterator[None]:
        """One process of this machine fetches what all read."""
        (self.folder / "states").mkdir(parents=True, exist_ok=True)
        with open(self.folder / "fetching.lock", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def _naming(state: re.Pattern[str], address: str) -> Iterator[None]:
    try:
        yield
    except VlsaError as error:
        if not state.search(str(error)):
            raise
        raise type(error)(state.sub(lambda _: address, str(error))) from error


def copy_of(path: object) -> IndexCopy | None:
    """The copy of the index that an address names, one for the whole process; None for a folder of this machine."""
    address = address_of(path)
    return None if address is None else _copy(address, cache_folder())


@functools.cache
def _copy(address: str, _: Path) -> IndexCopy:
    return IndexCopy(address)
