"""The files themselves, with ranges, and images of what they show and sound like."""

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from vlsa.base.errors import MediaError, VlsaError
from vlsa.data.media.suffixes import MEDIA_SUFFIXES, is_animation, seems_media
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.serve.archive.describe import media_type
from vlsa.serve.archive.ids import MediaId, ThumbnailId
from vlsa.serve.media.images import Thumbnail, nearest_width
from vlsa.serve.media.sounds import LONGEST_SECONDS, Peaks, Spectrogram
from vlsa.serve.media.task import Task
from vlsa.serve.routes.sent_file import SentFile
from vlsa.serve.routes.services import Served, Services

router = APIRouter(tags=["media"])
KEEP_SECONDS = 86_400
"""How long a browser may keep a file without asking again; its address says which state of the file it is."""
ASKED_AGAIN = "private, no-cache"
"""Of what has one address whatever becomes of its file: a browser keeps it, and asks whether it is still so."""
MOST_POINTS, MOST_PX = 4000, 2000
Time = Annotated[float | None, Query(ge=0, le=1e7, allow_inf_nan=False)]


@dataclass(frozen=True)
class FoundFile:
    """A file of an index that is on this disk."""

    path: str
    state: os.stat_result
    facts: FileFacts

    @property
    def identity(self) -> tuple[object, ...]:
        """Another one after the file was written."""
        return self.path, self.state.st_size, self.state.st_mtime_ns

    @property
    def version(self) -> str:
        """The same in a few letters, which tell no path."""
        return digest(self.identity, 6)


@router.get("/media/{media_id}", response_class=SentFile)
@router.head("/media/{media_id}", include_in_schema=False)
def media(
    media_id: str, served: Served, v: Annotated[str, Query(description="Its state, from /api/playback.")] = ""
) -> SentFile:
    """A file of an index, or the range of it that is asked for."""
    found = found_file(served, MediaId.parse(media_id))
    headers = {"ETag": f'"{found.version}"'}
    headers |= {"Cache-Control": f"private, max-age={KEEP_SECONDS}" if v == found.version else ASKED_AGAIN}
    return SentFile(found.path, media_type=media_type(found.path), stat_result=found.state, headers=headers)


@router.get("/api/thumbnails/{thumbnail_id}", response_class=Response)
def thumbnails(
    thumbnail_id: str, served: Served, request: Request, width: Annotated[int, Query(ge=16, le=4096)] = 320
) -> Response:
    """What a file shows at a time, as a JPEG that is at most so wide."""
    asked = ThumbnailId.parse(thumbnail_id)
    found = found_file(served, asked.media)
    task = Thumbnail(found.path, asked.at_ms / 1000, nearest_width(width), found.facts.duration_seconds)
    return made(served, request, found, task, "image/jpeg")


@router.get("/api/waveforms/{media_id}")
def waveforms(
    media_id: str,
    served: Served,
    request: Request,
    start: Time = None,
    stop: Time = None,
    points: Annotated[int, Query(ge=1, le=MOST_POINTS)] = 800,
) -> Response:
    """The lowest and highest sample (-1 to 1) in equal parts of a stretch; none without sound."""
    found = found_file(served, MediaId.parse(media_id))
    first, last = stretch(found.facts, start, stop)
    task = Peaks(found.path, first, last, points, found.facts.duration_seconds)
    peaks = made(served, request, found, task, "application/json")
    if peaks.status_code == 200:
        times = f'"start_seconds": {first!r}, "stop_seconds": {last!r}'
        body = f'{{{times}, "peaks": '.encode() + bytes(peaks.body) + b"}"
        return Response(
            body,
            media_type="application/json",
            headers={name: peaks.headers[name] for name in ("etag", "cache-control")},
        )
    return peaks


@router.get("/api/spectrograms/{media_id}", response_class=Response)
def spectrograms(
    media_id: str,
    served: Served,
    request: Request,
    start: Time = None,
    stop: Time = None,
    width: Annotated[int, Query(ge=16, le=MOST_PX)] = 1200,
    height: Annotated[int, Query(ge=16, le=MOST_PX)] = 160,
) -> Response:
    """The loudness of a stretch by time and (log) frequency, as a PNG."""
    found = found_file(served, MediaId.parse(media_id))
    first, last = stretch(found.facts, start, stop)
    task = Spectrogram(found.path, first, last, width, height, found.facts.duration_seconds)
    return made(served, request, found, task, "image/png")


def found_file(served: Services, media_id: MediaId) -> FoundFile:
    """Where a file of an index is. Raises UnknownIdError, and MediaError when it is not there or no media file."""
    index, file = served.catalogue.file(media_id)
    path = index.disk_path(file)
    if not _is_media(path):  # an index may come from anywhere, and name any file
        raise MediaError(
            f"{file.path}: neither named as media nor media; it is not shown. Index again.", reason="missing"
        )
    try:
        state = os.stat(path)
    except (OSError, ValueError) as error:
        raise MediaError(
            f"{file.path}: not on this disk any more; it cannot be played. Plug in its drive, or index again.",
            reason="missing",
        ) from error
    if not stat.S_ISREG(state.st_mode):
        raise MediaError(f"{file.path}: not a file any more; it cannot be played. Index again.", reason="missing")
    return FoundFile(path, state, file)


def _is_media(path: str) -> bool:
    """Whether an index takes a file of this name, or else with this beginning, for media."""
    return os.path.splitext(path)[1].lower() in MEDIA_SUFFIXES or is_animation(path) or seems_media(path)


def stretch(file: FileFacts, start: float | None, stop: float | None) -> tuple[float, float]:
    """Start and stop in seconds, within the file; all of it where none is given. Raises VlsaError."""
    first = start or 0.0
    last = min(file.duration_seconds if stop is None else stop, file.duration_seconds or LONGEST_SECONDS)
    if not first < last:
        raise VlsaError(f"{file.path}: from {first:g} to {last:g} s there is nothing. Choose times within the file.")
    if last - first > LONGEST_SECONDS:
        raise VlsaError(
            f"{file.path}: {last - first:,.0f} s at once; {LONGEST_SECONDS:,.0f} s can be drawn. Ask for a part of it."
        )
    return first, last


def digest(key: tuple[object, ...], num_bytes: int) -> str:
    """Hex digits that stand for a state of a file."""
    return hashlib.blake2b(repr(key).encode(errors="surrogateescape"), digest_size=num_bytes).hexdigest()


def made(served: Services, request: Request, found: FoundFile, task: Task, kind: str) -> Response:
    """What a task makes of a file, from the cache if it is there; 304 if the browser has it."""
    key: tuple[Any, ...] = (*found.identity, task)
    etag = f'"{digest(key, 12)}"'
    headers = {"ETag": etag, "Cache-Control": ASKED_AGAIN}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    data = served.cache.get(key, lambda: served.decode(task, os.path.basename(found.path)))
    return Response(data, media_type=kind, headers=headers)
