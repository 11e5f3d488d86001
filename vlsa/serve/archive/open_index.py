"""An index that is served: its tables in memory, its files by id, and one question at a time.

Reads an index (search/library.py); feeds the routes. Answers are computed one after the other, since each takes all
cores and the tables are read again when another process has written the index.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.ids import MediaId
from vlsa.serve.http.problems import UnknownIdError

Found = TypeVar("Found")


class OpenIndex:
    """One index of the page."""

    def __init__(self, name: str, path: Path, library: Library) -> None:
        assert isinstance(library.tables, SearchTables), "the tables are in this process"
        self.name, self.path, self.library = name, path, library
        self._tables = library.tables
        self._lock = threading.Lock()
        self._by_id: tuple[Sequence[FileFacts], Mapping[str, FileFacts]] = ((), {})

    @property
    def title(self) -> str:
        """What people call it: the name of its folder."""
        return self.path.absolute().name

    @property
    def source(self) -> str:
        """The folder of the footage."""
        return self.library.source

    def reading(self, read: Callable[[SearchTables], Found]) -> Found:
        """What is read of the tables, alone and as they were last written. Raises SearchIndexError."""
        with self._lock:
            self._tables.refresh()
            return read(self._tables)

    def files(self) -> Sequence[FileFacts]:
        """Facts of all files, as they were last read."""
        return self._tables.files

    def file(self, media: MediaId) -> FileFacts:
        """Facts of a file. Raises UnknownIdError."""
        listed, by_id = self._by_id
        if listed is not self._tables.files:
            listed = self._tables.files
            by_id = {file.file_id: file for file in listed}
            self._by_id = listed, by_id
        if media.file not in by_id:
            raise UnknownIdError(f"{media}: no such file in this index; it may have been removed. Search again.")
        return by_id[media.file]

    def disk_path(self, file: FileFacts) -> str:
        """Where a file is on this disk."""
        return os.path.join(self.source, file.path)
