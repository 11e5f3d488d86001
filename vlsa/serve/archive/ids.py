"""The ids that clients know things by. None holds a path: a file is known by 16 hex digits within its index.

    media INDEX:FILE - moment INDEX:FILE:START_MS-STOP_MS - thumbnail INDEX:FILE:MS - upload upload:HEX

Feeds open_index.py and the routes.
"""

import re
from dataclasses import dataclass

from vlsa.serve.http.problems import UnknownIdError

_INDEX, _FILE, _MS = r"(?P<index>[A-Za-z0-9._-]{1,64})", r"(?P<file>[0-9a-f]{16})", r"[0-9]{1,10}"
_MEDIA = re.compile(rf"{_INDEX}:{_FILE}", re.ASCII)
_MOMENT = re.compile(rf"{_INDEX}:{_FILE}:(?P<start>{_MS})-(?P<stop>{_MS})", re.ASCII)
_THUMBNAIL = re.compile(rf"{_INDEX}:{_FILE}:(?P<at>{_MS})", re.ASCII)


@dataclass(frozen=True)
class MediaId:
    """A file of an index."""

    index: str
    file: str

    def __str__(self) -> str:
        return f"{self.index}:{self.file}"

    @classmethod
    def parse(cls, text: str) -> "MediaId":
        """Raises UnknownIdError."""
        found = _match(_MEDIA, text, "media file")
        return cls(found["index"], found["file"])


@dataclass(frozen=True)
class MomentId:
    """A stretch of a file of an index."""

    media: MediaId
    start_ms: int
    stop_ms: int

    def __str__(self) -> str:
        return f"{self.media}:{self.start_ms}-{self.stop_ms}"

    @classmethod
    def of(cls, media: MediaId, start_seconds: float, stop_seconds: float) -> "MomentId":
        """From times in seconds."""
        return cls(media, round(start_seconds * 1000), round(stop_seconds * 1000))

    @classmethod
    def parse(cls, text: str) -> "MomentId":
        """Raises UnknownIdError, also for one without length."""
        found = _match(_MOMENT, text, "moment")
        start_ms, stop_ms = int(found["start"]), int(found["stop"])
        if stop_ms <= start_ms:
            raise _unknown(text, "moment")
        return cls(MediaId(found["index"], found["file"]), start_ms, stop_ms)

    @property
    def start_seconds(self) -> float:
        return self.start_ms / 1000

    @property
    def stop_seconds(self) -> float:
        return self.stop_ms / 1000


@dataclass(frozen=True)
class ThumbnailId:
    """What a file shows at a time."""

    media: MediaId
    at_ms: int

    def __str__(self) -> str:
        return f"{self.media}:{self.at_ms}"

    @classmethod
    def parse(cls, text: str) -> "ThumbnailId":
        """Raises UnknownIdError."""
        found = _match(_THUMBNAIL, text, "thumbnail")
        return cls(MediaId(found["index"], found["file"]), int(found["at"]))


def _match(pattern: re.Pattern[str], text: str, what: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise _unknown(text, what)
    return found


def _unknown(text: str, what: str) -> UnknownIdError:
    return UnknownIdError(f"{text[:80]!r}: not the id of a {what}; there is nothing to show. Search again.")
