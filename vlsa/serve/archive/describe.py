"""Moments and files as the JSON of the server: by ids, without paths of this disk.

Reads answers (search/moments.py) and facts of files; feeds the routes.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.search.moments import Moment
from vlsa.serve.archive.ids import MediaId, MomentId, ThumbnailId
from vlsa.serve.archive.open_index import OpenIndex

TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".f4v": "video/mp4",
    ".mov": "video/quicktime",
    ".qt": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".ts": "video/mp2t",
    ".mts": "video/mp2t",
    ".m2ts": "video/mp2t",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".ogv": "video/ogg",
    ".flv": "video/x-flv",
    ".wmv": "video/x-ms-wmv",
    ".3gp": "video/3gpp",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".weba": "audio/webm",
}
"""Media types by the ending of a name; all else is sent as bytes that a browser neither shows nor runs."""


def media_type(path: str) -> str:
    """Of a media file, by the ending of its name."""
    return TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream")


def describe_moment(index: OpenIndex, moment: Moment, files: Mapping[str, FileFacts]) -> dict[str, Any]:
    """A moment with its ids and what a page shows of its file; `files` are the facts by path."""
    file = files[moment.path]
    media = MediaId(index.name, file.file_id)
    folder, _, name = file.path.rpartition("/")
    return moment.as_dict() | {
        "id": str(MomentId.of(media, moment.start_seconds, moment.stop_seconds)),
        "media_id": str(media),
        "path": shown_path(file.path),
        "name": shown_path(name),
        "folder": shown_path(folder),
        "duration_seconds": file.duration_seconds,
        "has_video": file.has_video,
        "has_audio": file.has_audio,
        "thumbnail": thumbnail(media, file, (moment.best_start_seconds + moment.best_stop_seconds) / 2),
        "mime": media_type(file.path),
    }


def thumbnail(media: MediaId, file: FileFacts, seconds: float) -> str | None:
    """The id of what a file shows at a time; None for sound alone."""
    return str(ThumbnailId(media, round(seconds * 1000))) if file.has_video else None


def describe_file(index: OpenIndex, file: FileFacts, *, is_local: bool) -> dict[str, Any]:
    """All facts of a file; where it is on the disk only for who sits at this machine."""
    media = MediaId(index.name, file.file_id)
    facts = asdict(file)
    del facts["metadata"]
    folder, _, name = file.path.rpartition("/")
    described = facts | {
        "media_id": str(media),
        "path": shown_path(file.path),
        "name": shown_path(name),
        "folder": shown_path(folder),
        "columns": file.columns,
        "mime": media_type(file.path),
        "thumbnail": thumbnail(media, file, min(file.duration_seconds / 2, 5.0)),
        "tags": [shown_path(tag) for tag in file.tags],
    }
    return described | ({"absolute_path": shown_path(index.disk_path(file))} if is_local else {})


def shown_path(path: str) -> str:
    """A path as valid text: bytes that are not UTF-8 as a replacement character."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def without_folders(text: str, index: OpenIndex) -> str:
    """A message that names no folder of this disk above the footage and the index."""
    for folder in (index.source, *index.places):
        text = text.replace(os.path.join(folder, ""), "").replace(folder, index.title)
    return shown_path(text)
