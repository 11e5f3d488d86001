"""One row of the table of files of an index: what filters and pages want to know of a media file.

Made by survey.py; written and read by lance.py. Imports no media library.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal

from vlsa.retrieve.index.source import SourceFile


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """A media file that can be found. What is not known, as of a clip store, is None."""

    path: str
    """Relative to the source, with forward slashes; absolute for a file elsewhere."""
    file_id: str
    """16 hex digits that follow from the path; ids of rows start with them."""
    content: str = ""
    """Digest of the bytes; equal for copies."""
    size_bytes: int | None = None
    modified_at: str | None = None
    """ISO 8601 in UTC."""
    recorded_at: str | None = None
    """ISO 8601 in UTC, from what `recorded_from` says."""
    recorded_from: Literal["container", "file"] | None = None
    """The container's creation time, else the time of the last change of the file."""
    duration_seconds: float = 0.0
    """To the end of the longer of video and audio."""
    width_px: int | None = None
    height_px: int | None = None
    frames_per_second: float | None = None
    sample_rate_hz: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    has_video: bool = False
    has_audio: bool = False
    has_text: bool = False
    has_subtitles: bool = False
    """Whether a subtitle stream holds text, which is used where nothing else has the file's text."""
    text_from: Literal["table", "sidecar", "subtitles", "transcript"] | None = None
    """A transcript was heard by a model for speech; the others were written for the file."""
    subtitle_language: str | None = None
    tags: tuple[str, ...] = ()
    """The folders that it lies in."""
    metadata: str = "{}"
    """Its row of metadata.csv as a JSON object of texts."""

    @property
    def columns(self) -> dict[str, str]:
        """Its row of metadata.csv."""
        return json.loads(self.metadata)

    def fault(self) -> str:
        """What of these facts no file has, as in an index that somebody changed; empty if nothing is."""
        metadata = _parsed(self.metadata)
        no_times = [date for date in (self.modified_at, self.recorded_at) if not _is_time(date)]
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            return "its metadata are no texts by name"
        if no_times:
            return f"{no_times[0]!r:.40} is no time"
        return "" if 0 <= self.duration_seconds < math.inf else f"{self.duration_seconds} is no duration"

    def digest(self) -> str:
        """Of all these facts; whole numbers count as what the table makes of them."""
        values = [float(value) if type(value) is int else value for value in astuple(self)]
        return hashlib.blake2b(repr(values).encode(), digest_size=16).hexdigest()

    def of(self, file: SourceFile) -> "FileFacts":
        """The same media under the name, times and labels of this file."""
        from_file, modified_at = self.recorded_from != "container", _utc(file.modified_seconds)
        return replace(
            self,
            path=file.path,
            file_id=file_id(file.path),
            size_bytes=file.size_bytes,
            modified_at=modified_at,
            recorded_at=modified_at if from_file else self.recorded_at,
            recorded_from=("file" if modified_at else None) if from_file else "container",
            tags=PurePosixPath(file.path).parts[:-1] if not file.path.startswith("/") else (),
            metadata=_as_json(file.metadata),
        )


def file_id(path: str) -> str:
    """16 hex digits for the path of a file."""
    return hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=8).hexdigest()


def _utc(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601; None for what is no date, as of files whose clock was broken."""
    try:
        return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}".zfill(20)
    except (ValueError, OverflowError, OSError):
        return None


def _is_time(text: str | None) -> bool:
    """Whether it is a time as `_utc` writes it, or none is known."""
    try:
        return text is None or (len(text) >= 10 and bool(datetime.fromisoformat(text)))
    except ValueError:
        return False


def _parsed(metadata: str) -> object:
    try:
        return json.loads(metadata)
    except (ValueError, TypeError, RecursionError):
        return None


def _as_json(metadata: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(metadata.items())), ensure_ascii=False)
