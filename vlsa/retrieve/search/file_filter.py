"""Filters on the files of an index: the columns as people name them, and which files a filter keeps.

Reads facts of files; feeds tables.py.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlsa.retrieve.search.where.columns import FilterColumns, composed
from vlsa.retrieve.search.where.evaluate import passes
from vlsa.retrieve.search.where.expression import Kind
from vlsa.retrieve.search.where.parse import parse

if TYPE_CHECKING:
    from vlsa.retrieve.index.file_facts import FileFacts

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
    "text_from": "text",
}
"""What a filter can name of every file; columns of a metadata.csv come in addition."""


def kept_paths(where: str, files: "Sequence[FileFacts]") -> set[str]:
    """Of the files that a filter keeps. Raises VlsaError for one that cannot be read."""
    columns = FilterColumns.of(COLUMNS, [file.columns for file in files])
    expression = parse(where, columns.kinds)
    return {file.path for file in files if passes(expression, columns.row(facts_of(file), file.columns))}


def facts_of(file: "FileFacts") -> dict[str, object]:
    """What a filter can name of a file."""
    path = composed(file.path)
    folder, _, name = path.rpartition("/")
    return {
        "path": path,
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
        "text_from": file.text_from,
    }
