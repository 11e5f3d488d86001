"""Writing an index on an object store: the local folder it is made in, who may write it, and what is sent when.

Used by build.py and check.py. The object store is the truth: each run begins with the state that is there
(remote_copy.py), so that any machine goes on where another one stopped. After each step that is acknowledged, the files
that are new are sent, and then a state that names all of them (remote_state.py). It is made only if no other has its
number, so that whoever reads finds one whole state or the next, and of two writers one is refused.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import locked_folder
from vlsa.data.store.local_copy import naming_address, writing_cache
from vlsa.data.store.owner import Owner
from vlsa.retrieve.index.copy_files import WRITER_LOCK, link
from vlsa.retrieve.index.progress_file import PROGRESS_NAME
from vlsa.retrieve.index.remote_copy import IndexCopy, copy_of
from vlsa.retrieve.index.remote_state import (
    FILES,
    LONGEST_BYTES,
    STATES,
    DamagedState,
    Files,
    StateName,
    StoredFile,
    digest,
    encode,
    states,
)
from vlsa.retrieve.index.report import REPORT_NAME

OWNER_NAME = "index.lock"
"""Who writes: on the object store a JSON object; in the local folder a lock, as of any index."""
NOT_SENT = (OWNER_NAME, PROGRESS_NAME)
Stamp = tuple[int, int, int]
"""Size, time of the last change, and inode of a file: another one when its bytes may be others."""


class Publisher:
    """The local folder of an index that is written."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError for an address that cannot be."""
        copy = copy_of(address)
        assert copy is not None, address
        self._copy: IndexCopy = copy
        self._objects = copy.objects
        self.address, self.folder = copy.address, copy.folder / "writing"
        self._owner = Owner(
            objects=self._objects,
            name=OWNER_NAME,
            token_path=copy.folder.with_suffix(".owner"),
            error=SearchIndexError,
            what="index",
            harm="two would undo each other's work",
        )
        self._number = self._first_number = 0
        self._first: Files = {}
        self._now: Files = {}
        self._sent: set[str] = set()
        self._digests: dict[Path, tuple[Stamp, StoredFile]] = {}

    @contextmanager
    def held(self, *, restart: bool = False) -> Iterator["Publisher"]:
        """Hold the index, with the folder as a copy of it. What was not published at the end is lost.

        `restart`: an index that is damaged counts as none. Raises SearchIndexError when another run is writing it, or
        when it is something else than an index; StoreError where it is not reached.
        """
        busy = SearchIndexError(f"{self.address}: another process of this machine is writing this index. Wait for it.")
        with naming_address(self.folder, self.address), ExitStack() as entered:
            with writing_cache(self._copy.folder):
                entered.enter_context(locked_folder(self._copy.folder, busy, WRITER_LOCK))
            entered.enter_context(self._owner.held())
            entered.callback(shutil.rmtree, self.folder, ignore_errors=True)
            with writing_cache(self.folder):
                self._begin(restart)
            yield self

    def publish(self) -> None:
        """Send what is new in the folder, and the state that it is in now. Raises SearchIndexError, StoreError."""
        files = self._files()
        if files == self._now:
            return
        new = {file.digest: path for path, file in files.items() if file.digest not in self._sent}
        for key, path in new.items():
            self._objects.put(self.folder / path, f"{FILES}/{key}")
        self._number += 1
        name, data = StateName(self._number, "").name, encode(files)
        # a PUT whose answer was lost is repeated, and then finds what it made itself
        is_mine = self._objects.create(name, data) or self._objects.read(name, 0, LONGEST_BYTES) == data
        if not is_mine:
            raise self._written_meanwhile()
        self._listed()
        self._now, self._sent = files, self._sent | new.keys()

    def finish(self) -> None:
        """Publish, and remove what no state needs but the last one and the one before this run, which may be read.

        Raises SearchIndexError, and removes nothing, when another run has taken over; StoreError.
        """
        self.publish()
        if self._now == self._first:
            return
        self._owner.require()  # first: from here on nobody else begins
        listed = self._listed()
        report = self.folder / REPORT_NAME
        if self._now.get(REPORT_NAME) != self._first.get(REPORT_NAME) and report.exists():
            self._objects.put(report, REPORT_NAME)
        self._copy.adopt(listed[self._number], self._now, self.folder)
        self._objects.remove(
            [state.name for number, state in listed.items() if number not in {self._first_number, self._number}]
        )
        kept = {file.digest for files in (self._first, self._now) for file in files.values()}
        self._objects.remove([f"{FILES}/{name}" for name in self._objects.list(FILES) if name not in kept])

    def _listed(self) -> dict[int, StateName]:
        """The states that are there. Raises SearchIndexError unless the last one is of this run."""
        listed = {state.number: state for state in states(self._objects)}
        if max(listed, default=0) != self._number:
            raise self._written_meanwhile()
        return listed

    def _written_meanwhile(self) -> SearchIndexError:
        return SearchIndexError(
            f"{self.address}: another process has written this index meanwhile; what it wrote stays, and what was "
            "made here since the last step is dropped. Run the same command again."
        )

    def _begin(self, restart: bool) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        listed = states(self._objects)
        if not listed:
            self._check_empty()
            return
        self._first_number = self._number = listed[-1].number
        try:
            held = self._copy.fetch()
        except DamagedState:
            if not restart:
                raise
            return
        self._first = self._now = self._copy.files(held)
        for path, file in self._now.items():
            link(held.path / path, self.folder / path)
            self._digests[self.folder / path] = _stamp(self.folder / path), file
            self._sent.add(file.digest)

    def _check_empty(self) -> None:
        """Raises SearchIndexError for a folder of other things."""
        others = self._objects.list().keys() - {OWNER_NAME, f"{FILES}/", f"{STATES}/"}
        if others:
            raise SearchIndexError(
                f"{self.address}: not empty ({min(others)}) and not an index; files in it could be mixed up with an "
                "index's. Name a new folder."
            )

    def _files(self) -> Files:
        """What is in the folder now; bytes of a file that was seen before are not read again."""
        found: Files = {}
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file() or path.name in NOT_SENT or path.suffix == ".partial":
                continue
            stamp, (seen, file) = _stamp(path), self._digests.get(path, (None, None))
            if file is None or seen != stamp:
                file = StoredFile(path.stat().st_size, digest(path))
                self._digests[path] = stamp, file
            found[path.relative_to(self.folder).as_posix()] = file
        return found


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino
