"""POST /api/export: moments, or a collection, as a file to download."""

import contextlib
import re
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.moments import Moment
from vlsa.serve.archive.kept_moments import KeptMoment, kept_moments, place_of
from vlsa.serve.http.problems import TooMuchError, UnknownIdError
from vlsa.serve.media.export import CutMoment, Footage, WrittenMoments, zip_bytes, zip_of_clips
from vlsa.serve.routes.services import Served, Services
from vlsa.serve.routes.streams import Streamed, attachment

router = APIRouter(prefix="/api", tags=["collections"])
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "srt": "application/x-subrip",
    "edl": "text/plain; charset=utf-8",
    "otio": "application/json",
    "zip": "application/zip",
}
MOST_MOMENTS, MOST_CLIPS = 5_000, 200
MOST_CLIP_SECONDS = 3_600.0
"""Of all clips together."""
TEXT_PATIENCE_SECONDS, CLIP_PATIENCE_SECONDS = 300.0, 600.0
"""For all of a table or list, and for one clip."""
Chosen = Sequence[tuple[Footage, Moment]]


class ExportBody(BaseModel):
    """What to write: moments by their ids, or a collection."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["csv", "jsonl", "srt", "edl", "otio", "clips"]
    moments: Annotated[list[str], Field(max_length=MOST_MOMENTS)] | None = None
    collection: str | None = None
    exact: bool = True
    """Of clips: to the frame, encoded anew; else copied from the key frame before."""


@router.post("/export", response_class=Response)
def export(body: ExportBody, served: Served) -> Response:
    """A file to save: csv, jsonl, srt, edl, otio, or a zip of clips (or of several files)."""
    if (body.moments is None) == (body.collection is None):
        raise VlsaError("export: moments or a collection, one of them; what is to be written is not clear.")
    title, chosen = _of_collection(served, body.collection) if body.collection else _of_ids(served, body.moments or [])
    if not chosen:
        raise VlsaError("export: no moment that an index holds; there is nothing to write. Choose some.")
    if body.format == "clips":
        _check_clips(chosen)
        return Streamed(_clips(served, chosen, body.exact), TYPES["zip"], attachment(f"{title}.zip"))
    task = WrittenMoments(tuple(chosen), f".{body.format}", title, served.settings.is_private)
    files = served.jobs.run(task, "export", TEXT_PATIENCE_SECONDS)
    if len(files) > 1:
        return Response(zip_bytes(files), media_type=TYPES["zip"], headers=attachment(f"{title}.zip"))
    ((name, data),) = files.items()
    return Response(data, media_type=TYPES[body.format], headers=attachment(name))


def _of_ids(served: Services, ids: Sequence[str]) -> tuple[str, Chosen]:
    chosen = []
    found = kept_moments(served.catalogue, [place_of(served.catalogue, id) for id in ids])
    for id, kept in zip(ids, found, strict=True):
        if kept is None:  # the index was written in between
            raise UnknownIdError(f"{id[:80]!r}: not in the index any more; nothing was written. Search again.")
        chosen.append((_footage(kept), kept.moment))
    return "moments", chosen


def _of_collection(served: Services, id: str) -> tuple[str, Chosen]:
    """The moments of a collection that are still there, each with its note as the first of its texts."""
    collection = served.collections.find(id)
    if collection is None:
        raise UnknownIdError(f"{id[:40]!r}: no such collection; nothing was written. Reload.")
    items, chosen = collection.items[:MOST_MOMENTS], []
    for item, kept in zip(items, kept_moments(served.catalogue, [item.place for item in items]), strict=True):
        if kept is not None:
            noted = replace(kept.moment, texts=(*filter(None, [item.note]), *kept.moment.texts))
            chosen.append((_footage(kept), noted))
    return re.sub(r"[^\w .-]+", "_", collection.name).strip(". ") or "collection", chosen


def _footage(kept: KeptMoment) -> Footage:
    return Footage(kept.index.name, kept.index.source)


def _check_clips(chosen: Chosen) -> None:
    """Raises TooMuchError for more than one download may be."""
    seconds = sum(moment.stop_seconds - moment.start_seconds for _, moment in chosen)
    if len(chosen) > MOST_CLIPS or seconds > MOST_CLIP_SECONDS:
        raise TooMuchError(
            f"export: {len(chosen)} clips of {seconds:,.0f} s in all; at most {MOST_CLIPS} clips and "
            f"{MOST_CLIP_SECONDS:,.0f} s are cut at a time. Choose fewer, or use vlsa search --cut."
        )


def _clips(served: Services, chosen: Chosen, exact: bool) -> Generator[bytes, None, None]:
    """The bytes of a zip of clips, as they are cut."""
    with served.jobs.slot(), tempfile.TemporaryDirectory() as folder:
        tasks = [CutMoment(footage, moment, folder, exact) for footage, moment in chosen]
        labels = [f"{moment.rank:03d} {moment.path}" for _, moment in chosen]
        with contextlib.closing(served.jobs.outcomes(tasks, "cutting", CLIP_PATIENCE_SECONDS)) as outcomes:
            yield from zip_of_clips(outcomes, labels)
