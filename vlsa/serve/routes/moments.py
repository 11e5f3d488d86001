"""One moment and what is around it: GET /api/moments/{id}."""

from typing import Any

import numpy as np
from fastapi import APIRouter

from vlsa.retrieve.search.moments import TOUCHING_SECONDS
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.describe import describe_file, describe_moment
from vlsa.serve.archive.ids import MomentId
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.archive.plain_moment import plain_moment
from vlsa.serve.http.problems import UnknownIdError
from vlsa.serve.routes.services import Served

router = APIRouter(prefix="/api", tags=["archive"])


@router.get("/moments/{moment_id}")
def moments(moment_id: str, served: Served) -> dict[str, Any]:
    """A moment with the facts, texts and windows of its file, and the windows before and after it."""
    asked = MomentId.parse(moment_id)
    index, file = served.catalogue.file(asked.media)
    if asked.start_seconds >= (file.duration_seconds or np.inf):
        raise UnknownIdError(f"{moment_id}: starts after the end of its file; there is nothing. Search again.")
    around = index.reading(lambda tables: _around(index, tables, asked, file.path))
    return around | {"file": describe_file(index, file, is_local=served.settings.is_private)}


def _around(index: OpenIndex, tables: SearchTables, asked: MomentId, path: str) -> dict[str, Any]:
    searched = tables.searched
    number = searched.paths.index(path) if path in searched.paths else -1
    rows, texts = np.flatnonzero(searched.windows.file == number), np.flatnonzero(searched.text_places.file == number)
    windows = [(float(searched.windows.start_seconds[row]), float(searched.windows.stop_seconds[row])) for row in rows]
    spoken = [
        {
            "start_seconds": float(searched.text_places.start_seconds[row]),
            "stop_seconds": float(searched.text_places.stop_seconds[row]),
            "text": searched.texts[row],
            "language": searched.languages[row],
        }
        for row in texts
    ]
    before, after = neighbours(windows, asked.start_seconds, asked.stop_seconds)

    def described(times: tuple[float, float] | None) -> dict[str, Any] | None:
        if times is None:
            return None
        return describe_moment(index, plain_moment(searched, path, *times), index.files().by_path)

    return {
        "moment": described((asked.start_seconds, asked.stop_seconds)),
        "texts": spoken,
        "neighbours": {"before": described(before), "after": described(after)},
        "windows": [{"start_seconds": start, "stop_seconds": stop} for start, stop in sorted(windows)],
    }


def neighbours(
    windows: list[tuple[float, float]], start_seconds: float, stop_seconds: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """The windows (start, stop) before and after a stretch: the nearest that do not overlap it, else that reach out."""
    before = [one for one in windows if one[1] <= start_seconds + TOUCHING_SECONDS]
    after = [one for one in windows if one[0] >= stop_seconds - TOUCHING_SECONDS]
    before = before or [one for one in windows if one[0] < start_seconds - TOUCHING_SECONDS]
    after = after or [one for one in windows if one[1] > stop_seconds + TOUCHING_SECONDS]
    return max(before, default=None), min(after, default=None)
