"""Rows on their way into an index: collected by file, and written in large steps once a file is finished.

Used by update.py. A file is in the index with all its rows, or not at all.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import Progress
from vlsa.config import num_shared
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.retrieve.encode.embed import batches
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.report import stored
from vlsa.retrieve.index.rows import IndexRow, as_stored, covered_seconds, rows_digest
from vlsa.retrieve.index.source import SourceFile
from vlsa.retrieve.index.texts import FileText, text_row

ROWS_PER_WRITE = 1000
SECONDS_PER_WRITE = 60.0
"""A slow machine writes earlier, so that little work is repeated after a kill."""
TEXTS_PER_BATCH = 256


@dataclass
class MediaFile:
    """A file to be indexed."""

    source: SourceFile
    facts: FileFacts
    content: str = ""
    windows: list[ClipRow] = field(default_factory=list)
    """To be encoded; their paths are absolute."""
    texts: list[FileText] = field(default_factory=list)
    text_vectors: Mapping[str, Float32[np.ndarray, " D"]] = field(default_factory=dict)
    """Of texts that were encoded before."""
    rows: list[IndexRow] = field(default_factory=list)
    """Windows with their vectors."""
    rejections: list[Rejection] = field(default_factory=list)
    replaces: tuple[str, ...] = ()
    """Paths that it had before."""
    num_done: int = 0
    """Windows that are encoded or rejected."""

    @property
    def finished(self) -> bool:
        return self.num_done == len(self.windows)


class Writer:
    """Collects what becomes of the windows of some files, and writes the files that are finished."""

    def __init__(self, index: Index, encoder: Encoder, files: Sequence[MediaFile], progress: Progress | None) -> None:
        self._index, self._encoder, self._progress = index, encoder, progress
        self._by_id = {row.id: file for file in files for row in file.windows}
        self.windows = [row for file in files for row in file.windows]
        self.paths = {row.id: file.source.path for file in files for row in file.windows}
        """The path to record for each window."""
        self._finished: list[MediaFile] = []
        self._num_done, self._num_waiting_for_write, self._written_at = 0, 0, time.monotonic()

    def add(self, *outcomes: IndexRow | Rejection) -> None:
        """Windows, of any of the files, that are encoded or rejected; with its last one a file is finished."""
        for outcome in outcomes:
            file = self._by_id[outcome.id]
            if isinstance(outcome, IndexRow):
                file.rows.append(outcome)
            else:
                file.rejections.append(outcome)
            file.num_done += 1
            assert file.num_done <= len(file.windows), file.source.path
            self._num_done += 1
            if self._progress:
                self._progress(self._num_done, len(self.windows), f"windows encoded: {file.source.path}")
            if file.finished:
                self.finish(file)

    def finish(self, file: MediaFile) -> None:
        """Take a file that has all its windows, in this or an earlier run."""
        self._finished.append(file)
        self._num_waiting_for_write += len(file.rows) + len(file.texts)
        due = time.monotonic() - self._written_at > SECONDS_PER_WRITE
        if due or self._num_waiting_for_write >= ROWS_PER_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write and acknowledge what is finished."""
        if self._finished:
            vectors = self._text_vectors()
            rows = {
                file.source.path: as_stored([*file.rows, *self._text_rows(file, vectors)], self._index.precision)
                for file in self._finished
            }
            lines = [self._line(file, rows[file.source.path]) for file in self._finished]
            facts = [_final_facts(file) for file in self._finished if rows[file.source.path]]
            removed = sorted({path for file in self._finished for path in file.replaces})
            self._index.add([row for found in rows.values() for row in found], lines, facts, removed)
        for file in self._finished:
            file.rows, file.text_vectors = [], {}  # their vectors would fill the memory
        self._finished, self._num_waiting_for_write, self._written_at = [], 0, time.monotonic()

    def _text_vectors(self) -> dict[str, Float32[np.ndarray, " D"]]:
        """Vectors of all texts of the finished files, each encoded once; none from a model that does not read."""
        if not num_shared("text", "text", self._encoder.spaces):
            return {}
        known = {text: vector for file in self._finished for text, vector in file.text_vectors.items()}
        new = dict.fromkeys(text.text for file in self._finished for text in file.texts if text.text not in known)
        for part in batches(new, TEXTS_PER_BATCH):
            vectors = self._encoder.encode_text(part)
            if not np.isfinite(vectors).all():
                raise SearchIndexError(
                    f"{self._index.path}: the model gives vectors that are not finite for texts; they cannot be "
                    "compared, and nothing of these files was written. Check the run: vlsa doctor RUN."
                )
            known |= dict(zip(part, vectors, strict=True))
        return known

    def _text_rows(self, file: MediaFile, vectors: Mapping[str, Float32[np.ndarray, " D"]]) -> list[IndexRow]:
        rows = (text_row(text, file.source.path, file.facts.file_id, self._encoder.spaces) for text in file.texts)
        return [replace(row, text_vector=vectors.get(row.texts[0])) for row in rows]

    def _line(self, file: MediaFile, rows: Sequence[IndexRow]) -> IndexedFile:
        media, words, labels = file.source.states
        return IndexedFile(
            path=file.source.path,
            media=media,
            words=words,
            labels=labels,
            content=file.content,
            rows=rows_digest(rows),
            num_windows=len(file.rows),
            num_texts=len(rows) - len(file.rows),
            seconds=file.facts.duration_seconds,
            covered_seconds=covered_seconds(file.rows),
            rejections=tuple(stored(rejection, self._index.facts["source"]) for rejection in file.rejections),
        )


def _final_facts(file: MediaFile) -> FileFacts:
    facts = replace(file.facts, content=file.content, has_text=bool(file.texts))
    if file.source.clips:  # of a store, which knows its clips alone
        has_video, has_audio = (any(getattr(row, name) is not None for row in file.rows) for name in ("video", "audio"))
        facts = replace(facts, has_video=has_video, has_audio=has_audio)
    return facts
