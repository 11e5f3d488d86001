"""An index that is served: its tables in memory, its files by id, and one question at a time.

Reads an index (search/tables.py); feeds the routes. Answers are computed one after the other, since each takes all
cores and the tables are read again when another process has written the index.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vlsa.retrieve.index.facts import read_facts
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.index_model import IndexModel
from vlsa.retrieve.index.remote_state import address_of
from vlsa.retrieve.search.file_filter import SearchedFile, kept_paths
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.facets import Facets
from vlsa.serve.archive.ids import MediaId
from vlsa.serve.http.problems import UnknownIdError
from vlsa.serve.http.settings import ServeSettings

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Files:
    """The files of an index as they were read at one time."""

    listed: Sequence[SearchedFile]
    """In the order of their paths."""

    @cached_property
    def by_id(self) -> Mapping[str, SearchedFile]:
        """By file_id."""
        return {file.file_id: file for file in self.listed}

    @cached_property
    def by_path(self) -> Mapping[str, SearchedFile]:
        """By the path that the index has."""
        return {file.path: file for file in self.listed}

    @cached_property
    def by_content(self) -> Mapping[str, SearchedFile]:
        """By the digest of its bytes, where that is known; of copies the first."""
        return {file.content: file for file in reversed(self.listed) if file.content}

    def kept(self, where: str | None) -> Sequence[SearchedFile]:
        """Those that a filter keeps. Raises VlsaError for one that cannot be read."""
        if where is None:
            return self.listed
        paths = kept_paths(where, self.listed)
        return [file for file in self.listed if file.path in paths]

    def facets(self, where: str | None) -> dict[str, Any]:
        """Counts of what a filter keeps; without one they are made once."""
        return self._all_facets if where is None else self._facets.of(self.kept(where))

    @cached_property
    def _all_facets(self) -> dict[str, Any]:
        return self._facets.of(self.listed)

    @cached_property
    def _facets(self) -> Facets:
        return Facets(self.listed)

    @cached_property
    def columns(self) -> list[dict[str, Any]]:
        """What a filter can name."""
        return self._facets.columns()

    @property
    def languages(self) -> list[str]:
        """Of the texts."""
        return self._facets.languages


class OpenIndex:
    """One index of the page."""

    def __init__(self, name: str, path: Path, settings: ServeSettings) -> None:
        self.name, self.path, self._settings = name, path, settings
        self._lock = threading.Lock()
        self._open()

    @classmethod
    def open(cls, name: str, path: Path, settings: ServeSettings, encoder: "Encoder | None" = None) -> "OpenIndex":
        """An index on disk; its model is `encoder`, or is loaded later. Raises SearchIndexError."""
        index = cls(name, path, settings)
        if encoder is not None:
            index.model.accept(encoder)
        return index

    def _open(self) -> None:
        facts, settings = read_facts(self.path), self._settings
        self.source = facts["source"] if settings.source is None else os.path.abspath(settings.source)
        """The folder of the footage."""
        self.model = IndexModel(address_of(self.path) or self.path, facts, settings.run)
        self._tables = SearchTables.open(self.path, self.source)
        self._files = Files(self._tables.files)

    def follow_model(self) -> None:
        """Open the index again if it was made again by another model. Raises SearchIndexError."""
        with self._lock:
            if read_facts(self.path)["model"]["fingerprint"] != self.facts["model"]["fingerprint"]:
                self._open()

    @property
    def title(self) -> str:
        """What people call it: the name of its folder."""
        return self.path.absolute().name

    @property
    def folder(self) -> Path:
        """Where its files are on this disk; of one on an object store, the copy of its state."""
        return self._tables.index.path

    @property
    def places(self) -> tuple[str, ...]:
        """How messages may call it: by its address, its folder or the copy of it; what contains another goes first."""
        named = (self.folder, self._tables.index.where, self.path.absolute(), self.path)
        return tuple(sorted({*map(str, named)}, key=len, reverse=True))

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the index says of itself (index.json)."""
        return self._tables.index.facts

    def reading(self, read: Callable[[SearchTables], Found]) -> Found:
        """What is read of the tables, alone and as they were last written. Raises SearchIndexError."""
        with self._lock:
            self._tables.refresh()
            return read(self._tables)

    def files(self) -> Files:
        """The files, as they were last read."""
        if self._files.listed is not self._tables.files:
            self._files = Files(self._tables.files)
        return self._files

    def file(self, media: MediaId) -> FileFacts:
        """Facts of a file. Raises UnknownIdError."""
        by_id = self.files().by_id
        if media.file not in by_id:
            raise UnknownIdError(f"{media}: no such file in this index; it may have been removed. Search again.")
        return by_id[media.file]

    def disk_path(self, file: FileFacts) -> str:
        """Where a file is on this disk."""
        return os.path.join(self.source, file.path)
