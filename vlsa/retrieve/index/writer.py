"""Rows on their way into an index: collected by file, and written in large steps once a file is finished.

Used by build.py. A file is in the index with all its rows, or not at all.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlsa.base.files import Progress
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.store.reader import ClipStore
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.rows import IndexRow

ROWS_PER_WRITE = 1000
SECONDS_PER_WRITE = 60.0
"""A slow machine writes earlier, so that little work is repeated after a kill."""


@dataclass
class MediaFile:
    """A file to be indexed."""

    path: str
    state: str
    """Digest that changes when the file, or what is made of it, does."""
    rows: list[ClipRow]
    num_waiting: int
    """Rows that are neither encoded nor rejected."""
    encoded: list[IndexRow] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def files_of(rows: Sequence[ClipRow], store: ClipStore | None = None) -> list[MediaFile]:
    """Rows by file; `store` holds their clips, if they are not read from the files themselves."""
    grouped: dict[str, list[ClipRow]] = {}
    for row in rows:
        grouped.setdefault(row.path, []).append(row)
    return [MediaFile(path, _state(path, found, store), found, len(found)) for path, found in grouped.items()]


def _state(path: str, rows: Sequence[ClipRow], store: ClipStore | None) -> str:
    made = [(row.id, row.start_seconds, row.stop_seconds, row.texts) for row in rows]  # the split does not matter here
    content = [store[row.id].content_digest for row in rows] if store else [None]
    facts = _size_and_time(path) if None in content else content
    return hashlib.sha1(repr((facts, made)).encode(errors="surrogateescape")).hexdigest()


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        facts = os.stat(path)
        return facts.st_size, facts.st_mtime_ns
    except OSError:
        return -1, -1


class Writer:
    """Collects what becomes of the rows of some files, and writes the files that are finished."""

    def __init__(self, index: Index, files: Sequence[MediaFile], progress: Progress | None) -> None:
        self._index, self._progress = index, progress
        self._files = {file.path: file for file in files}
        self.rows = [row for file in files for row in file.rows]
        self._finished: list[MediaFile] = []
        self._num_done, self._num_waiting_for_write, self._written_at = 0, 0, time.monotonic()

    def add(self, *outcomes: IndexRow | Rejection) -> None:
        """Rows, of any of the files, that are encoded or rejected; with its last one a file is finished."""
        for outcome in outcomes:
            file = self._files[outcome.path]
            if isinstance(outcome, IndexRow):
                file.encoded.append(outcome)
            else:
                file.rejections.append(outcome)
            file.num_waiting -= 1
            assert file.num_waiting >= 0, file.path
            self._num_done += 1
            if self._progress:
                self._progress(self._num_done, len(self.rows), f"indexing {Path(file.path).name}")
            if not file.num_waiting:
                self._finish(file)

    def _finish(self, file: MediaFile) -> None:
        self._finished.append(file)
        self._num_waiting_for_write += len(file.encoded)
        due = time.monotonic() - self._written_at > SECONDS_PER_WRITE
        if due or self._num_waiting_for_write >= ROWS_PER_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write and acknowledge what is finished."""
        if self._finished:
            lines = [
                IndexedFile(file.path, file.state, len(file.encoded), tuple(file.rejections)) for file in self._finished
            ]
            self._index.add([row for file in self._finished for row in file.encoded], lines)
        for file in self._finished:
            file.encoded = []  # their vectors would fill the memory
        self._finished, self._num_waiting_for_write, self._written_at = [], 0, time.monotonic()
