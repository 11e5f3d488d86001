"""The files themselves, with ranges, and images of what they show."""

import os
import stat
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from vlsa.base.errors import MediaError
from vlsa.serve.archive.describe import media_type
from vlsa.serve.archive.ids import MediaId, ThumbnailId
from vlsa.serve.media.images import Thumbnail, nearest_width
from vlsa.serve.routes.services import Served, Services

router = APIRouter(tags=["media"])
KEEP_SECONDS = 86_400
"""How long a browser may keep an image without asking again."""


@router.api_route("/media/{media_id}", methods=["GET", "HEAD"])
def media(media_id: str, served: Served) -> FileResponse:
    """A file of the index, or the range of it that is asked for."""
    path, state = found_file(served, MediaId.parse(media_id))
    headers = {"Cache-Control": f"private, max-age={KEEP_SECONDS}"}
    return FileResponse(path, media_type=media_type(path), stat_result=state, headers=headers)


@router.get("/api/thumbnails/{thumbnail_id}", response_class=Response)
def thumbnails(
    thumbnail_id: str, served: Served, request: Request, width: Annotated[int, Query(ge=16, le=4096)] = 320
) -> Response:
    """What a file shows at a time, as a JPEG."""
    found = ThumbnailId.parse(thumbnail_id)
    path, state = found_file(served, found.media)
    task = Thumbnail(path, found.at_ms / 1000, nearest_width(width))
    return cached_image(served, request, task, ("thumbnail", *_identity(path, state), found.at_ms, task.width_px))


def found_file(served: Services, media_id: MediaId) -> tuple[str, os.stat_result]:
    """Where a file of an index is, and its state. Raises UnknownIdError, MediaError when it is not there."""
    index, file = served.catalogue.file(media_id)
    path = index.disk_path(file)
    try:
        state = os.stat(path)
    except (OSError, ValueError) as error:
        raise MediaError(
            f"{file.path}: not on this disk any more; it cannot be played. Plug in its drive, or index again.",
            reason="missing",
        ) from error
    if not stat.S_ISREG(state.st_mode):
        raise MediaError(f"{file.path}: not a file any more; it cannot be played. Index again.", reason="missing")
    return path, state


def cached_image(served: Services, request: Request, task: Thumbnail, key: tuple[object, ...]) -> Response:
    """The image that a task makes, from the cache if it is there, or 304 if the browser has it."""
    data = served.cache.get(key, lambda: served.decode(task, os.path.basename(task.path)))
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": f"private, max-age={KEEP_SECONDS}"})


def _identity(path: str, state: os.stat_result) -> tuple[object, ...]:
    """Another one after the file was written."""
    return path, state.st_size, state.st_mtime_ns
