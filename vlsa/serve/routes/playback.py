"""How a browser plays a file: as it is, converted while it plays, or not at all."""

import os
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from vlsa.base.errors import MediaError
from vlsa.data.media.probe import LONGEST_FILE_SECONDS
from vlsa.serve.archive.describe import media_type
from vlsa.serve.archive.ids import MediaId
from vlsa.serve.media.playable import EVERYWHERE, Verdict, abilities, verdict
from vlsa.serve.media.transcode import Wanted
from vlsa.serve.routes.media import found_file
from vlsa.serve.routes.services import Served, Services
from vlsa.serve.routes.streams import Streamed, unless_gone

router = APIRouter(tags=["media"])
CONVERTED = "video/mp4"
REST_SECONDS = 1.0
"""After the end by the index, so that nothing is cut off."""


@router.get("/api/playback/{media_id}")
def playback(
    media_id: str,
    served: Served,
    can: Annotated[
        list[str] | None,
        Query(description="Media types that `canPlayType` does not refuse.", examples=[[EVERYWHERE[0]]], max_length=64),
    ] = None,
    failed: Annotated[bool, Query(description="Whether playing it as it is was tried, and failed.")] = False,
) -> dict[str, Any]:
    """Where to play a file from: `how` is direct, transcoded or none, `reason` says why it is not direct.

    A converted file starts at the time `start` (seconds) that is added to its address, and cannot be sought in: to go
    elsewhere it is loaded again with another `start`.
    """
    asked = MediaId.parse(media_id)
    _, file = served.catalogue.file(asked)
    try:
        version = found_file(served, asked).version
    except MediaError as error:
        return {"url": None, "how": "none", "reason": str(error), "mime": None}
    if not (file.has_video or file.has_audio):
        reason = f"{file.path}: has neither video nor sound; there is nothing to play. Read its text."
        return {"url": None, "how": "none", "reason": reason, "mime": None}
    given = verdict(file, abilities(can or EVERYWHERE))
    if failed and given.is_direct:
        given = Verdict(False, "this browser could not play the file as it is")
    url = f"/media/{quote(str(asked), safe='')}"
    if given.is_direct:
        return {"url": f"{url}?v={version}", "how": "direct", "reason": "", "mime": media_type(file.path)}
    reason = f"{os.path.basename(file.path)}: {given.reason}; it is converted while it plays."
    return {"url": f"{url}/stream", "how": "transcoded", "reason": reason, "mime": CONVERTED}


@router.get("/media/{media_id}/stream", response_class=StreamingResponse)
async def stream(
    media_id: str,
    served: Served,
    request: Request,
    start: Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False, description="Seconds of the file.")] = 0.0,
    width: Annotated[int, Query(ge=160, le=1920, description="Wider frames are made smaller.")] = 1280,
) -> StreamingResponse:
    """A file from a time on, converted to fragmented MP4 (H.264, AAC). Time 0 of it is `start`."""
    wanted = Wanted()
    async with unless_gone(request, wanted.no_more):
        return await run_in_threadpool(_converted, served, media_id, start, width, wanted)


def _converted(served: Services, media_id: str, start: float, width: int, wanted: Wanted) -> StreamingResponse:
    found = found_file(served, MediaId.parse(media_id))
    stop = (found.facts.duration_seconds or LONGEST_FILE_SECONDS) + REST_SECONDS
    if start >= stop:
        raise MediaError(f"{found.facts.path}: ends before {start:g} s; there is nothing to play. Choose another time.")
    duration = found.facts.duration_seconds
    pieces = served.transcoder.pieces(found.path, start, stop, width, wanted, duration_seconds=duration)
    return Streamed(pieces, CONVERTED, {"Cache-Control": "no-store", "Accept-Ranges": "none"})
