"""A question asked of an index: its tables as arrays, kept in memory, and the answer.

Reads an open index; feeds the commands. Every vector is compared, which suits up to about 100,000 windows.

    library = Library(Index.open("INDEX"))
    library.ask(question_of("a dog barks", where="duration > 60"))

Filters are evaluated on the table of files, whose columns are named here as people name them.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float32

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.search.answer import Answer, Searched, answer
from vlsa.retrieve.search.asked import asked_vectors
from vlsa.retrieve.search.moments import Windows
from vlsa.retrieve.search.near import shown_in
from vlsa.retrieve.search.question import Question
from vlsa.retrieve.search.spans import Span
from vlsa.retrieve.search.where.evaluate import passes
from vlsa.retrieve.search.where.expression import Kind
from vlsa.retrieve.search.where.parse import parse

if TYPE_CHECKING:
    from vlsa.retrieve.index.file_facts import FileFacts
    from vlsa.retrieve.index.index import Index
    from vlsa.retrieve.index.rows import IndexRow

COLUMNS: dict[str, Kind] = {
    "path": "text",
    "folder": "text",
    "name": "text",
    "duration": "number",
    "size": "number",
    "width": "number",
    "height": "number",
    "fps": "number",
    "recorded": "date",
    "modified": "date",
    "video_codec": "text",
    "audio_codec": "text",
    "has_video": "boolean",
    "has_audio": "boolean",
    "has_text": "boolean",
    "language": "text",
}
"""What a filter can name of every file; columns of a metadata.csv come in addition, as texts."""


class Library:
    """The arrays of an index as it was when this was made."""

    def __init__(self, index: "Index") -> None:
        self.index, self.files = index, index.file_facts()
        self.searched = read_searched(index)

    def ask(self, question: Question) -> Answer:
        """The answer. Raises VlsaError for what cannot be asked or searched, MediaError for an unreadable file."""
        kept = self.kept(question.where) if question.where else None
        if not len(self.searched.windows):
            raise SearchIndexError(
                f"{self.index.path}: the index is empty; nothing can be found. Add footage with `vlsa index`."
            )
        asked = asked_vectors(question, self.index.encoder, self.stored) if question.parts else []
        return answer(self.searched, question, asked, kept=kept)

    def kept(self, where: str) -> Bool[np.ndarray, " N"]:
        """Which windows are of files that a filter keeps. Raises VlsaError for one that cannot be read."""
        columns = COLUMNS | {name: "text" for file in self.files for name in file.columns if name not in COLUMNS}
        expression = parse(where, columns)
        paths = {file.path for file in self.files if passes(expression, row_of(file))}
        is_kept = np.array([path in paths for path in self.searched.paths], bool)
        return is_kept[self.searched.windows.file]

    def stored(self, span: Span) -> Mapping[str, Float32[np.ndarray, " D"]]:
        """The mean vectors, by modality, of the windows of a stretch; none for one that the index does not hold."""
        name = os.path.normpath(span.path)
        if name not in self.searched.paths or span.start_seconds is None or span.stop_seconds is None:
            return {}
        number = self.searched.paths.index(name)
        rows = shown_in(self.searched.windows, number, span.start_seconds, span.stop_seconds)
        return {
            modality: _mean(self.searched.vectors[modality][rows], len(self.searched.spaces))
            for modality in ("video", "audio")
            if self.searched.vectors[modality][rows].any()
        }


def row_of(file: "FileFacts") -> dict[str, object]:
    """A file as a filter sees it."""
    folder, _, name = file.path.rpartition("/")
    return file.columns | {
        "path": file.path,
        "folder": folder,
        "name": name,
        "duration": file.duration_seconds,
        "size": file.size_bytes,
        "width": file.width_px,
        "height": file.height_px,
        "fps": file.frames_per_second,
        "recorded": file.recorded_at,
        "modified": file.modified_at,
        "video_codec": file.video_codec,
        "audio_codec": file.audio_codec,
        "has_video": file.has_video,
        "has_audio": file.has_audio,
        "has_text": file.has_text,
        "language": file.subtitle_language,
    }


def read_searched(index: "Index") -> Searched:
    """Windows, texts and vectors of an index, in the order of paths and times."""
    rows = sorted(index.table.rows(), key=lambda row: (row.path, row.start_seconds, row.stop_seconds, row.id))
    paths = tuple(dict.fromkeys(row.path for row in rows))
    numbers = {path: number for number, path in enumerate(paths)}
    windows, texts = ([row for row in rows if row.kind == kind] for kind in ("window", "text"))
    width = index.facts["width"]
    return Searched(
        paths=paths,
        windows=_places(windows, numbers),
        vectors={name: _vectors(windows, name, width) for name in ("media", "video", "audio")},
        text_places=_places(texts, numbers),
        texts=tuple("\n".join(row.texts) for row in texts),
        text_vectors=_vectors(texts, "text_vector", width),
        spaces=tuple(index.facts["spaces"]),
    )


def _places(rows: "list[IndexRow]", numbers: Mapping[str, int]) -> Windows:
    return Windows(
        np.array([numbers[row.path] for row in rows], np.int64),
        np.array([row.start_seconds for row in rows], np.float64),
        np.array([row.stop_seconds for row in rows], np.float64),
    )


def _vectors(rows: "list[IndexRow]", name: str, width: int) -> Float32[np.ndarray, "N D"]:
    """Zeros where there is none."""
    found = np.zeros((len(rows), width), np.float32)
    for number, row in enumerate(rows):
        vector: Any = getattr(row, name)
        if vector is not None:
            found[number] = vector
    return found


def _mean(rows: Float32[np.ndarray, "n D"], num_spaces: int) -> Float32[np.ndarray, " D"]:
    """Of unit length in each space."""
    from vlsa.retrieve.encode.embed import unit_length

    return unit_length(rows.sum(axis=0, keepdims=True), num_spaces)[0]
